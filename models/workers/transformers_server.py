"""The worker's HTTP routes: what `models.client` needs of llama.cpp's server, over one loaded model.

They are async, unlike the rest of the house, because that is how a closed connection is noticed at once.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import uuid
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from models.workers.transformers_decoding import Finished, Generation, PromptRead, Step, TokenDrawn, generate
from models.workers.transformers_loading import LoadedModel
from models.workers.transformers_prefix import PrefixCaches
from models.workers.transformers_prompt import CannotRender, Prompts
from models.workers.transformers_protocol import (
    ChatRequest,
    Json,
    Prompt,
    Replies,
    TokenizeRequest,
    context_exceeded,
    error,
)
from models.workers.transformers_scheduler import Scheduler


class Completion:
    """A running generation, as an async stream of its steps. It ends with the connection."""

    def __init__(self, service: Service, wanted: Generation, request: Request) -> None:
        self._loop = asyncio.get_running_loop()
        self._steps: asyncio.Queue[Step | Exception | None] = asyncio.Queue()
        self._job = service.scheduler.submit(generate(service.model, service.caches, wanted), self._deliver)
        self._watch = asyncio.create_task(self._cancel_when_gone(request))

    async def steps(self) -> AsyncIterator[Step]:
        """The steps as they come. Raises what the model raised."""
        while (step := await self._steps.get()) is not None:
            if isinstance(step, Exception):
                raise step
            yield step

    def close(self) -> None:
        self._job.cancel()
        self._watch.cancel()

    def _deliver(self, step: Step | Exception | None) -> None:
        self._loop.call_soon_threadsafe(self._steps.put_nowait, step)

    async def _cancel_when_gone(self, request: Request) -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        self._job.cancel()


class Service:
    """The loaded model and what its requests share."""

    def __init__(self, name: str, model: LoadedModel) -> None:
        self.name = name
        self.model = model
        self.prompts = Prompts(model.tokenizer)
        self.caches = PrefixCaches(model.network.config)
        self.scheduler = Scheduler()


class EventStream(StreamingResponse):
    """Server-sent events of a completion, which ends whatever way the response ends."""

    def __init__(self, completion: Completion, events: AsyncIterator[str]) -> None:
        super().__init__(events, media_type="text/event-stream")
        self._completion = completion

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._completion.close()


def make_app(name: str, model: LoadedModel, api_key: str) -> FastAPI:
    """The application over `model`; every route wants `api_key` as bearer token."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    service = Service(name, model)
    app.add_middleware(KeyGuard, api_key=api_key)
    _translate_errors(app)
    _add_facts(app, service)
    _add_prompts(app, service)

    @app.post("/v1/chat/completions")
    async def complete(body: ChatRequest, request: Request) -> Response:
        tokens = await run_in_threadpool(service.prompts.tokens, body)
        if not tokens:
            return JSONResponse(error(400, "invalid_request_error", "The prompt is empty."), 400)
        if len(tokens) >= model.context_length:
            return JSONResponse(context_exceeded(len(tokens), model.context_length), 400)
        completion = Completion(service, body.generation(tokens, model), request)
        replies = Replies(f"chatcmpl-{uuid.uuid4().hex}", name, model)
        if body.stream:
            return EventStream(completion, _events(completion, replies, body))
        return await _whole(completion, replies, body)

    return app


class KeyGuard:
    """Lets through only requests with the key. Plain ASGI, so that a closed connection is seen behind it."""

    def __init__(self, app: ASGIApp, api_key: str) -> None:
        self._app = app
        self._expected = f"Bearer {api_key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._expected):
                refusal = JSONResponse(error(401, "authentication_error", "Invalid API Key"), 401)
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _translate_errors(app: FastAPI) -> None:
    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, exc: RequestValidationError) -> Response:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return JSONResponse(error(400, "invalid_request_error", f"{where}: {first['msg']}"), 400)

    @app.exception_handler(CannotRender)
    async def unrenderable(_request: Request, exc: CannotRender) -> Response:
        return JSONResponse(error(400, "invalid_request_error", str(exc)), 400)


def _add_facts(app: FastAPI, service: Service) -> None:
    model = service.model

    @app.get("/health")
    async def health() -> Json:
        return {"status": "ok"}

    @app.get("/v1/models")
    async def models() -> Json:
        meta = {"n_ctx": model.context_length, "n_params": model.network.num_parameters()}
        return {"object": "list", "data": [{"id": service.name, "object": "model", "meta": meta}]}

    @app.get("/slots")
    async def slots() -> list[Json]:
        return [{"id": number, "is_processing": True} for number in range(service.scheduler.running)]

    @app.get("/props")
    async def props() -> Json:
        return {
            "default_generation_settings": {"n_ctx": model.context_length},
            "model_alias": service.name,
            "model_ftype": model.quantization,
            "chat_template": model.tokenizer.chat_template or "",
            "device": str(model.device),
        }


def _add_prompts(app: FastAPI, service: Service) -> None:
    @app.post("/tokenize")
    def tokenize(body: TokenizeRequest) -> Json:
        return {"tokens": service.prompts.tokenize(body.content, body.parse_special)}

    @app.post("/apply-template")
    def apply_template(body: Prompt) -> Json:
        return {"prompt": service.prompts.text(body)}

    @app.post("/v1/chat/completions/input_tokens")
    def input_tokens(body: Prompt) -> Json:
        count = len(service.prompts.tokens(body))
        return {"object": "response.input_tokens", "input_tokens": count}


async def _events(completion: Completion, replies: Replies, body: ChatRequest) -> AsyncIterator[str]:
    yield _event(replies.beginning())
    try:
        async for step in completion.steps():
            for chunk in _chunks(step, replies, body):
                yield _event(chunk)
    except Exception as exc:  # noqa: BLE001 - whatever the model raised goes to the client as an error event
        yield _event(_failure(exc))
        return
    yield "data: [DONE]\n\n"


def _chunks(step: Step, replies: Replies, body: ChatRequest) -> list[Json]:
    match step:
        case PromptRead():
            return [replies.beginning(step)] if body.return_progress else []
        case TokenDrawn():
            return [replies.token(step)] if step.text or step.likelihood else []
        case Finished():
            return replies.ending(step, body.stream_options.include_usage)


async def _whole(completion: Completion, replies: Replies, body: ChatRequest) -> Response:
    text: list[str] = []
    logprobs: list[Json] | None = [] if body.logprobs else None
    try:
        async for step in completion.steps():
            if isinstance(step, TokenDrawn):
                text.append(step.text)
                if logprobs is not None and step.likelihood is not None:
                    logprobs.append(replies.logprob(step.token, step.likelihood))
            elif isinstance(step, Finished):
                return JSONResponse(replies.whole("".join(text) + step.text, logprobs, step))
    except Exception as exc:  # noqa: BLE001 - whatever the model raised goes to the client as an error
        return JSONResponse(_failure(exc), 500)
    finally:
        completion.close()
    return Response(status_code=499)  # nobody is there any more


def _failure(exc: Exception) -> Json:
    return error(500, "server_error", str(exc).strip().split("\n")[0][:300] or type(exc).__name__)


def _event(chunk: Json) -> str:
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"
