"""Same seed and sizes, same bytes: for any number of threads, hash seed and process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from generator.synthetic import generate

_CODE = """
import sys
from pathlib import Path
from generator.synthetic import generate
folder = Path(sys.argv[1])
done = generate(folder / "raw", folder / "truth", seed=7, services=25, regions=6, days=9)
print(done.dataset_hash)
"""
# Changes only with a change of the world itself; say so in the changelog.
GOLDEN = "2f50172aeb881823bcd0e24622db66b959b405bdf6a86d28b5ee3dc56c38afd9"


@pytest.mark.parametrize(("threads", "hash_seed"), [("1", "1"), ("2", "987")])
def test_hash_of_the_dataset_is_golden_in_fresh_processes(
    tmp_path: Path, threads: str, hash_seed: str
) -> None:
    variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    env = os.environ | dict.fromkeys(variables, threads) | {"PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", _CODE, str(tmp_path)],
        env=env,
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == GOLDEN


def test_another_seed_is_another_world(tmp_path: Path) -> None:
    one, other = (
        generate(tmp_path / f"{seed}", tmp_path / "t", seed=seed, services=6, regions=2, days=2)
        for seed in (1, 2)
    )
    assert one.dataset_hash != other.dataset_hash


def test_a_second_run_replaces_the_first(tmp_path: Path) -> None:
    for seed in (1, 2, 1):
        found = generate(tmp_path / "raw", tmp_path / "t", seed=seed, services=6, regions=2, days=2)
        names = sorted(p.name for p in (tmp_path / "raw").iterdir())
        assert len(names) == len(found.rows) + 2


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    said: list[tuple[str, float]] = []
    generate(
        tmp_path / "raw",
        tmp_path / "truth",
        services=6,
        regions=1,
        days=2,
        progress=lambda step, share: said.append((step, share)),
    )
    shares = [share for _, share in said]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@pytest.mark.parametrize(
    ("sizes", "rule"),
    [({"services": 2}, "services"), ({"regions": 40}, "regions"), ({"days": 1}, "days")],
)
def test_impossible_sizes_are_refused(tmp_path: Path, sizes: dict[str, int], rule: str) -> None:
    with pytest.raises(ValueError, match=f"{rule} == "):
        generate(tmp_path / "raw", tmp_path / "truth", **sizes)
