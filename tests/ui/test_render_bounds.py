"""Texts made to be slow or deep: they come out, bounded, and in time that the suite's time-out allows."""

from __future__ import annotations

import pytest

from app.ui.render import GrowingMarkdown, render_markdown

pytestmark = pytest.mark.slow

SIZE = 60_000
MANY = {
    "open brackets": "[" * SIZE,
    "images": "![" * (SIZE // 2),
    "stars": "*" * SIZE,
    "emphasis that never closes": "*a **b " * (SIZE // 7),
    "backticks": "`" * SIZE,
    "runs of backticks": "".join("`" * length + " " for length in range(300)),
    "half links": "[a](" * (SIZE // 4),
    "nested brackets": ("[" * 2_000 + "a" + "](b)" * 2_000 + "\n\n") * (SIZE // 10_000),
    "paragraphs of brackets": ("[" * 9_000 + "\n\n") * (SIZE // 9_000),
    "quotes": ">" * SIZE,
    "nested quotes with lazy lines": ">" * 19 + "a\n" + "b\n" * (SIZE // 2),
    "nested lists": "".join("  " * depth + "- a\n" for depth in range(200)),
    "lists on one line": "- " * (SIZE // 2),
    "a huge table": "|a|b|\n|-|-|\n" + "|1|2|\n" * (SIZE // 6),
    "a wide table": "|a" * 5_000 + "|\n" + "|-" * 5_000 + "|\n" + "|b" * 5_000 + "|\n",
    "a table that fills its rows": "|" + "a|" * 300 + "\n|" + "-|" * 300 + "\n" + "|b|\n" * (SIZE // 4),
    "dollars": "$" * SIZE,
    "half formulas": "$a " * (SIZE // 3),
    "half formula blocks": "\\[a\n" * (SIZE // 4),
    "deep formula": "$" + "\\sqrt{" * 500 + "x" + "}" * 500 + "$",
    "exponents": "$" + "x^{" * 500 + "x" + "}" * 500 + "$",
    "entities": "&amp;" * (SIZE // 5),
    "backslashes": "\\" * SIZE,
    "addresses": "https://" * (SIZE // 8),
    "closing brackets after an address": "https://a.example/" + ")" * SIZE,
    "references": "".join(f"[a{number}]: http://b\n" for number in range(SIZE // 20)) + "[a1]" * 1_000,
    "braces of code": "```c\n" + "{\n" * 9_000,
    "words and spaces of code": "```csharp\n" + "a \n" * 6_000,
    "newlines of code": "```c\n" + "\n" * 15_000,
    "spaces": " " * SIZE,
    "one line": "x" * SIZE,
}


@pytest.mark.parametrize("name", MANY)
def test_a_text_made_to_be_slow_comes_out(name):
    text = MANY[name]
    html = render_markdown(text)
    assert len(html) < 40 * len(text)


@pytest.mark.parametrize("mark", ["[", "*", "`", "x", "> ", "$"])
def test_a_megabyte_is_shown_plain(mark):
    html = render_markdown(mark * (1_000_000 // len(mark)))
    assert html.startswith('<pre class="plain">')


def test_what_is_nested_too_deep_is_shown_as_its_source():
    assert render_markdown("- " * 30 + "deep").startswith('<pre class="plain">- - ')
    assert render_markdown("before\n\n" + "- " * 30 + "deep").startswith("<p>before</p>")
    assert render_markdown(">" * 30 + "deep").startswith('<pre class="plain">&gt;&gt;')


def test_nothing_of_a_deep_text_is_lost():
    text = "".join("  " * depth + f"- word{depth}\n" for depth in range(40))
    html = render_markdown(text)
    assert all(f"word{depth}" in html for depth in range(40))


def test_a_long_paragraph_keeps_its_lines():
    html = render_markdown("a **b**\n" * 3_000)
    assert html.count("<br>") == 2_999


def test_a_megabyte_may_grow():
    growing = GrowingMarkdown()
    for size in (1_000, 500_000, 1_000_000):
        _, blocks = growing.update("[" * size)
        assert sum(map(len, blocks)) >= size
