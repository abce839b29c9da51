"""The password in front of a page that others on the network can reach."""

from __future__ import annotations

import html
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from pydantic import SecretStr

from app.ui.i18n import choose_language, load_strings

COOKIE = "inkglass-login"
PATH = "/inkglass/login"
STYLE = "/inkglass/static/inkglass.css"
LARGEST_FORM = 4096
TRIES_BEFORE_WAITING = 5
LONGEST_WAIT = 300.0
PAGE = """<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>Inkglass</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="{style}"></head>
<body data-ready="true"><main class="login"><h1>Inkglass</h1><p>{note}</p>
<form method="post" action="{path}"><label for="password">{label}</label>
<input id="password" name="password" type="password" autocomplete="current-password" autofocus required>
<button class="button primary">{button}</button></form></main></body></html>"""

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Login:
    """Knows the password's hash, the tokens it gave out, and how often somebody guessed wrong."""

    def __init__(self, password: SecretStr, clock: Callable[[], float] = time.monotonic) -> None:
        self._hasher = PasswordHasher()
        self._hash = self._hasher.hash(password.get_secret_value())
        self._tokens: set[str] = set()
        self._wrong: dict[str, tuple[int, float]] = {}
        self._clock = clock
        self._strings = load_strings()

    def knows(self, headers: Mapping[str, str]) -> bool:
        """Whether the request carries a token that was given out."""
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and any(secrets.compare_digest(cookie.value, token) for token in self._tokens)

    async def answer(self, scope: Mapping[str, Any], receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        """The login page, or what becomes of a password."""
        client = (scope.get("client") or ("?", 0))[0]
        language = choose_language(None, dict(scope["headers"]).get(b"accept-language", b"").decode("latin-1"))
        if scope["path"] == STYLE:
            await _style(send)
        elif scope["path"] != PATH or scope["method"] != "POST":
            document = scope["path"] in ("/", PATH) and scope["method"] == "GET"
            await self._page(send, language, "login_note", 200 if document else 401)
        elif (wait := self._wait(client)) > 0:
            await self._page(send, language, "login_wait", 429, retry=int(wait) + 1)
        else:
            await self._try(client, await _form(receive), language, send)

    def _wait(self, client: str) -> float:
        return max(self._wrong.get(who, (0, 0.0))[1] for who in (client, "*")) - self._clock()

    async def _try(self, client: str, password: str, language: str, send: Send) -> None:
        try:
            self._hasher.verify(self._hash, password)
        except VerifyMismatchError:
            for who, allowed in ((client, TRIES_BEFORE_WAITING), ("*", 10 * TRIES_BEFORE_WAITING)):
                count = self._wrong.get(who, (0, 0.0))[0] + 1
                wait = min(LONGEST_WAIT, 2.0 ** (count - allowed)) if count >= allowed else 0.0
                self._wrong[who] = (count, self._clock() + wait)
            await self._page(send, language, "login_wrong", 401)
            return
        self._wrong.clear()
        token = secrets.token_urlsafe(32)
        self._tokens.add(token)
        cookie = f"{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/"
        headers = [(b"location", b"/"), (b"set-cookie", cookie.encode()), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _page(self, send: Send, language: str, note: str, status: int, retry: int = 0) -> None:
        words = {key: html.escape(self._strings.text(language, key)) for key in ("login_label", "login_button")}
        page = PAGE.format(
            language=language,
            style=STYLE,
            path=PATH,
            note=html.escape(self._strings.text(language, note, seconds=retry)),
            label=words["login_label"],
            button=words["login_button"],
        ).encode()
        policy = b"default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'"
        headers = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-length", str(len(page)).encode()),
            (b"content-security-policy", policy),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]
        if retry:
            headers.append((b"retry-after", str(retry).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": page})


async def _style(send: Send) -> None:
    css = (Path(__file__).with_name("static") / "inkglass.css").read_bytes()
    headers = [(b"content-type", b"text/css"), (b"content-length", str(len(css)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": css})


async def _form(receive: Callable[[], Awaitable[Any]]) -> str:
    body = b""
    while len(body) <= LARGEST_FORM:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    values = parse_qs(body.decode("utf-8", "replace"))
    return values.get("password", [""])[0]
