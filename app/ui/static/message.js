// One message: its text, what can be done with it, and what it cost.
import { el, fromSanitised, icon, iconButton } from "./dom.js";
import { buildChecks } from "./checks.js";
import { openEditor } from "./editor.js";
import { number, size, t } from "./strings.js";

// The part of an item that decides whether its element must be built anew.
export function signature(item) {
  return JSON.stringify({ ...item, live: item.live ? item.live.id : null });
}

export function buildMessage(item, page) {
  const node = el("article", { class: `message ${item.role}`, id: `m-${item.id}`, "data-id": item.id, "data-status": item.status });
  node.append(el("h2", { class: "sr-only" }, item.role === "user" ? t("you") : (item.cost?.model ?? t("model"))));
  if (item.reasoning || item.live) node.append(buildReasoning(item));
  if (item.mode) node.append(el("p", { class: "mode-label" }, page.modes.label(item.mode, item.fields)));
  const body = el("div", { class: "body", dir: "auto" });
  body.append(fromSanitised(item.html));
  labelCode(body);
  node.append(body);
  if (item.clipped) node.append(wholeButton(item, body, page));
  const state = stateLine(item);
  if (state) node.append(state);
  if (item.checked && !item.empty) node.append(buildChecks(item, page));
  node.append(buildFoot(item, page));
  return node;
}

function buildReasoning(item) {
  const fold = el("details", { class: "reasoning" }, el("summary", {}, item.live ? t("thinking") : t("thoughts")), el("div", { class: "thoughts" }));
  fold.lastChild.append(fromSanitised(item.reasoning || ""));
  fold.hidden = !item.reasoning;
  return fold;
}

export function labelCode(root) {
  for (const button of root.querySelectorAll('[data-act="copy-code"]')) {
    button.replaceChildren(icon("copy"));
    button.title = t("copy_code");
    button.setAttribute("aria-label", t("copy_code"));
  }
}

function wholeButton(item, body, page) {
  return el("button", { type: "button", class: "text-button", onclick: async (event) => {
    const button = event.currentTarget;
    button.disabled = true;
    const whole = await page.server.whole({ id: item.id });
    body.replaceChildren(fromSanitised(whole.html));
    labelCode(body);
    button.remove();
  } }, t("show_whole", { size: size(item.clipped) }));
}

function stateLine(item) {
  if (item.live) return null;
  if (item.failure) return el("p", { class: "state bad", role: "alert" }, item.failure);
  if (item.status === "stopped") return el("p", { class: "state" }, t("status_stopped"));
  if (item.status === "interrupted") return el("p", { class: "state doubt" }, t("status_interrupted"));
  if (item.cost?.cut) return el("p", { class: "state doubt" }, t("status_cut"));
  if (item.role === "assistant" && item.empty) return el("p", { class: "state" }, t("empty_reply"));
  return null;
}

function canContinue(item) {
  return item.role === "assistant" && !item.live && (["stopped", "interrupted", "failed"].includes(item.status) || item.cost?.cut);
}

function buildFoot(item, page) {
  const foot = el("div", { class: "foot" });
  if (item.live) return foot;
  foot.append(...variantButtons(item, page));
  if (canContinue(item)) {
    foot.append(el("button", { type: "button", class: "text-button continue", "data-act": "continue", onclick: () => page.act("continue", { id: item.id }) }, t("continue")));
  }
  const tools = el("span", { class: "tools" });
  // Of a person's messages only the last can be asked again: the stylesheet hides it at the others.
  tools.append(iconButton("retry", t(item.role === "user" ? "ask_again" : "retry"), () => page.act("retry", { id: item.id }), { "data-act": "retry" }));
  tools.append(
    iconButton("edit", t("edit"), () => openEditor(item, page), { "data-act": "edit" }),
    iconButton("copy", t("copy"), (event) => copyMessage(item, page, event.currentTarget), { "data-act": "copy" }),
    iconButton("branch", t("branch"), () => page.act("branch", { id: item.id }), { "data-act": "branch" }),
    iconButton("trash", t("delete"), () => page.act("trash_message", { id: item.id }), { "data-act": "delete" }),
  );
  if (item.cost) tools.append(iconButton("prompt", t("show_prompt"), () => showPrompt(item, page), { "data-act": "prompt" }));
  foot.append(tools);
  if (item.edited) foot.append(el("span", { class: "cost" }, t(item.role === "assistant" && item.cost ? "repaired" : "edited")));
  if (item.cost) foot.append(el("span", { class: "cost" }, costWords(item.cost)));
  return foot;
}

function costWords(cost) {
  const parts = [cost.model];
  if (cost.tokens !== null) parts.push(t("tokens", { count: number(cost.tokens) }));
  if (cost.speed) parts.push(t("tokens_per_second", { speed: number(cost.speed, cost.speed < 10 ? 1 : 0) }));
  if (cost.first !== null) parts.push(t("first_token", { seconds: number(cost.first / 1000, 2) }));
  return parts.join(" · ");
}

function variantButtons(item, page) {
  if (item.variants.length < 2) return [];
  const at = item.variants.indexOf(item.id);
  const go = (step) => page.act("variant", { id: item.variants[at + step] });
  return [
    el("span", { class: "variants" },
      iconButton("left", t("previous_variant"), () => go(-1), { disabled: at === 0, "data-act": "previous" }),
      el("span", { class: "variant-count" }, `${at + 1}/${item.variants.length}`),
      iconButton("right", t("next_variant"), () => go(1), { disabled: at === item.variants.length - 1, "data-act": "next" })),
  ];
}

export async function writeClipboard(page, text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    if (!copyBySelection(text)) {
      page.notices.show({ tone: "error", text: t("copy_failed") });
      return;
    }
  }
  page.notices.announce(t("copied"));
  button.classList.add("done");
  setTimeout(() => button.classList.remove("done"), 1500);
}

// The clipboard interface is absent where the page is not served from this machine itself.
function copyBySelection(text) {
  const field = el("textarea", { class: "sr-only" });
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}

async function copyMessage(item, page, button) {
  const { text } = await page.server.source({ id: item.id });
  await writeClipboard(page, text, button);
}

async function showPrompt(item, page) {
  const { messages } = await page.server.prompt({ id: item.id });
  const dialog = el("dialog", { class: "prompt", "aria-label": t("prompt_title") },
    el("header", {}, el("h2", {}, t("prompt_title")), iconButton("close", t("close"), () => dialog.close())));
  for (const message of messages) {
    const text = el("div", { class: "prompt-text", dir: "auto" });
    text.append(fromSanitised(message.html));
    dialog.append(el("section", {}, el("h3", {}, message.role), text));
  }
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
