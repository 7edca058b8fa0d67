"""Running the command line from tests, and building a data folder once for everybody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).resolve().parent.parent


def run_cli(data: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``regionwise`` in a process of its own on one data folder."""
    return subprocess.run(
        [sys.executable, "-m", "regionwise", *arguments],
        cwd=ROOT,
        env=os.environ | {"REGIONWISE_DATA": str(data)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def built(folder: Path, name: str, *arguments: str, **environment: str) -> Path:
    """Build a data folder once; later callers, in any worker, get the same one."""
    data = folder / name
    with FileLock(folder / f"{name}.lock"):
        done = folder / f"{name}.json"
        if not done.exists():
            result = run_cli(data, "build", *arguments, **environment)
            done.write_text(
                json.dumps({"code": result.returncode, "out": result.stdout, "err": result.stderr})
            )
    said = json.loads(done.read_text())
    assert said["code"] == 0, f"{said['out']}\n{said['err']}"
    return data
