"""A page behind a password, in a real Chromium."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser


def test_one_comes_in_with_the_password_and_leaves_by_a_button(browser, start_app, scripted_engine):
    app = start_app("--remote", scripted_engine().url, env={"INKGLASS_PASSWORD": "a long password"})
    page = browser.new_page()
    page.goto(app.url)
    page.fill("#password", "a long password")
    page.press("#password", "Enter")
    page.wait_for_selector("body[data-ready] #composer")
    page.click("[data-act=details]")
    page.click(".about .logout")
    page.wait_for_selector("#password")
    page.goto(app.url)
    page.wait_for_selector("#password")
    page.close()
