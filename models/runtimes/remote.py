"""Models that another server runs, at any address that speaks the OpenAI chat-completions protocol."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from models.client import open_http, shown_url, translated
from models.errors import EndpointFailed, EndpointUnreachable
from models.refusals import refusal
from models.runtimes.protocol import ProgressCallback
from models.types import Dialect, Endpoint, ModelSpec

CONNECT_TIMEOUT = 5.0
ANSWER_TIMEOUT = 10.0


@dataclass(frozen=True)
class RemoteEngine:
    """An engine that is somebody else's: it is used, never started, and stopping only forgets it."""

    endpoint: Endpoint
    context_length: int | None
    pid: None = None
    log_path: Path | None = None
    _forgotten: threading.Event = field(default_factory=threading.Event)

    def alive(self) -> bool:
        return not self._forgotten.is_set()

    def wait(self) -> None:
        self._forgotten.wait()

    def stop(self) -> None:
        self._forgotten.set()


class RemoteRuntime:
    """Reaches servers at `spec.url`. The key goes to every one of them and nowhere else."""

    def __init__(
        self,
        api_key: str | None = None,
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
        answer_timeout: float = ANSWER_TIMEOUT,
    ) -> None:
        self._api_key = api_key
        self._timeout = httpx.Timeout(answer_timeout, connect=connect_timeout)

    def start(self, spec: ModelSpec, on_progress: ProgressCallback) -> RemoteEngine:
        """Ask the server what it runs. Without `spec.remote_name` the first model that it lists is used.

        Raises the `Endpoint…` errors.
        """
        if not spec.url:
            raise EndpointUnreachable(url=spec.name)
        on_progress(0.0)
        known = Endpoint(url=spec.url, model=spec.remote_name or "", api_key=self._api_key)
        with open_http(known, keep_alive=True) as http, translated(shown_url(spec.url)):
            models = self._models(http, known)
            props = self._props(http, known)
        listed = [m for m in models if isinstance(m.get("id"), str)]
        chosen = next((m for m in listed if m["id"] == known.model), listed[0] if listed else {})
        name = known.model or str(chosen.get("id", ""))
        if not name:
            raise EndpointFailed(url=shown_url(spec.url), status=200, detail="it lists no model")
        dialect, context = _abilities(chosen, props)
        on_progress(1.0)
        return RemoteEngine(Endpoint(spec.url, name, self._api_key, dialect), context)

    def _models(self, http: httpx.Client, endpoint: Endpoint) -> list[dict[str, Any]]:
        response = http.get(f"{endpoint.url}/v1/models", timeout=self._timeout)
        if response.status_code == 404 and endpoint.model:
            return []  # it lists none, but the user knows what it runs
        if response.status_code != 200:
            raise refusal(shown_url(endpoint.url), response.status_code, response.headers, response.content)
        data = _object(response).get("data")
        return [model for model in data if isinstance(model, dict)] if isinstance(data, list) else []

    def _props(self, http: httpx.Client, endpoint: Endpoint) -> Mapping[str, Any]:
        """What llama.cpp's server tells of itself; empty from any other."""
        response = http.get(f"{endpoint.url}/props", timeout=self._timeout)
        settings = _object(response).get("default_generation_settings")
        return settings if response.status_code == 200 and isinstance(settings, dict) else {}


def _abilities(model: Mapping[str, Any], props: Mapping[str, Any]) -> tuple[Dialect, int | None]:
    """What the server speaks, and the tokens of one request where it tells them."""
    if props:
        return "llama_cpp", _positive(props.get("n_ctx"))
    longest = _positive(model.get("max_model_len"))
    return ("vllm" if longest else "openai"), longest


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _object(response: httpx.Response) -> Mapping[str, Any]:
    try:
        found = response.json()
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
