"""Whether the code in a reply parses: Python, JSON and YAML by their own parsers, the others by tree-sitter."""

from __future__ import annotations

import ast
import importlib
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.checks.findings import CheckRequest, Finding

TREE_SITTER = {
    "javascript": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "java": ("tree_sitter_java", "language"),
    "c": ("tree_sitter_c", "language"),
    "c++": ("tree_sitter_cpp", "language"),
    "c#": ("tree_sitter_c_sharp", "language"),
    "go": ("tree_sitter_go", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "bash": ("tree_sitter_bash", "language"),
    "html": ("tree_sitter_html", "language"),
    "css": ("tree_sitter_css", "language"),
    "ruby": ("tree_sitter_ruby", "language"),
    "php": ("tree_sitter_php", "language_php"),
    "sql": ("tree_sitter_sql", "language"),
}
OTHER_NAMES = {
    "py": "python",
    "python3": "python",
    "js": "javascript",
    "jsx": "javascript",
    "ts": "typescript",
    "cpp": "c++",
    "cs": "c#",
    "csharp": "c#",
    "golang": "go",
    "rs": "rust",
    "sh": "bash",
    "shell": "bash",
    "rb": "ruby",
    "yml": "yaml",
}
LARGEST = 200_000
"""Characters of code that are parsed; more is not what a model wrote in a reply."""


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A fenced block: its language as it names itself, its text, the reply's line on which the text begins (from 0)."""

    language: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class SyntaxFault:
    """Where a parser stumbled: the line within the code (from 0) and what it says."""

    line: int
    what: str


def check_code(request: CheckRequest) -> Iterator[Finding]:
    """There is code where code was asked for, and it parses."""
    wanted = _language(request.value("language_of_code"))
    blocks = blocks_of(request.text)
    if not blocks:
        if request.value("task") != "explain":
            yield Finding("code.there", False, {"language": request.value("language_of_code", "–")})
        return
    for block in blocks:
        language = _language(block.language) or wanted
        parse = parser_for(language)
        if parse is None or len(block.text) > LARGEST:
            yield Finding("code.unknown", True, {"language": block.language or language or "–"})
            continue
        fault = parse(block.text)
        if fault is None:
            yield Finding("code.parses", True, {"language": language})
        else:
            place = block.line + fault.line
            yield Finding("code.parses", False, {"language": language, "line": place + 1, "what": fault.what}, (place,))


def blocks_of(text: str) -> list[CodeBlock]:
    """The fenced code blocks of a reply, an unclosed one too."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark").parse(text)
    return [
        CodeBlock(token.info.split()[0] if token.info.split() else "", token.content, (token.map or [0])[0] + 1)
        for token in tokens
        if token.type == "fence" and token.content.strip()
    ]


def _language(name: str) -> str:
    lowered = name.strip().lower()
    return OTHER_NAMES.get(lowered, lowered)


def parser_for(language: str) -> Callable[[str], SyntaxFault | None] | None:
    """Says where a text in that language does not parse; None for a language nobody here can parse."""
    own: dict[str, Callable[[str], SyntaxFault | None]] = {"python": _python, "json": _json, "yaml": _yaml}
    if language in own:
        return own[language]
    return (lambda text: _tree_sitter(language, text)) if language in TREE_SITTER else None


def _python(text: str) -> SyntaxFault | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            ast.parse(text)
    except SyntaxError as error:
        return SyntaxFault(max(0, (error.lineno or 1) - 1), error.msg)
    except (ValueError, RecursionError, MemoryError) as error:
        return SyntaxFault(0, str(error) or "nested too deeply")
    return None


def _json(text: str) -> SyntaxFault | None:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return SyntaxFault(error.lineno - 1, error.msg)
    except RecursionError:
        return SyntaxFault(0, "nested too deeply")
    return None


def _yaml(text: str) -> SyntaxFault | None:
    import yaml

    try:
        for _ in yaml.parse(text, Loader=yaml.SafeLoader):  # events only: no object is built, no alias unfolded
            pass
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return SyntaxFault(mark.line if mark else 0, getattr(error, "problem", None) or "not YAML")
    except RecursionError:
        return SyntaxFault(0, "nested too deeply")
    return None


def _tree_sitter(language: str, text: str) -> SyntaxFault | None:
    from tree_sitter import Language, Node, Parser

    module, factory = TREE_SITTER[language]
    parser = Parser(Language(getattr(importlib.import_module(module), factory)()))
    root = parser.parse(text.encode("utf-8")).root_node
    if not root.has_error:
        return None
    node: Node = root
    while True:  # down to the first place that is wrong itself
        wrong = next((child for child in node.children if child.is_error or child.is_missing or child.has_error), None)
        if wrong is None or wrong.is_error or wrong.is_missing:
            node = wrong or node
            break
        node = wrong
    what = f"{node.type} is missing" if node.is_missing else "a syntax error"
    return SyntaxFault(node.start_point[0], what)
