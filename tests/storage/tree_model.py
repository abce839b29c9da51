"""The history as plain Python: what the storage must agree with after every step."""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Node:
    """A message. `number` is its place among all messages ever written."""

    id: str
    number: int
    parent: str | None
    role: str
    text: str
    status: str
    edited_from: str | None = None


@dataclass
class Tree:
    """One conversation: its messages, its head, and what lies in the trash with the head it took along."""

    id: str
    nodes: dict[str, Node] = field(default_factory=dict)
    head: str | None = None
    trashed: dict[str, str | None] = field(default_factory=dict)
    in_trash: bool = False

    def add(self, node: Node) -> None:
        self.nodes[node.id] = node
        self.head = node.id

    def change(self, id_: str, **values: str) -> None:
        self.nodes[id_] = replace(self.nodes[id_], **values)  # type: ignore[arg-type]

    def path(self, id_: str | None) -> list[str]:
        """From the root to the message."""
        ids: list[str] = []
        while id_ is not None:
            ids.append(id_)
            id_ = self.nodes[id_].parent
        return ids[::-1]

    def visible(self, id_: str) -> bool:
        return not any(above in self.trashed for above in self.path(id_))

    def visible_ids(self) -> list[str]:
        return [id_ for id_ in self.nodes if self.visible(id_)]

    def variants(self, id_: str) -> tuple[str, ...]:
        node = self.nodes[id_]
        same = [n for n in self.nodes.values() if (n.parent, n.role) == (node.parent, node.role)]
        return tuple(n.id for n in sorted(same, key=lambda n: n.number) if n.id == id_ or n.id not in self.trashed)

    def newest_below(self, top: str) -> str:
        """The message last written below `top`, seen as if `top` itself were visible."""
        below = [
            node
            for node in self.nodes.values()
            if top in (way := self.path(node.id)) and not any(id_ in self.trashed for id_ in way[way.index(top) + 1 :])
        ]
        return max(below, key=lambda node: node.number).id

    def is_leaf(self, id_: str) -> bool:
        return self.newest_below(id_) == id_

    def streaming(self) -> bool:
        return self.head is not None and self.nodes[self.head].status == "streaming"

    def trash(self, id_: str) -> None:
        if id_ in self.trashed:
            return
        inside = id_ in self.path(self.head)
        self.trashed[id_] = self.head if inside else None
        if inside:
            leaves = [self.newest_below(other) for other in self.variants(id_) if other != id_]
            newest = max(leaves, key=lambda leaf: self.nodes[leaf].number, default=None)
            self.head = newest or self.nodes[id_].parent

    def restore(self, id_: str) -> None:
        head = self.trashed.pop(id_)
        if head is not None and self.visible(id_):
            self.head = head if self.visible(head) else self.newest_below(id_)
