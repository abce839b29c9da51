"""What a person does on the page, by the fixed ids and the names of the buttons."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.running_app import until


def send(page: Page, text: str) -> None:
    """Type and press Enter."""
    page.fill("#composer textarea", text)
    page.press("#composer textarea", "Enter")


def replies(page: Page) -> list[str]:
    """The texts of the model's messages, as shown."""
    return page.locator("#transcript .message.assistant .body").all_inner_texts()


def last_reply(page: Page) -> str:
    """The text of the last reply, '' while there is none."""
    shown = replies(page)
    return shown[-1] if shown else ""


def wait_live(page: Page) -> None:
    """Until a reply is being written."""
    page.wait_for_selector("body[data-live=true]")


def wait_done(page: Page, seconds: float = 60) -> None:
    """Until no reply is being written."""
    page.wait_for_selector("body[data-live=false]", timeout=seconds * 1000)


def ask(page: Page, text: str) -> str:
    """Send and wait for the whole reply."""
    before = page.locator("#transcript .message.user").count()
    send(page, text)
    until(lambda: page.locator("#transcript .message.user").count() > before, what="the message is shown")
    wait_done(page)
    return last_reply(page)


def act(page: Page, name: str, role: str = "assistant") -> None:
    """Press a button of the last message of `role`."""
    message = page.locator(f"#transcript .message.{role}").last
    message.hover()
    message.locator(f"[data-act={name}]").click()


def set_option(page: Page, name: str, value: str) -> None:
    """Set a number in the details of the conversation."""
    if page.evaluate("document.body.dataset.details") != "open":
        page.click("#titlebar [data-act=details]")
    field = page.locator(f"#option-{name} input[type=number]")
    field.fill(value)
    field.press("Tab")


LONG = "Write a very long story about a river, a bridge and an old lighthouse keeper, with many chapters."
