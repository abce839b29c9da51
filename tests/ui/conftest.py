"""A guarded app on a real port: small routes where Gradio's would stand, so that the guard is what is tested."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import SecretStr

from app.ui.security import protect

DOCUMENT = """<!doctype html><html><head><meta property="og:image" content="https://evil.example/a.png" />
<meta name="twitter:card" content="x" /><link rel="preconnect" href="https://fonts.example">
<link rel="stylesheet" href="./assets/a.css"><script>window.config = {"a": "<script>b"};</script>
<script>load("iframeResizer.contentWindow.min.js")</script><script type="module" src="./assets/a.js"></script>
</head><body>page</body></html>"""


@dataclass
class Site:
    """Where the app is served, and what lets its slow stream go on."""

    port: int
    go_on: threading.Event = field(default_factory=threading.Event)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(self, request: str, *, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        """Send these very lines and read the whole answer: status, headers, body."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(request.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body)
            data = b""
            while chunk := connection.recv(65_536):
                data += chunk
        head, _, rest = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
        return int(lines[0].split()[1]), headers, rest


def _app(go_on: threading.Event) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/")
    def page(request: Request) -> Response:
        return HTMLResponse(DOCUMENT, headers={"x-encodings": request.headers.get("accept-encoding", "none")})

    @app.get("/gradio_api/queue/data")
    def stream() -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"first"
            while not go_on.is_set():
                await anyio.sleep(0.005)
            yield b"second"

        return StreamingResponse(parts(), media_type="text/event-stream")

    @app.api_route("/{path:path}", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    async def anything(request: Request) -> Response:
        body = await request.body()
        return Response(f"{request.method} {len(body)}", headers={"access-control-allow-origin": "*"})

    return app


@contextmanager
def serving() -> Iterator[Callable[..., Site]]:
    """Serves guarded apps until the end of the block."""
    running: list[tuple[uvicorn.Server, threading.Thread, Site]] = []

    def start(*, host: str = "127.0.0.1", password: str | None = None, extra_hosts: tuple[str, ...] = ()) -> Site:
        listener = socket.create_server(("127.0.0.1", 0))
        site = Site(listener.getsockname()[1])
        app = _app(site.go_on)
        secret = SecretStr(password) if password is not None else None
        protect(app, host=host, port=site.port, password=secret, extra_hosts=extra_hosts)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        running.append((server, thread, site))
        return site

    yield start
    for server, thread, site in running:
        site.go_on.set()
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def serve() -> Iterator[Callable[..., Site]]:
    with serving() as start:
        yield start


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """One guarded app for all tests of a file; it keeps nothing between requests."""
    with serving() as start:
        yield start()


@pytest.fixture(scope="module")
def closed_site() -> Iterator[Site]:
    """One app behind a password, for tests that try none."""
    with serving() as start:
        yield start(host="0.0.0.0", password="nobody tries this one")
