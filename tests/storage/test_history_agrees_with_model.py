"""Any sequence of acts on the history gives what a plain-Python tree gives; nothing is ever lost or changed."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from storage.conversations import Conversations
from storage.database import open_database
from storage.errors import NotFound, StaleHead, StillStreaming
from storage.messages import Messages
from storage.records import Message, Writing
from tests.storage.tree_model import Node, Tree

RUNS = int(os.environ.get("INKGLASS_STATEFUL_RUNS", "0"))
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where syncing costs nothing: what these runs test is the tree, not the disk."""
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
pick = st.integers(min_value=0, max_value=10_000)


class History(RuleBasedStateMachine):
    """Acts on the real storage and on the model; the model decides what each act must do."""

    def __init__(self, empty_file: Path) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="inkglass-stateful-", dir=MEMORY))
        self.path = Path(shutil.copy(empty_file, self.folder / "inkglass.db"))
        self.open()
        self.trees: list[Tree] = []
        self.written = 0

    def open(self) -> None:
        self.database = open_database(self.path, self.folder / "backups")
        self.conversations, self.messages = Conversations(self.database), Messages(self.database)

    def teardown(self) -> None:
        self.database.close()
        shutil.rmtree(self.folder)

    # ---- choosing ----------------------------------------------------------------------------------------------

    def tree(self, number: int) -> Tree:
        """A conversation. Mostly a reply that is being written there ends first: it would have most acts refused."""
        tree = self.trees[number % len(self.trees)]
        if tree.streaming() and number % 3:
            self.end(tree)
        return tree

    def end(self, tree: Tree) -> None:
        assert tree.head is not None
        text = f"Reply {self.written}"
        self.messages.finish(tree.head, status="complete", text=text, reasoning="", reply=None, failure=None)
        tree.change(tree.head, text=text, status="complete")

    def node(self, tree: Tree, number: int, **wanted: str) -> Node | None:
        """Mostly a message that can be seen: what is refused is soon known."""
        found = [n for n in tree.nodes.values() if all(getattr(n, k) == v for k, v in wanted.items())]
        seen = [n for n in found if tree.visible(n.id)]
        chosen = seen if seen and number % 5 else found
        return chosen[number % len(chosen)] if chosen else None

    def note(self, tree: Tree, message: Message) -> None:
        """Add what the storage wrote to the model."""
        self.written += 1
        tree.add(
            Node(
                message.id,
                self.written,
                message.parent_id,
                message.role,
                message.text,
                message.status,
                message.edited_from,
            )
        )

    def refusal(self, tree: Tree, expected_head: str | None, *needed: str | None) -> type[Exception] | None:
        """What the storage must answer to a write that names this head and needs these messages to be visible."""
        if tree.in_trash:
            return NotFound
        if expected_head != tree.head:
            return StaleHead
        if tree.streaming():
            return StillStreaming
        if not all(id_ is None or tree.visible(id_) for id_ in needed):
            return NotFound
        return None

    # ---- acts --------------------------------------------------------------------------------------------------

    @initialize(steps=st.lists(st.tuples(st.sampled_from(["turn", "turn", "retry", "edit", "show"]), pick), min_size=2))
    def begin(self, steps: list[tuple[str, int]]) -> None:
        """A tree of some size to begin with: refusals alone would teach nothing."""
        self.trees.append(Tree(self.conversations.create(mode="dialogue").id))
        for kind, number in steps[:12]:
            if kind == "turn":
                self.send(0, f"Turn {number}", 0, "head")
            elif kind == "edit":
                self.send(0, f"Edit {number}", number, "anywhere")
            elif kind == "retry":
                self.retry(0, number)
            else:
                self.show_variant(0, number)
            if self.trees[0].streaming():
                self.end(self.trees[0])

    @rule(
        which=pick, text=texts, at=pick, how=st.sampled_from([*["head"] * 5, "anywhere", "anywhere", "root", "stale"])
    )
    def send(self, which: int, text: str, at: int, how: str) -> None:
        tree = self.tree(which)
        node = self.node(tree, at)
        parent = None if how == "root" else node.id if how == "anywhere" and node else tree.head
        head = node.id if how == "stale" and node else tree.head
        refused = self.refusal(tree, head, parent)
        act = {"expected_head": head, "parent_id": parent, "text": text, "writing": Writing()}
        if refused:
            with pytest.raises(refused):
                self.messages.append_turn(tree.id, **act)  # type: ignore[arg-type]
            return
        asked, reply = self.messages.append_turn(tree.id, **act)  # type: ignore[arg-type]
        assert (asked.text, reply.text, reply.status) == (text, "", "streaming")
        self.note(tree, asked)
        self.note(tree, reply)

    @rule(which=pick, at=pick)
    def retry(self, which: int, at: int) -> None:
        tree = self.tree(which)
        if (node := self.node(tree, at, role="user")) is None:
            return
        if refused := self.refusal(tree, tree.head, node.id):
            with pytest.raises(refused):
                self.messages.append_reply(node.id, expected_head=tree.head, writing=Writing())
            return
        self.note(tree, self.messages.append_reply(node.id, expected_head=tree.head, writing=Writing()))

    @rule(which=pick, at=pick, text=texts)
    def edit_reply(self, which: int, at: int, text: str) -> None:
        tree = self.tree(which)
        if (node := self.node(tree, at, role="assistant")) is None:
            return
        if self.refusal(tree, tree.head, node.id):
            with pytest.raises((NotFound, StillStreaming)):
                self.messages.append_edited_reply(node.id, text, expected_head=tree.head)
            return
        self.note(tree, self.messages.append_edited_reply(node.id, text, expected_head=tree.head))

    @rule(which=pick, text=texts, end=st.sampled_from(["complete", "stopped", "failed", "interrupted", ""]))
    def write(self, which: int, text: str, end: str) -> None:
        """A growing reply grows (no end) or ends; one that has ended takes nothing."""
        tree = self.trees[which % len(self.trees)]
        if tree.head is None:
            return
        node = tree.nodes[tree.head]
        grown = node.text + text
        if end:
            self.messages.finish(
                node.id,
                status=end,  # type: ignore[arg-type]
                text=grown,
                reasoning="",
                reply=None,
                failure=None,
            )
        else:
            self.messages.checkpoint(node.id, grown, "")
        if node.status == "streaming":
            tree.change(node.id, text=grown, status=end or "streaming")

    @rule(which=pick, at=pick, head=st.booleans())
    def resume(self, which: int, at: int, head: bool) -> None:
        tree = self.tree(which)
        node = tree.nodes[tree.head] if head and tree.head else self.node(tree, at)
        if node is None:
            return
        possible = node.id == tree.head and node.role == "assistant" and tree.is_leaf(node.id)
        refused = self.refusal(tree, tree.head) or (None if possible else StaleHead)
        if refused:
            with pytest.raises(refused):
                self.messages.resume(node.id, expected_head=tree.head)
            return
        assert self.messages.resume(node.id, expected_head=tree.head).text == node.text
        tree.change(node.id, status="streaming")

    @rule(which=pick, at=pick)
    def show_variant(self, which: int, at: int) -> None:
        tree = self.tree(which)
        if (node := self.node(tree, at)) is None:
            return
        leaf = self.messages.leaf_under(node.id)
        assert leaf == tree.newest_below(node.id)
        refused: type[Exception] | None = None
        if not tree.visible(leaf):
            refused = NotFound
        elif leaf != tree.head and tree.streaming():
            refused = StillStreaming
        if refused:
            with pytest.raises(refused):
                self.conversations.select_head(tree.id, leaf)
            return
        self.conversations.select_head(tree.id, leaf)
        tree.head = leaf

    @rule(which=pick, at=pick, whom=st.sampled_from(["above the head", "hidden already", "anybody"]))
    def trash(self, which: int, at: int, whom: str) -> None:
        tree = self.tree(which)
        hidden = [id_ for id_ in tree.nodes if not tree.visible(id_)]
        ids = {"above the head": tree.path(tree.head), "hidden already": hidden}.get(whom, []) or list(tree.nodes)
        if not ids:
            return
        node = tree.nodes[ids[at % len(ids)]]
        if tree.streaming() and node.id in tree.path(tree.head) and node.id not in tree.trashed:
            with pytest.raises(StillStreaming):
                self.messages.trash(node.id)
            return
        tree.trash(node.id)
        assert self.messages.trash(node.id) == tree.head

    @precondition(lambda self: any(tree.trashed for tree in self.trees))
    @rule(which=pick, at=pick)
    def restore(self, which: int, at: int) -> None:
        tree = self.tree(which)
        if not tree.trashed:
            return
        id_ = list(tree.trashed)[at % len(tree.trashed)]
        top_shown = all(above not in tree.trashed for above in tree.path(id_)[:-1])
        if tree.streaming() and tree.trashed[id_] is not None and top_shown:
            with pytest.raises(StillStreaming):
                self.messages.restore(id_)
            return
        self.messages.restore(id_)
        tree.restore(id_)

    @rule(which=pick)
    def trash_a_conversation_and_take_it_back(self, which: int) -> None:
        tree = self.tree(which)
        self.conversations.trash(tree.id)
        tree.in_trash = True
        self.the_list_holds_each_conversation_once()
        self.send(which, "refused", 0, "head")
        self.conversations.restore(tree.id)
        tree.in_trash = False

    @precondition(lambda self: len(self.trees) < 2)
    @rule(which=pick, at=pick)
    def copy_branch(self, which: int, at: int) -> None:
        tree = self.tree(which)
        if (node := self.node(tree, at)) is None:
            return
        made = self.conversations.copy_branch(node.id, "A copy")
        assert made.head_id is not None
        copy = Tree(made.id)
        originals = [tree.nodes[id_] for id_ in tree.path(node.id)]
        copies = [item.message for item in self.messages.path(made.head_id)]
        assert [m.text for m in copies] == [n.text for n in originals]
        assert [m.status for m in copies] == [n.status.replace("streaming", "interrupted") for n in originals]
        for message in copies:
            self.note(copy, message)
        self.trees.append(copy)

    @rule()
    def restart(self) -> None:
        self.database.close()
        self.open()
        growing = [n for tree in self.trees for n in tree.nodes.values() if n.status == "streaming"]
        assert self.messages.interrupt_streaming() == len(growing)
        for tree in self.trees:
            for node in growing:
                if node.id in tree.nodes:
                    tree.change(node.id, status="interrupted")

    # ---- what always holds -------------------------------------------------------------------------------------

    @invariant()
    def every_conversation_shows_what_the_model_says(self) -> None:
        for tree in self.trees:
            assert self.conversations.get(tree.id).head_id == tree.head
            assert tree.head is None or tree.visible(tree.head)
            if tree.head is None:
                continue
            items = self.messages.path(tree.head)
            assert [item.message.id for item in items] == tree.path(tree.head)
            assert [item.variants for item in items] == [tree.variants(id_) for id_ in tree.path(tree.head)]
            assert self.messages.path(tree.head, limit=2) == items[-2:]

    @invariant()
    def no_message_is_lost_or_changed(self) -> None:
        for tree in self.trees:
            for node in list(tree.nodes.values())[-6:]:
                kept = self.messages.get(node.id)
                assert (kept.parent_id, kept.role, kept.text, kept.status, kept.edited_from) == (
                    node.parent,
                    node.role,
                    node.text,
                    node.status,
                    node.edited_from,
                )

    @invariant()
    def the_list_holds_each_conversation_once(self) -> None:
        for trashed in (False, True):
            shown = {c.id for c in self.conversations.page(trashed=trashed)}
            assert shown == {tree.id for tree in self.trees if tree.in_trash is trashed}


@pytest.mark.slow
@pytest.mark.timeout(0 if RUNS else 120)
def test_the_history_agrees_with_a_plain_tree_after_every_act(empty_file: Path) -> None:
    budget = settings(
        max_examples=RUNS or 20,
        stateful_step_count=40 if RUNS else 20,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(lambda: History(empty_file), settings=budget)
