"""Makes the pictures in docs/images: the main page and a conversation, two sizes, two themes, two languages.

    .venv/bin/python -m docs.screenshots

The starter model runs; the shown answer is written by hand, as any reply can be, so that the pictures stay the same.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from models.hub import STARTER, fetch_pack
from tests.browser.conftest import CHROMIUM_ARGUMENTS
from tests.browser.running_app import RunningApp

IMAGES = Path(__file__).parent / "images"
SIZES = {"desktop": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
LOCALES = {"en": "en-GB", "zh": "zh-CN"}
QUESTION = {"en": "How do I read a file line by line in Python?", "zh": "怎样用 Python 逐行读取文件？"}
ANSWER = {
    "en": """Open the file and walk through it: a file is an *iterator over its lines*, so it need not fit in memory.

```python
with open("notes.txt", encoding="utf-8") as file:
    for number, line in enumerate(file, start=1):
        print(number, line.rstrip())
```

- `with` closes the file, also after an error.
- Reading $n$ lines takes $O(n)$ time and constant space.
""",
    "zh": """打开文件后直接遍历即可：文件本身就是*按行的迭代器*，所以不必一次读入内存。

```python
with open("笔记.txt", encoding="utf-8") as file:
    for number, line in enumerate(file, start=1):
        print(number, line.rstrip())
```

- `with` 会在结束或出错时关闭文件。
- 读取 $n$ 行需要 $O(n)$ 的时间和固定的空间。
""",
}


def opened(browser: Browser, url: str, size: str, theme: str, language: str) -> Page:
    """The page as a first visitor sees it."""
    context = browser.new_context(
        viewport=SIZES[size],  # type: ignore[arg-type]  # plain dicts will do
        color_scheme=theme,  # type: ignore[arg-type]
        locale=LOCALES[language],
        device_scale_factor=1,
    )
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("body[data-ready]")
    page.wait_for_selector("#status .state-words")
    page.wait_for_timeout(400)
    return page


def written(browser: Browser, url: str, language: str) -> str:
    """A conversation whose reply was rewritten by hand; its address."""
    page = opened(browser, url, "desktop", "light", language)
    page.fill("#composer textarea", QUESTION[language])
    page.press("#composer textarea", "Enter")
    page.wait_for_selector("#transcript .message.assistant")
    page.click("#stop")
    page.wait_for_selector("body[data-live=false]")
    page.locator(".message.assistant").hover()
    page.click(".message.assistant [data-act=edit]")
    page.fill(".editor-text", ANSWER[language])
    page.click(".editor [data-act=save]")
    page.wait_for_selector("#transcript .code")
    address = page.url
    page.context.close()
    return address


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="inkglass-pictures-") as folder, sync_playwright() as playwright:
        data = Path(folder)
        fetch_pack(data, STARTER, lambda *_: None)
        app = RunningApp(data)
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_ARGUMENTS)
        try:
            scenes = {"main": dict.fromkeys(LOCALES, app.url)}
            scenes["chat"] = {language: written(browser, app.url, language) for language in LOCALES}
            for scene, addresses in scenes.items():
                for language, address in addresses.items():
                    for theme in ("light", "dark"):
                        for size in SIZES:
                            page = opened(browser, address, size, theme, language)
                            page.screenshot(path=IMAGES / f"{scene}-{theme}-{language}-{size}.png")
                            page.context.close()
        finally:
            browser.close()
            app.stop()


if __name__ == "__main__":
    main()
