"""Measures a build: seconds of every stage and peak memory, at several sizes, one after another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from regionwise.config import ROOT, Settings
from regionwise.exits import Exit, Stop

_DEMO_SERVICES = 150


@dataclass(frozen=True)
class Measurement:
    """One build: seconds, processor time and peak memory by stage, and of the whole (``total``).

    Stages run side by side: their seconds add up to more than the total. The total of the memory
    is the most that all processes of the build held together.
    """

    seconds: dict[str, float]
    cpu_seconds: dict[str, float]
    peak_memory_mb: dict[str, float]


def run(settings: Settings, factors: tuple[float, ...], *, as_json: bool = False) -> str:
    """Build the synthetic world at each size in a folder of its own and return a table.

    Args:
        settings: Seed, regions and days; the data folder is not touched.
        factors: Sizes as multiples of the demo's 150 services.
        as_json: Return JSON instead of a table.

    Returns:
        Seconds and peak memory by stage and size, and the last size relative to the first.
    """
    results = {f"{factor:g}x": _measure(settings, factor) for factor in factors}
    if as_json:
        plain = {size: asdict(result) for size, result in results.items()}
        return json.dumps(plain, indent=2, sort_keys=True)
    seconds = {size: result.seconds for size, result in results.items()}
    cpu = {size: result.cpu_seconds for size, result in results.items()}
    memory = {size: result.peak_memory_mb for size, result in results.items()}
    tables = [("seconds", seconds), ("processor seconds", cpu), ("peak memory, MB", memory)]
    return "\n\n".join(_table(what, sizes) for what, sizes in tables)


def _table(what: str, sizes: dict[str, dict[str, float]]) -> str:
    """Return one Markdown table: a row a stage, a column a size, and how the ends compare."""
    first, last = next(iter(sizes.values())), list(sizes.values())[-1]
    lines = [
        f"| {what} | " + " | ".join(sizes) + " | last / first |",
        "|---" + "|--:" * (len(sizes) + 1) + "|",
    ]
    for stage, value in first.items():
        cells = " | ".join(f"{values[stage]:,.1f}" for values in sizes.values())
        lines.append(f"| {stage} | {cells} | {last[stage] / max(value, 0.1):.1f} |")
    return "\n".join(lines)


def _measure(settings: Settings, factor: float) -> Measurement:
    services = max(25, round(_DEMO_SERVICES * factor))
    with tempfile.TemporaryDirectory(prefix="regionwise-bench-") as folder:
        print(f"building {services} services × {settings.regions} regions …", file=sys.stderr)
        # A process of its own: its peak memory must not hide behind an earlier size's.
        done = subprocess.run(
            [
                *(sys.executable, "-m", "regionwise", "build"),
                *("--services", str(services), "--regions", str(settings.regions)),
                *("--days", str(settings.days), "--seed", str(settings.seed)),
            ],
            cwd=ROOT,
            # A fleet ten times as large may move ten times as much.
            env=os.environ
            | {
                "REGIONWISE_DATA": folder,
                "REGIONWISE_MOVE_BUDGET": str(round(settings.move_budget * max(1.0, factor))),
            },
            # A large build takes its time: its steps are shown, beside the result.
            stdout=sys.stderr,
            check=False,
        )
        if done.returncode:
            words = f"the build of {services} services ended with exit code {done.returncode}"
            raise Stop(Exit(done.returncode), words)
        (report,) = (Path(folder) / "runs").glob("*.json")
        content = json.loads(report.read_text())
    return _measurement(content)


def _measurement(content: dict[str, Any]) -> Measurement:
    """Read a run report."""
    steps = content["steps"]
    seconds = {step["name"]: float(step["seconds"]) for step in steps}
    cpu = {step["name"]: float(step["cpu_seconds"] or 0) for step in steps}
    memory = {step["name"]: float(step["peak_memory_mb"] or 0) for step in steps}
    return Measurement(
        seconds | {"total": float(content["seconds"])},
        cpu | {"total": sum(cpu.values())},
        memory | {"total": float(content["peak_memory_mb"])},
    )
