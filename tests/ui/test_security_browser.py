"""Gradio's page in a real Chromium behind the guard: what we use of it works, no policy is broken, nothing leaves."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import pytest
import uvicorn
from fastapi import FastAPI, Response
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright
from starlette.staticfiles import StaticFiles

from app.ui.panels.mount import mount_script
from app.ui.security import protect
from app.ui.server import STATIC

pytestmark = pytest.mark.browser
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
# What our own scripts do with a component that Gradio mounts: ask the server, raise an event, follow the value.
PROBE = """
window.inkglassMounts = { push: take };
function take(mount) {
  mount.element.querySelector("button").onclick = async () => {
    mount.element.querySelector("b").textContent = (await mount.server.ask({ question: "?" })).answer;
    mount.trigger("act", { name: "pressed" });
  };
  mount.watch("value", () => { document.body.dataset.value = JSON.stringify(mount.props.value); });
  document.body.dataset.mounted = mount.name;
}
"""


# Ways to run a text as code, tried by a script that the policy lets in.
ATTEMPTS = """
const ways = {
  "Function": () => Function("return 1")(),
  "constructor": () => (function () {}).constructor("return 1")(),
  "async constructor": () => (async () => {}).constructor("return 1")(),
  "eval": () => eval("1"),
  "global eval": () => (0, eval)("1"),
  "inline script": () => {
    document.body.append(Object.assign(document.createElement("script"), { textContent: "window.late = 1" }));
    return window.late;
  },
  "handler": () => {
    const it = document.createElement("i");
    it.setAttribute("onclick", "window.late = 1");
    it.click();
    return window.late;
  },
};
const made = {};
for (const [name, way] of Object.entries(ways)) {
  try { made[name] = way() ? "ran" : "nothing"; } catch (error) { made[name] = error.name; }
}
document.body.dataset.attempts = JSON.stringify(made);
"""


def small_page() -> gr.Blocks:
    """One of each component that the real page is made of."""

    def ask(data):
        return {"answer": "forty-two"}

    with gr.Blocks(analytics_enabled=False) as page:
        part = gr.HTML(
            value=None,
            html_template="<p><button>press</button><b></b></p>",
            js_on_load=mount_script("part"),
            server_functions=[ask],
            elem_id="part",
            apply_default_css=False,
        )
        gr.HTML(value=None, html_template="<i></i>", js_on_load="window.evaluated = true", elem_id="evil")
        text = gr.Textbox(label="text", elem_id="text")
        echo = gr.Textbox(label="echo", elem_id="echo")
        button = gr.Button("go", elem_id="go")
        gr.Dropdown(["one", "two"], label="choice", elem_id="choice", interactive=True)
        gr.Slider(0, 10, value=3, label="slider", elem_id="slider", interactive=True)
        gr.Radio(["a", "b"], label="radio", elem_id="radio", interactive=True)
        gr.Number(1, label="number", elem_id="number")
        quiet = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        button.click(lambda words: words.upper(), text, echo, **quiet)
        text.submit(lambda words: words.lower(), text, echo)

        def on_act(event: gr.EventData):
            return {"got": event._data["name"]}

        part.act(on_act, None, part, **quiet)
        page.load(lambda: {"got": "load"}, None, part, **quiet)
    return page


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The small page, mounted and guarded as the real one is."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/inkglass/static", StaticFiles(directory=STATIC))

    @app.get("/inkglass/probe.js")
    def probe() -> Response:
        return Response(PROBE, media_type="text/javascript")

    @app.get("/inkglass/attempts.js")
    def attempts() -> Response:
        return Response(ATTEMPTS, media_type="text/javascript")

    gr.mount_gradio_app(
        app,
        small_page(),
        path="/",
        head='<script src="/inkglass/probe.js"></script>',
        ssr_mode=False,
        footer_links=[],
        run_history=False,
        pwa=False,
        enable_monitoring=False,
        show_error=False,
    )
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    protect(app, host="127.0.0.1", port=port, password=None)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def chromium(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page(chromium: Browser, address: str) -> Page:
    page = chromium.new_page()
    page.asked, page.said, page.failed = [], [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("requestfailed", lambda request: page.failed.append(request))
    page.on("console", lambda message: page.said.append(said(message)))
    page.add_init_script(
        "document.addEventListener('securitypolicyviolation', (event) => console.error("
        "'POLICY', event.violatedDirective, event.blockedURI, event.sourceFile, event.sample))"
    )
    page.goto(address)
    page.wait_for_selector("#part button")
    return page


def said(message: ConsoleMessage) -> str:
    return f"{message.type}: {message.text}"


def until(page: Page, condition: Callable[[], Any]) -> Any:
    """Wait until `condition()` is truthy. (The browser's own waiting evaluates text, which the policy forbids.)"""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if value := condition():
            return value
        page.wait_for_timeout(20)  # and not a plain sleep, during which no event of the browser arrives
    raise AssertionError("it did not come true")


def value_of(page: Page) -> Any:
    return json.loads(page.evaluate("document.body.dataset.value ?? null") or "null")


def test_our_component_is_mounted_and_talks_to_the_server(page):
    until(page, lambda: page.evaluate("document.body.dataset.mounted") == "part")
    until(page, lambda: value_of(page) == {"got": "load"})
    page.click("#part button")
    until(page, lambda: page.inner_text("#part b") == "forty-two")
    until(page, lambda: value_of(page) == {"got": "pressed"})


def test_gradio_s_own_components_work(page):
    page.fill("#text textarea, #text input", "Words")
    page.click("#go")
    until(page, lambda: page.input_value("#echo textarea, #echo input") == "WORDS")
    page.press("#text textarea, #text input", "Enter")
    until(page, lambda: page.input_value("#echo textarea, #echo input") == "words")
    page.click("#choice input")
    page.click("[role=option] >> text=two")
    until(page, lambda: page.input_value("#choice input") == "two")
    page.fill("#slider input[type=number]", "7")
    page.click("#radio label >> text=b")


def test_nothing_outside_is_asked_for_and_the_page_keeps_to_its_policy(page, address):
    assert len(page.asked) > 20
    assert [url for url in page.asked if not url.startswith((f"{address}/", "data:", "blob:"))] == []
    assert [line for line in page.said if "POLICY" in line] == []


def test_a_component_whose_script_is_not_ours_is_refused(page):
    assert page.evaluate("window.evaluated") is None
    assert any("refused" in line and "window.evaluated" in line for line in page.said)


def test_text_never_becomes_code(page):
    page.evaluate(
        "() => document.body.append(Object.assign(document.createElement('script'), {src: '/inkglass/attempts.js'}))"
    )
    made = json.loads(until(page, lambda: page.evaluate("document.body.dataset.attempts ?? null")))
    assert made == {
        "Function": "EvalError",
        "constructor": "EvalError",
        "async constructor": "EvalError",
        "eval": "EvalError",
        "global eval": "EvalError",
        "inline script": "nothing",
        "handler": "nothing",
    }


def test_nothing_remote_can_be_loaded_even_by_hand(page):
    page.evaluate(
        """() => {
          for (const tag of ["img", "script", "iframe", "video", "link", "object", "embed"]) {
            const it = document.createElement(tag);
            it.rel = "stylesheet";
            it.src = it.href = it.data = `http://evil.example/${tag}`;
            document.body.append(it);
          }
          document.body.style.backgroundImage = "url(http://evil.example/background)";
          fetch("http://evil.example/fetch").catch(() => {});
          navigator.sendBeacon("http://evil.example/beacon");
        }"""
    )

    def broken() -> set[str]:
        return {name for name in names for line in page.said if "POLICY" in line and f"evil.example/{name}" in line}

    names = {"img", "script", "background", "fetch", "link"}
    until(page, lambda: broken() == names)
    asked = [url for url in page.asked if "evil.example" in url]
    until(page, lambda: len([request for request in page.failed if "evil.example" in request.url]) == len(asked))
    assert {request.failure for request in page.failed if "evil.example" in request.url} <= {"csp"}


def test_a_person_logs_in_and_out_with_the_keyboard(chromium, serve):
    site = serve(host="0.0.0.0", password="open sesame")
    page = chromium.new_context(locale="zh-CN").new_page()
    page.goto(f"http://{site.host}/")
    assert page.url.endswith("/inkglass/login")
    assert page.inner_text("button") == "打开"
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    until(page, lambda: "不正确" in page.inner_text("p"))
    page.keyboard.type("open sesame")
    page.keyboard.press("Enter")
    until(page, lambda: page.inner_text("body").strip() == "page")
    assert page.url == f"http://{site.host}/"
    assert page.evaluate("document.cookie") == ""
    left = page.evaluate("fetch('/inkglass/logout', { method: 'POST' }).then((answer) => answer.url)")
    assert left.endswith("/inkglass/login")
    page.goto(f"http://{site.host}/")
    assert page.url.endswith("/inkglass/login")
