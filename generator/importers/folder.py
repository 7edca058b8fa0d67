"""Lands a folder of CSV or Parquet files in the raw contract's form.

The folder holds ``<table>.csv``, ``<table>.csv.gz`` or ``<table>.parquet`` for every contract table
that its owner has. Everything is read as text first and typed afterwards: nothing is guessed from
the data, and nothing is dropped. What a single row does wrong is left to dbt's staging, which
quarantines it; what makes a whole file unusable stops here, before anything downstream changes.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from generator.importers._landing import LandResult, land_into
from generator.importers._table import LandedTable
from generator.importers.validate import ValidationReport, validate

__all__ = ["LandResult", "LandedTable", "ValidationReport", "land", "validate"]


def land(source: Path, raw_dir: Path, *, description: str | None = None) -> LandResult:
    """Land ``source`` as the raw set ``raw_dir``, or leave ``raw_dir`` as it was.

    Args:
        source: Folder of one file per table.
        raw_dir: The raw set, replaced as a whole.
        description: What the data are, for the run report; the folder's name by default.

    Raises:
        ContractError: With every finding over all files, when the contract is broken.
    """
    raw_dir.parent.mkdir(parents=True, exist_ok=True)
    # In the same parent: only within one file system is a rename one step. One fixed name, as the
    # build's lock keeps others away: what a killed landing left is cleared by the next.
    staging = raw_dir.parent / f".{raw_dir.name}.landing"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        result = land_into(source, staging, description=description)
        _replace(staging, raw_dir)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return result


def _replace(staging: Path, raw_dir: Path) -> None:
    """Put ``staging`` where ``raw_dir`` is; a reader sees the old set, or the new one, whole."""
    if not raw_dir.exists():
        staging.rename(raw_dir)
        return
    former = raw_dir.parent / f".{raw_dir.name}.former"
    shutil.rmtree(former, ignore_errors=True)
    raw_dir.rename(former)
    try:
        staging.rename(raw_dir)
    except OSError:
        former.rename(raw_dir)
        raise
    shutil.rmtree(former, ignore_errors=True)
