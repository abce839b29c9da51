// The editor of one message. What is typed in it outlives Esc, a reload and a refusal, until it is saved or dropped.
import { el } from "./dom.js";
import { t } from "./strings.js";

const unsaved = (id) => `inkglass-edit-${id}`;

export async function openEditor(item, page) {
  const { text } = await page.server.source({ id: item.id });
  const node = document.getElementById(`m-${item.id}`);
  if (!node || node.querySelector(".editor")) return;
  const field = el("textarea", { class: "editor-text", "aria-label": t("edit_message"), dir: "auto" });
  field.value = sessionStorage.getItem(unsaved(item.id)) ?? text;
  const close = () => {
    editor.remove();
    node.classList.remove("editing");
    page.drawers.forget(drop);
  };
  const saved = () => {
    sessionStorage.removeItem(unsaved(item.id));
    close();
  };
  const drop = () => {
    const typed = field.value;
    saved();
    if (typed === text) return;
    page.notices.show({ tone: "info", text: t("edit_dropped"), undo: () => {
      sessionStorage.setItem(unsaved(item.id), typed);
      openEditor(item, page);
    } });
  };
  const save = () => {
    page.transcript.closeWhenDone(item.id, saved);
    page.act("edit", { id: item.id, text: field.value });
  };
  const editor = el("div", { class: "editor" }, field,
    el("div", { class: "editor-bar" },
      el("button", { type: "button", class: "button", "data-act": "cancel", onclick: drop }, t("cancel")),
      el("button", { type: "button", class: "button primary", "data-act": "save", onclick: save }, item.role === "user" ? t("save_and_send") : t("save"))));
  node.classList.add("editing");
  node.querySelector(".body").after(editor);
  field.addEventListener("input", () => sessionStorage.setItem(unsaved(item.id), field.value));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) save();
  });
  page.drawers.opened(drop);
  field.style.height = `${Math.min(field.scrollHeight + 4, window.innerHeight * 0.6)}px`;
  field.focus();
  field.setSelectionRange(field.value.length, field.value.length);
}
