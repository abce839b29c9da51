"""How much the page adds to the engine: 300 tokens at 150 tokens/s with 0, 400 and 4,000 earlier messages.

Measured in the browser by its own clock: from the press of Enter to the frame in which the last token is in the page
(`shown_s`), beside the engine's own time from the request's arrival to its last token (`engine_s`). `ratio` is their
quotient; `first_delay_ms` is the time from the engine's first token to the frame that shows it. The engine and the
browser share the machine's clock.
"""

from __future__ import annotations

import argparse
import json
import statistics
import urllib.request
from typing import Any

from playwright.sync_api import Page

from bench.scene import chromium, data_folder, long_conversation, report, scripted_engine
from tests.browser.running_app import RunningApp, until

TOKENS, RATE, CONTEXT = 300, 150, 8192
WATCH = r"""(TOKENS) => {
  const w = (window.watch = { enter: null, first: null, last: null,
    before: document.querySelectorAll('#transcript .message.assistant').length });
  document.addEventListener('keydown', (e) => {
    if (e.key === 'Enter' && w.enter === null) w.enter = performance.timeOrigin + performance.now();
  }, { capture: true });
  const frame = () => {
    const all = document.querySelectorAll('#transcript .message.assistant .body');
    const text = all.length > w.before ? all[all.length - 1].textContent : '';
    const words = text.trim().split(/\s+/).filter(Boolean).length;
    if (words >= 1) w.first ??= performance.timeOrigin + performance.now();
    if (words >= TOKENS) w.last ??= performance.timeOrigin + performance.now();
    if (w.last === null) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""


def one_send(page: Page, address: str, engine: str) -> dict[str, float]:
    """Open the conversation, send one message, and take the times of both sides."""
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    page.fill("#composer textarea", "Go on.")
    page.wait_for_timeout(1200)
    page.evaluate(WATCH, TOKENS)
    page.press("#composer textarea", "Enter")
    page.wait_for_timeout(TOKENS / RATE * 1000 + 500)  # asking the page meanwhile would slow what is measured
    until(lambda: page.evaluate("window.watch.last !== null"), 60, "the last token")
    watch = page.evaluate("window.watch")
    page.wait_for_selector("body[data-live=false]")
    with urllib.request.urlopen(f"{engine}/scripted/log", timeout=5) as answer:
        last = [r for r in json.load(answer) if r.get("last_token_at")][-1]
    engine_s = last["last_token_at"] - last["received_at"]
    shown_s = (watch["last"] - watch["enter"]) / 1000
    return {
        "engine_s": round(engine_s, 4),
        "shown_s": round(shown_s, 4),
        "ratio": round(shown_s / engine_s, 4),
        "first_delay_ms": round(watch["first"] - last["first_token_at"] * 1000, 1),
    }


def measure(earlier: int, runs: int) -> dict[str, Any]:
    """Medians over `runs` sends with `earlier` messages before the first."""
    with (
        data_folder() as data,
        scripted_engine("--rate", str(RATE), "--tokens", str(TOKENS), "--context", str(CONTEXT)) as engine,
    ):
        conversation = long_conversation(data, earlier) if earlier else None
        app = RunningApp(data, "--remote", engine)
        try:
            with chromium() as browser:
                page = browser.new_page(viewport={"width": 1280, "height": 800})
                address = app.url + (f"?c={conversation}" if conversation else "")
                sends = [one_send(page, address, engine) for _ in range(runs)]
        finally:
            app.stop()
    medians = {name: statistics.median(s[name] for s in sends) for name in sends[0]}
    return {**medians, "runs": sends}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    figures = {f"{earlier}_earlier": measure(earlier, runs) for earlier in (0, 400, 4000)}
    report({"tokens": TOKENS, "rate": RATE, **figures})


if __name__ == "__main__":
    main()
