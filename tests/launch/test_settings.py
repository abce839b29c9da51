"""Settings from the command line, the environment and the private file of keys."""

from __future__ import annotations

import os

import pytest
from pydantic import ValidationError

from app.settings import UnsafeKeys, read_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("INKGLASS_"):
            monkeypatch.delenv(name)


def test_the_command_line_goes_before_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("INKGLASS_PORT", "7000")
    monkeypatch.setenv("INKGLASS_HOST", "localhost")
    settings = read_settings({"data_dir": tmp_path, "port": 8000})
    assert (settings.port, settings.host, settings.loopback) == (8000, "localhost", True)


@pytest.mark.parametrize(
    "written", ["http://host:8080", "http://host:8080/", "http://host:8080/v1", "http://host:8080/v1/"]
)
def test_an_address_may_be_written_with_or_without_v1(tmp_path, written):
    assert read_settings({"data_dir": tmp_path, "remote": written}).remote == "http://host:8080"


@pytest.mark.skipif(os.name != "posix", reason="permissions of this kind exist on POSIX only")
def test_keys_come_from_a_file_that_only_its_owner_reads(tmp_path):
    keys = tmp_path / "keys.env"
    keys.write_text("INKGLASS_REMOTE_KEY=sk-secret\n", "utf-8")
    keys.chmod(0o600)
    settings = read_settings({"data_dir": tmp_path})
    assert settings.remote_key is not None
    assert settings.remote_key.get_secret_value() == "sk-secret"
    assert "sk-secret" not in repr(settings)
    keys.chmod(0o644)
    with pytest.raises(UnsafeKeys, match="chmod 600"):
        read_settings({"data_dir": tmp_path})


def test_values_that_cannot_be_meant_are_refused(tmp_path):
    with pytest.raises(ValidationError):
        read_settings({"data_dir": tmp_path, "port": -1})
    with pytest.raises(ValidationError):
        read_settings({"data_dir": tmp_path, "remote": "file:///etc/passwd"})
