"""The list of conversations, their settings, preferences and drafts."""

from __future__ import annotations

import pytest

from storage.conversations import Conversations
from storage.database import Database
from storage.drafts import Drafts
from storage.errors import NotFound
from storage.messages import Messages
from storage.preferences import Preferences
from storage.records import Writing


def titles(conversations: Conversations, **query: object) -> list[str]:
    return [c.title for c in conversations.page(**query)]  # type: ignore[arg-type]


def test_pages_follow_each_other_newest_activity_first(conversations: Conversations, messages: Messages) -> None:
    ids = [conversations.create(mode="dialogue", title=str(n)).id for n in range(7)]
    messages.append_turn(ids[2], expected_head=None, parent_id=None, text="up", writing=Writing())
    first = conversations.page(limit=3)
    second = conversations.page(limit=3, before=first[-1].activity)
    third = conversations.page(limit=3, before=second[-1].activity)
    assert [c.title for c in (*first, *second, *third)] == ["2", "6", "5", "4", "3", "1", "0"]


@pytest.mark.parametrize(
    ("title", "query"),
    [
        ("An Evening in École", "école"),
        ("Die STRASSE", "straße"),
        ("关于长城的问题", "长城"),
        ("100% sure_thing", "0% s"),
        ("100% sure_thing", "e_t"),
        ("Ｗｉｄｅ letters", "wide"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
    ],
)
def test_titles_are_found_in_any_script_and_case(conversations: Conversations, title: str, query: str) -> None:
    conversations.create(mode="dialogue", title=title)
    conversations.create(mode="dialogue", title="Something else")
    assert titles(conversations, title_query=query) == [title]


def test_wildcards_in_a_search_are_letters(conversations: Conversations) -> None:
    conversations.create(mode="dialogue", title="plain")
    assert titles(conversations, title_query="%") == []
    assert titles(conversations, title_query="p_ain") == []
    assert titles(conversations, title_query="\\") == []
    assert titles(conversations, title_query="x" * 100_000) == []


def test_an_automatic_title_never_replaces_a_given_one(conversations: Conversations) -> None:
    id_ = conversations.create(mode="dialogue").id
    conversations.rename(id_, "Guessed", "auto")
    conversations.rename(id_, "Mine", "user")
    conversations.rename(id_, "Guessed again", "auto")
    conversation = conversations.get(id_)
    assert (conversation.title, conversation.title_source) == ("Mine", "user")


def test_the_trash_is_a_list_of_its_own_and_gives_back(conversations: Conversations) -> None:
    ids = [conversations.create(mode="dialogue", title=str(n)).id for n in range(3)]
    conversations.trash(ids[1])
    assert (titles(conversations), titles(conversations, trashed=True)) == (["2", "0"], ["1"])
    assert conversations.get(ids[1]).trashed_at is not None
    conversations.restore(ids[1])
    assert titles(conversations) == ["2", "1", "0"]


def test_the_version_grows_with_every_change_of_the_list_and_only_then(
    conversations: Conversations, messages: Messages
) -> None:
    seen = [conversations.version()]
    id_ = conversations.create(mode="dialogue").id
    seen.append(conversations.version())
    conversations.rename(id_, "A title", "user")
    seen.append(conversations.version())
    messages.append_turn(id_, expected_head=None, parent_id=None, text="Hi", writing=Writing())
    seen.append(conversations.version())
    conversations.trash(id_)
    seen.append(conversations.version())
    conversations.restore(id_)
    seen.append(conversations.version())
    assert seen == sorted(set(seen))
    conversations.get(id_)
    conversations.page()
    assert conversations.version() == seen[-1]


def test_settings_change_one_by_one(conversations: Conversations) -> None:
    made = conversations.create(mode="dialogue", model_id="a", system_prompt="Be kind", sampling={"top_k": 40})
    conversations.change_settings(made.id, sampling={"temperature": 0.5})
    conversations.change_settings(made.id, model_id=None)
    now = conversations.get(made.id)
    assert (now.system_prompt, now.sampling, now.mode, now.model_id) == (
        "Be kind",
        {"temperature": 0.5},
        "dialogue",
        None,
    )
    assert now.revision > made.revision
    assert now.activity == made.activity


def test_an_unknown_conversation_is_not_found(conversations: Conversations) -> None:
    for ask in (conversations.get, conversations.trash, conversations.restore):
        with pytest.raises(NotFound) as caught:
            ask("nobody")
        assert caught.value.params == {"noun": "conversation"}


def test_preferences_keep_any_json(database: Database) -> None:
    preferences = Preferences(database)
    assert preferences.get("theme") is None
    assert preferences.get("theme", "system") == "system"
    for value in ("dark", 3, 0.5, True, None, ["a", {"b": None}], {"长": "城\ud800"}):
        preferences.set("theme", value)  # type: ignore[arg-type]
        assert preferences.get("theme", "other") == value


def test_a_draft_stays_until_it_is_empty(database: Database) -> None:
    drafts = Drafts(database)
    assert drafts.get("new") == ""
    drafts.save("new", "Half a tho")
    drafts.save("new", "Half a thought")
    assert drafts.get("new") == "Half a thought"
    drafts.save("new", "")
    assert drafts.get("new") == ""
    drafts.delete("new")
