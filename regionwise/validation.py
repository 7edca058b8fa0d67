"""``regionwise validate``: what is wrong with a folder of raw tables, before anything is built."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from regionwise.exits import Exit


def validate(folder: Path) -> tuple[str, dict[str, Any], int]:
    """Check a folder against the raw contract.

    Returns:
        The findings in words, the same as data, and the exit code.
    """
    from generator.importers import folder as importer

    result = importer.validate(folder)
    content = asdict(result)
    return str(result), content, Exit.INPUT_REFUSED if result.findings else Exit.DONE
