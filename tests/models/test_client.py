"""The client against a scripted engine that speaks the real protocol."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from models.client import Cancellation, Client
from models.errors import ContextOverflow
from models.types import ChatMessage, Chunk, Endpoint, SamplingOptions
from tests.engine.scripted import ScriptedEngine

Start = Callable[..., ScriptedEngine]
HELLO = (ChatMessage("system", "Be kind."), ChatMessage("user", "Hello"))
PLAIN = SamplingOptions()


@contextmanager
def client_of(engine: ScriptedEngine) -> Iterator[Client]:
    client = Client(engine.endpoint)
    yield client
    client.close()


def text_of(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def test_a_reply_comes_piece_by_piece_and_ends_with_its_figures(scripted_engine: Start) -> None:
    with client_of(scripted_engine(reply="One two three.", rate=200)) as client:
        chunks = list(client.stream(HELLO, PLAIN))
    last = chunks[-1]
    assert text_of(chunks) == "One two three."
    assert len([chunk for chunk in chunks if chunk.text]) == 4
    assert last.finish_reason == "stop"
    assert last.usage
    assert last.usage.completion_tokens == 4
    assert last.timings
    assert last.timings.first_token_ms
    assert last.timings.total_ms >= last.timings.first_token_ms
    assert last.timings.tokens_per_second
    assert 100 < last.timings.tokens_per_second < 300


def test_each_token_comes_with_its_probability_and_the_alternatives(scripted_engine: Start) -> None:
    with client_of(scripted_engine(reply="One two")) as client:
        tokens = [token for chunk in client.stream(HELLO, PLAIN) for token in chunk.logprobs]
        none = [t for chunk in client.stream(HELLO, PLAIN, alternatives=0) for t in chunk.logprobs]
    assert [(token.token, token.logprob) for token in tokens] == [("One", -0.25), (" two", -0.25)]
    assert tokens[0].alternatives == (("One", -0.25), (" maybe", -1.5))
    assert [token.alternatives for token in none] == [(), ()]


def test_what_an_option_leaves_open_is_not_sent(scripted_engine: Start) -> None:
    engine = scripted_engine()
    with client_of(engine) as client:
        list(client.stream(HELLO, SamplingOptions(temperature=0.0, top_k=40, seed=7)))
    sent = engine.requests[-1].body
    assert (sent["temperature"], sent["top_k"], sent["seed"]) == (0.0, 40, 7)
    assert not {"top_p", "min_p", "repeat_penalty", "max_tokens"} & sent.keys()


def test_a_stranger_is_asked_in_the_plain_protocol_only(scripted_engine: Start) -> None:
    engine = scripted_engine(dialect="openai")
    with client_of(engine) as client:
        assert text_of(list(client.stream(HELLO, PLAIN))) == "A scripted reply."
        assert client.count_tokens(HELLO) is None
    assert engine.requests[-1].body.keys() == {"model", "messages", "stream", "stream_options"}


def test_a_begun_reply_is_continued_with_new_text_only(scripted_engine: Start) -> None:
    engine = scripted_engine(reply=" and on.")
    begun = (*HELLO, ChatMessage("assistant", "It went on"))
    with client_of(engine) as client:
        assert text_of(list(client.stream(begun, PLAIN, continue_last=True))) == " and on."
    assert engine.requests[-1].body["messages"][-1] == {"role": "assistant", "content": "It went on"}


def test_the_count_is_what_the_engine_itself_reads(scripted_engine: Start) -> None:
    with client_of(scripted_engine()) as client:
        counted = client.count_tokens(HELLO)
        last = list(client.stream(HELLO, PLAIN))[-1]
    assert last.usage
    assert counted == last.usage.prompt_tokens


def test_reading_the_prompt_shows_its_progress(scripted_engine: Start) -> None:
    with client_of(scripted_engine(prompt_rate=2000)) as client:
        seen = [chunk.progress for chunk in client.stream(HELLO, PLAIN) if chunk.progress]
        again = [chunk.progress for chunk in client.stream(HELLO, PLAIN) if chunk.progress]
    assert [progress.processed for progress in seen] == sorted(progress.processed for progress in seen)
    assert seen[-1].cached + seen[-1].processed == seen[-1].total
    assert again[-1].cached == again[-1].total - 1


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_reasoning_is_told_apart_however_the_tags_are_split(scripted_engine: Start, size: int) -> None:
    reply = "<think>\nFirst < I </b> count.\n</think>\n\nIt is <think>four</think>."
    with client_of(scripted_engine(reply=reply, sizes=size)) as client:
        chunks = list(client.stream(HELLO, PLAIN))
    assert text_of(chunks) == "It is <think>four</think>."
    assert "".join(chunk.reasoning for chunk in chunks).strip() == "First < I </b> count."


def test_reasoning_that_the_engine_tells_apart_is_taken_as_it_is(scripted_engine: Start) -> None:
    with client_of(scripted_engine(reply="Four.", reasoning="I count.")) as client:
        chunks = list(client.stream(HELLO, PLAIN))
    assert (text_of(chunks), "".join(chunk.reasoning for chunk in chunks)) == ("Four.", "I count.")


def test_any_text_goes_there_and_comes_back(scripted_engine: Start) -> None:
    text = "naïve 你好 👩‍👩‍👧 \u202eright to left\u202c a\x00b 🏳️‍🌈"
    engine = scripted_engine(reply=lambda messages: messages[-1]["content"], sizes=1)
    with client_of(engine) as client:
        assert text_of(list(client.stream([ChatMessage("user", text)], PLAIN))) == text
        broken = list(client.stream([ChatMessage("user", "half \ud83d of one")], PLAIN))
    assert text_of(broken) == "half \ufffd of one"


def test_half_a_character_from_the_engine_does_no_harm(scripted_engine: Start) -> None:
    with client_of(scripted_engine(reply="a \ud83d b")) as client:
        text_of(list(client.stream(HELLO, PLAIN))).encode()


def test_a_megabyte_in_one_message_is_refused_by_count(scripted_engine: Start) -> None:
    with client_of(scripted_engine()) as client, pytest.raises(ContextOverflow) as caught:
        list(client.stream([ChatMessage("user", "word " * 200_000)], PLAIN))
    needed, limit = caught.value.params["needed"], caught.value.params["limit"]
    assert limit == 4096
    assert isinstance(needed, int)
    assert caught.value.params["over"] == needed - 4096


def test_two_requests_run_at_once(scripted_engine: Start) -> None:
    engine = scripted_engine(tokens=40, rate=200)
    with client_of(engine) as client:
        threads = [threading.Thread(target=lambda: list(client.stream(HELLO, PLAIN))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    first, second = engine.requests
    assert second.received_at < (first.last_token_at or 0)


@pytest.mark.parametrize("moment", ["before the headers", "before the first token", "in mid-reply"])
def test_a_cancelled_stream_ends_at_once_and_stops_the_engine(scripted_engine: Start, moment: str) -> None:
    from tests.engine.script import Failure

    failure = Failure("silent") if moment == "before the headers" else None
    delay = 60.0 if moment == "before the first token" else 0.0
    engine = scripted_engine(tokens=1000, rate=50, delay=delay, failure=failure)
    cancellation, ended = Cancellation(), []

    def follow() -> None:
        chunks = list(client.stream(HELLO, PLAIN, cancellation=cancellation))
        ended.append((time.time(), chunks))

    with client_of(engine) as client:
        thread = threading.Thread(target=follow)
        thread.start()
        while not (engine.requests and (engine.requests[0].tokens_sent > 2 or moment != "in mid-reply")):
            time.sleep(0.005)
        cancelled_at = time.time()
        cancellation.cancel()
        thread.join(10)
        [(ended_at, chunks)] = ended
    assert chunks[-1].finish_reason == "cancelled"
    assert chunks[-1].timings
    assert ended_at - cancelled_at < 1.0
    assert engine.last_cancelled_at() - cancelled_at < 1.0


def test_what_is_cancelled_before_it_begins_asks_nobody() -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    client = Client(Endpoint("http://127.0.0.1:9", "none"))
    [only] = client.stream(HELLO, PLAIN, cancellation=cancellation)
    assert only.finish_reason == "cancelled"
    client.close()


def test_a_reader_who_goes_away_stops_the_engine(scripted_engine: Start) -> None:
    engine = scripted_engine(tokens=1000, rate=100)
    with client_of(engine) as client:
        stream = client.stream(HELLO, PLAIN)
        next(chunk for chunk in stream if chunk.text)
        stream.close()  # type: ignore[attr-defined]  # it is a generator
        engine.last_cancelled_at()


def test_a_proxy_named_in_the_environment_never_sees_a_local_request(
    scripted_engine: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with client_of(scripted_engine()) as client:
        assert text_of(list(client.stream(HELLO, PLAIN))) == "A scripted reply."


def test_the_key_is_in_no_text_about_an_endpoint() -> None:
    assert "secret" not in repr(Endpoint("http://127.0.0.1:9", "m", "secret"))


def test_the_log_of_a_scripted_engine_tells_when_tokens_were_sent(scripted_engine: Start) -> None:
    import httpx

    engine = scripted_engine(tokens=31, rate=100)
    with client_of(engine) as client:
        list(client.stream(HELLO, PLAIN))
    [entry] = json.loads(httpx.get(f"{engine.url}/scripted/log").text)
    assert 0.29 < entry["last_token_at"] - entry["first_token_at"] < 0.6
