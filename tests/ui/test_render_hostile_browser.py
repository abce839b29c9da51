"""All hostile texts in one page of a real Chromium, without a policy to help: no script runs, nothing is loaded."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import sync_playwright

from app.ui.render import GrowingMarkdown, plain_html, render_markdown
from app.ui.sanitiser import sanitised
from tests.ui.hostile.corpus import hostile_texts

pytestmark = pytest.mark.browser
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
PAGE = """<!doctype html><meta charset="utf-8"><title>Hostile texts</title>
<script>window.ran = []; window.hack = () => window.ran.push(new Error().stack);
window.alert = window.confirm = window.prompt = window.print = window.hack;</script>
<main></main>"""
SHOW = """(pieces) => {
  const main = document.querySelector("main");
  for (const piece of pieces) {
    const template = document.createElement("template");
    template.innerHTML = piece;
    const part = document.createElement("div");
    part.append(template.content);
    main.append(part);
    // What a browser writes and reads again may change its meaning: twice more, as an editor or a copy would.
    const again = document.createElement("div");
    again.innerHTML = part.innerHTML;
    const third = document.createElement("div");
    third.innerHTML = again.innerHTML;
    main.append(again, third);
  }
  return main.querySelectorAll("*").length;
}"""
POKE = """() => {
  for (const element of document.querySelectorAll("main *")) {
    for (const kind of ["mouseover", "pointerenter", "focusin", "focus", "toggle", "error", "load", "animationstart"]) {
      element.dispatchEvent(new Event(kind, { bubbles: true }));
    }
    element.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
  }
}"""
LEFT = """() => {
  const attributes = /^on|^style$|^id$|^name$|^src|^action$|^formaction$|^tabindex$/i;
  const tags = /^(script|style|img|svg|iframe|object|embed|form|input|video|audio|link|meta|base|template)$/i;
  const bad = [];
  for (const element of document.querySelectorAll("main *")) {
    for (const { name, value } of element.attributes) {
      const leads = /href/i.test(name) && !/^(https?|mailto):/.test(value);
      if (leads || attributes.test(name)) bad.push([element.tagName, name, value]);
    }
    if (tags.test(element.tagName)) bad.push([element.tagName]);
  }
  return bad;
}"""


@pytest.fixture(scope="module")
def chromium(chromium_path):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=ARGUMENTS)
        yield browser
        browser.close()


def pieces() -> list[str]:
    """Each hostile text as each way into the page makes it, in several places of a text."""
    made = []
    for text in hostile_texts().values():
        growing = GrowingMarkdown()
        growing.update(text[: len(text) // 2])
        made += [render_markdown(text), plain_html(text), sanitised(text), "".join(growing.update(text)[1])]
        for around in (
            "- {}",
            "> {}",
            "| {} | b |\n|---|---|\n| {} | d |",
            "[{}](https://a.example)",
            "**{}**",
            "$${}$$",
        ):
            made.append(render_markdown(around.replace("{}", text)))
    return made


def test_no_script_runs_and_nothing_is_loaded(chromium):
    page = chromium.new_page()
    requests, dialogs, windows = [], [], []
    # Links may be followed by a click; the click below is stopped at the door, so any request is one too many.
    page.route("**/*", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
    page.goto("http://page.example/")
    page.on("request", lambda request: requests.append(request.url))
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    page.context.on("page", lambda opened: windows.append(opened.url))
    page.evaluate("() => document.addEventListener('click', (event) => event.preventDefault())")
    shown = page.evaluate(SHOW, json.loads(json.dumps(pieces())))
    assert shown > 2_000
    page.evaluate(POKE)
    page.wait_for_timeout(500)
    assert page.evaluate("window.ran") == []
    assert page.evaluate(LEFT) == []
    assert requests == []
    assert dialogs == []
    assert windows == []
    assert page.url == "http://page.example/"


def test_the_watch_itself_works(chromium):
    """The same page does notice a script and a request, if there is one."""
    page = chromium.new_page()
    requests = []
    page.route("**/*", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
    page.goto("http://page.example/")
    page.on("request", lambda request: requests.append(request.url))
    page.evaluate(SHOW, ["<img src='http://evil.example/x.png' onerror='hack()'>"])
    page.wait_for_function("window.ran.length > 0")
    assert requests
    assert page.evaluate(LEFT)
