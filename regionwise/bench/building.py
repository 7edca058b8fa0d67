"""Measures a build: seconds of every stage and peak memory, at several sizes, one after another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from regionwise.config import ROOT, Settings
from regionwise.exits import Exit, Stop

_DEMO_SERVICES = 150


@dataclass(frozen=True)
class Measurement:
    """One build: seconds by stage, and the largest resident set of any of its processes."""

    seconds: dict[str, float]
    peak_memory_mb: float


def run(settings: Settings, factors: tuple[float, ...], *, as_json: bool = False) -> str:
    """Build the synthetic world at each size in a folder of its own and return a table.

    Args:
        settings: Seed, regions and days; the data folder is not touched.
        factors: Sizes as multiples of the demo's 150 services.
        as_json: Return JSON instead of a table.

    Returns:
        Seconds by stage and peak memory by size, and each size relative to the first.
    """
    results = {f"{factor:g}x": _measure(settings, factor) for factor in factors}
    if as_json:
        plain = {size: asdict(result) for size, result in results.items()}
        return json.dumps(plain, indent=2, sort_keys=True)
    first = next(iter(results.values()))
    lines = [
        "| stage | " + " | ".join(results) + " | last / first |",
        "|---" * (len(results) + 2) + "|",
    ]
    for stage in first.seconds:
        values = [result.seconds.get(stage, float("nan")) for result in results.values()]
        cells = " | ".join(f"{value:.1f} s" for value in values)
        lines.append(f"| {stage} | {cells} | {values[-1] / max(values[0], 1e-9):.1f} |")
    peaks = [result.peak_memory_mb for result in results.values()]
    cells = " | ".join(f"{peak:,.0f} MB" for peak in peaks)
    lines.append(f"| peak memory | {cells} | {peaks[-1] / peaks[0]:.1f} |")
    return "\n".join(lines)


def _measure(settings: Settings, factor: float) -> Measurement:
    services = max(25, round(_DEMO_SERVICES * factor))
    with tempfile.TemporaryDirectory(prefix="regionwise-bench-") as folder:
        print(f"building {services} services × {settings.regions} regions …", file=sys.stderr)
        # A process of its own: its peak memory must not hide behind an earlier size's.
        done = subprocess.run(
            [
                *(sys.executable, "-m", "regionwise", "build", "--json"),
                *("--services", str(services), "--regions", str(settings.regions)),
                *("--days", str(settings.days), "--seed", str(settings.seed)),
            ],
            cwd=ROOT,
            # A fleet ten times as large may move ten times as much.
            env=os.environ
            | {
                "REGIONWISE_DATA": str(Path(folder)),
                "REGIONWISE_MOVE_BUDGET": str(round(settings.move_budget * max(1.0, factor))),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise Stop(Exit(done.returncode), done.stderr.strip())
    content = json.loads(done.stdout)
    seconds = {step["name"]: float(step["seconds"]) for step in content["steps"]}
    seconds["total"] = sum(seconds.values())
    return Measurement(seconds, float(content["peak_memory_mb"]))
