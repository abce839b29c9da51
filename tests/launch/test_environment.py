"""The door's own decisions: which environment, which pins."""

from __future__ import annotations

from importlib import metadata

import launch


def test_pins_are_read_with_those_of_included_files(tmp_path):
    (tmp_path / "a.txt").write_text("-r b.txt\nfirst==1.0  # why\n# other==3\n", "utf-8")
    (tmp_path / "b.txt").write_text("Second_Name==2.1.0+cpu\nloose>=1\n", "utf-8")
    assert launch.pins(tmp_path / "a.txt") == {"Second_Name": "2.1.0+cpu", "first": "1.0"}


def test_what_is_installed_counts_whatever_its_local_label():
    assert launch.importable({"pytest": f"{metadata.version('pytest')}+local"})
    assert not launch.importable({"pytest": "0.0.1"})
    assert not launch.importable({"no-such-package-anywhere": "1.0"})


def test_every_requirement_is_pinned():
    for path in (launch.REQUIREMENTS, launch.TEST_REQUIREMENTS):
        lines = [line.split("#")[0].strip() for line in path.read_text("utf-8").splitlines()]
        assert all("==" in line or line.startswith("-r ") for line in lines if line)


def test_the_fingerprint_changes_with_a_requirement(tmp_path):
    file = tmp_path / "r.txt"
    file.write_text("a==1", "utf-8")
    before = launch.fingerprint([file])
    file.write_text("a==2", "utf-8")
    assert launch.fingerprint([file]) != before
