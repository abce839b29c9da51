// Sidebar and details as drawers, and the order in which things were opened: Esc closes the last one.
import { el, iconButton } from "./dom.js";
import { t } from "./strings.js";

const NARROW = window.matchMedia("(max-width: 860px)");

export class Drawers {
  constructor(page) {
    this.page = page;
    this.stack = [];
    this.closers = {};
    this.veil = el("div", { class: "veil", onclick: () => this.closeLast() });
    document.body.append(this.veil);
    document.body.dataset.sidebar = "closed";
    document.body.dataset.details = "closed";
  }

  relabel(about, logout) {
    const head = this.page.mounts.details.element.querySelector(".drawer-head");
    head.replaceChildren(el("h2", {}, t("details")), iconButton("close", t("close"), () => this.close("details"), { "data-act": "close-details" }));
    const foot = this.page.mounts.about.element.querySelector(".about");
    if (about) foot.replaceChildren(...about.map((line) => el("p", {}, line)));
    foot.prepend(el("button", { type: "button", class: "button", "data-act": "modes", onclick: () => this.page.modes.editor.open() }, t("modes_title")));
    // Not a form: under our referrer policy a form's request names no origin, and the server refuses it.
    const leave = async () => {
      await fetch(logout, { method: "POST", redirect: "manual" });
      location.assign("/");
    };
    if (logout) foot.append(el("button", { type: "button", class: "logout", onclick: leave }, t("logout")));
  }

  open(name) {
    if (document.body.dataset[name] === "open") return;
    document.body.dataset[name] = "open";
    this.closers[name] = () => this.close(name);
    this.opened(this.closers[name]);
  }

  close(name) {
    document.body.dataset[name] = "closed";
    this.forget(this.closers[name]);
  }

  // On a wide page the menu button folds the sidebar that is otherwise always there.
  toggle(name) {
    if (name === "sidebar" && !NARROW.matches) {
      document.body.dataset.folded = document.body.dataset.folded === "true" ? "false" : "true";
      return;
    }
    if (document.body.dataset[name] === "open") this.close(name);
    else this.open(name);
  }

  opened(closer) {
    this.stack.push(closer);
  }

  forget(closer) {
    this.stack = this.stack.filter((each) => each !== closer);
  }

  // Close what was opened last; false when nothing is open.
  closeLast() {
    const closer = this.stack.pop();
    if (!closer) return false;
    closer();
    return true;
  }
}
