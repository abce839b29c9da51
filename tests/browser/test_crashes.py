"""What a crash costs: kill -9 of the app and of the engine in mid-reply, with the starter model."""

from __future__ import annotations

import signal
import time

import pytest

from tests.browser.chat_page import LONG, act, ask, last_reply, replies, send, wait_done
from tests.browser.running_app import until

pytestmark = [pytest.mark.browser, pytest.mark.real_model]
AT_RISK = 0.5


def test_after_kill_9_of_the_app_at_most_half_a_second_of_the_reply_is_missing(app, open_page):
    page = open_page(app.url)
    send(page, LONG)
    seen: list[tuple[float, str]] = []

    def enough() -> bool:
        seen.append((time.monotonic(), last_reply(page)))
        return len(seen[-1][1]) > 300

    until(enough, 60, "a few sentences")
    address = page.url
    app.kill()
    killed = time.monotonic()
    safe = next(text for at, text in reversed(seen) if at < killed - AT_RISK)
    page.close()
    app.start(app.port)
    page = open_page(address)
    assert LONG in page.inner_text("#transcript .message.user .body")
    kept = last_reply(page)
    assert len(kept) >= len(safe) > 0
    assert "".join(kept.split()).startswith("".join(safe.split()))
    assert "Interrupted" in page.inner_text("#transcript .message.assistant .state")
    act(page, "continue")
    until(lambda: len(last_reply(page)) > len(kept) + 20, what="the reply goes on")
    page.click("#stop")
    wait_done(page, 5)
    assert last_reply(page).startswith(kept.rstrip())


def test_an_open_tab_finds_the_app_again_after_a_crash_and_its_text_is_kept(app, open_page):
    page = open_page(app.url)
    ask(page, "Hello!")
    page.fill("#composer textarea", "Typed but not sent")
    app.kill()
    until(lambda: "Not connected" in page.inner_text("#status"), what="the status line says so")
    assert page.input_value("#composer textarea") == "Typed but not sent"
    app.start(app.port)
    until(lambda: "Ready" in page.inner_text("#status"), 30, "the status line recovers")
    assert page.input_value("#composer textarea") == "Typed but not sent"
    page.press("#composer textarea", "Enter")
    until(lambda: len(replies(page)) == 2, what="the second message is answered")


def test_pressing_enter_while_the_app_is_down_does_not_lose_the_text(app, open_page):
    page = open_page(app.url)
    app.kill()
    send(page, "Nobody hears this yet")
    until(lambda: "Not connected" in page.inner_text("#status"), what="the status line says so")
    until(lambda: "nothing was sent" in page.inner_text(".notices"), what="a sentence says what became of the text")
    # Gradio's own script reloads a tab whose request failed, once the server is back.
    with page.expect_navigation(timeout=40_000):
        app.start(app.port)
    page.wait_for_selector("body[data-ready]")
    until(lambda: page.input_value("#composer textarea") == "Nobody hears this yet", what="the text is back")
    assert page.locator(".message").count() == 0


def test_kill_9_of_the_engine_keeps_the_text_and_the_next_send_works(app, open_page):
    page = open_page(app.url)
    send(page, LONG)
    until(lambda: len(last_reply(page)) > 80, what="some text")
    seen = last_reply(page)
    app.engine_process().send_signal(signal.SIGKILL)
    wait_done(page, 10)
    assert last_reply(page).startswith(seen.rstrip())
    assert "engine" in page.inner_text("#transcript .message.assistant .state.bad")
    send(page, "Are you there?")
    until(lambda: len(replies(page)) == 2 and len(last_reply(page)) > 5, 40, "the next reply")
    page.keyboard.press("Escape")
    wait_done(page, 10)
