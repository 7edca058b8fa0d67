"""The front door of the synthetic world: one call writes the raw tables and the truth store."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from generator.synthetic.dirt import Ledger
from generator.synthetic.export import write_tables
from generator.synthetic.foundation import make_foundation
from generator.synthetic.history import Progress, make_history
from generator.synthetic.land import write_register
from generator.synthetic.truth import write_truth


@dataclass(frozen=True)
class GenerateResult:
    """What was written.

    Attributes:
        rows: Rows by raw table.
        dataset_hash: Hash over all raw tables.
    """

    rows: dict[str, int]
    dataset_hash: str


def generate(
    out_dir: Path,
    truth_dir: Path,
    *,
    seed: int = 42,
    services: int = 150,
    regions: int = 5,
    days: int = 90,
    progress: Progress | None = None,
) -> GenerateResult:
    """Write a synthetic dataset in the landed form, and apart from it its truth.

    Args:
        out_dir: ``data/raw``; its tables are replaced as a set.
        truth_dir: ``data/truth``; read by the audit and by tests only.
        seed: Seed of the world; the same seed and sizes give the same bytes.
        services: Number of services, 5 to 24,975.
        regions: Number of regions, 1 to what the facts know (21).
        days: Number of days from 2026-06-01 on, at least 2.
        progress: Called with a step and the share of the work that is done.

    Returns:
        Rows by table, and the hash of the dataset.

    Raises:
        ValueError: If a size is out of range.
    """
    if not 2 <= days <= 3650:
        msg = f"days == {days}, must be between 2 and 3650"
        raise ValueError(msg)
    base = make_foundation(seed, services, regions)
    past = make_history(base, days, progress)
    ledger = Ledger()
    incoming = out_dir / ".incoming"
    shutil.rmtree(incoming, ignore_errors=True)
    incoming.mkdir(parents=True)
    landed = write_tables(incoming, base, past, ledger)
    what = f"synthetic world: {services} services, {regions} regions, {days} days, seed {seed}"
    dataset_hash = write_register(incoming, landed, seed, what)
    write_truth(truth_dir, base, past, ledger)
    # The register goes last: whoever reads it finds all tables of the same set beside it.
    for path in sorted(incoming.iterdir(), key=lambda p: (p.name.startswith("landed"), p.name)):
        path.replace(out_dir / path.name)
    incoming.rmdir()
    if progress is not None:
        progress("written", 1.0)
    return GenerateResult({entry.table: entry.rows for entry in landed}, dataset_hash)
