"""The guard in front of every route: who may ask, and what may be asked. `answers` says how answers leave."""

from __future__ import annotations

import re
import socket
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from fastapi import FastAPI
from pydantic import SecretStr

from app.ui.answers import GuardedAnswer, Message, Send
from app.ui.i18n import Strings, choose_language, load_strings
from app.ui.login import Login

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_BODY = 16 * 2**20
READING = frozenset({"GET", "HEAD"})
METHODS = READING | {"POST", "PUT", "PATCH", "DELETE"}
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104  # names the case that asks for a password; nothing is bound here
NEEDED = re.compile(
    r"/|/config|/theme\.css|/favicon\.ico|/manifest\.json|/pwa_icon|/robots\.txt"
    r"|/(?:assets|static|inkglass)/[\w./-]+"
    r"|/gradio_api/(?:run/\w+|component_server|app_id|startup-events|heartbeat/\w+|queue/join|queue/data|cancel|reset)/?"
)
"""The only paths there are. Gradio's others (files, proxy, upload, info, runs, monitoring, …) do not exist here."""
NAVIGATION = frozenset({"/", "/inkglass/login"})
"""What a link on another page may lead to."""


@dataclass(frozen=True)
class Refusal:
    """Why a request goes no further: the status and the key of its sentence."""

    status: int
    reason: str


@dataclass(frozen=True)
class Addresses:
    """The names under which this server is reached."""

    names: frozenset[str]
    port: int
    elsewhere: frozenset[str] = frozenset()
    """Whole `Host` values that a proxy in front of us is asked for."""
    any_address: bool = False

    def known(self, host: str) -> bool:
        """Whether a request for `host` is meant for us, and not for a name that an attacker points at this machine."""
        name, port = _split(host)
        if port != self.port:
            return host in self.elsewhere
        # A bare address cannot be pointed elsewhere, so where every address is served, each of them is ours.
        return name in self.names or host in self.elsewhere or (self.any_address and _is_address(name))


def _split(host: str) -> tuple[str, int]:
    found = re.fullmatch(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", host)
    return (found.group(1), int(found.group(2) or 80)) if found else ("", -1)


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Guard:
    """One ASGI middleware around the whole app. It passes streams on as they come."""

    app: Asgi
    addresses: Addresses
    login: Login | None
    strings: Strings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            # Nothing here speaks it, and a browser sends it without asking first.
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        document = scope["method"] == "GET" and scope["path"] == "/"
        answer = GuardedAnswer(send, document=document)
        refusal = refused(scope, self.addresses)
        if refusal is not None:
            await self._refuse(scope, answer, refusal)
        elif self.login is not None and self.login.concerns(scope):
            await self.login.answer(scope, _Bounded(receive), answer)
        else:
            await self._pass_on(_uncompressed(scope) if document else scope, receive, answer)

    async def _pass_on(self, scope: Scope, receive: Receive, answer: GuardedAnswer) -> None:
        bounded = _Bounded(receive, answer)
        with suppress(BodyTooLarge):
            await self.app(scope, bounded, answer)
        if bounded.exceeded and not answer.started:
            answer.muted = False
            await self._refuse(scope, answer, Refusal(413, "refused_size"))

    async def _refuse(self, scope: Scope, send: Send, refusal: Refusal) -> None:
        language = choose_language(None, _header(scope, b"accept-language") or "")
        body = self.strings.text(language, refusal.reason).encode()
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def refused(scope: Scope, addresses: Addresses) -> Refusal | None:
    """Why this request is refused; None if it may go on."""
    host = _header(scope, b"host")
    if host is None or not addresses.known(host.lower()):
        return Refusal(421, "refused_host")
    if scope["method"] not in METHODS:
        return Refusal(405, "refused_method")
    if _foreign(scope, host.lower()):
        return Refusal(403, "refused_origin")
    path = str(scope["path"])
    if not NEEDED.fullmatch(path) or ".." in path or "//" in path:
        return Refusal(404, "refused_path")
    length = _header(scope, b"content-length") or "0"
    if not length.isdecimal() or int(length) > LARGEST_BODY:
        return Refusal(413, "refused_size")
    return None


def _foreign(scope: Scope, host: str) -> bool:
    """Whether a browser says that another page asks. Programs that are no browsers send none of these headers."""
    origins = _headers(scope, b"origin")
    if any(origin.lower() not in {f"http://{host}", f"https://{host}"} for origin in origins) or len(origins) > 1:
        return True
    if all(site in {"same-origin", "none"} for site in _headers(scope, b"sec-fetch-site")):
        return False
    followed_link = all(kind == "document" for kind in _headers(scope, b"sec-fetch-dest"))
    return not (followed_link and scope["method"] in READING and scope["path"] in NAVIGATION)


def _headers(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _header(scope: Scope, name: bytes) -> str | None:
    """The header's value; None if it is missing or there twice."""
    values = _headers(scope, name)
    return values[0] if len(values) == 1 else None


def _uncompressed(scope: Scope) -> Scope:
    """The same request, asking for the document as it is, since a nonce has to be written into it."""
    headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
    return {**scope, "headers": headers}


class BodyTooLarge(Exception):
    """A request's body went on past what is taken."""


class _Bounded:
    """A `receive` for a body that may say no length: it is cut off when it grows too large."""

    def __init__(self, receive: Receive, answer: GuardedAnswer | None = None) -> None:
        self._receive = receive
        self._answer = answer
        self._taken = 0
        self.exceeded = False

    async def __call__(self) -> Message:
        message = await self._receive()
        self._taken += len(message.get("body", b""))
        if self._taken > LARGEST_BODY:
            self.exceeded = True
            if self._answer is not None and not self._answer.started:
                self._answer.muted = True
            raise BodyTooLarge
        return message


def protect(app: FastAPI, *, host: str, port: int, password: SecretStr | None, extra_hosts: Iterable[str] = ()) -> None:
    """Put the guard in front of `app`, which is bound to `host`:`port`.

    `extra_hosts` are the names, with port where one is shown, under which a proxy leads here. Raises ValueError for a
    host that others can reach without a password.
    """
    if host not in LOOPBACK and host != "::1" and password is None:
        raise ValueError(f"Inkglass is not served at {host} without a password: set INKGLASS_PASSWORD.")
    names = set(LOOPBACK)
    if host in EVERY_ADDRESS:
        machine = socket.gethostname().lower()
        names |= {machine, f"{machine}.local"}
    else:
        names.add(f"[{host}]" if ":" in host else host.lower())
    elsewhere = frozenset(name.lower() for name in extra_hosts)
    addresses = Addresses(frozenset(names), port, elsewhere, any_address=host in EVERY_ADDRESS)
    strings = load_strings()
    login = Login(password, port, strings) if password is not None else None
    app.add_middleware(Guard, addresses=addresses, login=login, strings=strings)
