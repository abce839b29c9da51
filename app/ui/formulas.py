"""Formulas: finds LaTeX between dollars or backslash brackets in Markdown and writes it as MathML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from html import escape, unescape
from xml.etree.ElementTree import Element

from latex2mathml import exceptions as latex
from latex2mathml.converter import Converter
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

LONGEST = 2_000
"""Characters of one formula; a longer one is shown as its source."""
DEEPEST = 30
"""Braces within braces; deeper ones are shown as their source, as the converter calls itself for each."""
FORBIDDEN = re.compile(r"\\(?:def|newcommand|renewcommand|providecommand|newenvironment|DeclareMathOperator|let)\b")
"""Commands that define commands: a few lines of them can unfold without bound."""

_SAME_AS_ALIGN = re.compile(r"\\(begin|end)\{(?:aligned|gathered|gather|flalign|eqnarray|multline|align)\*?\}")
_SAME_AS_NOTHING = re.compile(r"\\(?:begin|end)\{(?:equation|displaymath|math)\*?\}|\\(?:nonumber|notag)(?![a-zA-Z])")
_ALIGNED_AT = re.compile(r"\\begin\{alignedat\}\s*(?:\{\d*\})?|\\begin\{alignat\*?\}\s*(?:\{\d*\})?")
_ALIGNED_AT_END = re.compile(r"\\end\{align(?:ed)?at\*?\}")
_CASES = re.compile(r"\\(begin|end)\{[dr]cases\}")

FOREIGN_ERRORS = (
    latex.NumeratorNotFoundError,
    latex.DenominatorNotFoundError,
    latex.ExtraLeftOrMissingRightError,
    latex.MissingSuperScriptOrSubscriptError,
    latex.DoubleSubscriptsError,
    latex.DoubleSuperscriptsError,
    latex.NoAvailableTokensError,
    latex.InvalidStyleForGenfracError,
    latex.MissingEndError,
    latex.InvalidAlignmentError,
    latex.InvalidWidthError,
    latex.LimitsMustFollowMathOperatorError,
    # What the converter lets through on input it did not foresee.
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    StopIteration,
    TypeError,
    ValueError,
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MATHML_TAGS = _words(
    "math mrow mi mo mn ms mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover mmultiscripts"
    " mprescripts mtable mtr mtd mpadded mphantom menclose mstyle"
)
_NESTING = re.compile(r"(?<!\\)[{}]|\\left(?![a-z])|\\right(?![a-z])|\\begin|\\end")
_OPENING = frozenset({"{", r"\left", r"\begin"})
_WORD = re.compile(r"[a-z -]{1,40}")
_LENGTH = re.compile(
    r"(?:\+?\d{0,2}|-\d?)(?:\.\d{1,4})?(?:em|ex|pt|px|width)?|(?:negative)?(?:thin|medium|thick)mathspace"
)
_LEVEL = re.compile(r"[+-]?\d")
MATHML_ATTRIBUTES: dict[str, re.Pattern[str]] = {
    **dict.fromkeys(
        _words(
            "display displaystyle mathvariant stretchy symmetric largeop movablelimits fence separator form accent"
            " accentunder notation columnalign rowalign columnlines rowlines linebreak"
        ),
        _WORD,
    ),
    # No voffset and no colours: a formula must not be able to cover other parts of the page or hide in it.
    **dict.fromkeys(
        _words("width height depth lspace rspace minsize maxsize mathsize linethickness columnspacing rowspacing"),
        _LENGTH,
    ),
    "scriptlevel": _LEVEL,
}


def formula_html(source: str, *, display: bool) -> str:
    """LaTeX as MathML; what cannot be read, or is too long or deep, as its source in `<code>`."""
    return _mathml(source.strip(), display) or f'<code class="formula-error">{escape(source.strip())}</code>'


@lru_cache(maxsize=512)  # a growing reply shows the same formulas 20 times a second
def _mathml(source: str, display: bool) -> str | None:
    if not source or len(source) > LONGEST or _depth(source) > DEEPEST or FORBIDDEN.search(source):
        return None
    try:
        tree = Converter(display="block" if display else "inline").convert_to_element(_understood(source))
        return _written(tree, display)
    except FOREIGN_ERRORS:
        return None


def _understood(source: str) -> str:
    """The same formula with those environments written otherwise that the converter does not know."""
    source = _SAME_AS_ALIGN.sub(r"\\\1{align*}", source)
    source = _ALIGNED_AT_END.sub(r"\\end{align*}", _ALIGNED_AT.sub(r"\\begin{align*}", source))
    return _CASES.sub(r"\\\1{cases}", _SAME_AS_NOTHING.sub("", source))


def _depth(source: str) -> int:
    deepest = depth = 0
    for mark in _NESTING.findall(source):
        depth += 1 if mark in _OPENING else -1
        deepest = max(deepest, depth)
    return deepest


_UNDER_IN_DISPLAY = {"msub": "munder", "msup": "mover", "msubsup": "munderover"}
_LIMIT_NAMES = _words("lim max min sup inf argmax argmin limsup liminf Pr det gcd")


def _written(element: Element, display: bool) -> str:
    """The element as HTML. The converter's own writer leaves `<` in texts as it is, so that is not used."""
    tag = element.tag if element.tag in MATHML_TAGS else "mrow"
    if display and tag in _UNDER_IN_DISPLAY and len(element) and (element[0].text or "").strip() in _LIMIT_NAMES:
        tag = _UNDER_IN_DISPLAY[tag]
    attributes = "".join(
        f' {name}="{escape(value)}"'
        for name, value in element.attrib.items()
        if name in MATHML_ATTRIBUTES and MATHML_ATTRIBUTES[name].fullmatch(value)
    )
    inside = escape(unescape(element.text or "")) + "".join(_written(child, display) for child in element)
    return f"<{tag}{attributes}>{inside}</{tag}>{escape(unescape(element.tail or ''))}"


# ---- where formulas stand -------------------------------------------------------------------------------

_CLOSERS = {"$$": "$$", r"\[": r"\]", r"\(": r"\)", "$": "$"}
_PRICE = re.compile(r"\d[\d.,]*(?:[kKmMbB]\b|\s*%)?(?:[\s/–—-].*)?", re.DOTALL)
_MATH_SIGN = re.compile(r"[\\^_={}<>+*|]")
_AFTER_BLOCK = re.compile(r"[ \t]*[.,;:]?[ \t]*")


def install_formulas(parser: MarkdownIt) -> None:
    """Teach the parser formulas: `$…$`, `$$…$$`, `\\(…\\)`, `\\[…\\]`."""
    parser.inline.ruler.before("escape", "formula", _inline_rule)
    interrupts = ["paragraph", "reference", "blockquote", "list"]
    parser.block.ruler.before("fence", "formula_block", _block_rule, {"alt": interrupts})
    parser.add_render_rule("formula", _render_formula)
    parser.add_render_rule("formula_open", _render_unfinished)


def _inline_rule(state: StateInline, silent: bool) -> bool:
    opener = state.src[state.pos : state.pos + 2]
    if opener not in _CLOSERS:
        opener = opener[:1]
        if opener != "$":
            return False
    start = state.pos + len(opener)
    end = _inline_end(state.src, start, state.posMax, opener)
    if end < 0:
        return False
    if not silent:
        token = state.push("formula", "math", 0)
        token.content = state.src[start:end]
        token.markup = opener
    state.pos = end + len(opener)
    return True


def _inline_end(text: str, start: int, limit: int, opener: str) -> int:
    """Where the closing mark of the formula that begins at `start` stands; -1 if it is none."""
    limit = min(limit, start + LONGEST)
    if opener == "$":
        return _dollar_end(text, start, limit)
    end = text.find(_CLOSERS[opener], start, limit)
    return end if end > start and text[start:end].strip() else -1


def _dollar_end(text: str, start: int, limit: int) -> int:
    """As in Pandoc: no space inside the dollars, no letter or digit around them, so that prices stay prices."""
    before = text[start - 2] if start > 1 else " "
    if before.isalnum() or before == "$" or start >= limit or text[start].isspace():
        return -1
    end = text.find("$", start, limit)
    while end >= 0:
        if text[end - 1] != "\\":
            break
        end = text.find("$", end + 1, limit)
    if end <= start or text[end - 1].isspace():
        return -1
    after = text[end + 1] if end + 1 < len(text) else " "
    if (after.isalnum() and after.isascii()) or after == "$":
        return -1
    inside = text[start:end]
    if _PRICE.fullmatch(inside) and not _MATH_SIGN.search(inside) and " " in inside:
        return -1
    return end


def _block_rule(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """A formula on lines of its own. It ends at a blank line at the latest, so that one that is still being written
    (or never closed) does not swallow what follows."""
    if state.is_code_block(start_line):
        return False
    begin = state.bMarks[start_line] + state.tShift[start_line]
    first = state.src[begin : state.eMarks[start_line]]
    opener = first[:2]
    if opener not in {"$$", r"\["}:
        return False
    closer, rest = _CLOSERS[opener], first[2:]
    at = rest.find(closer)
    if at >= 0:
        if not rest[:at].strip() or not _AFTER_BLOCK.fullmatch(rest, at + 2):
            return False
    elif rest.strip() and not re.search(r"[\\=]", rest):
        return False
    if silent:
        return True
    last, closed = (start_line, True) if at >= 0 else _closing_line(state, start_line, end_line, closer)
    source = state.getLines(start_line, last + 1, state.blkIndent, False).strip()
    token = state.push("formula" if closed else "formula_open", "math", 0)
    token.block = True
    token.markup = opener
    token.content = source[2 : source.rfind(closer)] if closed else source
    token.map = [start_line, last + 1]
    state.line = last + 1
    return True


def _closing_line(state: StateBlock, start_line: int, end_line: int, closer: str) -> tuple[int, bool]:
    """The formula's last line, and whether its closing mark stands there."""
    line = start_line
    while line + 1 < end_line and not state.isEmpty(line + 1) and state.sCount[line + 1] >= state.blkIndent:
        line += 1
        text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
        at = text.find(closer)
        if at >= 0 and _AFTER_BLOCK.fullmatch(text, at + 2):
            return line, True
    return line, False


def _render_formula(
    _self: RendererProtocol, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: EnvType
) -> str:
    token = tokens[index]
    return formula_html(token.content, display=token.markup in {"$$", r"\["})


def _render_unfinished(
    _self: RendererProtocol, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: EnvType
) -> str:
    return f'<pre class="plain">{escape(tokens[index].content)}</pre>'
