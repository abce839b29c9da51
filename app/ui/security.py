"""The guards in front of every route: who may ask, what may be asked, and what the answer allows a browser to do."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from pydantic import SecretStr

from app.ui.login import Login

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_BODY = 16 * 2**20
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
NEEDED = re.compile(
    r"/|/config|/theme\.css|/favicon\.ico|/manifest\.json|/robots\.txt|/(?:assets|static|svelte)/.*|/inkglass/.*"
    r"|/gradio_api/(?:run/[^/]+|api/[^/]+|component_server|app_id|startup-events|heartbeat/[^/]+"
    r"|queue/(?:join|data)|theme\.css)/?"
)
"""The only paths there are: Gradio's others (files, proxy, upload, info, monitoring, runs …) do not exist here."""
NAVIGATION = {"/", "/inkglass/login"}
POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; media-src 'self' blob:; "
    "manifest-src 'self'; worker-src 'self' blob:; frame-src 'none'; frame-ancestors 'none'; base-uri 'self'; "
    "form-action 'self'; object-src 'none'"
)
"""'unsafe-eval' stays because Gradio compiles the `js_on_load` of gr.HTML with `new Function`; no text reaches that."""
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), interest-cohort=()"),
)
REMOTE_META = re.compile(rb"<meta\s+(?:property|name)=\"(?:og|twitter):[^>]*?>\s*", re.DOTALL)
INLINE_SCRIPT = re.compile(rb"<script(?=[\s>])")


@dataclass(frozen=True)
class Guard:
    """One ASGI middleware; it never buffers an answer except the page's own document."""

    app: Asgi
    hosts: frozenset[str]
    origins: frozenset[str]
    login: Login | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            status, words = refusal
            await _answer(send, status, words)
            return
        if self.login is not None and not self.login.knows(headers):
            await self.login.answer(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        await self.app(scope, _bounded(receive), _Answer(send, nonce, document=scope["path"] == "/"))

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        if headers.get("host", "").lower() not in self.hosts:
            return 421, "This address is not one of Inkglass."
        path = scope["path"]
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if origin is not None and origin.lower() not in self.origins:
            return 403, "This page may not talk to Inkglass."
        outside = site not in (None, "same-origin", "none")
        if outside and (scope["method"] not in SAFE_METHODS or path not in NAVIGATION):
            return 403, "Another page may not talk to Inkglass."
        if not NEEDED.fullmatch(path):
            return 404, "There is nothing here."
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > LARGEST_BODY:
            return 413, "This is too large."
        return None


class _Answer:
    """Adds the headers to an answer, and the nonce to the scripts of the page's document."""

    def __init__(self, send: Send, nonce: str, *, document: bool) -> None:
        self._send = send
        self._nonce = nonce
        self._document = document
        self._start: Message | None = None
        self._body: list[bytes] = []

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            names = {name for name, _ in HEADERS}
            kept = [
                (name, value)
                for name, value in message["headers"]
                if name.lower() not in names and not name.lower().startswith(b"access-control-")
            ]
            policy = (b"content-security-policy", POLICY.format(nonce=self._nonce).encode())
            message["headers"] = [*kept, *HEADERS, policy]
            is_page = any(n.lower() == b"content-type" and v.startswith(b"text/html") for n, v in kept)
            if self._document and is_page:
                self._start = message
                return
        elif message["type"] == "http.response.body" and self._start is not None:
            self._body.append(message.get("body", b""))
            if not message.get("more_body"):
                await self._finish()
            return
        await self._send(message)

    async def _finish(self) -> None:
        assert self._start is not None  # noqa: S101  # a body follows its start
        page = REMOTE_META.sub(b"", b"".join(self._body))
        page = INLINE_SCRIPT.sub(b'<script nonce="' + self._nonce.encode() + b'"', page)
        headers = [(n, v) for n, v in self._start["headers"] if n.lower() != b"content-length"]
        self._start["headers"] = [
            *headers,
            (b"content-length", str(len(page)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": page})


def _bounded(receive: Receive) -> Receive:
    """A body that says no length is cut off when it grows too large."""
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > LARGEST_BODY:
            return {"type": "http.disconnect"}
        return message

    return bounded


async def _answer(send: Send, status: int, words: str) -> None:
    body = words.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        *HEADERS,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def protect(app: FastAPI, *, host: str, port: int, password: SecretStr | None, extra_hosts: Iterable[str] = ()) -> None:
    """Put the guards in front of `app`, which is reached at `host`:`port` (and by `extra_hosts`, if it is shared)."""
    names = {*LOOPBACK, *(name.lower() for name in extra_hosts)}
    if host not in ("0.0.0.0", "::"):  # noqa: S104  # these two name no host
        names.add(f"[{host}]" if ":" in host else host.lower())
    hosts = frozenset({f"{name}:{port}" for name in names} | (names if port == 80 else set()))
    origins = frozenset(f"http://{name}" for name in hosts)
    login = Login(password) if password is not None else None
    app.add_middleware(Guard, hosts=hosts, origins=origins, login=login)
