"""``python -m regionwise.judge raw|predictions``: exit 0, 3 (raw) or 4 (predictions)."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from regionwise.judge import Judgement, engine
from regionwise.judge.model import Kind

# The front desk's codes: 3 means the input broke its contract, 4 that data tests failed.
_EXIT_CODES: dict[Kind, int] = {"raw": 3, "predictions": 4}


def judge(kind: Kind, data: Path) -> Judgement:
    """Judge one edge of the data folder ``data``; see :class:`Judgement`.

    Writes Data Docs to ``build/data_docs/<kind>`` and ``build/judgement_<kind>.json``.
    """
    if kind == "raw":
        from regionwise.judge import raw

        batches = raw.batches(data / "raw")
    else:
        from regionwise.judge import predictions

        batches = predictions.batches(data / "predictions", data / "build" / "warehouse.duckdb")
    judgement = engine.run(kind, batches, data / "build" / "data_docs" / kind)
    _record(judgement, data)
    return judgement


def _record(judgement: Judgement, data: Path) -> None:
    record = {
        "kind": judgement.kind,
        "tables": judgement.tables,
        "expectations": judgement.checks,
        "failures": [vars(failure) for failure in judgement.failures],
        "data_docs": str(judgement.docs.relative_to(data)),
    }
    path = data / "build" / f"judgement_{judgement.kind}.json"
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge, print what failed, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m regionwise.judge", description=__doc__)
    parser.add_argument("kind", choices=sorted(_EXIT_CODES))
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("REGIONWISE_DATA", "data"))
    )
    options = parser.parse_args(arguments)
    judgement = judge(options.kind, options.data.resolve())
    counts = f"{judgement.checks} expectations on {judgement.tables} tables"
    if not judgement.failures:
        print(f"{options.kind}: {counts}, all held ({judgement.docs})")
        return 0
    print(f"{options.kind}: {counts}, {len(judgement.failures)} failed", file=sys.stderr)
    for failure in judgement.failures:
        print(f"  {failure}", file=sys.stderr)
    print(f"  details: {judgement.docs}", file=sys.stderr)
    return _EXIT_CODES[judgement.kind]


if __name__ == "__main__":
    sys.exit(main())
