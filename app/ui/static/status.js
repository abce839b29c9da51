// The status line: model and engine state, context used of context size, tokens per second.
import { el } from "./dom.js";
import { number, t } from "./strings.js";

export class StatusLine {
  constructor(page) {
    this.page = page;
    this.line = page.mounts.status.element.querySelector(".status");
    this.state = null;
    this.used = null;
    this.limit = null;
    this.rate = null;
    this.offline = false;
  }

  show(state) {
    if (!state) return;
    this.state = state;
    if (state.limit) this.limit = state.limit;
    this.paint();
  }

  context(context) {
    this.used = context?.used ?? null;
    if (context?.limit) this.limit = context.limit;
    this.draft = null;
    this.paint();
  }

  // Tokens with the text that stands in the composer.
  counted(count) {
    this.draft = count.used;
    if (count.limit) this.limit = count.limit;
    this.paint();
  }

  speed(rate) {
    this.rate = rate;
    this.paint();
  }

  setOffline(offline) {
    this.offline = offline;
    this.paint();
  }

  relabel() {
    this.line.setAttribute("aria-label", t("status"));
    this.paint();
  }

  paint() {
    if (!this.state) return;
    const { state, progress, error } = this.state;
    let words = t(`state_${state}`);
    if (state === "loading" && progress !== null) words = t("state_loading_percent", { percent: Math.round(progress * 100) });
    if (this.offline) words = t("state_offline");
    const kind = this.offline ? "offline" : state;
    const parts = [el("span", { class: "dot", "data-state": kind }), el("span", { class: "state-words" }, words)];
    const used = this.draft ?? this.used;
    if (this.limit) parts.push(this.meter(used ?? 0, this.limit));
    if (this.rate && state === "busy") parts.push(el("span", { class: "rate" }, t("tokens_per_second", { speed: number(this.rate) })));
    this.line.replaceChildren(...parts);
    this.line.title = error || (this.limit ? t("context_used", { used: number(used ?? 0), limit: number(this.limit) }) : words);
    this.showError(error);
  }

  meter(used, limit) {
    const share = Math.min(1, used / limit);
    const over = used > limit;
    const bar = el("span", { class: "meter", "data-level": over ? "over" : share > 0.85 ? "high" : "" }, el("span", { class: "fill" }));
    bar.firstChild.style.width = `${(share * 100).toFixed(1)}%`;
    const words = over ? t("context_over", { over: number(used - limit) }) : `${number(used)} / ${number(limit)}`;
    return el("span", { class: "context" }, el("span", { class: over ? "over" : "" }, words), bar);
  }

  // A model that could not be loaded is said in full, once, above the composer.
  showError(error) {
    if (error && error !== this.said) this.page.notices.show({ tone: "error", text: error });
    this.said = error;
  }
}
