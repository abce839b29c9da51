"""A reply that grows looks at each moment as if it were rendered whole, and its finished blocks stand still."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ui.render import GrowingMarkdown, render_markdown

BLOCKS = [
    "A paragraph with **bold** and `code`.",
    "two\nlines",
    "# Heading",
    "Heading\n===",
    "- one\n- two",
    "- loose\n\n- list",
    "1. one\n2. two",
    "2. goes on",
    "2",
    "> quote\nlazy",
    "```python\nx = 1\n\ny = 2\n```",
    "~~~\nunclosed",
    "    indented\n\n    code",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "a|b\n-|-x",
    "para\na|b\n-|-",
    "$$\nx\n- y\n$$",
    "$$\nunclosed",
    "\\[ x \\]",
    "text $x$ and $5",
    "---",
    "-",
    "*",
    "[a]: https://example.org",
    "[a] and [b](https://example.org)",
    "<div>\n\nraw\n</div>",
    "- [x] task",
    "\tindented by a tab",
    "- nested\n  - list\n\n    paragraph",
    "中文段落，*强调*。",
]


def assert_grows_true(text: str, steps: list[int]) -> None:
    growing, shown = GrowingMarkdown(), list[str]()
    for end in steps:
        final, blocks = growing.update(text[:end])
        assert "".join(blocks) == render_markdown(text[:end]), text[:end]
        assert blocks[: len(shown)] == shown, "a finished block changed"
        shown = blocks[:final]


@pytest.mark.slow
@given(st.lists(st.sampled_from(BLOCKS), max_size=5), st.sampled_from(["\n\n", "\n", "\n\n\n", "\r\n\r\n"]))
def test_every_prefix_is_what_rendering_it_whole_gives(blocks, between):
    text = between.join(blocks)
    assert_grows_true(text, list(range(len(text) + 1)))


@given(st.text(alphabet="-*+>12.) \n\t`~$|#=_[]ab\\", max_size=60))
def test_every_prefix_of_any_punctuation_too(text):
    assert_grows_true(text, list(range(len(text) + 1)))


@given(st.lists(st.sampled_from(BLOCKS), max_size=8), st.data())
def test_it_may_grow_in_leaps(blocks, data):
    text = "\n\n".join(blocks)
    steps = data.draw(st.lists(st.integers(0, len(text))))
    assert_grows_true(text, sorted(steps))


def test_only_the_last_block_is_rendered_again():
    growing = GrowingMarkdown()
    text = "\n\n".join(f"Paragraph {number}." for number in range(50)) + "\n"
    final, blocks = growing.update(text)
    assert len(blocks) == 50
    assert final == 49


def test_an_unclosed_fence_grows_as_code():
    growing = GrowingMarkdown()
    _, blocks = growing.update("Look:\n\n```python\nx = 1\n\n# not a heading\n")
    assert len(blocks) == 2
    assert '<div class="code">' in blocks[1]
    assert "<h1>" not in blocks[1]


def test_long_code_keeps_its_text_and_its_colours_while_it_grows():
    code = "".join(f'value_{number} = "text" + """more\n\nlines"""  # note\n' for number in range(150))
    text = f"```python\n{code}```\n"
    for end in range(len(text) - 1_600, len(text) + 1, 97):
        html = render_markdown(text[:end])
        shown = unescape(re.sub("<[^>]*>", "", html.partition("<code>")[2].partition("</code>")[0]))
        assert text[10:end].removesuffix("```\n").startswith(shown.removesuffix("\n"))
        assert html.count('<span class="c1"># note') > 100


@pytest.mark.parametrize("changed", ["other", "", "The star", "The start of some text"])
def test_a_text_that_was_changed_is_rendered_anew(changed):
    growing = GrowingMarkdown()
    growing.update("The start of a text\n\nwith more\n\n")
    final, blocks = growing.update(changed)
    assert final == 0
    assert "".join(blocks) == render_markdown(changed)


def test_a_text_that_grows_too_long_for_markdown_turns_plain():
    growing, text = GrowingMarkdown(), "word **bold**\n\n" * 10_000
    growing.update(text[:1_000])
    final, blocks = growing.update(text)
    assert final == 0
    assert "".join(blocks) == render_markdown(text)
    assert "<strong>" not in "".join(blocks)
