// The page's entry: takes over the elements that Gradio mounts, keeps where the tab stands, applies views.
import { boot as bootComposer } from "./composer.js";
import { Drawers } from "./drawers.js";
import { Follower } from "./follow.js";
import { bootKeys } from "./keys.js";
import { Modes } from "./modes.js";
import { Notices } from "./notices.js";
import { Sidebar } from "./sidebar.js";
import { StatusLine } from "./status.js";
import { useWords } from "./strings.js";
import { applyTheme } from "./theme.js";
import { TitleBar } from "./titlebar.js";
import { Transcript } from "./transcript.js";

const NEEDED = ["place", "titlebar", "transcript", "conversations", "notices", "status", "details", "about", "fields"];

class Page {
  constructor(mounts) {
    this.mounts = mounts;
    this.server = mounts.transcript.server;
    this.conversation = null;
    this.head = null;
    this.language = "en";
    this.listVersion = -1;
    this.notices = new Notices(this);
    this.status = new StatusLine(this);
    this.transcript = new Transcript(this);
    this.sidebar = new Sidebar(this);
    this.titlebar = new TitleBar(this);
    this.drawers = new Drawers(this);
    this.modes = new Modes(this);
    this.follower = new Follower(this);
    window.addEventListener("popstate", () => this.act("open", { id: this.address() }));
    this.composer = bootComposer(this);
    bootKeys(this);
    mounts.transcript.watch("value", () => this.apply(mounts.transcript.props.value));
    if (mounts.transcript.props.value) this.apply(mounts.transcript.props.value);
  }

  address() {
    return new URLSearchParams(location.search).get("c") || "";
  }

  // Ask the server for an act; the answer arrives as a view.
  act(name, data = {}) {
    if (name === "open" || name === "branch" || name === "trash_conversation") this.composer.flush();
    this.mounts.transcript.trigger("act", { name, ...data });
  }

  where() {
    return { conversation: this.conversation?.id ?? "", head: this.head ?? "", language: this.language };
  }

  // Handlers read the tab's place; it holds ids only.
  publishPlace() {
    this.mounts.place.props.value = { ...this.where(), fields: this.modes.values() };
  }

  apply(view) {
    if (!view) return;
    if (view.strings) {
      useWords(view.strings);
      this.language = view.language;
      document.documentElement.lang = view.language === "zh" ? "zh-Hans" : view.language;
    }
    if (view.theme) applyTheme(view.theme);
    if (view.welcome) this.transcript.welcome = view.welcome;
    if (view.modes) this.modes.know(view.modes);
    if (view.mode_saved) this.modes.editor.saved();
    if (view.kind === "page") this.applyPage(view);
    if (view.notice && view.refused) this.modes.editor.tell(view.notice.text);
    if (view.notice) this.notices.show(view.notice);
    else if (!view.refused) this.notices.clearError();
    if (view.refused && document.body.dataset.ready) this.composer.keep();
    if (view.strings) this.relabel(view);
    if (document.body.dataset.ready) return;
    document.body.dataset.ready = "true";
    setTimeout(() => this.composer.restore(), 0);
  }

  applyPage(view) {
    const before = this.conversation?.id ?? null;
    if (this.composer && (view.conversation?.id ?? null) !== before) this.composer.flush();
    this.conversation = view.conversation;
    this.head = view.conversation?.head ?? null;
    const now = this.conversation?.id ?? null;
    this.publishPlace();
    if (now !== before || this.address() !== (now ?? "")) this.writeAddress(now, before);
    this.modes.take(view.mode);
    this.transcript.show(view, now !== before);
    this.titlebar.show(this.conversation);
    this.status.context(view.context);
    this.status.show(view.status);
    this.sidebar.select(now);
    this.noteList(view.list_version);
    this.follower.wake();
    if (now !== before) this.drawers.close("sidebar");
  }

  writeAddress(now, before) {
    const url = now ? `?c=${encodeURIComponent(now)}` : location.pathname;
    if (this.address() === (now ?? "")) return;
    // The first message of a new page gives the page its address; going back must not lead to an empty one.
    if (before === null && this.transcript.empty === false) history.replaceState(null, "", url);
    else history.pushState(null, "", url);
  }

  noteList(version) {
    if (version === null || version === undefined || version === this.listVersion) return;
    this.listVersion = version;
    this.sidebar.reload();
  }

  relabel(view) {
    this.sidebar.relabel();
    this.titlebar.relabel();
    this.status.relabel();
    this.drawers.relabel(view.about, view.logout);
    this.transcript.relabel();
  }
}

function start() {
  const mounts = {};
  const take = (mount) => {
    mounts[mount.name] = mount;
    if (!window.inkglass && NEEDED.every((name) => mounts[name])) window.inkglass = new Page(mounts);
  };
  const queued = window.inkglassMounts || [];
  window.inkglassMounts = { push: take };
  queued.forEach(take);
}

start();
