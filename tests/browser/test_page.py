"""The page itself: history, keys, languages, phone, hostile text. A scripted engine answers."""

from __future__ import annotations

import pytest

from storage.conversations import Conversations
from storage.database import open_database
from tests.browser.chat_page import act, ask, last_reply, replies, send, wait_done, wait_live
from tests.browser.running_app import until

pytestmark = pytest.mark.browser


@pytest.fixture
def engine(scripted_engine):
    """A scripted engine that answers every message with one short sentence."""
    return scripted_engine(reply="The answer is forty-two.", rate=400)


@pytest.fixture
def remote_app(start_app, engine):
    return start_app("--remote", engine.url)


def test_conversations_are_listed_renamed_deleted_and_brought_back(remote_app, open_page):
    page = open_page(remote_app.url)
    ask(page, "First question about apples")
    page.click("#new-conversation")
    until(lambda: page.locator(".welcome").count() == 1, what="the empty page")
    assert "?c=" not in page.url
    ask(page, "Second question about pears")
    titles = "#conversations .conversation .title"
    until(lambda: page.locator(titles).count() == 2, what="two conversations")
    assert page.locator(titles).all_inner_texts() == ["Second question about pears", "First question about apples"]
    row = page.locator("#conversations .conversation").nth(1)
    row.hover()
    row.locator("[data-act=rename]").click()
    page.fill("#conversations input.rename", "苹果")
    page.press("#conversations input.rename", "Enter")
    until(lambda: "苹果" in page.locator(titles).all_inner_texts(), what="the new title")
    row = page.locator("#conversations .conversation").nth(1)
    row.hover()
    row.locator("[data-act=delete]").click()
    until(lambda: page.locator(titles).count() == 1, what="one conversation")
    page.click(".notice [data-act=undo]")
    until(lambda: page.locator(titles).count() == 2, what="the conversation is back")
    assert "First question about apples" in page.inner_text("#transcript")


def test_back_and_forward_walk_through_the_conversations(remote_app, open_page):
    page = open_page(remote_app.url)
    ask(page, "About cats")
    page.click("#new-conversation")
    until(lambda: page.locator(".welcome").count() == 1, what="the empty page")
    ask(page, "About dogs")
    page.locator("#conversations .title", has_text="cats").click()
    until(lambda: "About cats" in page.inner_text("#transcript"), what="the first conversation")
    page.go_back()
    until(lambda: "About dogs" in page.inner_text("#transcript"), what="back to the second")
    page.go_forward()
    until(lambda: "About cats" in page.inner_text("#transcript"), what="forward to the first")


def test_the_keys_search_start_anew_and_edit_the_last_message(remote_app, open_page):
    page = open_page(remote_app.url)
    ask(page, "Something to find later")
    page.keyboard.press("Control+k")
    page.keyboard.type("find")
    until(lambda: page.locator("#conversations .title").count() == 1, what="one match")
    page.keyboard.type("zzz")
    until(lambda: "No title matches" in page.inner_text("#conversations"), what="no match")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Shift+O")
    until(lambda: page.locator(".welcome").count() == 1, what="a new conversation")
    page.go_back()
    until(lambda: page.locator(".message.user").count() == 1, what="the conversation")
    page.click("#composer textarea")
    page.keyboard.press("ArrowUp")
    until(lambda: page.locator(".editor-text").count() == 1, what="the editor")
    assert page.input_value(".editor-text") == "Something to find later"
    page.keyboard.press("Escape")
    assert page.locator(".editor-text").count() == 0
    page.fill("#composer textarea", "one")
    page.press("#composer textarea", "Shift+Enter")
    page.keyboard.type("two")
    assert page.input_value("#composer textarea") == "one\ntwo"


def test_what_was_typed_and_not_sent_is_there_after_closing_the_tab(remote_app, open_page):
    page = open_page(remote_app.url)
    page.fill("#composer textarea", "Half a thought")
    page.wait_for_timeout(900)
    page.close()
    again = open_page(remote_app.url)
    assert again.input_value("#composer textarea") == "Half a thought"


def test_what_was_typed_a_moment_before_another_conversation_is_opened_stays_with_its_own(remote_app, open_page):
    page = open_page(remote_app.url)
    ask(page, "The first one")
    page.fill("#composer textarea", "Half a thought")
    page.click("#new-conversation")
    until(lambda: page.input_value("#composer textarea") == "", what="the empty page")
    page.go_back()
    until(lambda: page.input_value("#composer textarea") == "Half a thought", what="the unsent text")


def test_chinese_is_complete_and_is_kept(remote_app, open_page):
    page = open_page(remote_app.url, locale="zh-CN")
    assert page.inner_text("#send") == "发送"
    page.click("#conversations [data-act=settings]")
    page.click("#language label >> text=English")
    until(lambda: page.inner_text("#send") == "Send", what="English")
    page.click("#language label >> text=简体中文")
    until(lambda: page.inner_text("#send") == "发送", what="Chinese again")
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert page.inner_text("#send") == "发送"
    latin = page.evaluate(
        """() => [...document.querySelectorAll('button, label, h1, h2, p')]
            .filter(e => e.offsetParent && !e.querySelector('*'))
            .map(e => e.textContent.trim())
            .filter(t => /[A-Za-z]{4,}/.test(t) && !/[\\u4e00-\\u9fff]/.test(t))"""
    )
    assert set(latin) <= {"English", "Inkglass"}, latin


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_scrolls_sideways(remote_app, open_page, engine, scheme):
    engine.replies_with(
        "A table:\n\n|a|b|\n|-|-|\n|1|2|\n\n```python\n" + "x = " + "1 + " * 80 + "1\n```\n" + "w" * 300
    )
    page = open_page(remote_app.url, viewport={"width": 390, "height": 844}, color_scheme=scheme)
    ask(page, "Show me wide things")
    widths = page.evaluate("[document.documentElement.scrollWidth, document.querySelector('.log').scrollWidth]")
    assert max(widths) <= 390
    page.click("#titlebar [data-act=menu]")
    assert page.is_visible("#new-conversation")
    page.keyboard.press("Escape")
    until(lambda: not page.is_visible("#new-conversation"), what="the drawer closes")


def test_a_hostile_reply_runs_no_script_and_loads_nothing(remote_app, open_page, engine):
    engine.replies_with(
        "<script>window.hacked=1</script><img src='https://evil.example/x.png' onerror='window.hacked=1'>"
        "![pixel](https://evil.example/pixel.png) [click](javascript:window.hacked=1) "
        "<iframe src='https://evil.example'></iframe><style>body{background:url(https://evil.example/c)}</style>"
    )
    page = open_page(remote_app.url)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    ask(page, "Do something bad")
    page.wait_for_timeout(300)
    assert page.evaluate("window.hacked") is None
    assert [url for url in asked if not url.startswith(remote_app.url)] == []
    assert "<script>" in last_reply(page)
    assert page.locator("#transcript .body img, #transcript .body iframe").count() == 0


def test_a_failing_server_is_said_in_a_sentence_and_the_next_send_works(remote_app, open_page, engine):
    page = open_page(remote_app.url)
    engine.fails_with(429)
    send(page, "First")
    until(lambda: page.locator(".state.bad").count() == 1, what="the failure")
    assert "too many" in page.inner_text(".state.bad")
    engine.recovers()
    assert ask(page, "Second") == "The answer is forty-two."


def test_a_stream_that_breaks_keeps_what_came(remote_app, open_page, engine):
    page = open_page(remote_app.url)
    engine.breaks_after(3)
    send(page, "Break")
    until(lambda: page.locator(".state.bad").count() == 1, what="the failure")
    assert last_reply(page).startswith("The answer")
    engine.recovers()
    act(page, "continue")
    wait_done(page)


def test_reasoning_folds_away(remote_app, open_page, engine):
    engine.replies_with("<think>First I count.</think>It is four.")
    page = open_page(remote_app.url)
    ask(page, "How many?")
    assert last_reply(page) == "It is four."
    assert not page.locator(".thoughts").is_visible()
    page.click(".reasoning summary")
    assert page.inner_text(".thoughts") == "First I count."


def test_a_branch_is_a_conversation_of_its_own(remote_app, open_page):
    page = open_page(remote_app.url)
    ask(page, "One")
    ask(page, "Two")
    old = page.url
    message = page.locator("#transcript .message.assistant").first
    message.hover()
    message.locator("[data-act=branch]").click()
    until(lambda: page.evaluate("location.href") != old, what="a new address")
    assert len(replies(page)) == 1
    page.goto(old)
    page.wait_for_selector("body[data-ready]")
    assert len(replies(page)) == 2


def test_a_deleted_message_comes_back_with_undo(remote_app, open_page):
    page = open_page(remote_app.url)
    ask(page, "One")
    act(page, "delete")
    until(lambda: replies(page) == [], what="the reply is gone")
    page.click(".notice [data-act=undo]")
    until(lambda: replies(page) == ["The answer is forty-two."], what="the reply is back")


def test_the_reader_stays_where_they_are_while_a_reply_grows(remote_app, open_page, engine):
    engine.replies_with("line\n\n" * 200, rate=60)
    page = open_page(remote_app.url)
    send(page, "Go on and on")
    wait_live(page)
    until(lambda: page.evaluate("document.querySelector('.log').scrollHeight") > 1600, what="a long reply")
    page.hover("#transcript")
    page.mouse.wheel(0, -700)
    until(lambda: page.locator("button.latest").is_visible(), what="the way back to the end")
    top = page.evaluate("document.querySelector('.log').scrollTop")
    height = page.evaluate("document.querySelector('.log').scrollHeight")
    until(lambda: page.evaluate("document.querySelector('.log').scrollHeight") > height + 100, what="it grew")
    assert page.evaluate("document.querySelector('.log').scrollTop") == top
    page.click("button.latest")
    until(lambda: not page.locator("button.latest").is_visible(), what="at the end again")
    page.click("#stop")
    wait_done(page)


def test_a_megabyte_is_refused_with_the_number_of_tokens_and_stays_in_the_composer(remote_app, open_page):
    page = open_page(remote_app.url)
    text = "word " * 200_000
    page.evaluate(
        """text => { const f = document.querySelector('#composer textarea');
                     f.value = text; f.dispatchEvent(new Event('input', {bubbles: true})); }""",
        text,
    )
    page.press("#composer textarea", "Enter")
    until(lambda: page.locator(".notice.error").count() == 1, 30, "the refusal")
    assert "tokens too long" in page.inner_text(".notice.error")
    assert page.input_value("#composer textarea") == text
    assert page.locator(".message").count() == 0


def test_an_edit_that_was_dropped_or_reloaded_away_is_not_lost(remote_app, open_page):
    page = open_page(remote_app.url)
    ask(page, "A question")
    edit = page.locator(".message.user [data-act=edit]")
    edit.dblclick(force=True)
    until(lambda: page.locator(".editor-text").count() == 1, what="one editor")
    page.fill(".editor-text", "A better question")
    page.keyboard.press("Escape")
    until(lambda: page.locator(".editor-text").count() == 0, what="the editor is closed")
    page.click(".notice [data-act=undo]")
    until(lambda: page.locator(".editor-text").count() == 1, what="the editor is back")
    assert page.input_value(".editor-text") == "A better question"
    page.reload()
    page.wait_for_selector("body[data-ready]")
    page.locator(".message.user [data-act=edit]").click(force=True)
    until(lambda: page.locator(".editor-text").count() == 1, what="the editor after a reload")
    assert page.input_value(".editor-text") == "A better question"
    page.click(".editor [data-act=save]")
    until(lambda: page.inner_text(".message.user .body") == "A better question", what="the edit is sent")
    wait_done(page)
    assert page.locator(".editor-text").count() == 0


def test_a_question_whose_reply_was_deleted_can_be_asked_again(remote_app, open_page):
    page = open_page(remote_app.url)
    ask(page, "A question")
    page.locator(".message.assistant [data-act=delete]").click(force=True)
    until(lambda: page.locator(".message.assistant").count() == 0, what="the reply is in the trash")
    page.locator(".message.user [data-act=retry]").click(force=True)
    wait_done(page)
    until(lambda: replies(page) == ["The answer is forty-two."], what="another reply")
    assert page.locator(".message.user [data-act=retry]:visible").count() == 0


def test_more_conversations_are_loaded_as_one_scrolls(fresh_data, start_app, engine, open_page):
    database = open_database(fresh_data / "inkglass.db", fresh_data / "backups")
    for number in range(130):
        Conversations(database).create(mode="dialogue", title=f"Conversation {number}")
    database.close()
    page = open_page(start_app("--remote", engine.url).url)
    titles = page.locator("#conversations .title")
    until(lambda: titles.count() >= 40, what="the first page of the list")
    assert titles.count() < 130
    assert titles.first.inner_text() == "Conversation 129"

    page.hover("#conversations")

    def scrolled_down():
        page.mouse.wheel(0, 900)
        return titles.count() == 130

    until(scrolled_down, what="all conversations")
    assert titles.last.inner_text() == "Conversation 0"
    assert len(set(titles.all_inner_texts())) == 130
