"""Hostile texts: nothing but the short list of tags and attributes leaves the renderer, whatever went in."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from app.ui.render import GrowingMarkdown, plain_html, render_markdown
from app.ui.sanitiser import sanitised
from tests.ui.hostile.corpus import hostile_texts

TEXTS = hostile_texts()
PLAIN = {"p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "s", "code", "pre", "blockquote"} | {
    *{"ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td", "a", "span", "div", "button"},
    *{"math", "mrow", "mi", "mo", "mn", "ms", "mtext", "mspace", "mfrac", "msqrt", "mroot", "msub", "msup"},
    *{"msubsup", "munder", "mover", "munderover", "mmultiscripts", "mprescripts", "mtable", "mtr", "mtd"},
    *{"mpadded", "mphantom", "menclose", "mstyle"},
}
DEAD = {"style", "id", "name", "src", "srcset", "action", "formaction", "xlink:href", "background", "ping", "tabindex"}


class Seen(HTMLParser):
    """Asserts on each tag as a parser sees it."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in PLAIN, tag
        values = dict(attrs)
        assert not DEAD & set(values), (tag, attrs)
        assert not [name for name in values if name.startswith("on")], (tag, attrs)
        if tag == "a":
            assert (values.get("href") or "https://").startswith(("http://", "https://", "mailto:"))
            assert values["rel"] == "noopener noreferrer nofollow"
            assert values["target"] == "_blank"
        else:
            assert "href" not in values
        if tag == "button":
            assert set(values.items()) <= {("type", "button"), ("data-act", "copy-code")}

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)


def assert_tame(html: str) -> None:
    seen = Seen(convert_charrefs=True)
    seen.feed(html)
    seen.close()


def test_the_corpus_is_large():
    assert len(TEXTS) >= 60


@pytest.mark.parametrize("name", TEXTS)
def test_a_hostile_text_is_tame(name):
    assert_tame(render_markdown(TEXTS[name]))
    assert_tame(plain_html(TEXTS[name]))
    assert_tame("".join(GrowingMarkdown().update(TEXTS[name])[1]))


@pytest.mark.parametrize("name", TEXTS)
def test_the_sanitiser_alone_would_be_enough(name):
    assert_tame(sanitised(TEXTS[name]))


@pytest.mark.parametrize("name", TEXTS)
def test_a_hostile_text_is_tame_inside_other_text(name):
    text = TEXTS[name]
    for around in ("- {}", "> {}", "| {} | b |\n|---|---|\n| {} | d |", "**{}**", "[{}](https://a.example)", "$${}$$"):
        assert_tame(render_markdown(around.replace("{}", text)))
