"""A folder with a tiny language model of random weights, real in form."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

HIDDEN, HEADS, LAYERS = 64, 2, 2
CONTEXT = 16384
"""Long enough that a reply up to its end takes far longer than a test waits for a cancelled one to stop."""
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def write_tiny_model(folder: Path, *, template: str | None = CHATML, without: str | None = None) -> Path:
    """Write the model into `folder`; one token is one byte. `without` names a tensor to leave out."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = _write_tokenizer(folder, template)
    tensors = _tensors(vocabulary)
    tensors.pop(without, None)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(_config(len(vocabulary), vocabulary["<|im_end|>"])))
    return folder


def _write_tokenizer(folder: Path, template: str | None) -> dict[str, int]:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>"}
    if template is not None:
        settings["chat_template"] = template
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return tokenizer.get_vocab()


def _config(vocabulary_size: int, end: int) -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "float32",
        "hidden_size": HIDDEN,
        "intermediate_size": 2 * HIDDEN,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "max_position_embeddings": CONTEXT,
        "vocab_size": vocabulary_size,
        "tie_word_embeddings": False,
        "eos_token_id": end,
    }


def _tensors(vocabulary: dict[str, int]) -> dict[str, np.ndarray]:
    """Random weights, with a head that writes printable ASCII nearly always and all but never ends."""
    random = np.random.default_rng(7)

    def normal(*shape: int) -> np.ndarray:
        return (random.standard_normal(shape) * 0.3).astype(np.float32)

    head = normal(len(vocabulary), HIDDEN)
    head[[i for token, i in vocabulary.items() if not "!" <= token <= "~" or len(token) > 1]] = 0
    tensors = {"model.embed_tokens.weight": normal(len(vocabulary), HIDDEN), "lm_head.weight": 2 * head}
    tensors["model.norm.weight"] = np.ones(HIDDEN, np.float32)
    for layer in range(LAYERS):
        at = f"model.layers.{layer}"
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{at}.{name}.weight"] = np.ones(HIDDEN, np.float32)
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            tensors[f"{at}.self_attn.{name}.weight"] = normal(HIDDEN, HIDDEN)
        for name in ("gate_proj", "up_proj"):
            tensors[f"{at}.mlp.{name}.weight"] = normal(2 * HIDDEN, HIDDEN)
        tensors[f"{at}.mlp.down_proj.weight"] = normal(HIDDEN, 2 * HIDDEN)
    return tensors
