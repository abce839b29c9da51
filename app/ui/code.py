"""Highlighted code: Pygments on the server, classes for both themes."""

from __future__ import annotations

import html
import re
from functools import cache, lru_cache

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

LONGEST = 50_000
"""Characters of code that are highlighted; longer code is shown plain."""
HEAD = (
    '<div class="code"><div class="code-head"><span>{language}</span>'
    '<button type="button" data-act="copy-code"></button></div><pre><code>{code}</code></pre></div>'
)


@lru_cache(maxsize=256)
def highlighted(code: str, language: str) -> str:
    """A block of code with its language and a copy button (the page fills the button's label)."""
    lexer = _lexer(language) if len(code) <= LONGEST else None
    inner = highlight(code, lexer, _formatter()) if lexer else html.escape(code, quote=False)
    return HEAD.format(language=html.escape(language[:40]), code=inner)


@cache
def _formatter() -> HtmlFormatter[str]:
    return HtmlFormatter(nowrap=True)


def _lexer(language: str) -> Lexer | None:
    if not re.fullmatch(r"[A-Za-z0-9_+#.-]{1,30}", language):
        return None
    try:
        return get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return None


def code_css() -> str:
    """Colours of code in the light and the dark theme."""
    light = HtmlFormatter(style="xcode").get_style_defs('html[data-theme="light"] .code')
    dark = HtmlFormatter(style="github-dark").get_style_defs('html[data-theme="dark"] .code')
    rules = f"{light}\n{dark}".splitlines()
    return "\n".join(r for r in rules if ".code ." in r and "linenos" not in r and ".hll" not in r)
