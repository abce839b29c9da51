// The transcript: keeps the elements of the shown messages in step with the views, and the reader's place in it.
import { el, fromSanitised, icon, type } from "./dom.js";
import { openEditor } from "./editor.js";
import { buildMessage, labelCode, signature, writeClipboard } from "./message.js";
import { number, t } from "./strings.js";

const AT_END = 48;

export class Transcript {
  constructor(page) {
    this.page = page;
    this.log = page.mounts.transcript.element.querySelector(".log");
    this.list = el("div", { class: "messages" });
    this.top = el("div", { class: "earlier", hidden: true });
    this.latest = el("button", { type: "button", class: "latest", hidden: true, onclick: () => this.toEnd(true) });
    this.log.append(this.top, this.list);
    page.mounts.transcript.element.append(this.latest);
    this.items = new Map();
    this.welcome = null;
    this.empty = true;
    this.earlier = 0;
    this.closing = null;
    this.following = true;
    this.log.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.log.addEventListener("click", (event) => this.clicked(event));
    new IntersectionObserver((entries) => entries.some((e) => e.isIntersecting) && this.loadEarlier(), { root: this.log, rootMargin: "400px" }).observe(this.top);
    new ResizeObserver(() => this.following && this.toEnd(false)).observe(this.list);
  }

  relabel() {
    const items = [...this.items.values()].map((entry) => entry.item);
    this.items.clear();
    this.list.replaceChildren();
    this.put(items);
    this.showWelcome(this.page.conversation);
    this.latest.replaceChildren(icon("down"), t("latest"));
    this.showTop();
  }

  show(view, changed) {
    if (changed) {
      this.items.clear();
      this.list.replaceChildren();
      this.following = true;
    }
    const keep = view.items.length > 0 && this.items.has(view.items[0].id);
    const ids = new Set(view.items.map((item) => item.id));
    let older = keep;
    for (const id of [...this.items.keys()]) {
      if (ids.has(id)) older = false;
      else if (!older) this.remove(id);
    }
    const extra = [...this.items.keys()].filter((id) => !ids.has(id)).length;
    this.earlier = Math.max(0, view.earlier - extra);
    if (this.closing && view.edited === this.closing.id) this.finishClosing();
    this.leftOutAbove = view.left_out_above;
    this.put(view.items);
    this.empty = view.items.length === 0;
    this.showWelcome(view.conversation);
    this.showTop();
    const sent = view.items.some((item) => item.live);
    if (changed || sent) this.following = true;
    if (this.following) this.toEnd(false);
  }

  finishClosing() {
    const { close } = this.closing;
    this.closing = null;
    close();
  }

  closeWhenDone(id, close) {
    this.closing = { id, close };
  }

  remove(id) {
    this.items.get(id)?.node.remove();
    this.items.delete(id);
  }

  put(items) {
    for (const item of items) {
      const known = this.items.get(item.id);
      const sign = signature(item);
      if (known && known.sign === sign) {
        known.item = item;
        if (item.live) this.grow(item.live);
        continue;
      }
      const node = buildMessage(item, this.page);
      if (known?.node.querySelector(".editor")) {
        // A message that is being edited keeps its editor: what is typed there is not to be lost.
        known.item = item;
        continue;
      }
      if (known) known.node.replaceWith(node);
      else this.list.append(node);
      this.items.set(item.id, { item, node, sign, stable: 0, version: -1 });
      if (item.live) this.grow(item.live);
    }
    this.markLast();
  }

  markLast() {
    const entries = [...this.items.values()];
    entries.forEach((entry, index) => entry.node.classList.toggle("last", index === entries.length - 1));
    this.list.querySelector(".left-out-line")?.remove();
    const first = this.leftOutAbove && this.items.get(this.leftOutAbove);
    if (first) first.node.before(el("p", { class: "left-out-line" }, t("left_out_line")));
    document.body.dataset.live = String(Boolean(this.live()));
  }

  live() {
    for (const entry of [...this.items.values()].reverse()) if (entry.item.live) return entry;
    return null;
  }

  // Take the changed blocks of the growing reply.
  grow(live) {
    const entry = this.items.get(live.id);
    if (!entry || !entry.item.live) return;
    const body = entry.node.querySelector(".body");
    let parts = body.querySelectorAll(":scope > .part");
    if (parts.length === 0) body.replaceChildren();
    for (let index = parts.length - 1; index >= live.from; index--) parts[index].remove();
    for (const html of live.blocks) {
      const part = el("div", { class: "part" });
      part.append(fromSanitised(html));
      labelCode(part);
      body.append(part);
    }
    entry.version = live.version;
    entry.stable = live.stable;
    this.growReasoning(entry, live);
    const foot = entry.node.querySelector(".foot");
    foot.replaceChildren(el("span", { class: "cost live" }, phaseWords(live)));
    this.page.status.speed(live.speed);
  }

  growReasoning(entry, live) {
    const fold = entry.node.querySelector(".reasoning");
    if (!fold || !live.reasoning) return;
    fold.hidden = false;
    fold.querySelector("summary").textContent = live.blocks.length || live.stable ? t("thoughts") : t("thinking");
    fold.querySelector(".thoughts").replaceChildren(fromSanitised(live.reasoning));
  }

  finish(item) {
    if (item.gone) {
      this.remove(item.id);
    } else {
      this.leftOutAbove = item.left_out_above;
      this.put([item]);
      this.page.status.context(item.context);
      this.page.notices.announce(t("reply_finished"));
    }
    this.markLast();
  }

  // ---- the reader's place ------------------------------------------------------------------------------
  scrolled() {
    const gap = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight;
    this.following = gap < AT_END;
    this.latest.hidden = this.following;
  }

  toEnd(smooth) {
    this.following = true;
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.log.scrollTo({ top: this.log.scrollHeight, behavior: smooth && !calm ? "smooth" : "instant" });
    this.latest.hidden = true;
  }

  showTop() {
    this.top.hidden = this.earlier === 0;
    this.top.replaceChildren(t("earlier_messages", { count: number(this.earlier) }));
  }

  async loadEarlier() {
    const first = this.items.values().next().value;
    if (this.loading || !first || this.earlier === 0) return;
    this.loading = true;
    this.top.replaceChildren(t("loading_earlier"));
    try {
      const conversation = this.page.conversation?.id;
      const found = await this.page.server.earlier({ ...this.page.where(), before: first.item.id });
      if (conversation === this.page.conversation?.id) this.prepend(found);
    } finally {
      this.loading = false;
      this.showTop();
    }
  }

  prepend(found) {
    const height = this.log.scrollHeight;
    const entries = [...this.items.entries()];
    const nodes = [];
    this.items.clear();
    for (const item of found.items) {
      const node = buildMessage(item, this.page);
      nodes.push(node);
      this.items.set(item.id, { item, node, sign: signature(item), stable: 0, version: -1 });
    }
    entries.forEach(([id, entry]) => this.items.set(id, entry));
    this.list.prepend(...nodes);
    this.earlier = found.earlier;
    this.log.scrollTop += this.log.scrollHeight - height;
    this.markLast();
  }

  // ---- other ----------------------------------------------------------------------------------------------
  showWelcome(conversation) {
    this.list.querySelector(".welcome")?.remove();
    if (!this.empty || !this.welcome) return;
    const node = el("section", { class: "welcome" }, el("h1", {}, this.welcome.title), el("p", {}, this.welcome.sentence));
    if (this.welcome.kept) node.append(el("p", {}, this.welcome.kept));
    if (!conversation) {
      const examples = this.page.modes?.find(this.page.modes.current)?.examples ?? [];
      const prompts = examples.map((text) => el("button", { type: "button", class: "example", onclick: () => {
        const field = document.querySelector("#composer textarea");
        type(field, text);
        field.focus();
      } }, text));
      node.append(el("div", { class: "examples", role: "group", "aria-label": t("examples") }, ...prompts));
    }
    this.list.append(node);
  }

  lastOwnText() {
    const mine = this.list.querySelectorAll(".message.user .body");
    return mine.length ? mine[mine.length - 1].innerText.trim() : "";
  }

  editLast() {
    const mine = [...this.items.values()].filter((entry) => entry.item.role === "user");
    if (mine.length) openEditor(mine[mine.length - 1].item, this.page);
  }

  clicked(event) {
    const button = event.target.closest('[data-act="copy-code"]');
    if (button) writeClipboard(this.page, button.closest(".code").querySelector("pre").textContent, button);
  }
}

function phaseWords(live) {
  if (live.phase === "reading" && live.progress) return t("reading_progress", { done: number(live.progress[0]), total: number(live.progress[1]) });
  if (live.phase === "reading") return t("reading");
  if (live.phase === "saving") return t("saving");
  if (live.phase === "waiting_for_model") return t("waiting_for_model");
  const speed = live.speed ? ` · ${t("tokens_per_second", { speed: number(live.speed) })}` : "";
  return t("tokens", { count: number(live.tokens) }) + speed;
}
