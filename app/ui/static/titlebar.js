// The line above the transcript: menu, the conversation's title, details.
import { el, iconButton } from "./dom.js";
import { t } from "./strings.js";

export class TitleBar {
  constructor(page) {
    this.page = page;
    this.bar = page.mounts.titlebar.element.querySelector(".titlebar");
    this.conversation = null;
  }

  show(conversation) {
    this.conversation = conversation;
    const title = conversation ? conversation.title || t("untitled") : t("app_name");
    document.title = conversation ? `${title} · ${t("app_name")}` : t("app_name");
    const heading = this.bar.querySelector("h1");
    if (heading && heading.textContent !== title) heading.textContent = title;
  }

  relabel() {
    const menu = iconButton("menu", t("menu"), () => this.page.drawers.toggle("sidebar"), { "data-act": "menu" });
    const details = iconButton("details", t("details"), () => this.page.drawers.toggle("details"), { "data-act": "details" });
    this.bar.replaceChildren(menu, el("h1", { dir: "auto" }), details);
    this.show(this.conversation);
  }
}
