// The composer: keeps a draft on the server, counts its tokens, and lets an input method finish its words.
// A copy for this tab alone outlives a reload while the server is away: unsent text is never lost.
import { type } from "./dom.js";

const DRAFT_AFTER = 600;
const COUNT_AFTER = 350;
const UNSENT = "inkglass-unsent";

export function boot(page) {
  let draftTimer = null;
  let countTimer = null;
  const field = () => document.querySelector("#composer textarea");

  // What was typed belongs to the place where it was typed, also when the tab has moved on before it is kept.
  let typed = null;

  const save = (draft) => page.server.keep_draft(draft).catch(() => page.follower.setOffline(true));

  const keep = () => {
    clearTimeout(draftTimer);
    draftTimer = null;
    typed = null;
    if (field()) save({ ...page.where(), text: field().value });
  };

  // Before the tab goes to another conversation.
  const flush = () => {
    clearTimeout(draftTimer);
    draftTimer = null;
    if (typed) save(typed);
    typed = null;
  };

  const count = async () => {
    const text = field()?.value ?? "";
    const conversation = page.conversation?.id ?? null;
    try {
      const counted = await page.server.count({ ...page.where(), text });
      if ((page.conversation?.id ?? null) === conversation) page.status.counted(counted);
    } catch {
      page.follower.setOffline(true);
    }
  };

  document.addEventListener("input", (event) => {
    if (event.target !== field()) return;
    event.target.dir = "auto";
    clearTimeout(draftTimer);
    clearTimeout(countTimer);
    typed = { ...page.where(), text: event.target.value };
    draftTimer = setTimeout(flush, DRAFT_AFTER);
    countTimer = setTimeout(count, COUNT_AFTER);
  });
  document.addEventListener("visibilitychange", () => document.hidden && draftTimer !== null && keep());
  window.addEventListener("pagehide", () => {
    if (draftTimer !== null) keep();
    const text = field()?.value;
    if (text) sessionStorage.setItem(UNSENT, JSON.stringify({ conversation: page.where().conversation, text }));
  });

  // Enter that ends a word of an input method belongs to the input method, not to Send.
  document.addEventListener("keydown", (event) => {
    if (event.target !== field() || event.key !== "Enter") return;
    if (event.isComposing || event.keyCode === 229) event.stopPropagation();
    else if (document.body.dataset.live === "true" && !event.shiftKey) {
      event.preventDefault();
      event.stopPropagation();
    } else if (!event.shiftKey) {
      sending();
    }
  }, { capture: true });
  document.addEventListener("click", (event) => {
    if (event.target.closest("#send")) sending();
    else if (event.target.closest("#new-conversation")) flush();
  }, { capture: true });

  // A draft that is kept after its message was sent would come back at the next visit.
  function sending() {
    clearTimeout(draftTimer);
    draftTimer = null;
    typed = null;
  }

  // After a reload: what this tab had in the composer, unless the server knows a draft or the message arrived.
  function restore() {
    const unsent = JSON.parse(sessionStorage.getItem(UNSENT) ?? "null");
    sessionStorage.removeItem(UNSENT);
    if (!unsent || field().value || unsent.conversation !== page.where().conversation) return;
    if (page.transcript.lastOwnText() !== unsent.text.trim()) type(field(), unsent.text);
  }
  return { restore, keep, flush };
}
