// Follows what happens on the server: quickly while a reply grows, about once a second otherwise.
const IDLE = 1000;
const HIDDEN = 5000;
const FULL_EVERY = 900;
const SMALLEST_STEP = 30;

export class Follower {
  constructor(page) {
    this.page = page;
    this.timer = null;
    this.asking = false;
    this.lastFull = 0;
    this.offline = false;
    document.addEventListener("visibilitychange", () => this.wake());
    this.wake();
  }

  wake() {
    clearTimeout(this.timer);
    if (this.asking) this.again = true;
    else this.ask();
  }

  plan(started) {
    clearTimeout(this.timer);
    const live = this.page.transcript.live();
    let wait = document.hidden ? HIDDEN : IDLE;
    if (this.offline) wait = IDLE;
    else if (live) wait = document.hidden ? IDLE : Math.max(0, SMALLEST_STEP - (performance.now() - started));
    this.timer = setTimeout(() => this.ask(), wait);
  }

  async ask() {
    if (this.asking) return;
    this.asking = true;
    const started = performance.now();
    const conversation = this.page.conversation?.id ?? null;
    const live = this.page.transcript.live();
    const full = started - this.lastFull > FULL_EVERY || !live;
    if (full) this.lastFull = started;
    try {
      const news = await this.page.server.follow({
        ...this.page.where(),
        full,
        live: live ? { id: live.item.id, version: live.version, stable: live.stable } : null,
      });
      this.setOffline(false);
      if ((this.page.conversation?.id ?? null) === conversation) await this.take(news, live);
    } catch {
      // The server is away (stopped or restarting): say so and go on asking.
      this.setOffline(true);
    } finally {
      this.asking = false;
      if (this.again) {
        this.again = false;
        this.ask();
      } else {
        this.plan(started);
      }
    }
  }

  async take(news, live) {
    if (news.trouble) this.page.notices.show({ tone: "error", text: news.trouble });
    if (news.live) this.page.transcript.grow(news.live);
    if (news.item) this.page.transcript.finish(news.item);
    if (news.status) this.page.status.show(news.status);
    this.page.noteList(news.list_version);
    if (news.title !== undefined && this.page.conversation) this.page.titlebar.show({ ...this.page.conversation, title: news.title });
    if (news.stale && this.page.transcript.live() === live) {
      const view = await this.page.server.window(this.page.where());
      if (view.conversation?.id === this.page.conversation?.id) this.page.apply(view);
    }
  }

  setOffline(offline) {
    if (offline === this.offline) return;
    this.offline = offline;
    this.page.status.setOffline(offline);
  }
}
