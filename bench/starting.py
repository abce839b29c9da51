"""From `python3 launch.py` to the ready page, the app's memory then and after a reply, and whether torch is loaded."""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

from bench.scene import data_folder, report
from models.catalog import starter
from tests.browser.running_app import RunningApp


def one_start(starter_file: Path) -> dict[str, Any]:
    """Start with the starter model in place; times in seconds, memory in MiB (resident)."""
    with data_folder() as data:
        target = data / "models" / "starter" / starter_file.name
        target.parent.mkdir(parents=True)
        shutil.copyfile(starter_file, target)
        started = time.perf_counter()
        app = RunningApp(data)
        ready = time.perf_counter() - started
        try:
            process = app.app_process()
            maps = [m.path for m in process.memory_maps()]
            return {
                "ready_s": round(ready, 3),
                "app_mib": round(process.memory_info().rss / 2**20, 1),
                "engine_mib": round(app.engine_process().memory_info().rss / 2**20, 1),
                "torch_imported": any("libtorch" in path for path in maps),
            }
        finally:
            app.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--data-dir", type=Path, required=True, help="a data folder that holds the starter model")
    arguments = parser.parse_args()
    path = starter(arguments.data_dir).path
    assert path is not None, "the starter model is a file"
    runs = [one_start(path) for _ in range(arguments.runs)]
    report(
        {
            "ready_s": statistics.median(r["ready_s"] for r in runs),
            "app_mib": max(r["app_mib"] for r in runs),
            "engine_mib": max(r["engine_mib"] for r in runs),
            "torch_imported": any(r["torch_imported"] for r in runs),
            "runs": runs,
        }
    )


if __name__ == "__main__":
    main()
