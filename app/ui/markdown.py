"""Markdown: a text as top-level blocks of HTML that is not sanitised yet; only `render` may use it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from app.ui.formulas import install_formulas
from app.ui.highlight import highlight
from app.ui.links import install_links

LONGEST_PARAGRAPH = 10_000
"""Characters of one paragraph or cell in which emphasis, links and formulas are looked for."""
DEEPEST = 20
"""Levels of quotes and lists within each other; a block with more is shown as its source."""
MOST_TOKENS = 40_000
"""Parts of one block, cells of a table for the most; a block with more is shown as its source."""
_TASK = re.compile(r"\[([ xX])\] ")


@dataclass(frozen=True)
class Block:
    """A top-level block: the line it begins at, its source, and what the parser made of it."""

    first_line: int
    source: str
    tokens: Sequence[Token]

    def html(self) -> str | None:
        """The block's HTML; None if it is too deep or too large."""
        if len(self.tokens) > MOST_TOKENS or max(token.level for token in self.tokens) >= DEEPEST - 1:
            return None
        parser = _parser()
        return str(parser.renderer.render(self.tokens, parser.options, {}))


def markdown_blocks(text: str) -> list[Block]:
    """The top-level blocks of `text`. What a block becomes does not depend on the blocks before it."""
    tokens, lines = _parser().parse(text), text.split("\n")
    blocks: list[Block] = []
    start = 0
    for index, token in enumerate(tokens):
        if token.level == 0 and token.nesting <= 0:
            first, last = tokens[start].map or (0, 0)
            source = "\n".join(lines[first:last]).rstrip("\n")
            blocks.append(Block(first, source, tokens[start : index + 1]))
            start = index + 1
    return blocks


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": DEEPEST})
    parser.enable(["table", "strikethrough"])
    # References reach across blocks: with them, a line at the end could change every block above it.
    parser.disable("reference")
    parser.core.ruler.before("inline", "bounds", _bound_paragraphs)
    parser.core.ruler.push("cells_and_tasks", _cells_and_tasks)
    install_formulas(parser)
    install_links(parser)
    parser.add_render_rule("fence", _render_fence)
    parser.add_render_rule("code_block", _render_fence)
    parser.add_render_rule("long_text", _render_long_text)
    return parser


def _bound_paragraphs(state: StateCore) -> None:
    """Very long paragraphs stay plain text: looking for emphasis and links in them could take seconds."""
    for token in state.tokens:
        if token.type == "inline" and len(token.content) > LONGEST_PARAGRAPH:
            token.type = "long_text"


def _cells_and_tasks(state: StateCore) -> None:
    for index, token in enumerate(state.tokens):
        if token.type in {"td_open", "th_open"} and "style" in token.attrs:
            token.attrs = {"class": str(token.attrs["style"]).removeprefix("text-align:")}
        elif token.type == "inline" and token.children and index > 1:
            task = _TASK.match(token.content)
            first = token.children[0]
            if task and state.tokens[index - 2].type == "list_item_open" and first.type == "text":
                first.content = ("☐ " if task.group(1) == " " else "☑ ") + first.content[task.end() :]


def _render_long_text(
    _self: RendererProtocol, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: EnvType
) -> str:
    return escape(tokens[index].content).replace("\n", "<br>\n")


def _render_fence(
    _self: RendererProtocol, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: EnvType
) -> str:
    token = tokens[index]
    language = token.info.strip().split(maxsplit=1)[0][:40] if token.info.strip() else ""
    return (
        f'<div class="code"><div class="code-head"><span>{escape(language)}</span>'
        '<button type="button" data-act="copy-code"></button></div>'
        f"<pre><code>{highlight(token.content, language, unfinished=_unfinished(token))}</code></pre></div>\n"
    )


def _unfinished(fence: Token) -> bool:
    """Whether the fence has no closing line."""
    first, last = fence.map or (0, 0)
    lines = fence.content.count("\n") + (not fence.content.endswith("\n") and fence.content != "")
    return fence.type == "fence" and last - first < lines + 2
