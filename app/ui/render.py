"""The one way from any text to HTML for the page: Markdown, formulas, code, and last of all the sanitiser."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from mdit_py_plugins.dollarmath import dollarmath_plugin

from app.ui.code import highlighted
from app.ui.formulas import LONGEST as LONGEST_FORMULA
from app.ui.formulas import formula

LONGEST = 200_000
"""Characters of one text that are read as Markdown; beyond, it is shown as it is, which never takes long."""
MOST_NESTING = 2_000
"""Characters of quote or list markers, brackets or stars in a row beyond which a text is no one's writing."""
BIDI_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")
RUNS = re.compile(rf"(?:[\[\]!*_`~>]\s?|[-+]\s|\d+[.)]\s){{{MOST_NESTING},}}")

TAGS = {
    "a", "blockquote", "br", "button", "code", "del", "details", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr",
    "li", "ol", "p", "pre", "s", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "th", "thead", "tr",
    "ul",
    "math", "mfrac", "mi", "mn", "mo", "mover", "mpadded", "mphantom", "mroot", "mrow", "ms", "mspace", "msqrt",
    "mstyle", "msub", "msubsup", "msup", "mtable", "mtd", "mtext", "mtr", "munder", "munderover", "menclose",
}  # fmt: skip
CLASSES = {"code", "code-head", "plain", "formula-error", "link-host", "image-link"}
MATH_ATTRIBUTES = {
    "accent", "columnalign", "columnlines", "columnspacing", "depth", "display", "displaystyle", "fence", "form",
    "height", "largeop", "linethickness", "lspace", "mathvariant", "maxsize", "minsize", "movablelimits", "notation",
    "rowspacing", "rspace", "scriptlevel", "separator", "stretchy", "symmetric", "voffset", "width",
}  # fmt: skip
ATTRIBUTES: dict[str, set[str]] = {
    "a": {"href", "title", "class"},
    "button": {"type", "data-act"},
    "code": {"class"},
    "div": {"class"},
    "ol": {"start"},
    "pre": {"class"},
    "span": {"class"},
    "td": {"align"},
    "th": {"align"},
    **{tag: set(MATH_ATTRIBUTES) for tag in TAGS if tag.startswith("m")},
}
VALUES = {"button": {"type": {"button"}, "data-act": {"copy-code"}}}


def render_markdown(text: str) -> str:
    """`text` as sanitised HTML. Raw HTML in it is shown as text; nothing in it loads anything."""
    if _too_much(text):
        return plain_html(text)
    return sanitise(_parser().render(text))


def plain_html(text: str) -> str:
    """`text` as it is, its line breaks kept."""
    return f'<pre class="plain">{html.escape(text, quote=False)}</pre>'


def sanitise(markup: str) -> str:
    """Only what the allow-list knows is left of `markup`."""
    return nh3.clean(
        markup,
        tags=TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=_allowed,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        generic_attribute_prefixes=None,
    )


class GrowingMarkdown:
    """The HTML of a growing text, block by block: finished blocks are rendered once.

    The blocks together always say what `render_markdown` says of the whole text; where a later line can still change
    an earlier block (a link's definition), all is rendered anew.
    """

    def __init__(self) -> None:
        self._text = ""
        self._blocks: list[str] = []
        self._done = 0

    def update(self, text: str) -> tuple[int, list[str]]:
        """(how many blocks will not change any more, all blocks)."""
        if not text.startswith(self._text[: self._done]):
            self._blocks, self._done = [], 0
        self._text = text
        if _too_much(text) or DEFINITION.search(text):
            self._blocks, self._done = [], 0
            return 0, [render_markdown(text)]
        rest = text[self._done :]
        for piece in self._finished(rest):
            self._blocks.append(render_markdown(piece))
            self._done += len(piece)
        rest = text[self._done :]
        tail = [render_markdown(rest)] if rest.strip() else []
        return len(self._blocks), [*self._blocks, *tail]

    def _finished(self, rest: str) -> Sequence[str]:
        """The source of the blocks that are over: all but the last two, since the last may still join its neighbour."""
        starts = [
            token.map[0]
            for token in _parser().parse(rest)
            if token.level == 0 and token.map is not None and token.nesting >= 0
        ]
        if len(starts) < 3:
            return []
        lines = rest.splitlines(keepends=True)
        edges = [0, *starts[1:-1]]
        return ["".join(lines[a:b]) for a, b in pairwise(edges)]


DEFINITION = re.compile(r"^ {0,3}(?:> ?|[-+*] |\d+[.)] )* {0,3}\[[^\]\n]+\]:", re.MULTILINE)


def _too_much(text: str) -> bool:
    return len(text) > LONGEST or RUNS.search(text) is not None


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": 30}).enable(
        ["table", "strikethrough"]
    )
    dollarmath_plugin(
        parser,
        allow_space=False,
        allow_digits=False,
        double_inline=True,
        allow_labels=False,
        renderer=_dollar,
    )
    parser.inline.ruler.before("escape", "backslash_math", _backslash_math)
    for name, rule in {
        "fence": _fence,
        "code_block": _fence,
        "link_open": _link_open,
        "link_close": _link_close,
        "image": _image,
        "backslash_math": _backslash_formula,
    }.items():
        parser.add_render_rule(name, rule)
    return parser


def _dollar(content: str, options: dict[str, bool]) -> str:
    return formula(content, block=options.get("display_mode", False))


BACKSLASH_MATH = {"\\(": ("\\)", False), "\\[": ("\\]", True)}


def _backslash_math(state: StateInline, silent: bool) -> bool:
    """Formulas between backslash brackets, as most models write them."""
    opening = state.src[state.pos : state.pos + 2]
    if opening not in BACKSLASH_MATH:
        return False
    closing, block = BACKSLASH_MATH[opening]
    end = state.src.find(closing, state.pos + 2, state.pos + 2 + LONGEST_FORMULA)
    if end < 0:
        return False
    if not silent:
        token = state.push("backslash_math", "", 0)
        token.content = state.src[state.pos + 2 : end]
        token.meta = {"block": block}
    state.pos = end + 2
    return True


def _backslash_formula(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    return formula(tokens[index].content, block=tokens[index].meta["block"])


def _fence(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    token = tokens[index]
    words = token.info.split()
    return highlighted(token.content, words[0] if words else "")


def _link_open(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    address = BIDI_CONTROLS.sub("", str(tokens[index].attrs.get("href", "")))
    shown = html.escape(address)
    return f'<a href="{shown}" title="{shown}">'


def _link_close(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    opened = next(
        at
        for at in range(index - 1, -1, -1)
        if tokens[at].type == "link_open" and tokens[at].level == tokens[index].level
    )
    address = str(tokens[opened].attrs.get("href", ""))
    words = "".join(token.content for token in tokens[opened + 1 : index])
    host = link_host(address)
    if not host or words.strip() == address:
        return "</a>"
    return f'</a><span class="link-host">{html.escape(host)}</span>'


def _image(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """An image would be loaded from somewhere: its description and address stand instead."""
    token = tokens[index]
    address = BIDI_CONTROLS.sub("", str(token.attrs.get("src", "")))
    shown = html.escape(address)
    words = html.escape(token.content or address)
    return f'<a class="image-link" href="{shown}" title="{shown}">{words}</a><span class="link-host">{shown}</span>'


def link_host(address: str) -> str:
    """Where a link really leads, names in other scripts as they are sent (punycode); '' if nowhere."""
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return ""
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return BIDI_CONTROLS.sub("", host).encode("ascii", "backslashreplace").decode("ascii")


def _allowed(tag: str, attribute: str, value: str) -> str | None:
    if attribute == "class":
        kept = [name for name in value.split() if name in CLASSES or (tag == "span" and HIGHLIGHT.fullmatch(name))]
        return " ".join(kept) or None
    if tag in VALUES and attribute in VALUES[tag]:
        return value if value in VALUES[tag][attribute] else None
    return value


HIGHLIGHT = re.compile(r"[a-z][a-z0-9]?[a-z0-9]?")
"""The short classes that Pygments gives to parts of code."""
