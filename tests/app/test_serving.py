"""The socket that the page is served on."""

from __future__ import annotations

import asyncio
import socket

from app.serving import bind


def _delays_small_answers(listener: socket.socket) -> bool:
    """Whether what asyncio accepts on `listener` keeps a small answer back until the last one is acknowledged."""

    async def accept_one() -> bool:
        accepted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def connected(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            own = writer.get_extra_info("socket")
            accepted.set_result(own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0)
            writer.close()

        async with await asyncio.start_server(connected, sock=listener):
            _reader, writer = await asyncio.open_connection(*listener.getsockname()[:2])
            try:
                return await asyncio.wait_for(accepted, 10)
            finally:
                writer.close()

    return asyncio.run(accept_one())


def test_what_the_page_answers_is_sent_at_once() -> None:
    assert not _delays_small_answers(bind("127.0.0.1", 0, lambda _line: None))


def test_a_taken_port_is_said_and_the_next_free_one_is_taken() -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with bind("127.0.0.1", port, said.append) as listener:
            assert port < listener.getsockname()[1] <= port + 50
    assert len(said) == 1
    assert str(port) in said[0]
