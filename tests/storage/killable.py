"""Processes that write to a database until they are killed, and say outside of it what was acknowledged."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import cast

from storage.conversations import Conversations
from storage.database import open_database
from storage.messages import Messages
from storage.records import Writing


def context() -> BaseContext:
    """How processes are started: from a server that has the storage loaded already, where the system can."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["storage.messages", "storage.migrations.run"])
    return server


def started(processes: BaseContext, target: object, *arguments: object) -> BaseProcess:
    """A running process."""
    process = cast(BaseProcess, processes.Process(target=target, args=arguments))  # type: ignore[attr-defined]
    process.start()
    return process


def question(number: int) -> str:
    return f"Question {number}: " + "Wort 字 " * (number % 50)


def answer(number: int, length: int) -> str:
    return (f"Answer {number}. " * (length // 8 + 1))[:length]


def write_history(path: Path, journal: Path) -> None:
    """Write turn after turn, each step noted in the journal once the storage has acknowledged it."""
    out = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(*words: object) -> None:
        os.write(out, (" ".join(map(str, words)) + "\n").encode())

    database = open_database(path, path.parent / "backups")
    conversations, messages = Conversations(database), Messages(database)
    messages.interrupt_streaming()
    note("opened")
    number = 0
    while True:
        conversation = conversations.create(mode="dialogue")
        note("conversation", conversation.id)
        head = None
        for _ in range(6):
            number += 1
            asked, reply = messages.append_turn(
                conversation.id, expected_head=head, parent_id=head, text=question(number), writing=Writing()
            )
            note("turn", asked.id, reply.id, number)
            for length in (300, 900):
                messages.checkpoint(reply.id, answer(number, length), "")
                note("growing", reply.id, number, length)
            messages.finish(
                reply.id, status="complete", text=answer(number, 2000), reasoning="", reply=None, failure=None
            )
            note("finished", reply.id, number, 2000)
            head = reply.id


def open_and_close(path: Path) -> None:
    """Open the database, which migrates it."""
    open_database(path, path.parent / "backups").close()
