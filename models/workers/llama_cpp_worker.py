"""The child process of the llama_cpp runtime: llama.cpp's own server over one GGUF file, on a loopback port.

Started as `python -m models.workers.llama_cpp_worker`. The line of JSON on its stdin (see `lifeline`) holds
the fields of `Parameters`.
"""

from __future__ import annotations

import http.client
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import xllamacpp

from models.workers.lifeline import Lifeline

STEP = 256
"""llama.cpp rounds the context up to a multiple of this many tokens."""
LEAST_CONTEXT = 2048
"""Tokens a slot must be able to hold for the model to be of use, unless it was trained on fewer."""
OVERHEAD = 256 * 1024**2
"""Bytes for the compute buffers, the vocabulary and the process itself."""
FOR_CACHE = 0.5
"""The share of the memory beside the weights that the KV cache may take; the rest is the user's."""
GPU_BATCH = 512
"""Tokens of a prompt in one step where a GPU reads them: it needs many at once and takes milliseconds."""
LONGEST_DRAFT = 48
"""Tokens that are guessed ahead at once at most."""
MOST_PROMPT_CACHE = 1024
"""MiB of earlier conversations' KV caches kept in memory at most, and at most a tenth of what is free."""
LOG_BEHIND = 1.0
"""Seconds for which the words of a failure are waited for."""
NOWHERE = "https://inkglass.invalid"
"""The only origin that may read an answer in a browser: none. The app's server asks, never its page."""


@dataclass(frozen=True)
class Parameters:
    """What the runtime sends. Bytes are counted, context is in tokens, `threads` of the CPU."""

    path: str
    api_key: str
    log: str
    slot_folder: str
    weights_bytes: int
    cache_bytes_per_token: int
    most_context: int
    slots: int
    threads: int
    batch: int
    flash_attention: str
    speculation: list[str]
    match: int


class TooLarge(Exception):
    """`args`: bytes needed, bytes available."""


def main() -> None:
    """Load and serve until the app goes."""
    lifeline = Lifeline()
    parameters = Parameters(**lifeline.parameters())
    gpus = [d for d in xllamacpp.get_device_info() if d["type"] is not _CPU]
    try:
        free = psutil.virtual_memory().available + sum(d["memory_free"] for d in gpus)
        context = choose_context(parameters, free)
    except TooLarge as exc:
        lifeline.failed("too_large", "", needed_bytes=exc.args[0], available_bytes=exc.args[1])
        return
    try:
        server = xllamacpp.Server(settings(parameters, context, on_gpu=bool(gpus)))
    except RuntimeError as exc:
        lifeline.failed("invalid_file", _reason(Path(parameters.log)) or str(exc))
        return
    url = str(server.listening_address)
    lifeline.ready(url=url, context_length=_context_of(url, parameters.api_key) or context)
    lifeline.wait()


_CPU = xllamacpp.ggml_backend_dev_type.GGML_BACKEND_DEVICE_TYPE_CPU


def choose_context(parameters: Parameters, free: int) -> int:
    """The tokens of each slot: as many as wanted, or as fit. Raises `TooLarge`. `free` is in bytes."""
    per_token = max(1, parameters.cache_bytes_per_token * parameters.slots)
    fixed = parameters.weights_bytes + OVERHEAD
    fitting = int((free - fixed) * FOR_CACHE) // per_token // STEP * STEP
    least = min(LEAST_CONTEXT, parameters.most_context)
    if fitting < least:
        raise TooLarge(fixed + least * per_token, free)
    return min(fitting, parameters.most_context)


def settings(wanted: Parameters, context: int, on_gpu: bool) -> Any:
    """llama.cpp's settings."""
    p = xllamacpp.CommonParams()
    p.model.path = wanted.path
    p.hostnames, p.port, p.api_keys = ["127.0.0.1"], 0, [wanted.api_key]
    p.ui = p.ui_mcp_proxy = p.endpoint_metrics = False
    p.cors_origins, p.cors_origins_explicit, p.cors_credentials = NOWHERE, True, False
    p.endpoint_slots = p.endpoint_props = True
    p.n_parallel, p.n_ctx, p.kv_unified = wanted.slots, context * wanted.slots, False
    p.ctx_shift = False  # never drop the beginning of a conversation unasked
    p.n_batch = p.n_ubatch = batch = max(wanted.batch, GPU_BATCH) if on_gpu else wanted.batch
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = wanted.threads
    p.flash_attn_type = _FLASH_ATTENTION[wanted.flash_attention]
    _speculate(p.speculative, wanted, batch)
    p.fit_params = on_gpu  # how many layers go to the GPU; the context is chosen already
    p.cache_ram_mib = min(MOST_PROMPT_CACHE, psutil.virtual_memory().available // 10 // 1024**2)
    p.slot_save_path = wanted.slot_folder
    p.offline = True
    return p


def _speculate(speculative: Any, wanted: Parameters, batch: int) -> None:
    """Guess ahead from what was read and written before. Every slot's drafts must fit one batch together.

    llama.cpp aborts the process otherwise.
    """
    longest = max(1, min(LONGEST_DRAFT, batch // wanted.slots - 1))
    speculative.types = [_SPECULATION[name] for name in wanted.speculation]
    for kind in (speculative.ngram_simple, speculative.ngram_map_k, speculative.ngram_map_k4v):
        kind.size_n, kind.size_m = min(wanted.match, longest), longest  # a shorter draft than match is never made
    speculative.ngram_mod.n_max = longest
    speculative.ngram_mod.n_min = min(speculative.ngram_mod.n_min, longest)


_FLASH_ATTENTION = {
    "auto": xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_AUTO,
    "off": xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED,
    "on": xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED,
}
_TYPE = xllamacpp.common_speculative_type
_SPECULATION = {
    "ngram_simple": _TYPE.COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE,
    "ngram_map_k": _TYPE.COMMON_SPECULATIVE_TYPE_NGRAM_MAP_K,
    "ngram_map_k4v": _TYPE.COMMON_SPECULATIVE_TYPE_NGRAM_MAP_K4V,
    "ngram_mod": _TYPE.COMMON_SPECULATIVE_TYPE_NGRAM_MOD,
}


def _reason(log: Path) -> str | None:
    """llama.cpp's own words for why the model would not load; its log is written by a thread that may be behind."""
    until = time.monotonic() + LOG_BEHIND
    while True:
        found = re.search(r"error loading model: (.+)", log.read_text("utf-8", "replace"))
        if found or time.monotonic() > until:
            return found[1].strip() if found else None
        time.sleep(0.02)


def _context_of(url: str, key: str) -> int | None:
    """The tokens of one slot as the server itself counts them."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    try:
        connection.request("GET", "/props", headers={"Authorization": f"Bearer {key}"})
        found = json.loads(connection.getresponse().read())["default_generation_settings"]["n_ctx"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    finally:
        connection.close()
    return found if isinstance(found, int) else None


if __name__ == "__main__":
    main()
