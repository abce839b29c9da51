"""The header of GGUF files: whole, cut, mutated, lying."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from gguf_file import F32, Tensor, gguf

from models.errors import ModelFileInvalid, ModelFileMissing
from models.gguf import read_header

WHOLE = gguf(
    {
        "general.architecture": "llama",
        "general.name": "Tiny",
        "general.license": "mit",
        "general.languages": ["en", "pt"],
        "general.file_type": 3,
        "general.sampling.temp": 0.7,
        "llama.block_count": 2,
        "llama.context_length": 512,
        "llama.embedding_length": 64,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "tokenizer.ggml.tokens": [f"token {n}" for n in range(2000)],
    },
    [Tensor("a", (64, 10), F32), Tensor("b", (32,), F32)],
)


def write(folder: Path, data: bytes) -> Path:
    path = folder / "model.gguf"
    path.write_bytes(data)
    return path


def test_a_header_tells_what_is_in_the_file(tmp_path: Path) -> None:
    header = read_header(write(tmp_path, WHOLE))
    assert (header.architecture, header.quantization, header.context_length) == ("llama", "Q4_1", 512)
    assert header.parameters == 672
    assert header.size_bytes == len(WHOLE)
    assert header.texts("general.languages") == ("en", "pt")
    assert header.text("general.license") == "mit"
    assert header.number("general.sampling.temp") == pytest.approx(0.7)
    assert header.cache_bytes() == 2 * 2 * (16 + 16) * 2


def test_a_missing_file_and_a_folder_are_missing_models(tmp_path: Path) -> None:
    for path in (tmp_path / "none.gguf", tmp_path):
        with pytest.raises(ModelFileMissing):
            read_header(path)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "only 0 bytes"),
        (b"GGUF", "only 4 bytes"),
        (b"PK\x03\x04" + bytes(100), "no GGUF file"),
        (b"GGUF" + struct.pack("<I", 99) + bytes(100), "version 99"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 1) + bytes(100), "damaged"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 2**60) + bytes(100), "damaged"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + bytes(13), "damaged|cut off|architecture"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + struct.pack("<Q", 2**63) + bytes(99), "damaged"),
        (gguf({"general.name": "x"}, [Tensor("a", (4,), F32)]), "no architecture"),
        (gguf({"general.architecture": "llama"}, []), "no weights"),
    ],
)
def test_what_is_no_model_is_refused_with_the_reason(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(ModelFileInvalid, match=reason):
        read_header(write(tmp_path, data))


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    random_places = random.Random(1).sample(range(len(WHOLE)), 60)
    for length in [37, len(WHOLE) - 1, len(WHOLE) - 2000, *random_places]:
        with pytest.raises(ModelFileInvalid):
            read_header(write(tmp_path, WHOLE[:length]))


def test_a_mutated_file_is_read_or_refused_and_nothing_else(tmp_path: Path) -> None:
    chance = random.Random(2)
    for _ in range(400):
        data = bytearray(WHOLE)
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(min(len(data), 900))] = chance.choice((0, 1, 127, 128, 255))
        try:
            read_header(write(tmp_path, bytes(data))).cache_bytes()
        except ModelFileInvalid:
            continue
