"""Writing modes on the page: chosen, filled in, switched in mid-conversation, and kept. A scripted engine answers."""

from __future__ import annotations

import pytest

from tests.browser.chat_page import ask, send, wait_done
from tests.browser.running_app import until

pytestmark = pytest.mark.browser


@pytest.fixture
def engine(scripted_engine):
    return scripted_engine(reply="The answer is forty-two.", rate=400)


@pytest.fixture
def page(start_app, engine, open_page):
    return open_page(start_app("--remote", engine.url).url)


def sent_last(engine):
    return engine.requests[-1].body["messages"][-1]["content"]


def choose(page, name):
    page.click("#mode")
    page.get_by_role("option", name=name, exact=True).click()


def test_a_mode_is_chosen_by_a_slash_and_its_fields_shape_what_is_sent(page, engine):
    page.click("#composer textarea")
    page.keyboard.type("/po")
    until(lambda: page.locator(".slash [aria-selected=true]").count() == 1, what="the list of modes")
    assert "/poem" in page.inner_text(".slash [aria-selected=true]")
    page.keyboard.press("Enter")
    until(lambda: page.locator("#field-form").count() == 1, what="the fields")
    until(lambda: page.input_value("#composer textarea") == "", what="the empty composer")
    assert page.input_value("#mode input") == "Poem"
    assert not page.is_visible("#field-characters")
    page.select_option("#field-form", "jueju")
    assert page.is_visible("#field-characters")
    page.select_option("#field-form", "haiku")
    ask(page, "the first snow")
    assert sent_last(engine).startswith("Write a haiku about the first snow.")
    assert page.inner_text(".message.user .body") == "the first snow"
    assert page.inner_text(".mode-label") == "Poem · Haiku"
    page.reload()
    page.wait_for_selector("body[data-ready]")
    until(lambda: page.input_value("#mode input") == "Poem", what="the conversation's mode after a reload")
    assert page.input_value("#field-form") == "haiku"


def test_the_mode_is_switched_in_mid_conversation_and_each_message_keeps_its_own(page, engine):
    ask(page, "Hello")
    choose(page, "Brainstorm")
    until(lambda: page.locator("#field-ideas").count() == 1, what="the fields")
    page.fill("#field-ideas", "5")
    send(page, "a name for a cat")
    wait_done(page)
    until(lambda: page.locator(".message.user").count() == 2, what="the second message")
    assert sent_last(engine).startswith("Give 5 different short ideas")
    assert page.locator(".mode-label").all_inner_texts() == ["Brainstorm · 5 ideas"]
    choose(page, "Dialogue")
    until(lambda: page.locator(".fields .field").count() == 0, what="no fields")
    send(page, "Thanks")
    wait_done(page)
    until(lambda: sent_last(engine) == "Thanks", what="plain words")


def test_a_number_out_of_range_is_said_and_the_text_stays(page):
    choose(page, "News report")
    until(lambda: page.locator("#field-words").count() == 1, what="the fields")
    page.fill("#field-words", "5")
    send(page, "Fire in a barn.")
    until(lambda: "from 30 to 1000" in page.inner_text(".notices"), what="the sentence")
    assert page.input_value("#composer textarea") == "Fire in a barn."
    assert page.locator(".message").count() == 0


def test_a_mode_of_ones_own_is_made_previewed_used_edited_deleted_and_brought_back(page, engine):
    page.click("[data-act=details]")
    page.click("[data-act=modes]")
    text = page.locator(".mode-text")
    until(lambda: 'key = "dialogue-2"' in text.input_value(), what="a copy to begin with")
    text.fill('key = "recipe"\nname = { en = "Recipe" }\ndescription = { en = "Food." }\nuser = "Cook {{ tex }}."\n')
    until(lambda: "nothing is called tex" in page.inner_text(".mode-preview"), what="the mistake")
    text.fill(text.input_value().replace("tex }}", "text }}"))
    page.fill(".mode-sample", "pancakes")
    until(lambda: "Cook pancakes." in page.inner_text(".mode-preview"), what="the exact prompt")
    page.click("[data-act=save-mode]")
    until(lambda: page.locator("dialog.modes").count() == 0, what="the dialog closed")
    until(lambda: page.input_value("#mode input") == "Recipe", what="the new mode is chosen")
    ask(page, "soup")
    assert sent_last(engine) == "Cook soup."
    page.click("[data-act=modes]")
    page.locator(".mode-list li", has_text="Recipe").locator("[data-act=delete-mode]").click()
    until(lambda: page.input_value("#mode input") == "Dialogue", what="the mode is gone")
    page.click(".notice [data-act=undo]")
    until(lambda: page.input_value("#mode input") == "Recipe", what="the mode is back")


def test_a_mode_that_takes_a_built_in_key_is_refused_in_the_dialog(page):
    page.click("[data-act=details]")
    page.click("[data-act=modes]")
    text = page.locator(".mode-text")
    until(lambda: "dialogue-2" in text.input_value(), what="a copy to begin with")
    text.fill(text.input_value().replace("dialogue-2", "poem"))
    page.click("[data-act=save-mode]")
    until(lambda: "built-in mode" in page.inner_text(".mode-preview"), what="the reason")
    assert page.locator("dialog.modes").count() == 1
