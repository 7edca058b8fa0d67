"""Runs batches through Great Expectations, in memory, and writes the result as static pages."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from regionwise.judge.model import Batch, Failure, Judgement, Kind

# Tags of the pages that would fetch something from another machine when somebody opens them.
_OUTSIDE = re.compile(
    r"<script[^>]*\bsrc=[\"']https?://[^>]*>\s*</script>"
    r"|<link[^>]*\bhref=[\"']https?://[^>]*>"
    r"|<img[^>]*\bsrc=[\"']https?://[^>]*>"
    r"|url\([\"']?https?://[^)]*\)",
    re.IGNORECASE,
)
_STYLE = (
    "<style>body{font:15px sans-serif;margin:1rem}table{border-collapse:collapse}"
    "td,th{border:1px solid #999;padding:.3rem;vertical-align:top}.modal{display:none}</style>"
)
_SHOWN_VALUES = 3


def load() -> None:
    """Import the library now: it takes seconds, which may pass while others still work."""
    import great_expectations  # noqa: F401


def run(kind: Kind, batches: Sequence[Batch], docs: Path) -> Judgement:
    """Judge ``batches`` and write the Data Docs to the folder ``docs``, replacing it.

    Args:
        kind: Which edge is judged; names the run in the pages.
        batches: Frames with their checks; a batch without checks is left out.
        docs: Folder of the pages.
    """
    shutil.rmtree(docs, ignore_errors=True)
    context = _context(docs)
    judged = [batch for batch in batches if batch.checks]
    failures = _failures(context, judged)
    context.build_data_docs()
    _keep_inside(docs)
    checks = sum(len(batch.checks) for batch in judged)
    return Judgement(kind, len(judged), checks, failures, docs / "index.html")


def failures(batches: Sequence[Batch]) -> tuple[Failure, ...]:
    """Judge ``batches`` without writing anything; see :func:`run`."""
    return _failures(_context(None), [batch for batch in batches if batch.checks])


def _context(docs: Path | None) -> Any:
    """Return a context that lives in memory, apart from its pages."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
    )

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    pages = {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {
            "class_name": "TupleFilesystemStoreBackend",
            "base_directory": str(docs.resolve()) if docs else "",
        },
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }
    config = DataContextConfig(
        # Else every run would leave a folder of pages behind in the system's temporary folder.
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        data_docs_sites={"pages": pages} if docs else {},
        analytics_enabled=False,
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    context.variables.progress_bars = {"globally": False}
    return context


def _failures(context: Any, batches: Sequence[Batch]) -> tuple[Failure, ...]:
    source = context.data_sources.add_pandas("frames")
    found: list[Failure] = []
    for batch in batches:
        results = _validate(context, source, batch).results
        found.extend(_failure(batch, r) for r in results if not r.success)
    return tuple(sorted(found))


def _validate(context: Any, source: Any, batch: Batch) -> Any:
    import great_expectations as gx

    expectations = [
        getattr(gx.expectations, check.expectation)(
            **check.arguments,
            notes=check.expected,
            meta={"rule": check.rule, "expected": check.expected, "subject": check.subject},
        )
        for check in batch.checks
    ]
    suite = context.suites.add(gx.ExpectationSuite(batch.table, expectations=expectations))
    asset = source.add_dataframe_asset(batch.table)
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(
            name=batch.table, data=asset.add_batch_definition_whole_dataframe("all"), suite=suite
        )
    )
    return definition.run(batch_parameters={"dataframe": batch.frame})


def _failure(batch: Batch, result: Any) -> Failure:
    config = result.expectation_config
    meta = config.meta or {}
    subject = meta.get("subject") or config.kwargs.get("column", "")
    return Failure(batch.table, subject, meta["rule"], meta["expected"], _observed(result))


def _observed(result: Any) -> str:
    """Say what was seen: a value, or the share of values that were not expected."""
    info = result.exception_info or {}
    if info.get("raised_exception"):
        return f"the expectation could not be computed ({info.get('exception_message')})"
    nested = [v for v in info.values() if isinstance(v, dict) and v.get("raised_exception")]
    if nested:
        return f"the expectation could not be computed ({nested[0].get('exception_message')})"
    found = result.result
    if "unexpected_percent" in found and found["unexpected_percent"] is not None:
        examples = _examples(found.get("partial_unexpected_list") or [])
        return f"{found['unexpected_percent']:.2f} % otherwise{examples}"
    if found.get("missing_count"):
        return f"{found['missing_count']} missing{_examples(found['partial_missing_list'])}"
    return _short(found.get("observed_value"))


def _examples(values: Iterable[object]) -> str:
    shown = list(dict.fromkeys(_short(v) for v in values))[:_SHOWN_VALUES]
    return f", such as {', '.join(shown)}" if shown else ""


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 200 else text[:197] + "..."


def _keep_inside(docs: Path) -> None:
    """Remove what the pages would fetch from other machines; they stay plain but readable."""
    for page in sorted(docs.rglob("*.html")):
        text = _OUTSIDE.sub("", page.read_text(encoding="utf-8"))
        page.write_text(text.replace("</head>", _STYLE + "</head>", 1), encoding="utf-8")
