"""Modes, titles and sampling: what is checked where it enters."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import UnusableSetting
from app.modes import Instructions, UnreadableMode, instructions_for, load_modes, needs_other_model
from app.sampling import checked_sampling, chosen_options
from app.titles import title_from
from docs.modes_table import README, with_table
from models.types import ModelSpec, SamplingOptions

GOOD = """
key = "poem"
order = 2
system = "Write a poem."
name = {en = "Poem", zh = "诗"}
description = {en = "A poem.", zh = "一首诗。"}
examples = {en = ["Rain"], zh = ["雨"]}
"""


def test_every_built_in_mode_is_complete_in_both_languages() -> None:
    modes = load_modes()
    assert modes[0].key == "dialogue"
    assert instructions_for(modes[0], "Hello", {}, "en") == Instructions("", "Hello", "", "en")
    for mode in modes:
        for language in ("en", "zh"):
            assert mode.name[language]
            assert mode.description[language]
            assert len(mode.examples[language]) == 4


def test_the_readme_lists_every_mode() -> None:
    readme = README.read_text("utf-8")
    assert readme == with_table(readme), "run `python -m docs.modes_table`"


def test_one_more_file_is_one_more_mode(tmp_path: Path) -> None:
    (tmp_path / "poem.toml").write_text(GOOD, "utf-8")
    (tmp_path / "first.toml").write_text(GOOD.replace('"poem"', '"first"').replace("order = 2", "order = 1"), "utf-8")
    assert [mode.key for mode in load_modes(tmp_path)] == ["first", "poem"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("key = ", "bad.toml"),
        (GOOD.replace('key = "poem"', ""), "key"),
        (GOOD.replace('"poem"', '"../poem"'), "key"),
        (GOOD + 'colour = "red"', "colour"),
        (GOOD.replace('name = {en = "Poem", zh = "诗"}', "name = {}"), "name"),
        (GOOD + "# " + "x" * 300_000, "larger"),
        ("\ud800", "bad.toml"),
    ],
)
def test_a_broken_file_is_named_with_the_reason(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "bad.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UnreadableMode, match=reason):
        load_modes(tmp_path)


def test_two_files_with_one_key_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GOOD, "utf-8")
    (tmp_path / "b.toml").write_text(GOOD, "utf-8")
    with pytest.raises(UnreadableMode, match="poem"):
        load_modes(tmp_path)


def test_examples_in_a_language_the_model_does_not_know_need_another_model() -> None:
    assert needs_other_model("zh", ("en",))
    assert not needs_other_model("zh", ("en", "zh-Hans"))
    assert not needs_other_model("zh", ())


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Why is the sky blue? And at night?", "Why is the sky blue?"),
        ("\n\n# A **bold** plan\nmore", "A bold plan"),
        ("- first point\n- second", "first point"),
        ("```python\nmy_value = 2*3\n```", "my_value = 2*3"),
        ("Use `snake_case` in __all__ of *these*", "Use snake_case in all of these"),
        ("\u202eevil\u202c title\u200b", "evil title"),
        ("می‌خواهم 👩‍👩‍👧", "می‌خواهم 👩‍👩‍👧"),
        ("你好！请写一首诗。", "你好！"),
        ("天" * 60, "天" * 47 + "…"),
        ("one two three four five six seven eight nine ten eleven", "one two three four five six seven eight nine…"),
        ("***\n---\n???", ""),
        ("3.14 is a number", "3.14 is a number"),
        ("[a link](http://x) here", "a link here"),
        ("x" * 1_000_000, "x" * 47 + "…"),
    ],
)
def test_a_title_is_the_first_sentence_in_short(text: str, title: str) -> None:
    assert title_from(text) == title
    assert len(title_from(text)) <= 48


def test_the_conversations_own_sampling_goes_before_the_models_advice() -> None:
    spec = ModelSpec("m", "M", "llama_cpp", advice=SamplingOptions(temperature=0.2, top_p=0.9))
    chosen = chosen_options({"temperature": 1.0, "of_another_version": 3}, spec)
    assert chosen == SamplingOptions(temperature=1.0, top_p=0.9)


def test_only_set_values_are_kept_and_whole_numbers_are_whole() -> None:
    kept = checked_sampling({"temperature": 0, "top_k": 40.0, "seed": None, "max_tokens": 10})
    assert kept == {"temperature": 0, "top_k": 40, "max_tokens": 10}
    assert isinstance(kept["top_k"], int)
    for bad in ({"seed": True}, {"top_p": "0.5"}, {"min_p": float("inf")}, {"seed": -1}):
        with pytest.raises(UnusableSetting):
            checked_sampling(bad)
