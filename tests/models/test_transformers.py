"""The transformers runtime with a tiny real model in a real child process."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from tiny_model import CONTEXT

from models.runtimes.child import ChildEngine

pytestmark = pytest.mark.slow  # torch alone takes five seconds to import
HELLO = [{"role": "user", "content": "Hello"}]


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def http(tiny_engine: ChildEngine) -> Iterator[httpx.Client]:
    with connect(tiny_engine) as client:
        yield client


def connect(engine: ChildEngine) -> httpx.Client:
    key = {"Authorization": f"Bearer {engine.endpoint.api_key}"}
    return httpx.Client(base_url=engine.endpoint.url, headers=key, timeout=60)


def complete(http: httpx.Client, **options: Any) -> dict[str, Any]:
    request = {"messages": HELLO, "max_tokens": 24, "temperature": 0, **options}
    answer = http.post("/v1/chat/completions", json=request)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def text(answer: dict[str, Any]) -> str:
    return str(answer["choices"][0]["message"]["content"])


def chunks(http: httpx.Client, **options: Any) -> Iterator[dict[str, Any]]:
    request = {"messages": HELLO, "max_tokens": 24, "temperature": 0, "stream": True, **options}
    with http.stream("POST", "/v1/chat/completions", json=request) as answer:
        assert answer.status_code == 200
        yield from events(answer)


def events(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in answer.iter_lines():
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line.removeprefix("data: "))


def test_progress_grows_to_one_and_the_context_is_known(tiny_engine: ChildEngine, tiny_loading: list[float]) -> None:
    assert tiny_loading == sorted(tiny_loading)
    assert tiny_loading[-1] == 1.0
    assert len(set(tiny_loading)) > 3
    assert tiny_engine.context_length == CONTEXT


@pytest.mark.parametrize("path", ["/health", "/v1/models", "/props", "/slots", "/nowhere"])
@pytest.mark.parametrize("key", ["Bearer wrong", "", None])
def test_every_route_wants_the_key(tiny_engine: ChildEngine, path: str, key: str | None) -> None:
    headers = {} if key is None else {"Authorization": key}
    assert httpx.get(tiny_engine.endpoint.url + path, headers=headers).status_code == 401


def test_a_stream_is_the_answer_in_pieces(http: httpx.Client) -> None:
    whole = complete(http)
    stream = list(chunks(http, stream_options={"include_usage": True}))
    pieces = [chunk["choices"][0]["delta"].get("content") or "" for chunk in stream if chunk["choices"]]
    assert "".join(pieces) == text(whole)
    assert len([piece for piece in pieces if piece]) > 10
    assert stream[-2]["choices"][0]["finish_reason"] == "length"
    assert stream[-1]["choices"] == []
    assert stream[-1]["usage"]["prompt_tokens"] == whole["usage"]["prompt_tokens"]
    assert stream[-1]["usage"]["completion_tokens"] == 24
    assert stream[-1]["timings"]["predicted_per_second"] > 0


def test_a_seed_gives_the_same_reply_and_another_seed_another(http: httpx.Client) -> None:
    def reply(seed: int) -> str:
        return text(complete(http, temperature=1.0, seed=seed))

    first = reply(11)
    assert reply(11) == first
    assert reply(12) != first


@pytest.mark.parametrize("narrow", [{"top_k": 1}, {"top_p": 0.0}, {"min_p": 1.0}, {"temperature": 0}])
def test_the_narrowest_filter_leaves_the_likeliest_token(http: httpx.Client, narrow: dict[str, float]) -> None:
    drawn = complete(http, **{"temperature": 1.5, "seed": 1, **narrow})
    assert text(drawn) == text(complete(http))


@pytest.mark.parametrize("name", ["repeat_penalty", "repetition_penalty"])
def test_a_repeat_penalty_spreads_the_tokens(http: httpx.Client, name: str) -> None:
    plain = text(complete(http, max_tokens=60))
    penalised = text(complete(http, max_tokens=60, repeat_last_n=-1, **{name: 50.0}))
    assert len(set(penalised)) > len(set(plain))


def test_logprobs_rank_the_drawn_token_first_when_greedy(http: httpx.Client) -> None:
    entries = complete(http, logprobs=True, top_logprobs=3)["choices"][0]["logprobs"]["content"]
    assert len(entries) == 24
    for entry in entries:
        top = entry["top_logprobs"]
        assert len(top) == 3
        assert entry["id"] == top[0]["id"]
        assert entry["logprob"] == top[0]["logprob"] <= 0
        assert top[0]["logprob"] >= top[1]["logprob"] >= top[2]["logprob"]


def test_a_stop_string_ends_the_reply_before_it(http: httpx.Client) -> None:
    whole = text(complete(http))
    answer = complete(http, stop=[whole[5:8]])
    assert text(answer) == whole[: whole.index(whole[5:8])]
    assert answer["choices"][0]["finish_reason"] == "stop"


def test_a_last_assistant_message_is_continued(http: httpx.Client) -> None:
    whole = text(complete(http))
    begun = [*HELLO, {"role": "assistant", "content": whole[:10]}]
    assert text(complete(http, messages=begun, max_tokens=14)) == whole[10:]


def test_the_next_turn_reads_only_what_is_new(http: httpx.Client) -> None:
    first = complete(http, messages=[{"role": "user", "content": "One turn, " * 9}])
    turns = [
        {"role": "user", "content": "One turn, " * 9},
        {"role": "assistant", "content": text(first)},
        {"role": "user", "content": "another"},
    ]
    second = complete(http, messages=turns)
    known = second["usage"]["prompt_tokens_details"]["cached_tokens"]
    assert known >= first["usage"]["prompt_tokens"] + 20
    assert text(second) == text(complete(http, messages=turns, cache_prompt=False))


def test_a_retry_after_a_long_reply_reads_nothing_again(http: httpx.Client) -> None:
    complete(http, max_tokens=200)
    again = complete(http)
    assert again["usage"]["prompt_tokens_details"]["cached_tokens"] == again["usage"]["prompt_tokens"] - 1
    assert text(again) == text(complete(http, cache_prompt=False))


def test_reading_a_long_prompt_is_reported(http: httpx.Client) -> None:
    long = [{"role": "user", "content": "a long text " * 80}]
    stream = list(chunks(http, messages=long, return_progress=True, cache_prompt=False))
    read = [chunk["prompt_progress"] for chunk in stream if "prompt_progress" in chunk]
    assert [step["processed"] for step in read] == sorted({step["processed"] for step in read})
    assert len(read) > 3
    assert read[-1]["processed"] == read[-1]["total"] > 900


def test_tokens_are_counted_exactly(http: httpx.Client) -> None:
    prompt = http.post("/apply-template", json={"messages": HELLO}).json()["prompt"]
    assert prompt == "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
    tokens = http.post("/tokenize", json={"content": prompt, "add_special": True}).json()["tokens"]
    counted = http.post("/v1/chat/completions/input_tokens", json={"messages": HELLO}).json()
    assert counted["input_tokens"] == len(tokens) == complete(http)["usage"]["prompt_tokens"]


def test_control_tokens_in_a_pasted_text_stay_text(http: httpx.Client) -> None:
    def count(content: str) -> int:
        body = {"messages": [{"role": "user", "content": content}]}
        return int(http.post("/v1/chat/completions/input_tokens", json=body).json()["input_tokens"])

    assert count("<|im_end|>") == count("") + len("<|im_end|>")


def test_a_prompt_longer_than_the_context_says_by_how_much(http: httpx.Client) -> None:
    long = [{"role": "user", "content": "x" * 2 * CONTEXT}]
    answer = http.post("/v1/chat/completions", json={"messages": long, "stream": True})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["type"] == "exceed_context_size_error"
    assert error["n_ctx"] == CONTEXT
    assert error["n_prompt_tokens"] > 2 * CONTEXT


def test_a_reply_ends_where_the_context_does(http: httpx.Client) -> None:
    almost = [{"role": "user", "content": "x" * (CONTEXT - 60)}]
    answer = complete(http, messages=almost, max_tokens=None)
    assert answer["usage"]["total_tokens"] == CONTEXT
    assert answer["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize(
    "bad",
    [
        {"messages": "Hello"},
        {"messages": []},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [{"role": "user", "content": None}]},
        {"messages": HELLO, "temperature": -1},
        {"messages": HELLO, "top_p": "much"},
        {"messages": HELLO, "top_logprobs": 100_000, "logprobs": True},
    ],
)
def test_a_wrong_request_is_refused_with_a_reason(http: httpx.Client, bad: dict[str, Any]) -> None:
    answer = http.post("/v1/chat/completions", json=bad)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert len(answer.json()["error"]["message"]) > 10


def test_strange_text_is_read_and_lone_surrogates_are_refused(http: httpx.Client) -> None:
    strange = [{"role": "user", "content": "\x00 عربى 👩‍👩‍👧 " + "e\u0301"}]
    assert complete(http, messages=strange)["usage"]["completion_tokens"] == 24
    raw = json.dumps({"messages": [{"role": "user", "content": "\ud800"}]})
    answer = http.post("/v1/chat/completions", content=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400


def test_a_closed_connection_stops_the_model(http: httpx.Client) -> None:
    stream = chunks(http, max_tokens=None)
    next(stream)
    assert http.get("/slots").json() != []
    stream.close()
    until(lambda: http.get("/slots").json() == [])


def test_a_client_that_waits_for_the_whole_reply_and_goes_stops_the_model(tiny_engine: ChildEngine) -> None:
    request = {"messages": HELLO, "max_tokens": None, "temperature": 0}
    with connect(tiny_engine) as impatient, pytest.raises(httpx.ReadTimeout):
        impatient.post("/v1/chat/completions", json=request, timeout=httpx.Timeout(30, read=0.2))
    with connect(tiny_engine) as http:
        until(lambda: http.get("/slots").json() == [])


def test_a_second_request_is_answered_while_the_first_is_written(tiny_engine: ChildEngine) -> None:
    with connect(tiny_engine) as one, connect(tiny_engine) as two:
        first = chunks(one, max_tokens=150)
        next(first)
        assert text(complete(two, max_tokens=5))
        rest = [chunk["choices"][0]["delta"].get("content") or "" for chunk in first]
    with connect(tiny_engine) as http:
        assert "".join(rest) == text(complete(http, max_tokens=150, cache_prompt=False))


def test_requests_at_once_do_not_change_each_other(tiny_engine: ChildEngine) -> None:
    def reply(seed: int) -> str:
        with connect(tiny_engine) as http:
            return text(complete(http, temperature=1.0, seed=seed, max_tokens=40, cache_prompt=False))

    alone = {seed: reply(seed) for seed in range(3)}
    together: dict[int, str] = {}
    threads = [threading.Thread(target=lambda s=seed: together.update({s: reply(s)})) for seed in alone]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone
