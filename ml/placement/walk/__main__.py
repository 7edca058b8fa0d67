"""Compile the walk on a small fleet, so that no build waits for it: ``python -m``."""

from __future__ import annotations

from ml.placement.bench.fleet import bench_fleet
from ml.placement.search.solve import solve

if __name__ == "__main__":
    solve(bench_fleet(6, 3, call_graph=True), quick=True)
