"""How long it takes to open a conversation of 4,000 messages: by a click in the list, and by its address."""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

from playwright.sync_api import Page

from bench.scene import chromium, data_folder, long_conversation, report, scripted_engine
from tests.browser.running_app import RunningApp, until

SHOWN = "document.querySelectorAll('#transcript .message').length >= 40"


def by_click(page: Page, url: str) -> float:
    """Seconds from the click on the title to the frame that shows the last messages."""
    page.goto(url)
    page.wait_for_selector("#conversations .conversation")
    return float(
        page.evaluate(
            """async () => {
              const started = performance.now();
              document.querySelector('#conversations .conversation .title').click();
              while (document.querySelectorAll('#transcript .message').length < 40) {
                await new Promise(requestAnimationFrame);
              }
              await new Promise(requestAnimationFrame);
              return (performance.now() - started) / 1000;
            }"""
        )
    )


def by_address(page: Page, url: str) -> float:
    """Seconds from asking for the address to the messages standing in the page."""
    started = time.perf_counter()
    page.goto(url, wait_until="commit")
    until(lambda: page.evaluate(SHOWN), 30, "the last messages")
    return time.perf_counter() - started


def summary(values: list[float]) -> dict[str, Any]:
    return {"median_s": round(statistics.median(values), 3), "runs_s": [round(v, 3) for v in values]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--messages", type=int, default=4000)
    arguments = parser.parse_args()
    with data_folder() as data, scripted_engine() as engine:
        conversation = long_conversation(data, arguments.messages)
        app = RunningApp(data, "--remote", engine)
        try:
            with chromium() as browser:
                page = browser.new_page(viewport={"width": 1280, "height": 800})
                clicks = [by_click(page, app.url) for _ in range(arguments.runs)]
                loads = [by_address(page, f"{app.url}?c={conversation}") for _ in range(arguments.runs)]
        finally:
            app.stop()
    report({"messages": arguments.messages, "click": summary(clicks), "address": summary(loads)})


if __name__ == "__main__":
    main()
