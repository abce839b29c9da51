"""The password in front of a page that others on the network can reach."""

from __future__ import annotations

import hashlib
import html
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from math import ceil
from typing import Any
from urllib.parse import parse_qs

import anyio.to_thread
from anyio import Lock
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from pydantic import SecretStr

from app.ui.answers import Header, Message, Send
from app.ui.i18n import Strings, choose_language

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

LOGIN, LOGOUT = "/inkglass/login", "/inkglass/logout"
STYLE = "/inkglass/static/inkglass.css"
OPEN = frozenset({STYLE, "/inkglass/alive", "/favicon.ico"})
"""What nobody needs the password for: the login page's looks, and that something is served here at all."""
LARGEST_FORM = 8_192
LOGIN_LASTS = 30 * 24 * 3600.0
MOST_LOGINS = 1_000
PAGE = """<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>Inkglass</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="{style}"></head>
<body data-ready="true"><main class="login"><h1>Inkglass</h1><p role="status">{note}</p>
<form method="post" action="{path}"><input type="hidden" name="username" value="Inkglass" autocomplete="username">
<label for="password">{label}</label>
<input id="password" name="password" type="password" autocomplete="current-password" autofocus required>
<button class="button primary">{button}</button></form></main></body></html>"""
POLICY = b"default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"


class WrongTries:
    """How long somebody has to wait who guessed wrong: longer each time, for the client and, later, for everybody."""

    FREE_FOR_ONE, FREE_FOR_ALL = 5, 50
    LONGEST_FOR_ONE, LONGEST_FOR_ALL = 900.0, 20.0
    FORGOTTEN_AFTER = 3600.0
    MOST_CLIENTS = 10_000

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._clients: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._all = (0, 0.0)

    def wait(self, client: str) -> float:
        """Seconds until `client` may try again; 0 if it may now."""
        own = self._left(self._clients.get(client, (0, 0.0)), self.FREE_FOR_ONE, self.LONGEST_FOR_ONE)
        return max(own, self._left(self._all, self.FREE_FOR_ALL, self.LONGEST_FOR_ALL))

    def _left(self, tries: tuple[int, float], free: int, longest: float) -> float:
        count, last = tries
        if count < free:
            return 0.0
        # The power is bounded as well: 2.0 ** 1100 is an error.
        return max(0.0, last + min(longest, 2.0 ** min(count - free, 30)) - self._clock())

    def count(self, client: str) -> None:
        """One more wrong try."""
        now = self._clock()
        self._all = (self._after(self._all, now), now)
        self._clients[client] = (self._after(self._clients.get(client, (0, 0.0)), now), now)
        self._clients.move_to_end(client)
        while len(self._clients) > self.MOST_CLIENTS:
            self._clients.popitem(last=False)

    def _after(self, tries: tuple[int, float], now: float) -> int:
        return 1 if now - tries[1] > self.FORGOTTEN_AFTER else tries[0] + 1

    def forgive(self, client: str) -> None:
        """The password was right."""
        self._clients.pop(client, None)


class Login:
    """Knows the password's hash and the tokens it gave out; both are gone when the app ends."""

    def __init__(
        self, password: SecretStr, port: int, strings: Strings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._hasher = PasswordHasher()
        self._hash = self._hasher.hash(password.get_secret_value())
        # Cookies do not tell ports apart: two apps on one machine must not end each other's logins.
        self._cookie = f"inkglass-{port}"
        self._tokens: OrderedDict[bytes, float] = OrderedDict()
        self._wrong = WrongTries(clock)
        self._clock = clock
        self._strings = strings
        self._one_at_a_time = Lock()

    def concerns(self, scope: Scope) -> bool:
        """Whether the request is for `answer`: it is about the login, or nobody has logged in."""
        path = scope["path"]
        return path in {LOGIN, LOGOUT} or (path not in OPEN and not self._knows(scope))

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The login page, or what becomes of a password."""
        path, posted = scope["path"], scope["method"] == "POST"
        if path == LOGOUT and posted:
            self._tokens.pop(self._token(scope), None)
            await _redirect(send, LOGIN, self._set_cookie("", 0))
        elif path == LOGIN and posted:
            await self._try(scope, receive, send)
        elif path == LOGIN and self._knows(scope):
            await _redirect(send, "/")
        elif path == LOGIN:
            await self._page(scope, send, 200, "login_note")
        elif path == "/":
            await _redirect(send, LOGIN)
        else:
            words = self._strings.text(_language(scope), "refused_login").encode()
            await _send(send, 401, [(b"content-type", b"text/plain; charset=utf-8")], words)

    def _knows(self, scope: Scope) -> bool:
        until = self._tokens.get(self._token(scope))
        return until is not None and until > self._clock()

    def _token(self, scope: Scope) -> bytes:
        """The request's token, hashed: comparing hashes tells nothing of the tokens by the time it takes."""
        try:
            cookies = SimpleCookie(b"; ".join(v for n, v in scope["headers"] if n == b"cookie").decode("latin-1"))
        except CookieError:
            return b""
        cookie = cookies.get(self._cookie)
        return _hashed(cookie.value) if cookie is not None else b""

    async def _try(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = (scope.get("client") or ("?", 0))[0]
        password = await _posted_password(receive)
        # One at a time: a check takes 64 MB and a core for a moment, and each has to see the failures before it.
        async with self._one_at_a_time:
            wait = self._wrong.wait(client)
            right = wait == 0.0 and await anyio.to_thread.run_sync(self._right, password)
            if wait == 0.0 and not right:
                self._wrong.count(client)
        if wait > 0.0:
            retry = ceil(wait)
            await self._page(scope, send, 429, "login_wait", retry)
        elif not right:
            await self._page(scope, send, 401, "login_wrong")
        else:
            self._wrong.forgive(client)
            await _redirect(send, "/", self._set_cookie(self._new_token(), int(LOGIN_LASTS)))

    def _right(self, password: str) -> bool:
        if not password:
            return False
        try:
            return self._hasher.verify(self._hash, password)
        except VerifyMismatchError:
            return False

    def _new_token(self) -> str:
        token = secrets.token_urlsafe(32)
        self._tokens[_hashed(token)] = self._clock() + LOGIN_LASTS
        while len(self._tokens) > MOST_LOGINS:
            self._tokens.popitem(last=False)
        return token

    def _set_cookie(self, token: str, seconds: int) -> Header:
        value = f"{self._cookie}={token}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Strict"
        return (b"set-cookie", value.encode())

    async def _page(self, scope: Scope, send: Send, status: int, note: str, retry: int = 0) -> None:
        language = _language(scope)
        words = {
            key: html.escape(self._strings.text(language, name, seconds=retry))
            for key, name in (("note", note), ("label", "login_label"), ("button", "login_button"))
        }
        page = PAGE.format(language="zh-Hans" if language == "zh" else language, style=STYLE, path=LOGIN, **words)
        headers = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-security-policy", POLICY),
            # With "no-referrer" a browser posts a form with the origin "null", which the guard refuses.
            (b"referrer-policy", b"same-origin"),
        ]
        if retry:
            headers.append((b"retry-after", str(retry).encode()))
        await _send(send, status, headers, page.encode())


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _language(scope: Scope) -> str:
    accepted = next((value for name, value in scope["headers"] if name == b"accept-language"), b"")
    return choose_language(None, accepted.decode("latin-1"))


async def _posted_password(receive: Receive) -> str:
    """The password of a posted form; '' for anything that is none."""
    body, more = b"", True
    while more and len(body) <= LARGEST_FORM:
        message = await receive()
        body += message.get("body", b"")
        more = bool(message.get("more_body"))
    if len(body) > LARGEST_FORM:
        return ""
    try:
        values = parse_qs(body.decode(), max_num_fields=8)
    except ValueError:
        return ""
    return values.get("password", [""])[0]


async def _redirect(send: Send, path: str, *headers: Header) -> None:
    await _send(send, 303, [(b"location", path.encode()), *headers], b"")


async def _send(send: Send, status: int, headers: list[Header], body: bytes) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
