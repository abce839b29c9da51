#!/usr/bin/env python3
"""The door of Inkglass: prepares the environment on first run, then starts the app or a command.

Until the environment stands this file needs nothing but Python's standard library.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements.txt"
TEST_REQUIREMENTS = ROOT / "requirements-test.txt"
OLDEST_PYTHON = (3, 11)
OFFLINE_HELP = (
    "Inkglass needs the packages of requirements.txt and could not get them.\n"
    "  - Connect this machine to the network once and start again; what was already installed is kept.\n"
    "  - Or fetch them elsewhere with `pip download -r requirements.txt -d wheels`, copy the folder here, and run\n"
    "    `{python} -m pip install --no-index --find-links wheels -r requirements.txt`.\n"
    "A model is a .gguf file in the models folder of the data folder (see README.md, 'Adding a model')."
)


def say(text: str) -> None:
    """A line for the person at the terminal."""
    print(text, flush=True)


# ---- the environment -----------------------------------------------------------------------------------------


def venv_python() -> Path:
    """The interpreter of our own environment."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def fingerprint(files: Sequence[Path]) -> str:
    """Changes when one of the requirement files does."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


def pins(path: Path) -> dict[str, str]:
    """The exact pins of a requirements file, those it includes with -r among them."""
    found: dict[str, str] = {}
    for line in path.read_text("utf-8").splitlines():
        if include := re.match(r"-r\s+(\S+)", line):
            found |= pins(path.parent / include[1])
        elif pin := re.match(r"([A-Za-z0-9_.-]+)==([^\s;#]+)", line):
            found[pin[1]] = pin[2]
    return found


def importable(wanted: dict[str, str]) -> bool:
    """Whether the running interpreter has every pinned version (a local label such as +cpu does not matter)."""
    for name, version in wanted.items():
        try:
            if metadata.version(name).partition("+")[0] != version.partition("+")[0]:
                return False
        except metadata.PackageNotFoundError:
            return False
    return True


def prepare(requirements: Path) -> None:
    """Go on in an interpreter that has `requirements`: this one, or that of `.venv`, made or mended if needed.

    Does not return where another interpreter has to take over. A stamp in the environment, written last, tells
    that it is whole, so that a second start costs a file's reading.
    """
    files = [REQUIREMENTS] if requirements == REQUIREMENTS else [REQUIREMENTS, requirements]
    stamp, wanted = VENV / f"{requirements.stem}.stamp", fingerprint(files)
    inside = Path(sys.prefix).resolve() == VENV.resolve()
    whole = venv_python().exists() and stamp.exists() and stamp.read_text("utf-8") == wanted
    if not inside and not whole and importable(pins(requirements)):
        return
    if not whole:
        if inside and importable(pins(requirements)):
            stamp.write_text(wanted, "utf-8")
            return
        install(requirements)
        stamp.write_text(wanted, "utf-8")
    if not inside:
        hand_over()


def install(requirements: Path) -> None:
    """Make `.venv` if it is not there and install into it, pip's own progress shown. Exits if that fails."""
    if not venv_python().exists():
        say(f"Making the environment in {VENV} (once).")
        run(
            [sys.executable, "-m", "venv", str(VENV)],
            "The environment could not be made. On Debian and Ubuntu: `sudo apt install python3-venv`.",
        )
    say(f"Installing {requirements.name} (once; a few minutes and about 2 GB).")
    python = str(venv_python())
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    help_offline = OFFLINE_HELP.format(python=python)
    # 25.1 is the first pip that resumes a download that was cut.
    run([*pip, "install", "--quiet", "--upgrade", "pip>=25.1"], help_offline)
    run(
        [*pip, "install", "--progress-bar", "on", "--resume-retries", "5", "-r", str(requirements)],
        help_offline,
    )


def run(command: Sequence[str], otherwise: str) -> None:
    """Run a step of the installation; if it fails, say `otherwise` and exit."""
    if subprocess.run(command, check=False).returncode != 0:
        say(f"\n{otherwise}")
        sys.exit(1)


def hand_over() -> None:
    """Go on with the same words in the environment's own interpreter."""
    python = str(venv_python())
    command = [python, str(ROOT / "launch.py"), *sys.argv[1:]]
    if os.name == "posix":
        os.execv(python, command)  # noqa: S606  # our own interpreter
    sys.exit(subprocess.run(command, check=False).returncode)


# ---- commands ------------------------------------------------------------------------------------------------


def options() -> argparse.ArgumentParser:
    """The words that a start understands."""
    parser = argparse.ArgumentParser(
        prog="launch.py",
        description="Inkglass: talk, translate and write locally.",
        epilog="Commands: `launch.py test [pytest arguments]`, `launch.py prepare`.",
    )
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1; others need a password)")
    parser.add_argument("--port", type=int, help="port of the page (default 7860; 0: any free one)")
    parser.add_argument("--data-dir", type=Path, help="where conversations and models are kept")
    parser.add_argument("--model", help="a catalog id, a .gguf file, or a folder with a transformers model")
    parser.add_argument("--remote", metavar="URL", help="an OpenAI-compatible server instead of a local model")
    parser.add_argument("--remote-model", metavar="NAME", help="the model to ask that server for")
    parser.add_argument("--no-browser", action="store_true", help="do not open the browser")
    parser.add_argument("--desktop", action="store_true", help="a window of its own instead of a browser tab")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Start the app, or the command that comes first."""
    if sys.version_info < OLDEST_PYTHON:
        say(f"Inkglass needs Python 3.11 or newer; this is {sys.version.split()[0]}.")
        return 1
    sys.path.insert(0, str(ROOT))
    command = arguments[0] if arguments and not arguments[0].startswith("-") else None
    if command == "test":
        prepare(TEST_REQUIREMENTS)
        return run_tests(arguments[1:])
    if command == "prepare":
        prepare(TEST_REQUIREMENTS)
        return 0
    given = options().parse_args(arguments)
    prepare(REQUIREMENTS)
    return start(given)


def run_tests(arguments: Sequence[str]) -> int:
    """pytest with `arguments`, on the starter model that `tests/conftest.py` fetches once."""
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=ROOT, check=False).returncode


def start(given: argparse.Namespace) -> int:
    """Read the settings, fetch the models, open everything, serve until told to stop."""
    # No calls home: these are read when the libraries are imported.
    os.environ.update({"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"})
    from pydantic import ValidationError

    from app.settings import UnsafeKeys, read_settings

    named = {name: value for name, value in vars(given).items() if value is not None and name != "no_browser"}
    try:
        settings = read_settings({**named, "browser": not given.no_browser})
    except UnsafeKeys as error:
        say(str(error))
        return 2
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            say(f"--{'-'.join(map(str, problem['loc'])).replace('_', '-')}: {problem['msg']}")
        return 2
    if not settings.loopback and settings.password is None:
        say(
            f"Listening on {settings.host} lets others on the network in, so a password is needed: set the environment "
            f"variable INKGLASS_PASSWORD, or write INKGLASS_PASSWORD=… into {settings.data_dir / 'keys.env'} "
            "(mode 0600)."
        )
        return 2
    return open_and_serve(settings)


def open_and_serve(settings: Any) -> int:
    """Everything between good settings and the end of the app."""
    from app.logs import start_logging
    from storage.errors import DatabaseInUse, StorageError

    try:
        # What one writes is nobody else's business: on a new folder other users get no access.
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        start_logging(settings.data_dir / "logs")
    except OSError as error:
        say(f"The data folder {settings.data_dir} cannot be used: {error.strerror}. Choose another with --data-dir.")
        return 1
    fetch_models(settings)
    from app.bootstrap import build
    from app.serving import bind

    try:
        parts = build(settings)
    except DatabaseInUse as error:
        say(f"{error}{running_address(settings.data_dir)}")
        return 1
    except StorageError as error:
        say(str(error))
        return 1
    try:
        try:
            listener = bind(settings.host, settings.port, say)
        except OSError as error:
            say(f"The page cannot be served on {settings.host}: {error.strerror}. Choose another --host or --port.")
            return 1
        return serve_page(parts, listener)
    finally:
        (settings.data_dir / "address").unlink(missing_ok=True)
        parts.close()


def serve_page(parts: Any, listener: Any) -> int:
    """Serve on the bound socket; the engine has been loading meanwhile."""
    from app.serving import open_browser, page_address, serve
    from app.ui.gradio_import import import_gradio_quickly

    import_gradio_quickly()
    from app.ui.server import create_app

    settings = parts.settings
    port = listener.getsockname()[1]
    address = page_address(settings.host, port)
    app = create_app(parts, port=port)
    served = threading.Event()

    def ready() -> None:
        (settings.data_dir / "address").write_text(address, "utf-8")
        say(f"Inkglass is ready at {address}")
        served.set()
        if settings.browser and not settings.desktop:
            open_browser(address)

    if settings.desktop:
        from app.desktop import show_window

        return show_window(address, served, lambda on_server: serve(app, listener, address, ready, on_server))
    serve(app, listener, address, ready)
    return 0


def running_address(data_dir: Path) -> str:
    """Where the Inkglass that holds this data folder is served."""
    try:
        return f" It is at {(data_dir / 'address').read_text('utf-8')}."
    except OSError:
        return ""


def fetch_models(settings: Any) -> None:
    """The embedded models on first start; without them the app still starts and says what is missing."""
    from models.hub import FetchFailed, fetch_starter, missing

    if not missing(settings.data_dir):
        return
    say(f"Fetching the two small models that come with Inkglass into {settings.data_dir / 'models'} (once, 130 MB).")
    try:
        fetch_starter(settings.data_dir, report_progress)
    except FetchFailed as error:
        say(f"\n{error}")
    say("")


def report_progress(what: str, done: int, total: int) -> None:
    """One line that is written over while a file is unpacked."""
    if total and done:
        print(
            f"\r{what}: {done * 100 // total}% of {total / 1e6:.0f} MB",
            end="" if done < total else "\n",
            flush=True,
        )
    elif not total:
        say(what)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
