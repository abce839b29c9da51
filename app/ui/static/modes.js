// The writing mode of the next message: its fields above the text, its examples, and `/` in the composer to choose one.
import { el } from "./dom.js";
import { ModeEditor } from "./modeeditor.js";
import { t } from "./strings.js";

const LANGUAGES = ["en", "zh", "es", "fr", "de", "pt", "it", "nl", "pl", "ru", "uk", "cs", "tr", "ar", "fa", "hi", "ja", "ko", "vi", "id"];

export class Modes {
  constructor(page) {
    this.page = page;
    this.box = page.mounts.fields.element.querySelector(".fields");
    this.all = [];
    this.current = "dialogue";
    this.kept = new Map();
    this.menu = null;
    this.problems = [];
    this.editor = new ModeEditor(page, this);
    document.addEventListener("input", (event) => event.target === this.field() && this.complete());
    document.addEventListener("keydown", (event) => this.keys(event), { capture: true });
    document.addEventListener("focusout", (event) => event.target === this.field() && setTimeout(() => this.closeMenu(), 150));
  }

  field() {
    return document.querySelector("#composer textarea");
  }

  know(modes) {
    this.all = modes.all;
    this.problems = modes.problems;
    this.paint();
    this.editor.relist();
  }

  find(key) {
    return this.all.find((mode) => mode.key === key) ?? null;
  }

  // The mode that the server says is chosen, with the values it was last used with.
  take(chosen) {
    if (!chosen) return;
    this.current = chosen.key;
    if (chosen.fields) this.kept.set(chosen.key, { ...this.values(chosen.key), ...chosen.fields });
    this.paint();
  }

  values(key = this.current) {
    const mode = this.find(key);
    if (!mode) return this.kept.get(key) ?? {};
    return { ...Object.fromEntries(mode.fields.map((field) => [field.key, field.default])), ...this.kept.get(key) };
  }

  // What a message in a mode is labelled with: the mode's name and the values that differ from the usual.
  label(key, fields) {
    const mode = this.find(key);
    if (!mode) return key;
    const told = mode.fields
      .filter((field) => fields[field.key] !== undefined && needed(field, fields) && (fields[field.key] !== field.default || field.type === "choice"))
      .map((field) => valueWords(field, fields[field.key]))
      .filter(Boolean);
    return [mode.name, ...told].join(" · ");
  }

  paint() {
    const mode = this.find(this.current);
    if (!mode) return;
    const values = this.values();
    this.box.replaceChildren(...mode.fields.map((field) => this.control(field, values[field.key])));
    this.showNeeded();
    this.box.hidden = mode.fields.length === 0;
    const text = this.field();
    if (text) text.placeholder = mode.hint || t("composer_placeholder");
    this.page.transcript.showWelcome(this.page.conversation);
    this.page.publishPlace();
  }

  showNeeded() {
    const values = this.values();
    for (const field of this.find(this.current).fields) {
      document.getElementById(`field-${field.key}`).parentElement.hidden = !needed(field, values);
    }
  }

  control(field, value) {
    const id = `field-${field.key}`;
    const input = build(field, value, id);
    const read = () => {
      const now = field.type === "toggle" ? input.checked : field.type === "number" ? (input.value === "" ? null : Number(input.value)) : input.value;
      this.kept.set(this.current, { ...this.values(), [field.key]: now });
      this.showNeeded();
      this.page.publishPlace();
    };
    input.addEventListener("input", read);
    input.addEventListener("change", read);
    return el("label", { class: `field ${field.type}`, for: id, title: field.hint || null }, el("span", {}, field.label), input);
  }

  // ---- `/` in the composer -------------------------------------------------------------------------------
  complete() {
    const typed = this.field().value.match(/^\/(\S{0,30})$/);
    const wanted = typed?.[1].toLowerCase();
    const ranked = typed ? this.all.map((mode) => [rank(mode, wanted), mode]).filter(([at]) => at < 3) : [];
    const found = ranked.sort((one, other) => one[0] - other[0]).map(([, mode]) => mode);
    if (found.length === 0) {
      this.closeMenu();
      return;
    }
    const options = found.map((mode) => el("li", { role: "option", "data-key": mode.key, id: `mode-${mode.key}` },
      el("b", {}, `/${mode.key}`), el("span", {}, mode.name), el("small", {}, mode.description)));
    this.closeMenu();
    this.menu = el("ul", { class: "slash", role: "listbox", "aria-label": t("mode") }, ...options);
    this.menu.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      const option = event.target.closest("[data-key]");
      if (option) this.choose(option.dataset.key);
    });
    document.getElementById("composer-card").append(this.menu);
    this.mark(0);
  }

  mark(index) {
    const options = [...this.menu.children];
    this.at = (index + options.length) % options.length;
    options.forEach((option, each) => option.setAttribute("aria-selected", String(each === this.at)));
    options[this.at].scrollIntoView({ block: "nearest" });
    this.field().setAttribute("aria-activedescendant", options[this.at].id);
  }

  keys(event) {
    if (!this.menu || event.target !== this.field() || event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) this.mark(this.at + step);
    else if (event.key === "Enter" || event.key === "Tab") this.choose(this.menu.children[this.at].dataset.key);
    else if (event.key === "Escape") this.closeMenu();
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  choose(key) {
    this.closeMenu();
    this.page.act("mode", { id: key, typed: true });
  }

  closeMenu() {
    this.menu?.remove();
    this.menu = null;
    this.field()?.removeAttribute("aria-activedescendant");
  }
}

function needed(field, values) {
  return Object.entries(field.when).every(([name, wanted]) => wanted.includes(values[name]));
}

function rank(mode, wanted) {
  const name = mode.name.toLowerCase();
  if (mode.key.startsWith(wanted)) return 0;
  return name.startsWith(wanted) ? 1 : name.includes(wanted) ? 2 : 3;
}

function build(field, value, id) {
  if (field.type === "choice") return select(id, field.options.map((option) => [option.value, option.name]), value);
  if (field.type === "language") {
    const codes = LANGUAGES.includes(value) || value === "auto" ? LANGUAGES : [value, ...LANGUAGES];
    const named = codes.map((code) => [code, languageName(code)]);
    return select(id, field.auto ? [["auto", t("language_auto")], ...named] : named, value);
  }
  if (field.type === "toggle") {
    const box = el("input", { type: "checkbox", id });
    box.checked = Boolean(value);
    return box;
  }
  if (field.type === "number") return el("input", { type: "number", id, min: field.minimum, max: field.maximum, step: field.step, value });
  return el("input", { type: "text", id, value: value ?? "", dir: "auto", maxlength: 2000, autocomplete: "off" });
}

function select(id, options, value) {
  const box = el("select", { id }, ...options.map(([each, name]) => el("option", { value: each }, name)));
  box.value = value;
  return box;
}

function languageName(code) {
  return new Intl.DisplayNames([document.documentElement.lang || "en"], { type: "language" }).of(code) ?? code;
}

function valueWords(field, value) {
  if (field.type === "choice") return field.options.find((option) => option.value === value)?.name ?? String(value);
  if (field.type === "language") return value === "auto" ? "" : languageName(value);
  if (field.type === "toggle") return value ? field.label : "";
  return value === "" ? "" : field.type === "number" ? `${value} ${field.label.toLowerCase()}` : String(value);
}
