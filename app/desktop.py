"""The page in a window of its own, through pywebview (the extra `desktop`)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

HOW_TO_GET = (
    "A window of its own needs one more package: `pip install pywebview==6.2.1` into .venv (on Linux "
    "`pip install 'pywebview[qt]==6.2.1'`). The page is at {address}."
)


def show_window(address: str, served: threading.Event, run: Callable[[Callable[[Any], None]], None]) -> int:
    """Serve on a thread, show the window on the main one (as desktops demand), end both together."""
    try:
        import webview
    except ImportError:
        print(HOW_TO_GET.format(address=address), flush=True)  # noqa: T201  # the terminal is where it was asked for
        run(lambda _server: None)
        return 0
    servers: list[Any] = []
    thread = threading.Thread(target=run, args=(servers.append,), name="server")
    thread.start()
    served.wait(30)
    webview.create_window("Inkglass", address, width=1200, height=820, min_size=(390, 500))
    try:
        webview.start()
    except webview.errors.WebViewException as error:
        # No Qt or GTK here, or no screen: the page is served all the same.
        print(f"{error}\n{HOW_TO_GET.format(address=address)}", flush=True)  # noqa: T201
        thread.join()
    for server in servers:
        server.should_exit = True
    thread.join(10)
    return 0
