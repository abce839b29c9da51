"""What a text becomes on its way into the page."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ui.render import code_css, plain_html, render_markdown


def test_markdown_becomes_html():
    assert render_markdown("# Hi\n\n**a** *b* ~~c~~ `d`") == (
        "<h1>Hi</h1>\n<p><strong>a</strong> <em>b</em> <s>c</s> <code>d</code></p>\n"
    )


def test_single_line_breaks_are_kept():
    assert render_markdown("a\nb") == "<p>a<br>\nb</p>\n"


def test_raw_html_is_shown_as_text():
    assert render_markdown("<b>x</b>") == "<p>&lt;b&gt;x&lt;/b&gt;</p>\n"


def test_a_table_keeps_its_alignment():
    html = render_markdown("| a | b |\n|:-:|-:|\n| 1 | 2 |")
    assert '<th class="center">a</th>' in html
    assert '<td class="right">2</td>' in html


def test_tasks_show_boxes():
    html = render_markdown("- [ ] open\n- [x] done")
    assert "<li>☐ open</li>" in html
    assert "<li>☑ done</li>" in html


def test_an_ordered_list_keeps_its_first_number():
    assert '<ol start="7">' in render_markdown("7. seven")


# ---- code --------------------------------------------------------------------------------------------------


def test_code_is_highlighted_under_a_head_with_a_copy_button():
    html = render_markdown('```python\nprint("a<b")\n```')
    assert html.startswith('<div class="code"><div class="code-head"><span>python</span><button')
    assert 'data-act="copy-code"' in html
    assert 'type="button"' in html
    assert '<span class="nb">print</span>' in html
    assert re.sub("<[^>]*>", "", html.partition("<pre>")[2]) == 'print("a&lt;b")\n\n'


@pytest.mark.parametrize("language", ["", "brainfuck-2000", "pythonx onclick=x", "../../etc"])
def test_code_in_an_unknown_language_is_shown_as_it_is(language):
    html = render_markdown(f"```{language}\na <b> & c\n```")
    assert "a &lt;b&gt; &amp; c" in html


def test_an_unclosed_fence_is_code_to_the_end():
    assert "<pre><code>a\n\n**b**</code></pre>" in render_markdown("```\na\n\n**b**")


def test_code_is_the_same_text_after_highlighting():
    code = "def f(x):\n\n\n\treturn  x  # é 中\n \n"
    shown = render_markdown(f"```python\n{code}```").partition("<code>")[2].partition("</code>")[0]
    assert re.sub("<[^>]*>", "", shown) == code


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_every_colour_of_code_can_be_read_on_both_surfaces():
    found = re.findall(r"^(.*?) \{ color: (#[0-9a-f]{6})", code_css(), re.MULTILINE)
    assert len(found) > 10
    for selector, colour in found:
        surface = "#1f1e1b" if "dark" in selector else "#ffffff"
        assert contrast(colour, surface) >= 4.5, (selector, colour)


# ---- formulas ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "display"),
    [
        ("so $x^2$ it is", "inline"),
        (r"so \(x^2\) it is", "inline"),
        ("$$x^2$$", "block"),
        ("$$\nx^2\n$$", "block"),
        ("\\[\nx^2\n\\]", "block"),
        ("text\n$$\nx^2\n$$\ntext", "block"),
        (r"so \[x^2\] it is", "block"),
        ("- in a list\n\n  $$\n  x^2\n  $$", "block"),
    ],
)
def test_formulas_become_mathml(text, display):
    html = render_markdown(text)
    assert f'<math display="{display}">' in html
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in html
    assert "$" not in html
    assert "\\" not in html


@pytest.mark.parametrize(
    "text",
    [
        "It is $5 and $10.",
        "$5-$10, or US$5 to US$10",
        "between $1,000 and $2,000",
        "from $5, up to 10$ a day",
        "$HOME and $PATH",
        r"\$x\$ and \\(x",
        "a $ b $ c",
        "$",
        "$$",
        "$$$$",
        "`$x$`",
    ],
)
def test_prices_and_lone_dollars_are_no_formulas(text):
    assert "<math" not in render_markdown(text)


def test_a_formula_that_cannot_be_read_is_shown_as_its_source():
    assert '<code class="formula-error">\\begin{cases} &lt;</code>' in render_markdown(r"$\begin{cases} <$")


def test_a_long_formula_with_many_small_parts_is_still_one():
    source = " + ".join(f"\\frac{{a_{{{n}}}^2}}{{b_{n}}} [0, 1)" for n in range(60))
    assert render_markdown(f"$${source}$$").count("<mfrac>") == 60


def test_a_limit_stands_below_its_name_in_a_formula_of_its_own():
    assert "<munder><mo>lim</mo>" in render_markdown(r"$$\lim_{x \to 0} x$$")
    assert "<msub><mo>lim</mo>" in render_markdown(r"so $\lim_{x \to 0} x$")


def test_lines_of_a_formula_are_no_list():
    html = render_markdown("$$\na\n- b\n+ c\n$$")
    assert "<li>" not in html
    assert "<mo>−</mo>" in html


def test_an_unclosed_formula_ends_at_the_blank_line():
    html = render_markdown("$$\nx = 1\n\n**after**")
    assert "<strong>after</strong>" in html
    assert "x = 1" in html


@pytest.mark.parametrize("environment", ["aligned", "align*", "gather", "alignedat}{2", "split", "eqnarray"])
def test_the_usual_environments_are_understood(environment):
    name = environment.partition("}")[0]
    html = render_markdown(f"$$\\begin{{{environment}}} a &= b \\\\ c &= d \\end{{{name}}}$$")
    assert "<mtr>" in html
    assert "&amp;" not in html


@pytest.mark.parametrize(
    "source", [r"\newcommand{\a}{x}\a", r"\def\a{x}\a", "{" * 40 + "}" * 40, "x" * 3_000, r"\left(" * 40, r"\hat" * 450]
)
def test_formulas_that_could_unfold_or_nest_without_end_stay_source(source):
    assert "<math" not in render_markdown(f"$${source}$$")


# ---- links ---------------------------------------------------------------------------------------------------


def links(text: str) -> list[str]:
    return re.findall(r"<a [^>]*>", render_markdown(text))


def test_a_link_opens_apart_and_shows_its_host_and_address():
    html = render_markdown("[the bank](https://evil.example/a?b=c)")
    assert 'href="https://evil.example/a?b=c"' in html
    assert 'title="https://evil.example/a?b=c"' in html
    assert 'target="_blank"' in html
    assert 'rel="noopener noreferrer nofollow"' in html
    assert '<span class="link-host">evil.example</span>' in html


@pytest.mark.parametrize(
    "text",
    [
        "<https://example.org/a>",
        "https://example.org/a",
        "[https://example.org/a](https://example.org/a)",
        "[example.org/a](https://example.org/a)",
        "[example.org](https://example.org/a)",
        "[a@example.org](mailto:a@example.org)",
    ],
)
def test_a_link_whose_text_is_its_address_needs_no_host_beside_it(text):
    assert len(links(text)) == 1
    assert "link-host" not in render_markdown(text)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("[bank.example](https://evil.example/)", "evil.example"),
        ("[https://bank.example@evil.example/](https://bank.example@evil.example/)", "evil.example"),
        ("<https://bank.example@evil.example/>", "evil.example"),
        ("[https://bank.example/\\@evil.example](https://evil.example)", "evil.example"),
        ("[x](https://пример.example/)", "xn--e1afmkfd.example"),
        ("[x](HTTPS://EXAMPLE.org)", "example.org"),
        ("[mail](mailto:a@evil.example?subject=x)", "a@evil.example"),
        ("[x](http://127.0.0.1:631/)", "127.0.0.1"),
    ],
)
def test_the_real_host_is_shown(text, host):
    assert f'<span class="link-host">{host}</span>' in render_markdown(text)


def test_a_name_in_another_script_is_shown_as_punycode():
    html = render_markdown("<https://pаypal.example/>")
    assert "xn--pypal-4ve.example" in html
    assert "pаypal" not in html


@pytest.mark.parametrize(
    "address",
    [
        "javascript:x",
        "JavaScript:x",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "/config",
        "//evil.example",
        "?c=1",
        "#send",
        "https:evil.example",
        "https:///evil.example",
        "https://",
        "https://evil%2eexample",
        "ftp://example.org",
        "mailto:",
        "https://example.org/" + "a" * 3_000,
    ],
)
def test_other_addresses_are_no_links(address):
    assert links(f"[x]({address})") == []
    assert links(f"![x]({address})") == []
    assert links(f"<{address}>") == []


def test_an_image_becomes_a_link_that_loads_nothing():
    html = render_markdown("![a cat](https://evil.example/cat.png)")
    assert "<img" not in html
    assert ">a cat</a>" in html
    assert "evil.example</span>" in html


def test_an_image_inside_a_link_is_text():
    assert len(links("[![a cat](https://one.example)](https://two.example)")) == 1


def test_a_bare_address_ends_before_the_sentence_does():
    html = render_markdown("See (https://example.org/a_(b)). Or 看https://example.org/c。")
    assert 'href="https://example.org/a_(b)"' in html
    assert 'href="https://example.org/c"' in html


def test_marks_that_turn_text_around_are_dropped_from_links():
    html = render_markdown("[\u202egro.elpmaxe\u2066](https://evil.example)")
    assert ">gro.elpmaxe</a>" in html
    assert 'dir="auto"' in html
    assert links("<https://evil.example/\u202efdp.exe>") == []


# ---- plain text and odd characters -----------------------------------------------------------------------------


def test_plain_text_is_escaped_with_its_line_breaks():
    assert plain_html("a<b>\r\n*c*") == "a&lt;b&gt;<br>*c*"


@pytest.mark.parametrize("render", [render_markdown, plain_html])
def test_what_no_page_can_show_becomes_a_replacement_mark(render):
    assert "a\ufffdb\ufffdc" in render("a\x00b\ud800c")


def test_emoji_that_are_joined_and_right_to_left_text_stay_whole():
    text = "👩‍👩‍👧 مرحبا שלום"
    assert render_markdown(text) == f"<p>{text}</p>\n"


@given(st.text())
def test_any_text_renders(text):
    assert isinstance(render_markdown(text), str)
    assert isinstance(plain_html(text), str)


@given(st.text(alphabet="$\\{}[]()^_&<>\"'axfrc \n", max_size=60))
def test_any_formula_renders(text):
    assert "<script" not in render_markdown(f"$${text}$$ ${text}$")
