"""What a failing endpoint becomes: one of the few errors that a user can be told about."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from models.client import Client
from models.errors import (
    ContextOverflow,
    EndpointFailed,
    EndpointRateLimited,
    EndpointTimeout,
    EndpointUnauthorised,
    EndpointUnreachable,
    ModelError,
    StreamBroken,
)
from models.types import ChatMessage, Endpoint, SamplingOptions
from tests.engine.script import Failure
from tests.engine.scripted import ScriptedEngine

Start = Callable[..., ScriptedEngine]
HELLO = (ChatMessage("user", "Hello"),)


def ask(endpoint: Endpoint, **timeouts: float) -> tuple[str, ModelError | None]:
    """The text that came, and the error that ended it."""
    client, text = Client(endpoint, **timeouts), ""
    try:
        for chunk in client.stream(HELLO, SamplingOptions()):
            text += chunk.text
    except ModelError as error:
        return text, error
    finally:
        client.close()
    return text, None


def test_a_closed_port_is_unreachable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        _, error = ask(Endpoint(url, "m"))
    assert isinstance(error, EndpointUnreachable)
    assert error.params["url"] == url


@pytest.mark.parametrize("url", ["http://no-such-host.invalid:1", "ftp://127.0.0.1", "http://[", "nonsense"])
def test_an_address_that_is_none_is_unreachable(url: str) -> None:
    assert isinstance(ask(Endpoint(url, "m"))[1], EndpointUnreachable)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (Failure("status", status=401), EndpointUnauthorised),
        (Failure("status", status=403), EndpointUnauthorised),
        (Failure("status", status=429), EndpointRateLimited),
        (Failure("status", status=500), EndpointFailed),
        (Failure("status", status=503, body="<html><h1>Bad gateway</h1>"), EndpointFailed),
        (Failure("status", status=404, body={"detail": "Not Found"}), EndpointFailed),
        (Failure("status", status=200, body="<html>a login page</html>"), StreamBroken),
        (Failure("status", status=200, body={"error": {"message": "overloaded"}}), EndpointFailed),
        (Failure("error", status=503), EndpointFailed),
        (Failure("error", body={"error": "it failed"}), EndpointFailed),
        (Failure("garbage"), StreamBroken),
        (Failure("cut"), StreamBroken),
    ],
)
def test_a_refusal_has_its_class(scripted_engine: Start, failure: Failure, expected: type[ModelError]) -> None:
    text, error = ask(scripted_engine(failure=failure).endpoint)
    assert type(error) is expected
    assert text == ""


def test_a_wrong_key_is_unauthorised(scripted_engine: Start) -> None:
    engine = scripted_engine(api_key="right")
    for key in ("wrong", "ключ", " ", None):
        assert isinstance(ask(Endpoint(engine.url, "m", key))[1], EndpointUnauthorised)
    assert ask(Endpoint(engine.url, "m", "right\n"))[1] is None


@pytest.mark.parametrize(("header", "seconds"), [("17", 17), ("soon", 10), (None, 10)])
def test_too_many_requests_tell_how_long_to_wait(scripted_engine: Start, header: str | None, seconds: int) -> None:
    headers = {"Retry-After": header} if header else {}
    _, error = ask(scripted_engine(failure=Failure("status", status=429, headers=headers)).endpoint)
    assert error
    assert error.params["seconds"] == seconds


@pytest.mark.parametrize("kind", ["cut", "garbage", "error"])
def test_what_came_before_a_break_is_kept(scripted_engine: Start, kind: Any) -> None:
    engine = scripted_engine(reply="One two three four", failure=Failure(kind, after=2))
    text, error = ask(engine.endpoint)
    assert text == "One two"
    assert isinstance(error, StreamBroken if kind != "error" else EndpointFailed)


@pytest.mark.parametrize("failure", [Failure("silent"), Failure("stall", after=1)])
def test_silence_is_a_timeout(scripted_engine: Start, failure: Failure) -> None:
    text, error = ask(scripted_engine(failure=failure).endpoint, first_byte_timeout=0.3, read_timeout=0.2)
    assert isinstance(error, EndpointTimeout)
    assert error.params["seconds"] == (0.3 if failure.kind == "silent" else 0.2)
    assert text == ("" if failure.kind == "silent" else "A")


OVERFLOWS: list[tuple[Any, int, int]] = [
    (
        {"message": "This model's maximum context length is 4097 tokens. However, your messages resulted in 5000 "
         "tokens. Please reduce the length of the messages.", "code": "context_length_exceeded"}, 5000, 4097,
    ),
    (
        {"message": "This model's maximum context length is 2048 tokens. However, you requested 2148 tokens (2000 in "
         "the messages, 148 in the completion). Please reduce the length.", "code": 400}, 2148, 2048,
    ),
    (
        {"message": "You passed 3000 input tokens and requested 100 output tokens. However, the model's context length "
         "is only 2048 tokens, resulting in a maximum input length of 1948 tokens.", "code": 400}, 3000, 2048,
    ),
    (
        {"message": "the request exceeds the available context size", "type": "exceed_context_size_error",
         "n_prompt_tokens": 9000, "n_ctx": 8192, "code": 400}, 9000, 8192,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("body", "needed", "limit"), OVERFLOWS)
@pytest.mark.parametrize("wrapped", [True, False])
def test_an_overflow_is_understood_in_every_wording(
    scripted_engine: Start, body: Any, needed: int, limit: int, wrapped: bool
) -> None:
    failure = Failure("status", status=400, body={"error": body} if wrapped else body)
    _, error = ask(scripted_engine(failure=failure).endpoint)
    assert isinstance(error, ContextOverflow)
    assert error.params == {"over": needed - limit, "needed": needed, "limit": limit}


def test_a_complaint_that_is_no_overflow_keeps_its_words(scripted_engine: Start) -> None:
    body = {"error": {"message": "temperature must be\nat most 2"}}
    _, error = ask(scripted_engine(failure=Failure("status", status=400, body=body)).endpoint)
    assert isinstance(error, EndpointFailed)
    assert error.params["detail"] == "temperature must be at most 2"


def test_a_name_and_password_in_an_address_are_not_shown() -> None:
    _, error = ask(Endpoint("http://me:hidden@127.0.0.1:9", "m"))
    assert error
    assert "hidden" not in str(error)
    assert "hidden" not in repr(error.params)


def test_counting_fails_like_asking(scripted_engine: Start) -> None:
    engine = scripted_engine(api_key="right")
    client = Client(Endpoint(engine.url, "m", "wrong"))
    with pytest.raises(EndpointUnauthorised):
        client.count_tokens(HELLO)
    client.close()
    with pytest.raises(EndpointUnreachable):
        client.count_tokens(HELLO)


def test_what_was_held_back_as_a_possible_tag_is_kept_when_the_stream_breaks(scripted_engine: Start) -> None:
    engine = scripted_engine(reply="<think and more", sizes=4, failure=Failure("cut", after=1))
    text, error = ask(engine.endpoint)
    assert isinstance(error, StreamBroken)
    assert text == "<thi"
