"""The password in front of a page that others can reach."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import anyio
import pytest
from pydantic import SecretStr

from app.ui.i18n import load_strings
from app.ui.login import Login, WrongTries

PASSWORD = "correct horse 电池"


def get(site, path, *headers):
    lines = [f"GET {path} HTTP/1.1", f"Host: {site.host}", "Connection: close", *headers]
    return site.ask("\n".join(lines))


def post(site, path, body=b"", *headers):
    lines = [f"POST {path} HTTP/1.1", f"Host: {site.host}", "Connection: close", f"Content-Length: {len(body)}"]
    return site.ask("\n".join([*lines, *headers]), body=body)


def log_in(site, password, *headers):
    return post(site, "/inkglass/login", urlencode({"password": password}).encode(), *headers)


def cookie_of(headers):
    return headers["set-cookie"].partition(";")[0]


@pytest.fixture
def shared(serve):
    return serve(host="0.0.0.0", password=PASSWORD)


@pytest.mark.parametrize(
    "path",
    [
        "/config",
        "/assets/a.js",
        "/gradio_api/startup-events",
        "/gradio_api/queue/data",
        "/inkglass/code.css",
        "/theme.css",
    ],
)
def test_nothing_is_told_without_the_password(closed_site, path):
    assert get(closed_site, path)[0] == 401
    assert post(closed_site, path)[0] == 401


def test_the_page_leads_to_the_login(closed_site):
    status, headers, body = get(closed_site, "/?c=1")
    assert (status, headers["location"], body) == (303, "/inkglass/login", b"")


def test_the_login_has_no_script_and_speaks_both_languages(closed_site):
    status, headers, body = get(closed_site, "/inkglass/login", "Accept-Language: zh-CN")
    assert status == 200
    assert b"<script" not in body
    assert "script-src" not in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert "密码" in body.decode()
    assert "Password" in get(closed_site, "/inkglass/login")[2].decode()


def test_that_it_is_alive_may_be_known(closed_site):
    assert get(closed_site, "/inkglass/alive")[0] == 200
    assert get(closed_site, "/inkglass/static/inkglass.css")[0] == 200


def test_the_password_opens_the_page_and_leaving_closes_it(shared):
    status, headers, _ = log_in(shared, PASSWORD)
    assert (status, headers["location"]) == (303, "/")
    attributes = headers["set-cookie"]
    assert all(part in attributes for part in ("HttpOnly", "SameSite=Strict", "Path=/"))
    cookie = f"Cookie: other=1; {cookie_of(headers)}"
    assert get(shared, "/config", cookie)[0] == 200
    assert get(shared, "/inkglass/login", cookie)[1]["location"] == "/"
    status, headers, _ = post(shared, "/inkglass/logout", b"", cookie)
    assert (status, headers["location"]) == (303, "/inkglass/login")
    assert "Max-Age=0" in headers["set-cookie"]
    assert get(shared, "/config", cookie)[0] == 401


@pytest.mark.parametrize(
    "passwords",
    [["", "wrong", PASSWORD + " ", PASSWORD.upper()], ["x" * 100_000, "\ud800", "\x00", PASSWORD.encode("utf-16")]],
)
def test_another_password_opens_nothing(shared, passwords):
    for password in passwords:
        body = urlencode({"password": password}, errors="surrogatepass").encode()
        status, headers, _ = post(shared, "/inkglass/login", body)
        assert status == 401
        assert "set-cookie" not in headers


@pytest.mark.parametrize(
    "bodies", [[b"", b"password", b"\xff\xfe", b"{}"], [b"&" * 100, b"password[]=a", b"a=b&" * 50, b"password=%ff"]]
)
def test_what_is_no_form_opens_nothing(shared, bodies):
    for body in bodies:
        assert post(shared, "/inkglass/login", body)[0] == 401


@pytest.mark.parametrize("value", ["", "x", "x" * 9_000, '"', "a=b; c", "\xff"])
def test_a_made_up_cookie_opens_nothing(closed_site, value):
    assert get(closed_site, "/config", f"Cookie: inkglass-{closed_site.port}={value}")[0] in (400, 401)


def test_another_page_may_not_try_passwords(closed_site):
    assert log_in(closed_site, PASSWORD, "Origin: http://evil.example")[0] == 403
    assert log_in(closed_site, PASSWORD, "Sec-Fetch-Site: cross-site")[0] == 403


@pytest.mark.slow
def test_after_some_wrong_tries_one_has_to_wait_even_with_the_right_password(shared):
    for _ in range(WrongTries.FREE_FOR_ONE + 3):
        status, headers, body = log_in(shared, "wrong")
    assert status == 429
    assert int(headers["retry-after"]) >= 1
    assert re.search(r"Wait \d+ s", body.decode())
    assert log_in(shared, PASSWORD)[0] == 429


@pytest.mark.slow
def test_tries_at_once_are_counted_one_after_another():
    clock = [0.0]
    login = Login(SecretStr(PASSWORD), 1, load_strings(), clock=lambda: clock[0])
    statuses: list[int] = []

    async def attempt() -> None:
        async def receive():
            return {"type": "http.request", "body": b"password=wrong", "more_body": False}

        async def send(message):
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        scope = {"type": "http", "path": "/inkglass/login", "method": "POST", "headers": [], "client": ("10.0.0.1", 1)}
        await login.answer(scope, receive, send)

    async def many() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(12):
                group.start_soon(attempt)

    anyio.run(many)
    assert statuses.count(401) == WrongTries.FREE_FOR_ONE
    assert statuses.count(429) == 12 - WrongTries.FREE_FOR_ONE


# ---- how long one waits --------------------------------------------------------------------------------------------


@pytest.fixture
def tries():
    clock = [1000.0]
    wrong = WrongTries(lambda: clock[0])
    return wrong, clock


def test_the_wait_doubles_up_to_a_quarter_of_an_hour(tries):
    wrong, clock = tries
    waits = []
    for _ in range(2_000):
        wrong.count("a")
        waits.append(wrong.wait("a"))
        clock[0] += waits[-1]
    assert waits[: wrong.FREE_FOR_ONE + 2] == [0.0] * (wrong.FREE_FOR_ONE - 1) + [1.0, 2.0, 4.0]
    assert max(waits) == wrong.LONGEST_FOR_ONE


def test_one_who_guesses_does_not_lock_out_another_for_long(tries):
    wrong, _ = tries
    for number in range(100_000):
        wrong.count(f"client {number % 20_000}")
    assert 0 < wrong.wait("somebody else") <= wrong.LONGEST_FOR_ALL


def test_wrong_tries_are_forgotten_and_forgiven(tries):
    wrong, clock = tries
    for _ in range(6):
        wrong.count("a")
        wrong.count("b")
    assert wrong.wait("a") > 0
    wrong.forgive("a")
    assert wrong.wait("a") == 0
    clock[0] += 2 * wrong.FORGOTTEN_AFTER
    wrong.count("b")
    assert wrong.wait("b") == 0
