"""The house's client in front of the transformers runtime: it is one more engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tiny_model import CONTEXT

from models.client import Cancellation, Client
from models.errors import ContextOverflow, EndpointUnauthorised
from models.runtimes.child import ChildEngine
from models.types import ChatMessage, Endpoint, SamplingOptions

pytestmark = pytest.mark.slow  # torch alone takes five seconds to import
HELLO = (ChatMessage("system", "Be kind."), ChatMessage("user", "Hello"))
GREEDY = SamplingOptions(temperature=0.0, max_tokens=30)


@pytest.fixture
def client(tiny_engine: ChildEngine) -> Iterator[Client]:
    client = Client(tiny_engine.endpoint)
    yield client
    client.close()


def test_a_reply_comes_with_its_figures(client: Client) -> None:
    chunks = list(client.stream(HELLO, GREEDY))
    last = chunks[-1]
    assert len("".join(chunk.text for chunk in chunks)) == 30
    assert last.finish_reason == "length"
    assert last.usage
    assert last.usage.completion_tokens == 30
    assert last.usage.prompt_tokens == client.count_tokens(HELLO)
    assert last.timings
    assert last.timings.tokens_per_second
    logprobs = [logprob for chunk in chunks for logprob in chunk.logprobs]
    assert len(logprobs) == 30
    assert all(logprob.alternatives for logprob in logprobs)


def test_a_begun_reply_is_continued_where_it_stopped(client: Client) -> None:
    whole = "".join(chunk.text for chunk in client.stream(HELLO, GREEDY))
    begun = (*HELLO, ChatMessage("assistant", whole[:12]))
    rest = SamplingOptions(temperature=0.0, max_tokens=18)
    assert "".join(chunk.text for chunk in client.stream(begun, rest, continue_last=True)) == whole[12:]


def test_a_cancelled_stream_ends_and_the_next_is_answered(client: Client) -> None:
    cancellation = Cancellation()
    stream = client.stream(HELLO, SamplingOptions(temperature=0.0), cancellation=cancellation)
    next(chunk for chunk in stream if chunk.text)
    cancellation.cancel()
    assert list(stream)[-1].finish_reason == "cancelled"
    assert list(client.stream(HELLO, GREEDY))[-1].finish_reason == "length"


def test_a_prompt_too_long_is_an_overflow(client: Client) -> None:
    with pytest.raises(ContextOverflow) as caught:
        list(client.stream((ChatMessage("user", "x" * 2 * CONTEXT),), GREEDY))
    assert caught.value.params["limit"] == CONTEXT


def test_a_wrong_key_is_unauthorised(tiny_engine: ChildEngine) -> None:
    stranger = Client(Endpoint(tiny_engine.endpoint.url, "tiny", "wrong"))
    with pytest.raises(EndpointUnauthorised):
        list(stranger.stream(HELLO, GREEDY))
    stranger.close()
