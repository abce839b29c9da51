"""One wheel from the package index that pip is set to: taken piece by piece, gone on with after a cut."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

log = logging.getLogger(__name__)
Progress = Callable[[int, int], None]
"""Called with the bytes that lie in the folder and the bytes in all (0: unknown)."""
TRIES = 5
TELL_AFTER = 1 << 20
"""Bytes between two reports of progress."""


class WheelUnavailable(Exception):
    """The wheel could not be had; `str()` says what was the matter."""


@dataclass(frozen=True, slots=True)
class Found:
    """Where the index has a wheel, and what it must hash to."""

    url: str
    sha256: str


def fetch_wheel(requirement: str, platform: Sequence[str], wheel: Path, progress: Progress) -> None:
    """Put the wheel named `wheel.name` of `requirement` ("name==version") at `wheel`, going on with an earlier try.

    `platform` are pip's options that name the platform. Raises WheelUnavailable.
    """
    try:
        _take(find(requirement.partition("==")[0], wheel.name), wheel, progress)
        return
    except (httpx.HTTPError, LookupError, ValueError) as error:
        # pip may know a proxy, a certificate, a password or an index that only its own settings name.
        log.warning("%s cannot be read directly (%s); leaving it to pip", requirement, error)
    _leave_to_pip(requirement, platform, wheel)


def find(project: str, filename: str) -> Found:
    """Ask pip's index for a file, by the simple repository API in JSON (PEP 691).

    Raises httpx.HTTPError, or LookupError or ValueError where the index does not speak JSON or tells no checksum.
    """
    address = f"{_index().rstrip('/')}/{project}/"
    accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
    answer = httpx.get(address, headers=accept, follow_redirects=True, timeout=30).raise_for_status()
    for file in answer.json()["files"]:
        if file["filename"] == filename:
            return Found(str(answer.url.join(file["url"])), file["hashes"]["sha256"])
    raise LookupError(f"the index has no {filename}")


def _index() -> str:
    """The index that pip is set to."""
    if address := os.environ.get("PIP_INDEX_URL"):
        return address
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    told = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603  # our own words
    return told.stdout.strip() or "https://pypi.org/simple"


def _take(found: Found, wheel: Path, progress: Progress) -> None:
    """Raises httpx.HTTPError when the address cannot be read, WheelUnavailable when what came is not the wheel."""
    part = wheel.with_name(f"{wheel.name}.{found.sha256[:16]}.part")
    with httpx.Client(follow_redirects=True, timeout=httpx.Timeout(30, connect=10)) as http:
        failures = 0
        while True:
            before = _size(part)
            try:
                _read_on(http, found.url, part, progress)
                break
            except httpx.TransportError:
                # Only a try that brought nothing counts: a line that drops now and then gets there in the end.
                failures = failures + 1 if _size(part) <= before else 0
                if failures == TRIES:
                    raise
    if _checksum(part) != found.sha256:
        part.unlink()
        raise WheelUnavailable("what came has the wrong checksum, so it was deleted")
    part.replace(wheel)


def _read_on(http: httpx.Client, url: str, part: Path, progress: Progress) -> None:
    done = _size(part)
    # Compressed on the way, bytes could not be counted.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    with http.stream("GET", url, headers=headers) as answer:
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # all of it is there; the checksum tells whether it is right
        answer.raise_for_status()
        if answer.status_code != httpx.codes.PARTIAL_CONTENT:
            done = 0
        total = done + int(answer.headers.get("Content-Length", 0)) if "Content-Length" in answer.headers else 0
        with part.open("ab" if done else "wb") as copy:
            told = done
            for block in answer.iter_raw():
                copy.write(block)
                done += len(block)
                if done - told >= TELL_AFTER or done == total:
                    told = done
                    progress(done, total)


def _leave_to_pip(requirement: str, platform: Sequence[str], wheel: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--dest", str(wheel.parent), "--no-deps"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--retries", "3", *platform, requirement]
    done = subprocess.run(command, check=False)  # noqa: S603  # our own interpreter and words
    if done.returncode != 0 or not wheel.exists():
        raise WheelUnavailable("pip could not download it")


def _size(file: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return file.stat().st_size
    return 0


def _checksum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
