"""Rendering: the one way from any text (a reply, the user's own, an import) to HTML for the page.

Markdown is parsed with raw HTML off, code is highlighted and formulas become MathML on the server, and the sanitiser
comes last, always. Every top-level block stands alone (there are no reference links), so that a growing reply's
finished blocks never change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from app.ui.highlight import code_css
from app.ui.markdown import Block, markdown_blocks
from app.ui.sanitiser import sanitised

__all__ = ["GrowingMarkdown", "code_css", "plain_html", "render_markdown"]

LONGEST = 100_000
"""Characters of one text that are read as Markdown; a longer one is shown plain."""
PLAIN_PIECE = 20_000
_QUOTES = re.compile(r"^(?:[ \t]{0,3}>){10}", re.MULTILINE)
_SURROGATE = re.compile("[\ud800-\udfff]")


def render_markdown(text: str) -> str:
    """Sanitised HTML of `text`. Never fails and takes time in proportion to the text's length."""
    return "".join(_blocks(_normal(text)))


def plain_html(text: str) -> str:
    """`text` as it is: escaped, its line breaks kept."""
    return sanitised(escape(_normal(text)).replace("\n", "<br>"))


class GrowingMarkdown:
    """The HTML of a text that grows at its end. Blocks that are finished are rendered once and never change."""

    def __init__(self) -> None:
        self._text = ""
        self._finished: list[str] = []
        self._start = 0
        self._seen = 0
        self._plain = False

    def update(self, text: str) -> tuple[int, list[str]]:
        """All blocks of `text`, and how many at the front are final; joined they are `render_markdown(text)`.

        A text that does not begin with the previous one has no final blocks from then on.
        """
        text = _normal(text)
        if self._plain or not text.startswith(self._text) or _unreadable(text):
            self._plain = True
            return 0, list(_blocks(text))
        self._text = text
        self._finish(text)
        return len(self._finished), [*self._finished, *_blocks(text[self._start :])]

    def _finish(self, text: str) -> None:
        # Only whole lines decide: "2" below a list is a paragraph, "2." goes on with the list.
        whole = text.rfind("\n") + 1
        if whole <= self._seen:
            return
        self._seen = whole
        part = text[self._start : whole]
        blocks = markdown_blocks(part)
        if len(blocks) < 2:
            return
        self._finished += [_block_html(block) for block in blocks[:-1]]
        self._start += sum(len(line) + 1 for line in part.split("\n")[: blocks[-1].first_line])


def _normal(text: str) -> str:
    """Line ends as `\\n`; NUL and lone surrogates, which no page can show, as U+FFFD."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "\ufffd")
    return _SURROGATE.sub("\ufffd", text)


def _unreadable(text: str) -> bool:
    return len(text) > LONGEST or _QUOTES.search(text) is not None


def _blocks(text: str) -> Iterator[str]:
    """Each top-level block as sanitised HTML."""
    if _unreadable(text):
        for start in range(0, len(text), PLAIN_PIECE):
            yield _plain_block(text[start : start + PLAIN_PIECE])
        return
    for block in markdown_blocks(text):
        yield _block_html(block)


def _block_html(block: Block) -> str:
    html = block.html()
    return _plain_block(block.source) if html is None else sanitised(html)


def _plain_block(text: str) -> str:
    return sanitised(f'<pre class="plain">{escape(text)}</pre>')
