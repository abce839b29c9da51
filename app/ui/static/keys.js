// Keys: Ctrl+K searches, Ctrl+Shift+O starts anew, Up edits the last message, Esc closes or stops.
export function bootKeys(page) {
  document.addEventListener("keydown", (event) => {
    const control = event.ctrlKey || event.metaKey;
    if (control && !event.shiftKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      page.sidebar.focusSearch();
    } else if (control && event.shiftKey && event.key.toLowerCase() === "o") {
      event.preventDefault();
      document.getElementById("new-conversation").click();
      document.querySelector("#composer textarea")?.focus();
    } else if (event.key === "Escape" && !event.isComposing) {
      escape(page, event);
    } else if (event.key === "ArrowUp" && event.target.matches?.("#composer textarea") && event.target.value === "" && !control && !event.shiftKey) {
      event.preventDefault();
      page.transcript.editLast();
    }
  });
}

function escape(page, event) {
  if (document.querySelector("dialog[open]")) return; // the browser closes it by itself
  if (document.querySelector("[role=listbox]")) return; // an open dropdown closes first
  if (page.drawers.closeLast()) {
    event.preventDefault();
    document.querySelector("#composer textarea")?.focus();
  } else if (event.target.id === "search" && event.target.value) {
    event.target.value = "";
    page.sidebar.reload();
  } else if (page.transcript.live()) {
    event.preventDefault();
    page.act("stop");
  }
}
