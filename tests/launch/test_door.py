"""What a start does, as the person at the terminal sees it."""

from __future__ import annotations

import socket
import sqlite3
import sys
import urllib.request

import pytest

from models.hub import STARTER
from tests.browser.running_app import until
from tests.launch.conftest import NOBODY

pytestmark = pytest.mark.slow


def test_the_page_answers_when_the_line_says_so_and_ctrl_c_ends_everything_with_0(start, data_dir):
    app = start("--remote", NOBODY)
    with urllib.request.urlopen(app.url, timeout=10) as answer:
        assert "Inkglass" in answer.read().decode()
    assert (data_dir / "address").read_text() == app.url.rstrip("/")
    app.stop()
    assert app.process.returncode == 0
    assert not (data_dir / "address").exists()
    assert "Traceback" not in "".join(app.output)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a process can answer")
def test_sigterm_is_a_clean_stop_too(start, data_dir):
    app = start("--remote", NOBODY)
    app.app_process().terminate()
    assert app.process.wait(15) == 0
    assert not (data_dir / "inkglass.running").exists()


def test_a_taken_port_is_said_and_the_next_free_one_is_taken(start):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        app = start("--remote", NOBODY, "--port", str(port))
        assert port < app.port < port + 50
        assert f"Port {port} cannot be used" in "".join(app.output)


def test_a_second_start_on_the_same_data_says_where_the_first_one_is(start, attempt):
    app = start("--remote", NOBODY)
    second = attempt("--remote", NOBODY)
    assert second.returncode == 1
    assert app.url.rstrip("/") in second.stdout
    assert "Traceback" not in second.stderr


def test_another_host_without_a_password_is_refused(attempt):
    refused = attempt("--host", "0.0.0.0")
    assert refused.returncode == 2
    assert "INKGLASS_PASSWORD" in refused.stdout


def test_a_database_from_a_newer_version_is_left_alone(attempt, data_dir):
    path = data_dir / "inkglass.db"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 999")
    before = path.read_bytes()
    refused = attempt("--remote", NOBODY)
    assert refused.returncode == 1
    assert "newer" in refused.stdout
    assert "Traceback" not in refused.stderr
    assert path.read_bytes() == before


def test_a_missing_model_does_not_keep_the_app_from_starting(start, data_dir):
    app = start("--model", "nowhere.gguf")
    log = data_dir / "logs" / "inkglass.log"
    until(lambda: "nowhere.gguf" in log.read_text("utf-8"), what="the log says so")
    assert app.process.poll() is None


def test_a_file_that_is_no_model_does_not_keep_the_app_from_starting(start, data_dir):
    # The starter of this data folder is one byte long.
    start()
    log = data_dir / "logs" / "inkglass.log"
    until(lambda: STARTER.files[0].target.split("/")[1] in log.read_text("utf-8"), what="the log says so")


@pytest.mark.parametrize("words", [("--port", "70000"), ("--remote", "ftp://somewhere")])
def test_words_that_cannot_be_meant_are_refused_with_a_sentence(attempt, words):
    refused = attempt(*words)
    assert refused.returncode == 2
    assert words[0] in refused.stdout
    assert "Traceback" not in refused.stderr
