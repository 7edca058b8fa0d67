"""Compiled loops: never older than their sources, and the same figures without a compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ml.placement.graph import kernel, kernel_follow, kernel_set
from ml.placement.kernel.jit import source_stamp

_ROOT = Path(__file__).parents[3]

_FIGURES = """
import sys
if sys.argv[1] == "interpreted":
    sys.modules["numba"] = None
import numpy as np
from ml.placement.bench.fleet import bench_fleet
from ml.placement.facility import solve
from ml.placement.graph.passes import Passes
from ml.placement.graph.problem import graph_problem
from ml.placement.graph.starts import nearest_starts
from ml.placement.kernel.jit import is_available
from tests.ml.placement.facility.families import small_medians, small_warehouses

print(is_available(), file=sys.stderr)
problem = graph_problem(bench_fleet(30, 4, seed=3, call_graph=True))
passes, rent = Passes(problem), np.full(4, 0.002)
for sets in nearest_starts(problem):
    sets, cost = passes.settled(sets, rent, 5)
    print(repr(cost), sets.tolist(), passes.use().tolist())
point = passes.dual(passes.state.reply.copy(), 0.0 * rent)
print(repr(point.lower_usd), point.edge_slope.tolist(), passes.built(point, rent).tolist())
for seed in range(4):
    for drawn in (small_medians(seed, 9, 3), small_warehouses(seed, 6, 7)):
        found = solve(drawn)
        plan = found.plan
        print(repr(plan.cost), plan.sites.tolist(), repr(found.lower_bound), found.steps)
"""

_SETTLED = """
import numpy as np
from ml.placement.bench.fleet import bench_fleet
from ml.placement.graph.passes import Passes
from ml.placement.graph.problem import graph_problem
from ml.placement.graph.starts import nearest_starts

problem = graph_problem(bench_fleet(10, 3, call_graph=True))
sets = next(nearest_starts(problem))
print(Passes(problem).settled(sets, np.zeros(3), 0)[1])
"""


def _run(code: str, *arguments: str, root: Path = _ROOT, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", **env},
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )


def test_loops_give_the_same_figures_without_the_compiler() -> None:
    compiled, plain = _run(_FIGURES, "compiled"), _run(_FIGURES, "interpreted")
    assert (compiled.stderr.strip(), plain.stderr.strip()) == ("True", "False")
    assert compiled.stdout == plain.stdout
    assert len(plain.stdout.splitlines()) == 2 + 1 + 8


def test_every_loop_of_the_call_graph_closes_over_the_stamp_of_all_of_them() -> None:
    folder = Path(kernel.__file__).parent
    stamp = source_stamp(folder.glob("kernel*.py"))
    for loop in (
        kernel.dual_pass,
        kernel.cheapest_callers,
        kernel_follow.follow_pass,
        kernel_set.best_set,
    ):
        cells = loop.py_func.__closure__  # type: ignore[attr-defined]
        assert [cell.cell_contents for cell in cells] == [stamp]


def test_a_change_in_one_file_of_loops_is_seen_by_a_loop_kept_from_before(tmp_path: Path) -> None:
    root, kept = tmp_path / "sources", {"NUMBA_CACHE_DIR": str(tmp_path / "kept")}
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(_ROOT / "ml", root / "ml", ignore=skip)
    before = _run(_SETTLED, root=root, **kept).stdout
    assert float(before) > 0
    changed = root / "ml/placement/graph/kernel_set.py"
    text = changed.read_text(encoding="utf-8")
    assert text.count("work.cost[clients, r] = d * (") == 1
    text = text.replace("work.cost[clients, r] = d * (", "work.cost[clients, r] = 2.0 * d * (")
    changed.write_text(text, encoding="utf-8")
    after = _run(_SETTLED, root=root, **kept).stdout
    assert float(after) > 1.1 * float(before)
