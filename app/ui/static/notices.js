// What the page has to say: errors above the composer, short notes with Undo, and words for screen readers.
import { el, iconButton } from "./dom.js";
import { t } from "./strings.js";

const NOTE_STAYS = 10000;

export class Notices {
  constructor(page) {
    this.page = page;
    this.box = page.mounts.notices.element.querySelector(".notices");
    this.live = el("div", { class: "sr-only", "aria-live": "polite" });
    document.body.append(this.live);
    this.takeOverToasts();
  }

  // What Gradio itself has to say (an act that did not reach the server, an error nobody expected) in the page's words.
  takeOverToasts() {
    const toasts = document.querySelector(".toast-wrap");
    if (!toasts) return;
    new MutationObserver((changes) => {
      if (!changes.some((change) => change.addedNodes.length)) return;
      const lost = this.page.follower.offline || toasts.textContent.includes("Connection");
      this.show({ tone: "error", text: t(lost ? "not_reached" : "gone_wrong") });
    }).observe(toasts, { childList: true });
  }

  show(notice) {
    const same = [...this.box.querySelectorAll(".notice.error .notice-text")].some((old) => old.textContent === notice.text);
    if (notice.tone === "error" && same) return;
    if (notice.tone === "error") this.clearError();
    const node = el("div", { class: `notice ${notice.tone}`, role: notice.tone === "error" ? "alert" : "status" }, el("span", { class: "notice-text" }, notice.text));
    if (notice.undo) {
      node.append(el("button", { type: "button", class: "text-button", "data-act": "undo", onclick: () => {
        node.remove();
        if (typeof notice.undo === "function") notice.undo();
        else this.page.act(notice.undo.name, { id: notice.undo.id });
      } }, t("undo")));
    }
    node.append(iconButton("close", t("dismiss"), () => node.remove()));
    if (notice.tone !== "error") {
      this.box.querySelectorAll(".notice.info").forEach((old) => old.remove());
      this.expire(node);
    }
    this.box.append(node);
  }

  // A note goes by itself, but not while somebody is about to use it.
  expire(node) {
    setTimeout(() => {
      if (node.matches(":hover, :focus-within")) this.expire(node);
      else node.remove();
    }, NOTE_STAYS);
  }

  clearError() {
    this.box.querySelectorAll(".notice.error").forEach((old) => old.remove());
  }

  announce(text) {
    this.live.textContent = "";
    requestAnimationFrame(() => (this.live.textContent = text));
  }
}
