"""The user's own modes: files in the data folder beside those built in."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import ModeNotFound, ModeUnusable
from app.modes import Shelf

OWN = 'key = "recipe"\nname = { en = "Recipe" }\ndescription = { en = "Food." }\nuser = "A recipe for {{ text }}."\n'


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "modes")


def keys(shelf: Shelf) -> set[str]:
    return {mode.key for mode in shelf.all()}


def test_a_saved_mode_is_there_at_once_and_for_the_next_start(shelf: Shelf, tmp_path: Path) -> None:
    assert "recipe" not in keys(shelf)
    shelf.save(OWN)
    assert "recipe" in keys(shelf)
    assert shelf.contents().own == {"recipe"}
    assert Shelf(tmp_path / "modes").get("recipe").name == {"en": "Recipe"}
    assert shelf.source("recipe") == OWN
    shelf.save(OWN.replace("Food.", "Things to eat."))
    assert shelf.get("recipe").description == {"en": "Things to eat."}


def test_a_file_put_there_by_hand_is_found_without_a_restart(shelf: Shelf, tmp_path: Path) -> None:
    assert "recipe" not in keys(shelf)
    (tmp_path / "modes").mkdir()
    (tmp_path / "modes" / "mine.toml").write_text(OWN, "utf-8")
    assert "recipe" in keys(shelf)


def test_a_broken_file_is_told_with_its_line_and_hides_no_other(shelf: Shelf, tmp_path: Path) -> None:
    shelf.save(OWN)
    (tmp_path / "modes" / "bad.toml").write_text('key = "bad"\nname = 3\n', "utf-8")
    (tmp_path / "modes" / "huge.toml").write_bytes(b"#" * 10_000_000)
    (tmp_path / "modes" / "taken.toml").write_text(OWN.replace("recipe", "poem"), "utf-8")
    assert "recipe" in keys(shelf)
    told = shelf.contents().problems
    assert len(told) == 3
    assert told[0].startswith("bad.toml, line 2: name")
    assert "larger than 256 KB" in told[1]
    assert "the key poem already" in told[2]


def test_a_deleted_mode_comes_back(shelf: Shelf) -> None:
    shelf.save(OWN)
    shelf.delete("recipe")
    assert "recipe" not in keys(shelf)
    assert shelf.get("recipe").key == "dialogue"
    shelf.restore("recipe")
    assert shelf.source("recipe") == OWN
    with pytest.raises(ModeNotFound):
        shelf.delete("poem")


@pytest.mark.parametrize("key", ["../recipe", "/etc/passwd", "", "a/b", "nothing"])
def test_a_key_that_names_no_own_mode_reaches_no_file(shelf: Shelf, key: str) -> None:
    with pytest.raises(ModeNotFound):
        shelf.source(key)
    with pytest.raises(ModeNotFound):
        shelf.delete(key)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (OWN.replace("recipe", "poem"), "built-in"),
        (OWN.replace("{{ text }}", "{% for x in text %}{% endfor %}"), "a loop"),
        ("not toml", "mode"),
        (OWN + "#" * 300_000, "larger"),
    ],
)
def test_what_cannot_be_used_is_not_kept(shelf: Shelf, text: str, reason: str) -> None:
    with pytest.raises(ModeUnusable, match=reason):
        shelf.save(text)
    assert shelf.contents().own == frozenset()
