// The list of conversations: newest first by day, more as one scrolls, search by title, rename, delete, trash.
import { el, icon, iconButton } from "./dom.js";
import { t } from "./strings.js";

export class Sidebar {
  constructor(page) {
    this.page = page;
    this.server = page.mounts.conversations.server;
    this.nav = page.mounts.conversations.element.querySelector(".sidebar");
    this.search = el("input", { type: "search", id: "search", autocomplete: "off", spellcheck: "false" });
    this.list = el("div", { class: "conversation-list" });
    this.foot = el("div", { class: "sidebar-foot" });
    this.nav.append(el("label", { class: "search" }, icon("search"), this.search), this.list, this.foot);
    this.items = [];
    this.more = false;
    this.trash = false;
    this.selected = null;
    this.request = 0;
    this.search.addEventListener("input", () => this.reload());
    this.list.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.list.addEventListener("keydown", (event) => this.moveFocus(event));
  }

  relabel() {
    this.search.placeholder = t("search_titles");
    this.search.setAttribute("aria-label", t("search_titles"));
    this.nav.setAttribute("aria-label", t("conversations"));
    this.paint();
  }

  // Load the list again, as long as it was, so that nothing jumps.
  async reload() {
    const request = ++this.request;
    const wanted = Math.max(1, this.items.length);
    const items = [];
    let more = true;
    while (more && items.length < wanted) {
      const found = await this.ask(items.at(-1)?.activity ?? null);
      if (request !== this.request || !found) return;
      items.push(...found.items);
      more = found.more;
    }
    this.items = items;
    this.more = more;
    this.paint();
  }

  async ask(before) {
    try {
      const found = await this.server.conversations({ ...this.page.where(), before, query: this.search.value, trash: this.trash });
      this.page.listVersion = found.version;
      return found;
    } catch {
      return null; // offline: the status line says so, and the follower's next success loads the list again
    }
  }

  async scrolled() {
    const near = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 300;
    if (!near || !this.more || this.loading) return;
    this.loading = true;
    const request = this.request;
    const found = await this.ask(this.items.at(-1)?.activity ?? null);
    this.loading = false;
    if (!found || request !== this.request) return;
    this.items.push(...found.items);
    this.more = found.more;
    this.paint();
  }

  select(id) {
    this.selected = id;
    for (const row of this.list.querySelectorAll(".conversation")) row.classList.toggle("selected", row.dataset.id === id);
  }

  paint() {
    const place = this.list.scrollTop;
    const nodes = [];
    let day = null;
    for (const item of this.items) {
      const group = this.trash ? t("trash") : dayWords(new Date(item.updated));
      if (group !== day) nodes.push(el("h2", { class: "day" }, group));
      day = group;
      nodes.push(this.row(item));
    }
    if (!nodes.length) nodes.push(el("p", { class: "empty" }, this.emptyWords()));
    this.list.replaceChildren(...nodes);
    this.list.scrollTop = place;
    this.foot.replaceChildren(
      el("button", { type: "button", class: "text-button", "data-act": "trash-view", onclick: () => this.toggleTrash() }, icon(this.trash ? "left" : "trash"), this.trash ? t("back_to_conversations") : t("trash")),
      el("button", { type: "button", class: "text-button", "data-act": "settings", onclick: () => this.page.drawers.toggle("details") }, icon("settings"), t("settings")),
    );
  }

  emptyWords() {
    if (this.search.value) return t("no_matches", { query: this.search.value });
    return this.trash ? t("trash_empty") : t("no_conversations");
  }

  toggleTrash() {
    this.trash = !this.trash;
    this.items = [];
    this.reload();
  }

  row(item) {
    const title = item.title || t("untitled");
    const open = el("a", { class: "title", href: `?c=${encodeURIComponent(item.id)}`, title, dir: "auto" }, title);
    open.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
      event.preventDefault();
      this.page.act("open", { id: item.id });
    });
    const row = el("div", { class: "conversation", "data-id": item.id }, open);
    row.classList.toggle("selected", item.id === this.selected);
    if (item.trashed) {
      row.append(iconButton("restore", `${t("restore")}: ${title}`, () => this.page.act("restore_conversation", { id: item.id }), { "data-act": "restore" }));
    } else {
      row.append(
        iconButton("edit", `${t("rename")}: ${title}`, () => this.rename(row, item), { "data-act": "rename" }),
        iconButton("trash", `${t("delete")}: ${title}`, () => this.page.act("trash_conversation", { id: item.id }), { "data-act": "delete" }),
      );
    }
    return row;
  }

  rename(row, item) {
    const field = el("input", { class: "rename", "aria-label": t("rename"), dir: "auto", maxlength: 200 });
    field.value = item.title;
    let ended = false;
    const end = (keep) => {
      if (ended) return;
      ended = true;
      this.page.drawers.forget(cancel);
      const text = field.value.trim();
      if (keep && text && text !== item.title) {
        item.title = text;
        this.page.act("rename", { id: item.id, text });
      }
      this.paint();
    };
    const cancel = () => end(false);
    field.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter") end(true);
    });
    field.addEventListener("blur", () => end(true));
    row.replaceChildren(field);
    this.page.drawers.opened(cancel);
    field.focus();
    field.select();
  }

  moveFocus(event) {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const rows = [...this.list.querySelectorAll("a.title")];
    const at = rows.indexOf(document.activeElement);
    if (at < 0) return;
    event.preventDefault();
    rows[Math.max(0, Math.min(rows.length - 1, at + (event.key === "ArrowDown" ? 1 : -1)))].focus();
  }

  focusSearch() {
    this.page.drawers.open("sidebar");
    this.search.focus();
    this.search.select();
  }
}

// The day in the reader's own time zone; the order itself comes from the server.
function dayWords(date) {
  const midnight = new Date();
  midnight.setHours(0, 0, 0, 0);
  const days = Math.ceil((midnight - date) / 86400000);
  if (days <= 0) return t("today");
  if (days === 1) return t("yesterday");
  if (days < 7) return t("last_week");
  if (days < 30) return t("last_month");
  return date.toLocaleDateString(document.documentElement.lang, { year: "numeric", month: "long" });
}
