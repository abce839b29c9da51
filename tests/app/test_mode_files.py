"""Modes with fields and templates: what they make of a message, and what a broken file is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import FieldEmpty, FieldNotAnOption, FieldOutOfRange, FieldTooLong
from app.modes import Template, TemplateError, UnreadableMode, checked_values, instructions_for, read_mode

POEM = """
key = "poem"
name = {en = "Poem", zh = "诗"}
description = {en = "A poem.", zh = "一首诗。"}
user = "Write a {{ form }} about this:\\n{{ text }}\\n{% if title %}Its title: {{ title }}{% endif %}"
opening = "{% if form == 'haiku' %}Here:{% endif %}"

[system]
en = "You write poems. {{ lines }} lines."
zh = "你写诗，体裁是{{ form_name }}。"

[[fields]]
key = "form"
type = "choice"
label = {en = "Form", zh = "体裁"}
default = "haiku"
options = [
  {value = "haiku", name = {en = "Haiku", zh = "俳句"}},
  {value = "sonnet", name = {en = "Sonnet", zh = "十四行诗"}},
]

[[fields]]
key = "lines"
type = "number"
label = {en = "Lines", zh = "行数"}
default = 3
minimum = 1
maximum = 40

[[fields]]
key = "title"
type = "text"
label = {en = "Title", zh = "题目"}

[[fields]]
key = "to"
type = "language"
label = {en = "Language", zh = "语言"}
default = "en"

[[fields]]
key = "rhyme"
type = "toggle"
label = {en = "Rhyme", zh = "押韵"}
"""


def test_templates_get_the_text_and_the_fields_in_the_language_of_the_instructions() -> None:
    mode = read_mode(POEM, "poem.toml")
    values = checked_values(mode.fields, {"form": "sonnet", "lines": 14.0, "title": "Rain", "unknown": 1})
    told = instructions_for(mode, "Autumn", values, "zh")
    assert told.system == "你写诗，体裁是十四行诗。"
    assert told.user == "Write a sonnet about this:\nAutumn\nIts title: Rain"
    assert told.opening == ""
    assert instructions_for(mode, "x", mode.defaults(), "pt").system == "You write poems. 3 lines."
    assert instructions_for(mode, "x", mode.defaults(), "en").opening == "Here:"


def test_what_a_person_writes_is_never_read_as_a_template() -> None:
    mode = read_mode(POEM, "poem.toml")
    told = instructions_for(mode, "{{ 7 * 7 }} {% for x in y %}", mode.defaults(), "en")
    assert "{{ 7 * 7 }} {% for x in y %}" in told.user


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("form", "epic", FieldNotAnOption),
        ("lines", 41, FieldOutOfRange),
        ("lines", "many", FieldOutOfRange),
        ("lines", float("nan"), FieldOutOfRange),
        ("title", "x" * 2_001, FieldTooLong),
        ("to", "../../etc", FieldNotAnOption),
        ("to", "auto", FieldNotAnOption),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_the_fields_name(field: str, value: object, error: type) -> None:
    mode = read_mode(POEM, "poem.toml")
    with pytest.raises(error) as caught:
        checked_values(mode.fields, {field: value}, "zh")
    assert caught.value.params["field"] in {"体裁", "行数", "题目", "语言"}


def test_a_required_field_left_empty_is_said() -> None:
    text = POEM.replace('label = {en = "Title", zh = "题目"}', 'label = {en = "Title", zh = "题目"}\nrequired = true')
    with pytest.raises(FieldEmpty, match="Title is empty"):
        checked_values(read_mode(text, "poem.toml").fields, {"title": "  "})


@pytest.mark.parametrize(
    ("source", "line", "reason"),
    [
        ("a\n{% for x in text %}{% endfor %}", 2, "a loop"),
        ("{{ text.__class__ }}", 1, "an attribute"),
        ("{{ text['__class__'] }}", 1, "an item"),
        ("a\n\n{{ text.format(1) }}", 3, "a call"),
        ("{{ text|attr('x') }}", 1, "attr"),
        ("{{ text|replace('', text) }}", 1, "replace"),
        ("{% macro m() %}{% endmacro %}", 1, "a macro"),
        ("{% include 'x' %}", 1, "include"),
        ("{{ text * 1000000 }}", 1, "mul"),
        ("{{ text ~ text }}", 1, "concat"),
        ("a\n{{ text", 2, "end of template"),
        ("{% set x = 1 %}", 1, "assign"),
        ("x" * 20_001, 1, "longer"),
    ],
)
def test_a_template_that_loops_or_reaches_out_is_refused_by_line(source: str, line: int, reason: str) -> None:
    with pytest.raises(TemplateError, match=reason) as caught:
        Template(source)
    assert caught.value.line == line


@given(st.text(max_size=200))
def test_no_text_makes_a_template_do_more_than_refuse(source: str) -> None:
    try:
        template = Template(source)
    except TemplateError:
        return
    if not template.names:
        template.render({})


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ('key = "poem"', 'key = "../poem"', 2, "key"),
        ("default = 3", "default = 50", 22, "50 is not between 1 and 40"),
        ('default = "haiku"', 'default = "ode"', 12, "ode"),
        ('type = "toggle"', 'type = "colour"', 41, "type"),
        ("{{ lines }} lines", "{{ line }} lines", 1, "nothing is called line"),
        ("你写诗，", "{% for x in y %}{% endfor %}", 8, "a loop"),
        ('key = "rhyme"', 'key = "form"', 1, "two fields"),
        ('key = "rhyme"', 'key = "text"', 1, "may not be called text"),
        ('name = {en = "Poem", zh = "诗"}', "name = {}", 3, "name"),
    ],
)
def test_a_broken_file_is_told_with_its_line(old: str, new: str, line: int, reason: str) -> None:
    assert old in POEM
    with pytest.raises(UnreadableMode, match=reason) as caught:
        read_mode(POEM.replace(old, new, 1), "poem.toml")
    told = str(caught.value)
    assert told.startswith("poem.toml, line ")
    assert int(told.split("line ")[1].split(":")[0]) == line, told
