"""Answers: the headers under which a browser shows them, and the page's own document made fit for those headers."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; media-src 'self' blob:; "
    "manifest-src 'self'; worker-src 'self' blob:; frame-src 'none'; frame-ancestors 'none'; base-uri 'self'; "
    "form-action 'self'; object-src 'none'"
)
"""No 'unsafe-eval': Gradio builds its HTML components with `Function`, for which `static/functions.js` stands in.
Styles need 'unsafe-inline', as Svelte writes them into elements; nothing remote can be named in them."""
HEADERS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    # Without this a browser looks up the host of every link in a reply, which alone can carry text away.
    (b"x-dns-prefetch-control", b"off"),
    (
        b"permissions-policy",
        b"camera=(), microphone=(), geolocation=(), display-capture=(), usb=(), serial=(), hid=(), payment=(), "
        b"browsing-topics=()",
    ),
)
MAY_DIFFER = frozenset({b"referrer-policy", b"content-security-policy"})
"""What an answer may say for itself: the login page is stricter in one and, to be posted at all, laxer in the other."""
STAND_IN = b'<script src="/inkglass/static/functions.js"></script>'

_SCRIPT = re.compile(rb"<script\b([^>]*)>(.*?)</script>", re.DOTALL | re.IGNORECASE)
_REMOTE = re.compile(
    rb'<meta\s+(?:property|name)="(?:og|twitter):[^>]*>\s*|<link\b[^>]*\bhref="(?:https?:)?//[^>]*>\s*', re.IGNORECASE
)
_FOR_FRAMES = b"iframeResizer.contentWindow"


def page_document(page: bytes, nonce: str) -> bytes:
    """Gradio's document with a nonce on every script and without what names other hosts or serves frames."""

    def allowed(script: re.Match[bytes]) -> bytes:
        attributes, body = script.groups()
        if _FOR_FRAMES in body:
            return b""
        return b'<script nonce="%s"%s>%s</script>' % (nonce.encode(), attributes, body)

    page = _REMOTE.sub(b"", page).replace(b"<head>", b"<head>" + STAND_IN, 1)
    return _SCRIPT.sub(allowed, page)


class GuardedAnswer:
    """The `send` of one request: adds the headers to the answer; buffers nothing but the page's own document."""

    def __init__(self, send: Send, *, document: bool) -> None:
        self._send = send
        self._nonce = secrets.token_urlsafe(16)
        self._document = document
        self._start: Message | None = None
        self._body: list[bytes] = []
        self.started = False
        self.muted = False
        """When set, what the app still sends goes nowhere: the guard answers in its place."""

    async def __call__(self, message: Message) -> None:
        if self.muted:
            return
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif message["type"] == "http.response.body" and self._start is not None:
            self._body.append(message.get("body", b""))
            if not message.get("more_body"):
                await self._finish(self._start)
        else:
            await self._send(message)

    async def _begin(self, message: Message) -> None:
        given: list[Header] = [(bytes(name).lower(), bytes(value)) for name, value in message["headers"]]
        kept = [header for header in given if _passes(header[0])]
        ours = [(b"content-security-policy", POLICY.format(nonce=self._nonce).encode()), *HEADERS]
        if not any(name == b"etag" for name, _ in kept):
            ours.append((b"cache-control", b"no-store"))
        names = {name for name, _ in kept}
        message = {**message, "headers": [*kept, *(header for header in ours if header[0] not in names)]}
        self.started = True
        if self._document and any(name == b"content-type" and value.startswith(b"text/html") for name, value in kept):
            self._start = message
            return
        await self._send(message)

    async def _finish(self, start: Message) -> None:
        page = page_document(b"".join(self._body), self._nonce)
        headers = [header for header in start["headers"] if header[0] != b"content-length"]
        await self._send({**start, "headers": [*headers, (b"content-length", str(len(page)).encode())]})
        await self._send({"type": "http.response.body", "body": page})


def _passes(name: bytes) -> bool:
    if name in MAY_DIFFER:
        return True
    return not name.startswith(b"access-control-") and all(name != ours for ours, _ in HEADERS)
