"""A scripted engine: a real HTTP server that speaks the protocol of llama.cpp's server, and fails as told.

In a test `with ScriptedEngine(Script(...)) as engine:`; for a measurement as a process of its own,
`python -m tests.engine.scripted --port 0 --rate 150 --tokens 300`, which prints `{"url": "http://127.0.0.1:…"}`.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import sys
import threading
import time
from dataclasses import asdict, dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from models.types import Endpoint
from tests.engine.script import Failure, Reply, Script, template, tokenize
from tests.engine.stream import Gone, Stream


@dataclass
class Received:
    """One request for a reply. The moments are `time.time()`; None: it has not come to that."""

    body: dict[str, Any]
    received_at: float
    first_token_at: float | None = None
    last_token_at: float | None = None
    cancelled_at: float | None = None
    ended_at: float | None = None
    tokens_sent: int = 0


@dataclass
class _State:
    script: Script
    requests: list[Received] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    cached: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    changed: threading.Event = field(default_factory=threading.Event)


class ScriptedEngine:
    """Serves until it is closed. `script` may be replaced at any time; it counts from the next request on."""

    def __init__(self, script: Script | None = None, *, port: int = 0) -> None:
        self._state = _State(script or Script())
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.state = self._state
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def script(self) -> Script:
        return self._state.script

    @script.setter
    def script(self, script: Script) -> None:
        self._state.script = script

    @property
    def endpoint(self) -> Endpoint:
        script = self.script
        return Endpoint(self.url, script.model, script.api_key, script.dialect)

    @property
    def requests(self) -> list[Received]:
        """The requests for a reply so far, oldest first."""
        with self._state.lock:
            return list(self._state.requests)

    def fail_next(self, *failures: Failure) -> None:
        """The next requests fail, one for each of `failures`."""
        with self._state.lock:
            self._state.failures += failures

    def replies_with(self, reply: Reply, rate: float = 0.0) -> None:
        """Every request from now on is answered with `reply`."""
        self.script = replace(self.script, reply=reply, rate=rate, failure=None)

    def fails_with(self, status: int) -> None:
        """Every request from now on is refused with `status`."""
        self.script = replace(self.script, failure=Failure("status", status=status))

    def breaks_after(self, tokens: int) -> None:
        """Every reply from now on is cut off after so many tokens."""
        self.script = replace(self.script, failure=Failure("cut", after=tokens))

    def recovers(self) -> None:
        """Requests from now on are answered again."""
        self.script = replace(self.script, failure=None)

    def last_cancelled_at(self, timeout: float = 5.0) -> float:
        """Wait until the last request was cancelled; the moment."""
        until = time.monotonic() + timeout
        while (moment := self.requests[-1].cancelled_at) is None:
            if time.monotonic() > until:
                raise AssertionError("the last request was not cancelled")
            time.sleep(0.002)
        return moment

    def close(self) -> None:
        """Stop listening and drop every connection, as a killed server does."""
        self._server.shutdown()
        self._server.server_close()
        self._server.drop_connections()
        self._thread.join()

    def __enter__(self) -> ScriptedEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    state: _State

    def __init__(self, *arguments: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def drop_connections(self) -> None:
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error here."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *arguments: Any) -> None:
        """Silent."""

    def do_GET(self) -> None:
        script = self.server.state.script
        if self.path == "/health":
            self._answer({"status": "ok"})
        elif self.path == "/scripted/log":
            with self.server.state.lock:
                self._answer([asdict(request) for request in self.server.state.requests])
        elif not self._allowed(script):
            self._refuse_key()
        elif self.path == "/v1/models":
            longest = {"max_model_len": script.context_length} if script.dialect == "vllm" else {}
            self._answer({"object": "list", "data": [{"id": script.model, "object": "model", **longest}]})
        elif self.path == "/props" and script.dialect == "llama_cpp":
            self._answer({"default_generation_settings": {"n_ctx": script.context_length}, "total_slots": 2})
        elif self.path == "/slots" and script.dialect == "llama_cpp":
            with self.server.state.lock:
                busy = [r.ended_at is None for r in self.server.state.requests if r.ended_at is None]
            self._answer([{"id": n, "is_processing": n < len(busy)} for n in range(max(2, len(busy)))])
        else:
            self._answer({"error": {"code": 404, "message": "File Not Found"}}, 404)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        script = self.server.state.script
        if not self._allowed(script):
            self._refuse_key()
        elif self.path == "/v1/chat/completions":
            self._complete(body, script)
        elif self.path == "/apply-template" and script.dialect == "llama_cpp":
            self._answer({"prompt": template(body["messages"], body.get("add_generation_prompt", True))})
        elif self.path == "/tokenize" and script.dialect == "llama_cpp":
            self._answer({"tokens": list(range(len(tokenize(body["content"]))))})
        else:
            self._answer({"error": {"code": 404, "message": "File Not Found"}}, 404)

    def _complete(self, body: dict[str, Any], script: Script) -> None:
        state = self.server.state
        request = Received(body, time.time())
        with state.lock:
            number = len(state.requests)
            state.requests.append(request)
            failure = state.failures.pop(0) if state.failures else script.failure
            prompt = tokenize(template(body["messages"], True))
            cached = _common(prompt, state.cached)
            state.cached = prompt
        try:
            if failure and failure.kind == "status":
                error = {"error": {"code": failure.status, "message": "scripted", "type": "server_error"}}
                self._answer(error if failure.body is None else failure.body, failure.status, failure.headers)
            elif len(prompt) >= script.context_length:
                self._answer(_overflow(len(prompt), script.context_length), 400)
            else:
                self._stream(Stream(script, body, prompt, cached, number), request, failure)
        except (Gone, ConnectionError):
            request.cancelled_at = time.time()
        finally:
            request.ended_at = time.time()

    def _stream(self, stream: Stream, request: Received, failure: Failure | None) -> None:
        if failure and failure.kind == "silent":
            self._until(float("inf"))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        began = time.perf_counter()
        for event in stream.events():
            self._until(began + event.after)
            if failure and event.is_token and request.tokens_sent >= failure.after:
                self._fail(failure)
                return
            self._send(f"data: {json.dumps(event.body)}\n\n")
            if event.is_token:
                request.last_token_at = time.time()
                request.first_token_at = request.first_token_at or request.last_token_at
                request.tokens_sent += 1
        self._send("data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _fail(self, failure: Failure) -> None:
        if failure.kind == "stall":
            self._until(float("inf"))
        elif failure.kind == "garbage":
            self._send("<html>502 Bad Gateway</html>\n\n")
        elif failure.kind == "error":
            error = {"code": failure.status, "message": "scripted failure", "type": "server_error"}
            self._send(f"data: {json.dumps({'error': error} if failure.body is None else failure.body)}\n\n")
        self.close_connection = True

    def _until(self, moment: float) -> None:
        """Wait until `moment`; a client that closes its end raises `Gone` at once."""
        while True:
            left = moment - time.perf_counter()
            readable = select.select([self.connection], [], [], min(max(0.0, left), 60.0))[0]
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                raise Gone
            if left <= 0:
                return

    def _send(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _answer(self, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _allowed(self, script: Script) -> bool:
        return script.api_key is None or self.headers["Authorization"] == f"Bearer {script.api_key}"

    def _refuse_key(self) -> None:
        error = {"code": 401, "message": "Invalid API Key", "type": "authentication_error"}
        self._answer({"error": error}, 401)


def _overflow(tokens: int, limit: int) -> dict[str, Any]:
    message = f"request ({tokens} tokens) exceeds the available context size ({limit} tokens)"
    return {
        "error": {
            "code": 400,
            "message": message,
            "type": "exceed_context_size_error",
            "n_prompt_tokens": tokens,
            "n_ctx": limit,
        }
    }


def _common(prompt: list[str], cached: list[str]) -> int:
    """Tokens of the prompt's beginning that were read last time; at least one is always read again."""
    same = next((n for n, (a, b) in enumerate(zip(prompt, cached, strict=False)) if a != b), None)
    return min(same if same is not None else min(len(prompt), len(cached)), max(0, len(prompt) - 1))


def main() -> None:
    """Serve until killed; print the address first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--rate", type=float, default=150.0)
    parser.add_argument("--tokens", type=int, default=None)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--context", type=int, default=1_000_000)
    parser.add_argument("--reply", default=Script.reply)
    wanted = parser.parse_args()
    script = Script(reply=wanted.reply, rate=wanted.rate, tokens=wanted.tokens, delay=wanted.delay)
    engine = ScriptedEngine(replace(script, context_length=wanted.context), port=wanted.port)
    print(json.dumps({"url": engine.url}), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
