// The dialog of modes: all of them, the user's own to write, with the exact prompt beside the file.
import { el, iconButton } from "./dom.js";
import { t } from "./strings.js";

const PREVIEW_AFTER = 250;
const UNSAVED = "inkglass-mode";

export class ModeEditor {
  constructor(page, modes) {
    this.page = page;
    this.modes = modes;
    this.dialog = null;
  }

  open() {
    if (this.dialog) return;
    this.list = el("ul", { class: "mode-list" });
    this.problems = el("div", { class: "mode-problems" });
    this.text = el("textarea", { class: "mode-text", "aria-label": t("mode_file"), spellcheck: "false", dir: "ltr" });
    this.sample = el("input", { type: "text", class: "mode-sample", "aria-label": t("mode_sample"), placeholder: t("mode_sample"), dir: "auto" });
    this.preview = el("div", { class: "mode-preview", "aria-live": "polite" });
    const file = el("input", { type: "file", accept: ".toml", hidden: true });
    file.addEventListener("change", async () => file.files[0] && this.edit(await file.files[0].text()));
    this.dialog = el("dialog", { class: "modes", "aria-label": t("modes_title") },
      el("header", {}, el("h2", {}, t("modes_title")), iconButton("close", t("close"), () => this.dialog.close())),
      el("div", { class: "mode-columns" },
        el("section", {}, this.list, this.problems),
        el("section", { class: "mode-writing" }, this.text,
          el("div", { class: "mode-actions" },
            el("button", { type: "button", class: "button", onclick: () => file.click() }, t("mode_import")),
            el("button", { type: "button", class: "button", onclick: () => this.exportFile() }, t("mode_export")),
            el("button", { type: "button", class: "button primary", "data-act": "save-mode", onclick: () => this.page.act("save_mode", { text: this.text.value }) }, t("save"))),
          this.sample, this.preview)), file);
    for (const field of [this.text, this.sample]) field.addEventListener("input", () => this.changed());
    this.dialog.addEventListener("close", () => {
      this.dialog.remove();
      this.dialog = null;
    });
    document.body.append(this.dialog);
    this.relist();
    this.dialog.showModal();
    const unsaved = sessionStorage.getItem(UNSAVED);
    if (unsaved) this.edit(unsaved);
    else this.copy(this.modes.current);
  }

  relist() {
    if (!this.dialog) return;
    this.list.replaceChildren(...this.modes.all.map((mode) => el("li", {},
      el("button", { type: "button", class: "mode-name", title: mode.description, onclick: () => (mode.own ? this.load(mode.key) : this.copy(mode.key)) }, `${mode.icon} ${mode.name}`),
      iconButton("copy", t("mode_duplicate"), () => this.copy(mode.key), { "data-act": "copy-mode" }),
      mode.own ? iconButton("trash", t("delete"), () => {
        this.page.act("delete_mode", { id: mode.key });
        this.dialog.close();
      }, { "data-act": "delete-mode" }) : null)));
    this.problems.replaceChildren(...this.modes.problems.map((problem) => el("p", { class: "state bad" }, problem)));
  }

  async load(key) {
    this.edit((await this.page.server.mode_source({ id: key })).text);
  }

  // A mode of one's own begins as a copy under another key.
  async copy(key) {
    const { text } = await this.page.server.mode_source({ id: key });
    const taken = new Set(this.modes.all.map((mode) => mode.key));
    let number = 2;
    while (taken.has(`${key}-${number}`)) number += 1;
    this.edit(text.replace(/^key\s*=.*$/m, `key = "${key}-${number}"`));
  }

  edit(text) {
    this.text.value = text;
    this.changed();
  }

  changed() {
    sessionStorage.setItem(UNSAVED, this.text.value);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.show(), PREVIEW_AFTER);
  }

  async show() {
    if (!this.dialog) return;
    const asked = this.text.value;
    const told = await this.page.server.mode_preview({ ...this.page.where(), text: asked, sample: this.sample.value });
    if (!this.dialog || asked !== this.text.value) return;
    if (told.error) {
      this.preview.replaceChildren(el("p", { class: "state bad", role: "alert" }, told.error));
      return;
    }
    const parts = [["system", told.system], ["user", told.user], ["assistant", told.opening]].filter(([, text]) => text);
    this.preview.replaceChildren(...parts.map(([role, text]) => el("section", {}, el("h3", {}, role), el("pre", { dir: "auto" }, text))));
  }

  // The page's notices lie behind the dialog.
  tell(text) {
    if (this.dialog) this.preview.replaceChildren(el("p", { class: "state bad", role: "alert" }, text));
  }

  exportFile() {
    const key = this.text.value.match(/^key\s*=\s*"([a-z0-9_-]+)"/m)?.[1] ?? "mode";
    const url = URL.createObjectURL(new Blob([this.text.value], { type: "application/toml" }));
    const link = el("a", { href: url, download: `${key}.toml` });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }

  saved() {
    sessionStorage.removeItem(UNSAVED);
    this.dialog?.close();
  }
}
