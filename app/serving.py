"""Serves the page: a socket that is bound first, a line when it really answers, a clean end."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import threading
import time
import urllib.request
import webbrowser
from collections.abc import Callable
from typing import Any

import uvicorn

log = logging.getLogger(__name__)
PORTS_TO_TRY = 50


def bind(host: str, port: int, say: Callable[[str], None]) -> socket.socket:
    """A listening socket on `port`, or on the next free one, which is said. Raises OSError if none is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in range(port, min(port + PORTS_TO_TRY, 65536)):
        # Named as TCP, or asyncio leaves Nagle's algorithm on for what it accepts: each answer then waits some 40 ms
        # for the browser's delayed acknowledgement between its head and its body.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, candidate))
            listener.listen(128)
        except OSError as error:
            listener.close()
            if port == 0 or candidate == min(port + PORTS_TO_TRY, 65536) - 1:
                raise
            if candidate == port:
                say(f"Port {port} cannot be used ({error.strerror}); trying the next ones.")
            continue
        return listener
    raise OSError("no free port")


def page_address(host: str, port: int) -> str:
    """The address that a browser on this machine opens."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"


def serve(
    app: Any,
    listener: socket.socket,
    address: str,
    ready: Callable[[], None],
    on_server: Callable[[uvicorn.Server], None] = lambda _server: None,
) -> None:
    """Run until Ctrl+C or SIGTERM. `ready` is called once, when the page at `address` has answered.

    `on_server` gets the server before it runs; setting its `should_exit` ends it.
    """
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, log_config=None, timeout_graceful_shutdown=2, ws="none"
    )
    server = uvicorn.Server(config)
    on_server(server)
    threading.Thread(target=_announce, args=(address, ready, server), daemon=True, name="announce").start()
    # uvicorn raises the signal that ended it once more when it has stopped. Neither Ctrl+C nor SIGTERM may end the
    # process there: turns, engine and database are still to be closed.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _announce(address: str, ready: Callable[[], None], server: uvicorn.Server) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while not server.should_exit:
        if server.started:
            try:
                with opener.open(f"{address}/inkglass/alive", timeout=10) as answer:
                    answer.read()
            except OSError as error:
                log.warning("the page does not answer yet: %s", error)
                time.sleep(0.2)
                continue
            ready()
            return
        time.sleep(0.01)


def open_browser(address: str) -> None:
    """Show the page in the user's browser."""
    if not webbrowser.open(address):
        log.warning("no browser could be opened; the page is at %s", address)
