"""A conversation with the starter model in a real browser."""

from __future__ import annotations

import re

import pytest

from tests.browser.chat_page import LONG, act, ask, last_reply, replies, send, set_option, wait_done, wait_live
from tests.browser.running_app import until

pytestmark = [pytest.mark.browser, pytest.mark.real_model]


def test_a_message_is_answered_while_one_watches_and_the_conversation_has_an_address(app, open_page):
    page = open_page(app.url)
    assert "SmolLM2-135M" in page.inner_text("#transcript")
    send(page, "Tell me three facts about the moon.")
    wait_live(page)
    lengths = set()
    until(lambda: lengths.add(len(last_reply(page))) or len(lengths) >= 4, what="the reply grows in steps")
    wait_done(page)
    assert len(last_reply(page)) > 40
    cost = page.inner_text("#transcript .message.assistant .foot")
    assert re.search(r"SmolLM2.*\d+ tokens · [\d.]+ tokens/s · first after [\d.]+ s", cost.replace("\n", " "))
    assert re.search(r"\?c=[0-9a-f-]{36}$", page.url)
    assert page.input_value("#composer textarea") == ""
    assert "Tell me three facts" in page.inner_text("#conversations .conversation.selected")
    shown = last_reply(page)
    page.reload()
    page.wait_for_selector("#transcript .message.assistant")
    assert last_reply(page) == shown


def test_stop_keeps_the_text_and_continue_goes_on_from_it(app, open_page):
    page = open_page(app.url)
    send(page, LONG)
    until(lambda: len(last_reply(page)) > 60, what="some text")
    page.click("#stop")
    wait_done(page, 5)
    kept = last_reply(page)
    assert "Stopped" in page.inner_text("#transcript .message.assistant .state")
    act(page, "continue")
    until(lambda: len(last_reply(page)) > len(kept) + 20, what="more text")
    page.keyboard.press("Escape")
    wait_done(page, 5)
    assert last_reply(page).startswith(kept.rstrip())


def test_every_variant_of_a_reply_is_kept_and_can_be_walked(app, open_page):
    page = open_page(app.url)
    set_option(page, "max_tokens", "24")
    set_option(page, "temperature", "1.2")
    first = ask(page, "Invent a name for a boat.")
    act(page, "retry")
    until(lambda: page.locator(".variant-count").count() == 1, what="the second variant")
    wait_done(page)
    second = last_reply(page)
    assert page.inner_text(".variant-count") == "2/2"
    act(page, "previous")
    until(lambda: page.inner_text(".variant-count") == "1/2", what="the first variant")
    assert last_reply(page) == first
    act(page, "next")
    until(lambda: page.inner_text(".variant-count") == "2/2", what="the second variant again")
    assert last_reply(page) == second


def test_editing_a_message_makes_a_branch_and_keeps_the_old_one(app, open_page):
    page = open_page(app.url)
    set_option(page, "max_tokens", "16")
    old = ask(page, "What is the capital of France?")
    act(page, "edit", "user")
    page.fill(".editor-text", "What is the capital of Italy?")
    page.click(".editor [data-act=save]")
    until(lambda: "Italy" in page.inner_text("#transcript .message.user .body"), what="the edited message")
    wait_done(page)
    assert page.inner_text("#transcript .message.user .variant-count") == "2/2"
    act(page, "previous", "user")
    until(lambda: "France" in page.inner_text("#transcript .message.user .body"), what="the first branch")
    assert replies(page) == [old]


def test_a_reply_can_be_edited_and_the_models_own_words_stay_beside_it(app, open_page):
    page = open_page(app.url)
    set_option(page, "max_tokens", "16")
    old = ask(page, "Say hello.")
    act(page, "edit")
    page.fill(".editor-text", "My own **words**.")
    page.click(".editor [data-act=save]")
    until(lambda: last_reply(page) == "My own words.", what="the edited reply")
    assert page.locator("#transcript .message.assistant strong").inner_text() == "words"
    act(page, "previous")
    until(lambda: last_reply(page) == old, what="the model's own reply")


def test_a_reload_in_mid_reply_shows_the_reply_still_growing(app, open_page):
    page = open_page(app.url)
    send(page, LONG)
    until(lambda: len(last_reply(page)) > 40, what="some text")
    seen = last_reply(page)
    page.reload()
    until(lambda: len(last_reply(page)) > len(seen), what="the reply after the reload")
    wait_live(page)
    page.click("#stop")
    wait_done(page, 5)
    assert len(last_reply(page)) > len(seen)


def test_two_tabs_follow_the_same_reply_and_a_stale_send_keeps_its_text(app, open_page):
    first = open_page(app.url)
    set_option(first, "max_tokens", "60")
    ask(first, "Write a sentence about snow.")
    second = open_page(first.url, beside=first)
    send(first, "Write another one, about rain.")
    until(lambda: len(replies(second)) == 2 and len(last_reply(second)) > 10, what="the second tab follows")
    wait_done(first)
    wait_done(second)
    assert last_reply(first) == last_reply(second)
    # Both send at once: one is taken, the other keeps its text and is told why.
    first.fill("#composer textarea", "From the first tab")
    second.fill("#composer textarea", "From the second tab")
    first.press("#composer textarea", "Enter")
    second.press("#composer textarea", "Enter")
    tabs = {"From the first tab": first, "From the second tab": second}
    until(lambda: any(tab.locator(".notice.error").count() for tab in tabs.values()), what="a notice")
    refused = next(text for text, tab in tabs.items() if tab.locator(".notice.error").count())
    assert tabs[refused].input_value("#composer textarea") == refused
    wait_done(tabs[refused])
    until(lambda: tabs[refused].locator(".message.user").count() == 3, what="the other tab's message")
    tabs[refused].press("#composer textarea", "Enter")
    until(lambda: tabs[refused].locator(".message.user").count() == 4, what="the refused message")
    shown = " ".join(tabs[refused].locator(".message.user .body").all_inner_texts())
    assert "From the first tab" in shown
    assert "From the second tab" in shown
