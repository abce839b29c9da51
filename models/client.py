"""The client: speaks the OpenAI chat-completions protocol to any endpoint: streams, cancels, counts."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx

from models.cancellation import Cancellation as Cancellation
from models.completion import Completion, Json, NotTheProtocol, events, request_body, well_formed
from models.errors import EndpointFailed, EndpointTimeout, EndpointUnreachable, ModelError, StreamBroken
from models.refusals import refusal, refusal_of, status_of
from models.types import ChatMessage, Chunk, Endpoint, SamplingOptions

ALTERNATIVES = 5
"""Likeliest tokens asked for beside each drawn one, where asking costs next to nothing."""
LARGEST_ANSWER = 16 * 1024 * 1024
"""Bytes of a whole (not streamed) answer that are read at most."""
COUNT_TIMEOUT = 10.0
ABSENT = (404, 405, 501)


class Client:
    """Speaks to one endpoint. Thread-safe: any number of streams at once, each on a connection of its own.

    Timeouts in seconds: to connect, until the answer begins, between two pieces of it. Nothing is retried.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        connect_timeout: float = 5.0,
        first_byte_timeout: float = 600.0,
        read_timeout: float = 120.0,
    ) -> None:
        self.endpoint = endpoint
        self._url = endpoint.url.rstrip("/")
        self._shown = shown_url(endpoint.url)
        self._connect_timeout = connect_timeout
        self._first_byte_timeout = first_byte_timeout
        self._read_timeout = read_timeout
        self._counts = endpoint.dialect == "llama_cpp"
        self._streams = open_http(endpoint, keep_alive=False)
        self._short = open_http(endpoint, keep_alive=True)

    def stream(
        self,
        messages: Sequence[ChatMessage],
        options: SamplingOptions,
        *,
        continue_last: bool = False,
        cancellation: Cancellation | None = None,
        alternatives: int | None = None,
    ) -> Iterator[Chunk]:
        """Ask for a reply and yield it as it comes; the last chunk has `finish_reason`, `usage`, `timings`.

        `continue_last`: the last message is the assistant's beginning, and only what follows it is yielded.
        `cancellation` ends a blocked stream at once and with it the engine's work; the last chunk then says
        "cancelled". `alternatives`: how many of the likeliest tokens come with the log-probability of each
        token; by default `ALTERNATIVES` from engines of our own, and no log-probabilities from others.

        Raises the `Endpoint…` errors, `ContextOverflow` and `StreamBroken`, also in mid-reply.
        """
        if alternatives is None and self.endpoint.dialect == "llama_cpp":
            alternatives = ALTERNATIVES
        body = request_body(self.endpoint, messages, options, continue_last, alternatives)
        completion = Completion(begins=not (continue_last and messages[-1].content.strip()))
        cancellation = cancellation or Cancellation()
        try:
            if not cancellation.cancelled:
                yield from self._stream(body, completion, cancellation)
        except ModelError:
            # A connection that is shut down, by us or after the model's last word, looks broken: it is not.
            if not cancellation.cancelled and not completion.finished:
                yield completion.held()
                raise
        yield completion.end() if completion.finished else completion.cancelled()

    def count_tokens(self, messages: Sequence[ChatMessage], *, add_generation_prompt: bool = True) -> int | None:
        """How many tokens the prompt for `messages` has, by the endpoint's own template and tokenizer.

        Exact, a few milliseconds. None where the endpoint cannot tell. Raises the `Endpoint…` errors.
        """
        listed = [{"role": m.role, "content": well_formed(m.content)} for m in messages]
        request = {"messages": listed, "add_generation_prompt": add_generation_prompt}
        text = self._ask("/apply-template", request).get("prompt")
        if not isinstance(text, str):
            self._counts = False
            return None
        tokens = self._ask("/tokenize", {"content": text, "add_special": True, "parse_special": True})
        found = tokens.get("tokens")
        if not isinstance(found, list):
            self._counts = False
            return None
        return len(found)

    def close(self) -> None:
        """Close every connection; streams that still run break."""
        self._streams.close()
        self._short.close()

    def _stream(self, body: Json, completion: Completion, cancellation: Cancellation) -> Iterator[Chunk]:
        connection = _Connection()
        request = self._streams.build_request(
            "POST",
            f"{self._url}/v1/chat/completions",
            json=body,
            timeout=httpx.Timeout(self._first_byte_timeout, connect=self._connect_timeout),
            extensions={"trace": connection.trace},
        )
        with cancellation.calling(connection.shut_down), translated(self._shown):
            with contextlib.closing(self._send(request)) as response:
                if response.status_code != 200:
                    raise refusal(self._shown, response.status_code, response.headers, _bounded(response))
                request.extensions["timeout"]["read"] = self._read_timeout
                for event in events(response.iter_bytes()):
                    if cancellation.cancelled:
                        return
                    if event is not None and event.get("error"):
                        raise self._error_event(event["error"])
                    chunk = completion.take(event)
                    if chunk is not None:
                        yield chunk
            if not completion.finished:
                raise StreamBroken(url=self._shown)

    def _send(self, request: httpx.Request) -> httpx.Response:
        if self._streams.is_closed:  # its engine ended after this client was given out
            raise EndpointUnreachable(url=self._shown)
        return self._streams.send(request, stream=True)

    def _ask(self, path: str, request: Mapping[str, Any]) -> Json:
        """POST `request`; the JSON object that answers, empty where the endpoint offers no such thing."""
        if not self._counts:
            return {}
        timeout = httpx.Timeout(COUNT_TIMEOUT, connect=self._connect_timeout)
        with translated(self._shown):
            if self._short.is_closed:
                raise EndpointUnreachable(url=self._shown)
            response = self._short.post(self._url + path, json=request, timeout=timeout)
        if response.status_code in ABSENT:
            return {}
        if response.status_code != 200:
            raise refusal(self._shown, response.status_code, response.headers, response.content)
        try:
            found = response.json()
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def _error_event(self, error: object) -> ModelError:
        found = error if isinstance(error, dict) else {"message": str(error)}
        return refusal_of(self._shown, status_of(found), {}, found)


class _Connection:
    """The socket under one request, so that another thread can shut it down."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._down = False

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Listens to httpx, which tells of a new connection, and again of the TLS one over it."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            with self._lock:
                self._socket = info["return_value"].get_extra_info("socket")
            if self._down:
                self.shut_down()

    def shut_down(self) -> None:
        with self._lock:
            self._down = True
            if self._socket is not None:
                with contextlib.suppress(OSError):  # closed already
                    # Not an SSLSocket's own method, which would pull TLS away under the reading thread.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


@contextlib.contextmanager
def translated(url: str) -> Iterator[None]:
    """Turn what httpx raises into our errors; `url` is shown to the user."""
    try:
        yield
    except httpx.TimeoutException as exc:
        limit = "connect" if isinstance(exc, httpx.ConnectTimeout) else "read"
        seconds = exc.request.extensions.get("timeout", {}).get(limit)
        raise EndpointTimeout(url=url, seconds=round(seconds or 0, 1)) from exc
    except (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.ProxyError) as exc:
        raise EndpointUnreachable(url=url) from exc
    except (httpx.TransportError, httpx.DecodingError, httpx.StreamError, NotTheProtocol) as exc:
        raise StreamBroken(url=url) from exc
    except httpx.HTTPError as exc:
        raise EndpointFailed(url=url, status=0, detail=str(exc)) from exc


def open_http(endpoint: Endpoint, *, keep_alive: bool) -> httpx.Client:
    """A connection pool for `endpoint`: its key in every request, no proxy for an address of this machine."""
    headers = {b"Accept-Encoding": b"identity"}
    key = (endpoint.api_key or "").strip()
    if key:
        headers[b"Authorization"] = f"Bearer {key}".encode()
    local = is_loopback(endpoint.url)
    return httpx.Client(
        headers=headers,
        trust_env=not local,
        verify=not (local and endpoint.url.startswith("http:")),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=4 if keep_alive else 0),
    )


def is_loopback(url: str) -> bool:
    """Whether `url` names this machine."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or host.endswith(".localhost") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def shown_url(url: str) -> str:
    """`url` as it may be shown and logged: without a name and password in it, and without a query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.rpartition("@")[2]
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}".rstrip("/")


def _bounded(response: httpx.Response) -> bytes:
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > LARGEST_ANSWER:
            break
    return bytes(body)
