"""Highlighting: the code of a fenced block as spans with short classes, and the colours of those classes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from html import escape
from time import perf_counter
from typing import Any

from pygments.lexer import Lexer
from pygments.lexers import find_lexer_class
from pygments.token import STANDARD_TYPES

LONGEST = 20_000
"""Characters of code that are highlighted; more is shown plain, so that a huge block costs nothing."""
LONGEST_LINE = 300
_LONG_GAP = re.compile(r"\s{100}")
"""Some lexers take time with the third power of a line's length or of a gap, and hold the interpreter while they do."""
STEP = 1_500
LONGEST_TIME = 0.3
"""Seconds after which a block is given up and shown plain; ordinary code of `LONGEST` characters takes a tenth."""

# By name in Pygments and the words people write after the fence. A list of our own: asking Pygments for an unknown
# name searches the whole environment for plugins, and some of its lexers (C# and Fortran among them, in 2.21) contain a
# single expression that takes minutes on a few lines of hostile text.
_LEXERS: Mapping[str, str] = {
    "Bash": "bash sh shell zsh console",
    "Batchfile": "bat batch cmd",
    "C": "c h",
    "C++": "cpp c++ cc hpp cxx",
    "CMake": "cmake",
    "CSS": "css",
    "Clojure": "clojure clj",
    "Dart": "dart",
    "Diff": "diff patch",
    "Docker": "dockerfile docker",
    "Elixir": "elixir ex exs",
    "Erlang": "erlang erl",
    "F#": "fsharp f# fs",
    "Go": "go golang",
    "GraphQL": "graphql",
    "Groovy": "groovy gradle",
    "HTML": "html htm xhtml vue svelte",
    "HTTP": "http",
    "Haskell": "haskell hs",
    "INI": "ini cfg conf properties",
    "JSON": "json jsonc json5",
    "Java": "java",
    "JavaScript": "javascript js jsx mjs node",
    "Julia": "julia jl",
    "Kotlin": "kotlin kt",
    "Lua": "lua",
    "Makefile": "makefile make",
    "Matlab": "matlab octave",
    "Nginx configuration file": "nginx",
    "Nix": "nix",
    "OCaml": "ocaml ml",
    "Objective-C": "objectivec objc objective-c",
    "PHP": "php",
    "Perl": "perl pl",
    "PowerShell": "powershell ps1 pwsh posh",
    "Protocol Buffer": "protobuf proto",
    "Python": "python py python3 pyi",
    "Python console session": "pycon",
    "S": "r",
    "Ruby": "ruby rb",
    "Rust": "rust rs",
    "SCSS": "scss sass less",
    "SQL": "sql sqlite mysql postgresql postgres plsql",
    "Scala": "scala",
    "Scheme": "scheme lisp",
    "Swift": "swift",
    "TOML": "toml",
    "TeX": "tex latex",
    "Terraform": "terraform hcl tf",
    "TypeScript": "typescript ts tsx",
    "VimL": "vim viml",
    "XML": "xml svg rss",
    "YAML": "yaml yml",
    "Zig": "zig",
}

# Colours by group of classes: light on #FFFFFF, dark on #1F1E1B, each with a contrast of at least 4.5.
_PALETTE: tuple[tuple[str, str, str, str], ...] = (
    ("c ch cm c1 cs cpf gp", "#6b665e", "#a09a90", "font-style: italic"),
    ("k kc kd kn kp kr kt ow nt", "#2f5d8a", "#8fb4d9", "font-weight: 600"),
    ("s sa sb sc dl sd s2 se sh si sx sr s1 ss gi", "#3c7a57", "#8cc5a3", ""),
    ("m mb mf mh mi mo il l ld", "#8a5a10", "#dca750", ""),
    ("nf fm nc nn ne", "#6b4a8f", "#c3a5e0", ""),
    ("nb bp nd na nl no cp", "#1f6f78", "#7fc4cc", ""),
    ("err gd gr gt", "#b3382c", "#ef8a7e", ""),
)


CODE_CLASSES = frozenset(name for names, *_ in _PALETTE for name in names.split())
"""The short names of Pygments that have a colour; the others (names, punctuation) need no element of their own."""


@cache
def _names() -> Mapping[str, str]:
    return {alias: lexer for lexer, aliases in _LEXERS.items() for alias in aliases.split()}


@cache
def _lexer_class(name: str) -> type[Lexer] | None:
    found: type[Lexer] | None = find_lexer_class(name)
    return found


def highlight(code: str, language: str, *, unfinished: bool = False) -> str:
    """The code as escaped HTML, with spans if the language is known and the code is not huge.

    `unfinished` code (it is still being written) is read in steps: what is longer than a step is not read anew with
    each letter. Until its next step the end may then be coloured as if nothing stood before it.
    """
    name = _names().get(language.lower())
    if name is None or len(code) > LONGEST or max(map(len, code.split("\n"))) > LONGEST_LINE or _LONG_GAP.search(code):
        return escape(code, quote=False)
    done = code.rfind("\n", 0, len(code) - len(code) % STEP) + 1 if unfinished else 0
    return (_highlighted(code[:done], name) if done else "") + _highlighted(code[done:], name)


@lru_cache(maxsize=64)  # a list that grows below a block of code is rendered again with it
def _highlighted(code: str, name: str) -> str:
    lexer_class = _lexer_class(name)
    if lexer_class is None:
        return escape(code, quote=False)
    lexer = lexer_class(stripnl=False, ensurenl=False)
    parts: list[str] = []
    limit, current = perf_counter() + LONGEST_TIME, ""
    for kind, value in lexer.get_tokens(code):
        if perf_counter() > limit:
            return escape(code, quote=False)
        colour = _colour_class(kind)
        if colour != current and not value.isspace():
            parts.append(("</span>" if current else "") + (f'<span class="{colour}">' if colour else ""))
            current = colour
        parts.append(escape(value, quote=False))
    return "".join(parts) + ("</span>" if current else "")


@cache
def _colour_class(kind: Any) -> str:
    """The class of a kind of token, or of the nearest wider kind that has a colour; '' if none has."""
    while kind is not None:
        short: str = STANDARD_TYPES.get(kind, "")
        if short in CODE_CLASSES:
            return short
        kind = kind.parent
    return ""


@cache
def code_css() -> str:
    """The style sheet of what `render` writes: colours of code in both themes, and a few shapes."""
    rules = []
    for names, light, dark, extra in _PALETTE:
        selector = ", ".join(f".code .{name}" for name in names.split())
        rules.append(f"{selector} {{ color: {light}; {extra} }}")
        for scheme in (".dark", 'html[data-theme="dark"]'):
            selector = ", ".join(f"{scheme} .code .{name}" for name in names.split())
            rules.append(f"{selector} {{ color: {dark} }}")
    return "\n".join([*rules, *_SHAPES])


_SHAPES = (
    ".body th.left, .body td.left { text-align: left }",
    ".body th.center, .body td.center { text-align: center }",
    ".body th.right, .body td.right { text-align: right }",
    # What browsers dropped from MathML and formulas still use: columns of equations, styles of letters, boxes, strikes.
    # "math" keeps the layout of formulas in a block of its own; its fonts come with the systems.
    '.body math[display="block"] { display: block math; text-align: center }',
    # A formula in a line cannot be broken: on a phone its paragraph scrolls instead.
    ".body p:has(> math) { overflow-x: auto; overflow-y: hidden }",
    '.body math { font-family: "Cambria Math", "STIX Two Math", "Latin Modern Math", "DejaVu Math TeX Gyre", math }',
    '.body mtd[columnalign="right"] { text-align: right }',
    '.body mtd[columnalign="left"] { text-align: left }',
    '.body [mathvariant="bold"], .body [mathvariant="bold-italic"] { font-weight: bold }',
    '.body [mathvariant="italic"], .body [mathvariant="bold-italic"] { font-style: italic }',
    '.body [mathvariant="monospace"] { font-family: monospace }',
    '.body [mathvariant="sans-serif"] { font-family: sans-serif }',
    '.body menclose[notation~="box"] { border: 1px solid; padding: 3px 5px }',
    '.body menclose[notation~="horizontalstrike"], .body menclose[notation~="updiagonalstrike"], '
    '.body menclose[notation~="downdiagonalstrike"] { text-decoration: line-through }',
    ".link-host { unicode-bidi: isolate }",
)
