"""Judges one edge of a data folder, keeps the record, and says in words what came of it."""

from __future__ import annotations

import json
from pathlib import Path

from regionwise.judge import Judgement, engine
from regionwise.judge.model import Kind

# The front desk's codes: 3 means the input broke its contract, 4 that data tests failed.
EXIT_CODES: dict[Kind, int] = {"raw": 3, "predictions": 4}


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


def words(judgement: Judgement) -> str:
    """Say what was judged, and every expectation that did not hold."""
    counts = f"{judgement.checks} expectations on {judgement.tables} tables"
    if not judgement.failures:
        return f"{judgement.kind}: {counts}, all held ({judgement.docs})"
    lines = [f"{judgement.kind}: {counts}, {len(judgement.failures)} failed"]
    lines += [f"  {failure}" for failure in judgement.failures]
    return "\n".join([*lines, f"  details: {judgement.docs}"])


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
