"""Checks on poems: known good ones pass, known bad ones fail and name the lines."""

from __future__ import annotations

import pytest

from app.checks import CheckRequest, Finding, run_checks

SONNET_18 = """\
Shall I compare thee to a summer's day?
Thou art more lovely and more temperate:
Rough winds do shake the darling buds of May,
And summer's lease hath all too short a date;
Sometime too hot the eye of heaven shines,
And often is his gold complexion dimm'd;
And every fair from fair sometime declines,
By chance or nature's changing course untrimm'd;
But thy eternal summer shall not fade,
Nor lose possession of that fair thou ow'st;
Nor shall death brag thou wander'st in his shade,
When in eternal lines to time thou grow'st:
So long as men can breathe or eyes can see,
So long lives this, and this gives life to thee."""
ON_HIS_BLINDNESS = """\
When I consider how my light is spent,
Ere half my days, in this dark world and wide,
And that one Talent which is death to hide
Lodged with me useless, though my Soul more bent
To serve therewith my Maker, and present
My true account, lest he returning chide;
"Doth God exact day-labour, light denied?"
I fondly ask. But patience, to prevent
That murmur, soon replies, "God doth not need
Either man's work or his own gifts; who best
Bear his mild yoke, they serve him best. His state
Is Kingly. Thousands at his bidding speed
And post o'er Land and Ocean without rest:
They also serve who only stand and wait.\""""
LEAR = """\
There was an Old Man with a beard,
Who said, "It is just as I feared!
Two Owls and a Hen,
Four Larks and a Wren,
Have all built their nests in my beard!\""""
POND = """\
An old silent pond...
A frog jumps into the pond,
splash! Silence again."""
STORK_TOWER = "登鹳雀楼\n白日依山尽，黄河入海流。\n欲穷千里目，更上一层楼。"
QUIET_NIGHT = "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。"
WHITE_EMPEROR = "《早发白帝城》\n朝辞白帝彩云间，千里江陵一日还。\n两岸猿声啼不住，轻舟已过万重山。"
SPRING_VIEW = "国破山河在，城春草木深。\n感时花溅泪，恨别鸟惊心。\n烽火连三月，家书抵万金。\n白头搔更短，浑欲不胜簪。"
CLIMBING = (
    "風急天高猿嘯哀，渚清沙白鳥飛回。\n無邊落木蕭蕭下，不盡長江滾滾來。\n"
    "萬里悲秋常作客，百年多病獨登臺。\n艱難苦恨繁霜鬢，潦倒新停濁酒杯。"
)


def findings(text: str, form: str, characters: int = 5) -> dict[str, Finding]:
    request = CheckRequest(text, values={"form": form, "characters": str(characters)})
    return {finding.check: finding for finding in run_checks(["poem"], request)}


def failing(text: str, form: str, characters: int = 5) -> set[str]:
    return {name for name, finding in findings(text, form, characters).items() if not finding.passed}


@pytest.mark.parametrize(
    ("form", "text", "characters"),
    [
        ("sonnet", SONNET_18, 5),
        ("sonnet", ON_HIS_BLINDNESS, 5),
        ("limerick", LEAR, 5),
        ("haiku", POND, 5),
        ("jueju", STORK_TOWER, 5),
        ("jueju", WHITE_EMPEROR, 7),
        ("lushi", SPRING_VIEW, 5),
        ("lushi", CLIMBING, 7),
        ("haiku", "古池塘静静\n一只青蛙跳下去\n水声响一声", 5),
        ("free verse", "The sea at night\nis a room\nnobody leaves.", 5),
    ],
)
def test_a_known_good_poem_passes_every_check_of_its_form(form: str, text: str, characters: int) -> None:
    assert findings(text, form, characters)
    assert failing(text, form, characters) == set()


def test_a_title_and_empty_lines_are_not_counted() -> None:
    assert failing(f"Frog\n\n{POND}\n", "haiku") == set()
    assert failing(f"## Sonnet 18\n{SONNET_18}", "sonnet") == set()


def test_a_translation_that_counts_otherwise_is_no_haiku_in_english() -> None:
    buson = "The light of a candle\nIs transferred to another candle—\nSpring twilight."
    found = findings(buson, "haiku")["poem.syllables"]
    assert not found.passed
    assert found.lines == (0, 1, 2)


def test_one_line_too_long_is_the_one_that_is_named() -> None:
    text = POND.replace("A frog jumps into the pond,", "A small green frog jumps into the pond,")
    assert findings(text, "haiku")["poem.syllables"].lines == (1,)


def test_a_line_that_does_not_rhyme_is_named_where_it_stands() -> None:
    text = "\n" + LEAR.replace("Four Larks and a Wren", "Four Larks and a Crow")
    found = findings(text, "limerick")["poem.rhyme"]
    assert not found.passed
    assert found.lines == (4,)
    assert found.params["which"] == "4"


def test_prose_in_fourteen_lines_is_no_sonnet() -> None:
    text = "\n".join(f"This is line number {n} of some prose about a town" for n in range(1, 15))
    assert "poem.lines" not in failing(text, "sonnet")
    assert {"poem.syllables"} <= failing(text, "sonnet")
    thirteen = "\n".join(SONNET_18.split("\n")[:13])
    assert {"poem.lines", "poem.rhyme"} <= failing(thirteen, "sonnet")


def test_an_old_style_quatrain_rhymes_but_breaks_the_tones() -> None:
    # 静夜思 is a 古绝: written before, or against, the rules of tone.
    assert failing(QUIET_NIGHT, "jueju") == {"poem.tones"}


def test_a_quatrain_without_rhyme_or_measure_fails_in_both() -> None:
    found = findings("小猫爱吃鱼，小狗爱吃肉。\n我家有只鸟，它会唱歌。", "jueju")
    assert found["poem.characters"].lines == (1,)
    assert not found["poem.chinese_rhyme"].passed


def test_verses_of_seven_are_no_verses_of_five() -> None:
    assert "poem.characters" in failing(WHITE_EMPEROR, "jueju", 5)
    assert "poem.lines" in failing(SPRING_VIEW, "jueju", 5)


def test_a_turned_couplet_breaks_the_tones() -> None:
    turned = "黄河入海流，白日依山尽。\n更上一层楼，欲穷千里目。"
    assert {"poem.tones", "poem.chinese_rhyme"} <= failing(turned, "jueju")


@pytest.mark.parametrize("form", ["free verse", "haiku", "limerick", "sonnet", "jueju", "lushi"])
@pytest.mark.parametrize("text", ["", "\n\n", "……", "🙂🙂🙂", "12 34", "שלום עולם", "word " * 2000, "，\n" * 500])
def test_no_text_makes_a_check_stumble(form: str, text: str) -> None:
    assert all(isinstance(finding, Finding) for finding in findings(text, form).values())
    assert failing(text, form)
