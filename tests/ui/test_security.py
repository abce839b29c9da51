"""Who may ask, what may be asked, and under which headers answers leave: requests as curl or an attacker sends them."""

from __future__ import annotations

import re
import socket

import pytest
from fastapi import FastAPI

from app.ui.security import LARGEST_BODY, protect

DATA = "/gradio_api/run/predict"


def get(site, path="/", host=None, *headers):
    lines = [f"GET {path} HTTP/1.1", f"Host: {host or site.host}", "Connection: close", *headers]
    return site.ask("\n".join(lines))


def post(site, path=DATA, *headers, body=b"{}", method="POST"):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {site.host}", "Connection: close", f"Content-Length: {len(body)}"]
    return site.ask("\n".join([*lines, *headers]), body=body)


# ---- which address was meant -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_our_own_names_are_answered(site, name):
    assert get(site, host=f"{name}:{site.port}")[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:{port}",
        "evil.example",
        "127.0.0.1.evil.example:{port}",
        "localhost.evil.example:{port}",
        "localhost",
        "localhost:{other}",
        "127.0.0.1",
        "127.0.0.2:{port}",
        "0.0.0.0:{port}",
        "10.0.0.1:{port}",
        "user@localhost:{port}",
        "localhost.:{port}",
        "localhost:{port}:{port}",
        "localhost:{port}#",
        "localhost:٧{port}",
        "[::ffff:127.0.0.1]:{port}",
        "null",
        " ",
    ],
)
def test_a_name_that_leads_here_by_dns_rebinding_is_refused(site, host):
    host = host.format(port=site.port, other=site.port + 1).encode().decode("latin-1")
    status, headers, _ = get(site, host=host)
    assert status in (400, 421)
    assert "access-control-allow-origin" not in headers


def test_two_hosts_in_one_request_are_refused(site):
    assert get(site, "/", site.host, "Host: evil.example")[0] in (400, 421)


def test_the_host_of_the_request_line_does_not_count(site):
    assert get(site, f"http://{site.host}/", "evil.example")[0] in (400, 421)


def test_a_request_without_a_host_is_refused(site):
    assert site.ask("GET / HTTP/1.0")[0] in (400, 421)


def test_where_every_address_is_served_each_of_them_is_ours_and_names_are_not(serve):
    site = serve(host="0.0.0.0", password="pass")
    assert get(site, "/inkglass/login", f"192.168.7.9:{site.port}")[0] == 200
    assert get(site, "/inkglass/login", f"{socket.gethostname()}:{site.port}")[0] == 200
    assert get(site, "/inkglass/login", f"evil.example:{site.port}")[0] == 421
    assert get(site, "/inkglass/login", "192.168.7.9:1")[0] == 421


def test_the_name_of_a_proxy_in_front_is_ours_once_it_is_given(serve):
    site = serve(extra_hosts=("Ink.example",))
    assert get(site, host="ink.example")[0] == 200
    assert get(site, "/", "ink.example", "Origin: https://ink.example")[0] == 200
    assert get(site, host="other.example")[0] == 421


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "ink.example"])
def test_others_are_never_let_in_without_a_password(host):
    with pytest.raises(ValueError, match="password"):
        protect(FastAPI(), host=host, port=7860, password=None)


# ---- who asks ----------------------------------------------------------------------------------------------------


def test_our_own_page_may_post(site):
    assert post(site, DATA, f"Origin: http://{site.host}", "Sec-Fetch-Site: same-origin")[0] == 200


def test_a_program_that_is_no_browser_may_post(site):
    assert post(site)[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET"])
@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://localhost:{port}", "http://127.0.0.1", "http://127.0.0.1:{other}", "", "*"],
)
def test_another_origin_is_refused(site, method, origin):
    origin = origin.format(port=site.port, other=site.port + 1)
    status, headers, _ = post(site, DATA, f"Origin: {origin}", method=method)
    assert status == 403
    assert not [name for name in headers if name.startswith("access-control")]


def test_two_origins_are_refused(site):
    assert post(site, DATA, f"Origin: http://{site.host}", "Origin: http://evil.example")[0] == 403


@pytest.mark.parametrize("where", ["cross-site", "same-site", "garbage"])
@pytest.mark.parametrize("path", [DATA, "/gradio_api/queue/data", "/config", "/inkglass/static/page.js", "/theme.css"])
def test_another_page_may_neither_post_nor_read(site, where, path):
    assert post(site, path, f"Sec-Fetch-Site: {where}")[0] == 403
    assert get(site, path, None, f"Sec-Fetch-Site: {where}")[0] == 403


def test_a_link_on_another_page_may_lead_here(site):
    status, _, _ = get(site, "/?c=1", None, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: document")
    assert status == 200


@pytest.mark.parametrize("kind", ["image", "script", "iframe", "empty", "object"])
def test_another_page_may_not_embed_us(site, kind):
    assert get(site, "/", None, "Sec-Fetch-Site: cross-site", f"Sec-Fetch-Dest: {kind}")[0] == 403


def test_a_form_on_another_page_may_not_post_to_the_page(site):
    assert post(site, "/", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: document")[0] == 403


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT", "PROPFIND"])
def test_a_preflight_gets_no_permission(site, method):
    lines = f"{method} {DATA} HTTP/1.1\nHost: {site.host}\nConnection: close\nOrigin: http://evil.example"
    status, headers, _ = site.ask(lines + "\nAccess-Control-Request-Method: POST")
    assert status in (400, 405)
    assert not [name for name in headers if name.startswith("access-control")]


def test_the_refusal_speaks_the_reader_s_language(site):
    body = get(site, "/", "evil.example", "Accept-Language: zh-CN,zh")[2]
    assert "地址" in body.decode()


# ---- what may be asked --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file/etc/passwd",
        "/file=/etc/passwd",
        "/gradio_api/proxy=https://evil.example",
        "/gradio_api/upload",
        "/gradio_api/upload_progress?upload_id=1",
        "/gradio_api/info",
        "/gradio_api/info/",
        "/gradio_api/openapi.json",
        "/gradio_api/runs",
        "/gradio_api/run-history/connect",
        "/gradio_api/run-history/records/a/b/assets/c",
        "/gradio_api/deep_link",
        "/gradio_api/mcp/sse",
        "/gradio_api/mcp",
        "/gradio_api/call/predict",
        "/gradio_api/call/v2/predict",
        "/gradio_api/api/predict",
        "/gradio_api/stream/a/b/c/playlist.m3u8",
        "/gradio_api/process_recording",
        "/gradio_api/vibe-edit",
        "/gradio_api/vibe-code",
        "/gradio_api/profiling/traces",
        "/gradio_api/queue/status",
        "/gradio_api/login_check",
        "/gradio_api/token",
        "/gradio_api/user",
        "/gradio_api/dev/reload",
        "/gradio_api/custom_component/a/client/b/c.js",
        "/monitoring",
        "/monitoring/summary",
        "/login",
        "/logout",
        "/docs",
        "/redoc",
        "/openapi.json",
        "/svelte/svelte.js",
        "/assets/../../../etc/passwd",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..%2f..%2fetc/passwd",
        "/static//etc/passwd",
        "/inkglass/static/..%5c..%5csecret",
        "/assets/a%00.js",
        "/%2fetc/passwd",
        "//evil.example/",
        "/gradio_api/run/../file=/etc/passwd",
        "/gradio_api/run/predict/../../upload",
        "/?file=x/../../gradio_api/upload%23",
    ],
)
def test_what_the_page_does_not_need_is_not_there(site, path):
    status, _, body = get(site, path)
    assert status == 404 or path.startswith("/?")
    assert b"root:" not in body


@pytest.mark.parametrize(
    "path",
    [
        "/config",
        "/theme.css",
        "/assets/index-DphvyggB.js",
        "/static/img/logo.svg",
        "/gradio_api/startup-events",
        "/gradio_api/app_id",
        "/gradio_api/heartbeat/abc123",
        "/gradio_api/component_server/",
        "/gradio_api/queue/join",
        "/inkglass/code.css",
        "/inkglass/alive",
        "/favicon.ico",
        "/manifest.json",
    ],
)
def test_what_the_page_needs_is_there(site, path):
    assert get(site, path)[0] == 200


@pytest.mark.parametrize("length", [str(LARGEST_BODY + 1), "-1", "1e3", "9" * 40])
def test_a_body_that_says_it_is_too_large_is_refused(site, length):
    lines = f"POST {DATA} HTTP/1.1\nHost: {site.host}\nConnection: close\nContent-Length: {length}"
    assert site.ask(lines)[0] in (400, 413)


def test_a_body_that_says_no_length_is_cut_off_when_it_grows_too_large(site):
    chunk = b"100000\r\n" + b"x" * 2**20 + b"\r\n"
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as connection:
        head = f"POST {DATA} HTTP/1.1\r\nHost: {site.host}\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        try:
            for _ in range(LARGEST_BODY // 2**20 + 4):
                connection.sendall(chunk)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            answer = connection.recv(64)
        except ConnectionResetError:
            return
    assert b" 413 " in answer


def test_a_large_body_within_the_limit_passes(site):
    assert post(site, body=b"x" * 2_000_000)[2] == b"POST 2000000"


def test_a_websocket_is_closed(site):
    lines = f"GET /gradio_api/queue/join HTTP/1.1\nHost: {site.host}\nConnection: Upgrade\nUpgrade: websocket"
    status, _, _ = site.ask(lines + "\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: x\nConnection: close")
    assert status != 101


# ---- how answers leave -----------------------------------------------------------------------------------------


def directives(headers):
    return dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))


@pytest.mark.parametrize("path", ["/", "/config", "/assets/a.js", "/gradio_api/file=x", "/inkglass/code.css"])
def test_every_answer_carries_the_headers(site, path):
    _, headers, _ = get(site, path)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["x-dns-prefetch-control"] == "off"
    policy = directives(headers)
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert "unsafe" not in policy["script-src"]
    assert not re.search(r"https?:|\*", headers["content-security-policy"])


def test_no_answer_tells_other_pages_that_they_may_read_it(site):
    assert "access-control-allow-origin" not in get(site, "/config")[1]


def test_what_was_written_is_not_kept_by_the_browser(site):
    assert get(site, "/config")[1]["cache-control"] == "no-store"


def test_every_script_of_the_page_has_this_answer_s_nonce(site):
    _, headers, body = get(site)
    nonce = re.search(r"'nonce-([\w-]{20,})'", headers["content-security-policy"])
    assert nonce is not None
    scripts = re.findall(rb"<script\b[^>]*>", body.replace(b'"<script>b"', b""))
    assert len(scripts) == 3
    assert all(f'nonce="{nonce.group(1)}"'.encode() in script for script in scripts)
    assert int(headers["content-length"]) == len(body)
    assert nonce.group(1) not in get(site)[1]["content-security-policy"]


def test_a_script_tag_inside_a_script_s_text_stays_as_it_is(site):
    assert b'{"a": "<script>b"}' in get(site)[2]


def test_the_page_names_no_other_host(site):
    _, _, body = get(site)
    assert b"http" not in body
    assert b"iframeResizer" not in body
    assert b'href="./assets/a.css"' in body


def test_the_page_is_asked_for_uncompressed_since_a_nonce_goes_into_it(site):
    assert get(site, "/", None, "Accept-Encoding: br")[1]["x-encodings"] == "none"


def test_a_stream_passes_as_it_comes(serve):
    site = serve()
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as connection:
        connection.sendall(f"GET /gradio_api/queue/data HTTP/1.1\r\nHost: {site.host}\r\n\r\n".encode())
        got = b""
        while b"first" not in got:
            got += connection.recv(1024)
        assert b"second" not in got
        site.go_on.set()
        while b"second" not in got:
            got += connection.recv(1024)
