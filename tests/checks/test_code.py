"""Whether code parses: each language with a text that does and one that does not."""

from __future__ import annotations

import pytest

from app.checks import CheckRequest, Finding, run_checks

GOOD_AND_BAD = [
    ("Python", "def f(x):\n    return x + 1", "def f(x):\nreturn x + 1"),
    ("JavaScript", "const f = (x) => x + 1;", "const f = (x => x + 1;"),
    ("TypeScript", "function f(x: number): number { return x }", "function f(x: number: number { return x }"),
    ("Java", "class A { int f(int x) { return x; } }", "class A { int f(int x) { return x; }"),
    ("C", "int f(int x) { return x; }", "int f(int x { return x; }"),
    ("C++", "template <class T> T f(T x) { return x; }", "template <class T> T f(T x) { return x;"),
    ("C#", "class A { int F(int x) => x; }", "class A { int F(int x) => ; } }"),
    ("Go", "package a\nfunc f(x int) int { return x }", "package a\nfunc f(x int int { return x }"),
    ("Rust", "fn f(x: i32) -> i32 { x + 1 }", "fn f(x: i32) -> { x + 1"),
    ("Bash", 'for f in *; do echo "$f"; done', 'for f in *; do echo "$f"'),
    ("HTML", "<p>Hello <b>you</b></p>", "<p>Hello <b you</b</p>"),
    ("CSS", "p { color: red; }", "p { color: red; "),
    ("SQL", "SELECT a FROM b WHERE c = 1;", "SELECT a FROM WHERE = ;"),
    ("Ruby", "def f(x)\n  x + 1\nend", "def f(x\n  x + 1\nend end"),
    ("PHP", "<?php function f($x) { return $x; }", "<?php function f($x { return $x; }"),
    ("JSON", '{"a": [1, 2]}', '{"a": [1, 2}'),
    ("YAML", "a:\n  - 1\n  - 2", "a: [1, 2\nb: }"),
]


def code(text: str, language: str, task: str = "write") -> list[Finding]:
    return list(run_checks(["code"], CheckRequest(text, values={"language_of_code": language, "task": task})))


@pytest.mark.parametrize(("language", "good", "bad"), GOOD_AND_BAD)
def test_code_parses_or_not_in_every_language_of_the_mode(language: str, good: str, bad: str) -> None:
    (passed,) = code(f"Here:\n\n```{language.lower()}\n{good}\n```\nDone.", language)
    assert (passed.check, passed.passed) == ("code.parses", True)
    (failed,) = code(f"Here:\n\n```\n{bad}\n```\nDone.", language)
    assert (failed.check, failed.passed) == ("code.parses", False)
    assert failed.lines


def test_every_language_that_the_mode_offers_is_parsed(built_in_languages: list[str]) -> None:
    assert sorted(built_in_languages) == sorted(language for language, _, _ in GOOD_AND_BAD)


def test_the_line_of_the_fault_is_counted_in_the_reply() -> None:
    (finding,) = code("Look:\n\n```python\nx = 1\ny = = 2\n```", "Python")
    assert finding.lines == (4,)
    assert finding.params["line"] == 5


def test_a_reply_without_code_fails_unless_it_explains() -> None:
    assert [f.check for f in code("I cannot do that.", "Python")] == ["code.there"]
    assert code("It adds two numbers.", "Python", task="explain") == []


def test_a_language_that_nobody_here_can_parse_is_said_and_does_not_fail() -> None:
    (finding,) = code("```brainfuck\n+++\n```", "Python")
    assert (finding.check, finding.passed) == ("code.unknown", True)


def test_code_that_is_nested_without_end_is_a_fault_and_no_crash() -> None:
    for language, text in (
        ("python", "(" * 50_000),
        ("json", "[" * 50_000),
        ("yaml", "[" * 5_000),
        ("c", "(" * 50_000),
    ):
        (finding,) = code(f"```{language}\n{text}\n```", language)
        assert not finding.passed


def test_python_that_runs_something_is_only_read(tmp_path) -> None:  # type: ignore[no-untyped-def]
    mark = tmp_path / "ran"
    code(f"```python\nopen({str(mark)!r}, 'w').close()\n```", "Python")
    assert not mark.exists()
