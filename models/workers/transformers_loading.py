"""A causal language model from a local folder, loaded onto the best device there is."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    DynamicCache,
    GenerationConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from models.workers.lifeline import FailureKind

log = logging.getLogger(__name__)

Quantization = Literal["auto", "none", "int8", "nf4"]

GIB = 1024**3
NF4_FROM_BYTES = 8 * GIB
"""On CUDA, "auto" quantizes weights larger than this."""
OVERHEAD_BYTES = GIB // 2
"""Activations, the allocator's slack and a short context, beside the weights."""
SHARE_OF_WEIGHTS = {"none": 1.0, "int8": 0.6, "nf4": 0.4}
"""Memory of quantized weights per byte of 16-bit weights; embeddings and the head stay in 16 bits."""
FULL_WIDTH_ON_CPU_BELOW = 2 * GIB
"""On a CPU float16 weights up to this size are widened to 32 bits, larger ones read as bfloat16."""
END_OF_TURN = (
    "<|im_end|>",
    "<|eot_id|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|eom_id|>",
    "<|return|>",
)
"""Tokens that end a reply in common chat formats and that `generation_config.json` often leaves out."""


class CannotLoad(Exception):
    """No model that can run here: `kind`, the reason and `numbers`, as `Lifeline.failed` takes them."""

    def __init__(self, kind: FailureKind, detail: str, **numbers: int) -> None:
        self.kind: FailureKind = kind
        self.numbers = numbers
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that is ready, its tokenizer, and what a request must know. `context_length` is in tokens."""

    network: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    generation: GenerationConfig
    device: torch.device
    context_length: int
    end_tokens: frozenset[int]
    quantization: str

    def forward(self, tokens: Sequence[int], cache: DynamicCache) -> torch.Tensor:
        """Read `tokens` after what `cache` holds; the logits after the last, float32 [vocabulary] on CPU."""
        output = self.network(
            input_ids=torch.tensor([tokens], device=self.device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = output.logits[0, -1]
        return logits.float().cpu()


def load(
    folder: Path, quantization: Quantization, context_limit: int | None, report: Callable[[float], None]
) -> LoadedModel:
    """Load the model in `folder`; `report` gets the fraction of the weights loaded. Raises `CannotLoad`."""
    try:
        return _load(folder, quantization, context_limit, report)
    except (torch.OutOfMemoryError, MemoryError) as exc:
        raise _too_large(weights_bytes(folder) + OVERHEAD_BYTES, _free_bytes(_device())) from exc
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, TypeError, AttributeError) as exc:
        # What transformers, tokenizers and safetensors raise over a folder they cannot make sense of.
        log.exception("The folder could not be loaded")
        raise CannotLoad("invalid_file", _sentence(exc)) from exc


def _load(
    folder: Path, quantization: Quantization, context_limit: int | None, report: Callable[[float], None]
) -> LoadedModel:
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    config = AutoConfig.from_pretrained(folder, **local)
    device = _device()
    weights = weights_bytes(folder)
    chosen = _choose(quantization, config, device, weights)
    _check_memory(weights, chosen, device)
    tokenizer = AutoTokenizer.from_pretrained(folder, **local)
    with _weights_progress(report):
        network, findings = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            use_safetensors=True,
            output_loading_info=True,
            dtype=_dtype(config, device, weights),
            device_map={"": device},
            quantization_config=_bitsandbytes(chosen),
            **local,
        )
    _check_complete(network, findings)
    network.eval()
    model = LoadedModel(
        network=network,
        tokenizer=tokenizer,
        generation=network.generation_config,
        device=device,
        context_length=_context_length(config, context_limit),
        end_tokens=_end_tokens(network.generation_config, tokenizer),
        quantization=chosen,
    )
    with torch.inference_mode():  # reads mapped weights from the disk and prepares kernels: the first reply is fast
        model.forward([0], DynamicCache(config=config))
    return model


def _device() -> torch.device:
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")


def _choose(wanted: Quantization, config: PreTrainedConfig, device: torch.device, weights: int) -> str:
    """The quantization to apply while loading; none to weights that are stored quantized."""
    if getattr(config, "quantization_config", None) is not None:
        return "none"
    if wanted != "auto":
        return wanted
    return "nf4" if device.type == "cuda" and weights > NF4_FROM_BYTES else "none"


def _bitsandbytes(quantization: str) -> BitsAndBytesConfig | None:
    if quantization == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    if quantization == "nf4":
        return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)
    return None


def _dtype(config: PreTrainedConfig, device: torch.device, weights: int) -> torch.dtype | str:
    """As stored, but no float16 on a CPU, which multiplies it slowly."""
    if device.type == "cpu" and config.dtype in (torch.float16, "float16"):
        return torch.float32 if weights < FULL_WIDTH_ON_CPU_BELOW else torch.bfloat16
    return "auto"


def weights_bytes(folder: Path) -> int:
    """The size of the weights on disk."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def _check_memory(weights: int, quantization: str, device: torch.device) -> None:
    needed = int(weights * SHARE_OF_WEIGHTS[quantization]) + OVERHEAD_BYTES
    free = _free_bytes(device)
    if needed > free:
        raise _too_large(needed, free)


def _too_large(needed: int, free: int) -> CannotLoad:
    return CannotLoad("too_large", "not enough memory", needed_bytes=needed, available_bytes=free)


def _check_complete(network: PreTrainedModel, findings: dict[str, Any]) -> None:
    """Refuse weights with holes, which transformers fills with random numbers, and models without a cache."""
    missing = sorted(findings["missing_keys"])
    if missing:
        raise CannotLoad("invalid_file", f"{len(missing)} tensors are missing, {missing[0]} among them")
    accepted = inspect.signature(network.forward).parameters
    if "past_key_values" not in accepted or "logits_to_keep" not in accepted:
        architecture = type(network).__name__
        raise CannotLoad("invalid_file", f"its architecture ({architecture}) is not one that can run here")


def _context_length(config: PreTrainedConfig, limit: int | None) -> int:
    trained = getattr(config.get_text_config(decoder=True), "max_position_embeddings", None) or 4096
    return min(int(trained), limit) if limit else int(trained)


def _end_tokens(generation: GenerationConfig, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The tokens that end a reply."""
    declared = generation.eos_token_id
    ends = set(declared) if isinstance(declared, list) else {declared}
    ends.add(tokenizer.eos_token_id)
    added = tokenizer.get_added_vocab()
    ends.update(added[token] for token in END_OF_TURN if token in added)
    return frozenset(end for end in ends if isinstance(end, int))


@contextmanager
def _weights_progress(report: Callable[[float], None]) -> Iterator[None]:
    """Report how many of the weights transformers has loaded, in place of its progress bar."""

    def hook(factory: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if kwargs.get("desc") != "Loading weights" or not args:
            return factory(*args, **{**kwargs, "disable": True})
        return _Counted(args[0], report)

    previous = transformers_logging.set_tqdm_hook(hook)
    try:
        yield
    finally:
        transformers_logging.set_tqdm_hook(previous)


class _Counted:
    """An iterable that reports the fraction handed out."""

    def __init__(self, items: Any, report: Callable[[float], None]) -> None:
        self._items: Iterable[Any] = items
        self._total = max(len(items), 1)
        self._report = report

    def __iter__(self) -> Iterator[Any]:
        for count, item in enumerate(self._items, start=1):
            yield item
            self._report(count / self._total)


def _sentence(failure: BaseException) -> str:
    """The first line of a foreign error, short enough for a sentence."""
    text = str(failure).strip() or type(failure).__name__
    if "trust_remote_code" in text:
        return "it brings program code of its own, which is never run here"
    return text.splitlines()[0].rstrip(". ")[:200]
