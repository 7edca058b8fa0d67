"""Sizes of the small world that the whole room shares, and where it was written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from generator.synthetic.generate import GenerateResult

SEED, SERVICES, REGIONS, DAYS = 42, 50, 5, 30


@dataclass(frozen=True)
class Dataset:
    raw: Path
    truth: Path
    result: GenerateResult
