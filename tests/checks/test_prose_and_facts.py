"""Checks on length, letters, scenes, lists, news and rewriting, on texts that are known to be right or wrong."""

from __future__ import annotations

from collections import Counter

import pytest

from app.checks import CheckRequest, Target, run_checks
from app.checks.facts import links_of, names_of, numbers_of, placeholders_of

NOTES = "Fire in an empty barn near Ludlow, Tuesday 3 a.m. Nobody hurt. 12 firefighters. Cause unknown."
REPORT = (
    "An empty barn near Ludlow burned on Tuesday. The fire broke out at 3 a.m., and twelve firefighters came.\n\n"
    "Nobody was hurt. The cause of the fire is unknown."
)
ZH_NOTES = "周二凌晨三点，城北一座空仓库起火，无人受伤，出动消防员 12 人，原因不明。"
ZH_REPORT = "周二凌晨 3 点，城北的一座空仓库起火，消防部门出动了十二名消防员。\n\n火灾没有造成人员受伤，起火原因不明。"
TEXT = "Write to Jana Novak at jana@example.org before 4 May. The fee is 1,250.75 euros; see https://example.org/fees."


def failing(names: list[str], request: CheckRequest) -> set[str]:
    return {finding.check for finding in run_checks(names, request) if not finding.passed}


def test_a_report_from_the_notes_passes_in_both_languages() -> None:
    assert failing(["news"], CheckRequest(REPORT, NOTES)) == set()
    assert failing(["news"], CheckRequest(ZH_REPORT, ZH_NOTES, language="zh")) == set()


def test_an_invented_number_and_name_are_found_with_their_lines() -> None:
    text = REPORT + '\n\n"We lost 300 bales," said the farmer Peter Hall.'
    found = {finding.check: finding for finding in run_checks(["news"], CheckRequest(text, NOTES))}
    assert not found["news.numbers"].passed
    assert found["news.numbers"].params["which"] == "300"
    assert found["news.numbers"].lines == (4,)
    assert "Peter Hall" in str(found["news.names"].params["which"])
    assert found["news.names"].lines == (4,)


def test_an_invented_chinese_number_and_speaker_are_found() -> None:
    text = ZH_REPORT + "\n\n王建国表示，损失约五十万元。"
    assert failing(["news"], CheckRequest(text, ZH_NOTES, language="zh")) == {"news.numbers", "news.names"}


def test_a_report_that_leaves_out_when_and_where_is_told() -> None:
    text = "A barn burned. Nobody was hurt. Twelve firefighters came and the cause is unknown."
    assert failing(["news"], CheckRequest(text, NOTES)) == {"news.who", "news.when", "news.where"}


def test_what_has_nothing_to_do_with_the_notes_is_told() -> None:
    assert "news.what" in failing(["news"], CheckRequest("The parliament voted on Tuesday near Ludlow.", NOTES))


def test_a_text_rewritten_with_all_its_facts_passes() -> None:
    new = "Please send Jana Novak (jana@example.org) a note before 4 May. It costs 1250.75 euros: https://example.org/fees"
    assert failing(["rewrite"], CheckRequest(new, TEXT, {"size": "same"})) == set()


def test_lost_and_changed_facts_are_each_named() -> None:
    new = "Write to Mr Novak before 5 May. The fee is 1,250 euros."
    assert failing(["rewrite"], CheckRequest(new, TEXT, {"size": "same"})) == {
        "rewrite.numbers",
        "rewrite.new_numbers",
        "rewrite.names",
        "rewrite.links",
        "rewrite.same",
    }


def test_a_placeholder_that_was_dropped_is_found() -> None:
    found = failing(["rewrite"], CheckRequest("Hello, you have mail.", "Hello {name}, you have %d mails."))
    assert "rewrite.placeholders" in found


@pytest.mark.parametrize(
    ("unit", "number", "good", "bad"),
    [
        ("words", 6, "The cat sat on the mat.", "The cat."),
        ("words", 6, "小猫在门口睡", "猫"),
        ("sentences", 2, "Dr. Smith came. He sat down.", "Dr. Smith came."),
        ("lines", 3, "a\n\nb\nc", "a b c"),
        ("paragraphs", 2, "One.\nStill one.\n\nTwo.", "One.\nTwo."),
    ],
)
def test_length_is_counted_in_its_unit(unit: str, number: int, good: str, bad: str) -> None:
    target = Target(number, unit, 0.1)
    assert failing(["length"], CheckRequest(good, target=target)) == set()
    assert failing(["length"], CheckRequest(bad, target=target)) == {f"length.{unit}"}


def test_a_letter_has_its_parts() -> None:
    values = {"kind": "an e-mail", "to": "Ana", "from": "Ben"}
    good = "Subject: Thursday\n\nDear Ana,\n\nI shall be late.\n\nKind regards,\nBen"
    assert failing(["letter"], CheckRequest(good, values=values)) == set()
    assert failing(["letter"], CheckRequest("I shall be late.", values=values)) == {
        "letter.subject",
        "letter.greeting",
        "letter.closing",
        "letter.to",
        "letter.from",
    }
    chinese = "亲爱的小美：\n\n我会晚到。\n\n祝好\n小明"
    assert failing(["letter"], CheckRequest(chinese, values={"kind": "a letter"}, language="zh")) == set()


def test_a_scene_names_who_speaks() -> None:
    values = {"people": "Ana, Ben", "lines": 4}
    good = "**Ana:** Hello.\nBen (tired): Hello.\nAna: Tea?\nBen: Yes, please."
    assert failing(["scene"], CheckRequest(good, values=values)) == set()
    assert failing(["scene"], CheckRequest("Ana: Hello. Is anyone there?", values=values)) == {
        "scene.lines",
        "scene.people",
    }
    assert failing(["scene"], CheckRequest("安娜：你好。\n本：你好。", language="zh")) == set()


def test_points_are_counted_without_those_under_them() -> None:
    text = "1. First\n   - a\n   - b\n2. Second\n3. Third"
    assert failing(["outline"], CheckRequest(text, values={"parts": 3})) == set()
    assert failing(["outline"], CheckRequest(text, values={"parts": 5})) == {"list.items"}
    assert failing(["outline"], CheckRequest("No list at all.", values={"ideas": 3})) == {"list.items"}


def test_a_summary_is_short_and_has_its_sentences() -> None:
    source = "It rained all day. The river rose. People left their houses. At night the rain stopped."
    values = {"form": "sentences", "points": 2}
    good = "Rain made the river rise. It stopped at night."
    assert failing(["summary"], CheckRequest(good, source, values)) == set()
    assert failing(["summary"], CheckRequest(source + " And more.", source, values)) == {
        "summary.sentences",
        "summary.shorter",
    }


def test_numbers_are_the_same_however_they_are_written() -> None:
    assert numbers_of("1,250.75 and 1.250,75 and 1250.75") == Counter({"1250.75": 3})
    assert numbers_of("twelve men, 12 men") == Counter({"12": 2})
    assert numbers_of("1,000,000") == Counter({"1000000": 1})
    assert numbers_of("24.12.2025") == Counter({"24.12.2025": 1})
    assert numbers_of("十二人", "zh") == Counter({"12": 1})


def test_placeholders_links_and_names_are_told_from_their_likes() -> None:
    text = "Hi {name}, {{x}}, ${y}, %s of %(n)d, %1$s, 5 % of {} and 20% off"
    assert placeholders_of(text) == Counter(["{name}", "{{x}}", "${y}", "%s", "%(n)d", "%1$s", "{}"])
    assert links_of("See https://a.example/b?c=d.") == Counter(["https://a.example/b?c=d"])
    assert names_of("Yesterday Ana Reis met Bob. She was in Brno on Monday.") == ["Ana Reis", "Bob", "Brno"]


def test_a_huge_reply_is_not_checked_and_says_so() -> None:
    assert failing(["news", "length"], CheckRequest("a" * 300_000)) == {"too_long"}


@pytest.mark.parametrize("name", ["news", "rewrite", "letter", "scene", "outline", "summary", "length", "code"])
@pytest.mark.parametrize(
    "text", ["", "🙂", "三三两两", "one two three point", "-", "a:b:c", "1.1.1.1,1,1", "{" * 3000, ":" * 3000]
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_text_makes_a_check_stumble(name: str, text: str, language: str) -> None:
    assert isinstance(run_checks([name], CheckRequest(text, text, {"people": "A, B"}, language)), tuple)
