"""Checks on stored replies, and repair: only the failing lines are written anew."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.errors import NothingToRepair
from models.errors import ModelError
from tests.app.conftest import Scene, until
from tests.engine.script import Failure

Start = Callable[..., Scene]
POND = "An old silent pond\nA small green frog jumps into the pond\nSplash! Silence again"
GOOD_LINE = "A frog jumps into the pond"
HAIKU = {"form": "haiku"}


def failing(scene: Scene, message_id: str) -> set[str]:
    return {finding.check for finding in scene.parts.checking.findings(message_id) if not finding.passed}


def test_a_reply_is_checked_by_the_mode_in_which_it_was_written(start: Start) -> None:
    scene = start(reply=POND).ready()
    sent = scene.say("a pond", mode="poem", fields=HAIKU)
    assert failing(scene, sent.reply_id) == {"poem.syllables"}
    plain = scene.say("a pond", sent)
    assert scene.parts.checking.findings(plain.reply_id) == ()
    assert scene.parts.checking.findings(plain.user_id or "") == ()


def test_repair_writes_the_failing_line_anew_and_keeps_the_rest_and_the_old_reply(start: Start) -> None:
    scene = start(reply=[POND, "no better line than this one here", GOOD_LINE]).ready()
    sent = scene.say("a pond", mode="poem", fields=HAIKU)
    repaired = scene.parts.checking.repair(sent.reply_id, expected_head=sent.reply_id)
    scene.ended(repaired)
    first, _, last = POND.split("\n")
    assert scene.texts(repaired) == ["a pond", f"{first}\n{GOOD_LINE}\n{last}"]
    assert failing(scene, repaired.reply_id) == set()
    shown = scene.window(repaired).items[-1]
    assert shown.variants == (sent.reply_id, repaired.reply_id)
    assert shown.message.edited_from == sent.reply_id
    assert shown.message.status == "complete"
    assert scene.parts.manager.message(sent.reply_id).text == POND


def test_a_line_for_which_nothing_better_comes_stays_as_it_was(start: Start) -> None:
    scene = start(reply=[POND, "This line is much too long to be of any use in a haiku at all"]).ready()
    sent = scene.say("a pond", mode="poem", fields=HAIKU)
    repaired = scene.parts.checking.repair(sent.reply_id, expected_head=sent.reply_id)
    scene.ended(repaired)
    assert scene.texts(repaired)[-1] == POND


def test_lines_too_many_are_left_out(start: Start) -> None:
    scene = start(reply=[f"An old silent pond\n{GOOD_LINE}\nSplash! Silence again\nAnd more", "unused"]).ready()
    sent = scene.say("a pond", mode="poem", fields=HAIKU)
    repaired = scene.parts.checking.repair(sent.reply_id, expected_head=sent.reply_id)
    scene.ended(repaired)
    assert scene.texts(repaired)[-1] == f"An old silent pond\n{GOOD_LINE}\nSplash! Silence again"


def test_lines_too_few_are_added(start: Start) -> None:
    scene = start(reply=[f"An old silent pond\n{GOOD_LINE}", "Splash! Silence again"]).ready()
    sent = scene.say("a pond", mode="poem", fields=HAIKU)
    repaired = scene.parts.checking.repair(sent.reply_id, expected_head=sent.reply_id)
    scene.ended(repaired)
    assert scene.texts(repaired)[-1] == f"An old silent pond\n{GOOD_LINE}\nSplash! Silence again"


def test_what_passes_or_was_never_checked_is_not_repaired(start: Start) -> None:
    scene = start(reply="Well.").ready()
    sent = scene.say("Hello")
    with pytest.raises(NothingToRepair):
        scene.parts.checking.repair(sent.reply_id, expected_head=sent.reply_id)


def test_a_stopped_repair_keeps_every_line_that_was_not_reached(start: Start) -> None:
    scene = start(reply=POND, rate=0.0).ready()
    sent = scene.say("a pond", mode="poem", fields=HAIKU)
    scene.engine.script = type(scene.engine.script)(reply="slow " * 400, rate=5.0)
    repaired = scene.parts.checking.repair(sent.reply_id, expected_head=sent.reply_id)
    until(lambda: len(scene.engine.requests) > 1, what="the first try")
    scene.parts.manager.stop(repaired.conversation.id)
    scene.ended(repaired)
    message = scene.parts.manager.message(repaired.reply_id)
    assert (message.text, message.status) == (POND, "stopped")


def test_an_engine_that_fails_in_mid_repair_leaves_the_whole_text(start: Start) -> None:
    scene = start(reply=POND).ready()
    sent = scene.say("a pond", mode="poem", fields=HAIKU)
    scene.engine.script = type(scene.engine.script)(failure=Failure("status", status=500))
    repaired = scene.parts.checking.repair(sent.reply_id, expected_head=sent.reply_id)
    scene.ended(repaired)
    message = scene.parts.manager.message(repaired.reply_id)
    assert (message.text, message.status) == (POND, "failed")
    assert message.failure is not None
    assert message.failure.code in {cls.code for cls in ModelError.__subclasses__()}
