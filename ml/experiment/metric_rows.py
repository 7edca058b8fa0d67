"""Rows of the metric catalogue: what is measured, in which role, and what is asked of it."""

from __future__ import annotations

from ml.experiment.config import GUARDRAIL_KINDS, ExperimentSettings
from ml.experiment.field_layer import DIAGNOSTICS
from ml.experiment.metrics import CATALOGUE
from ml.experiment.result_rows import Row

_MARGINS = {"margin_rel": "relative", "margin_abs": "absolute", "max": "maximum", "exact": "exact"}
_OFFERED = "requests offered"
_PARTS: dict[str, tuple[str, str]] = {
    "latency_mean": ("latency, every request not served at the 2000 ms time-out", _OFFERED),
    "latency_served_mean": ("latency of served requests", "requests served"),
    "cost_per_1m": ("compute, egress and storage at list price", "a million requests offered"),
    "egress_per_1m": ("egress at list price", "a million requests offered"),
    "error_rate": ("requests answered with an error", _OFFERED),
    "slo_violation_rate": ("requests above the objective of their service", _OFFERED),
    "unserved_share": ("requests never answered", _OFFERED),
    "max_region_utilisation": ("load of a region in its fullest hour", "its capacity"),
    "one_region_loss_served_share": (
        "requests still served after the worst loss of a region",
        _OFFERED,
    ),
    "worst_top20_service_latency": ("latency of one of the 20 heaviest services", "its requests"),
    "redundancy_min_regions": ("services with fewer regions than they need", "none"),
    "moves": ("regions added and removed", "none"),
}
_OTHERS = {
    "max_region_utilisation": ("share", "share"),
    "one_region_loss_served_share": ("share", "share"),
    "worst_top20_service_latency": ("ratio", "ms"),
    "redundancy_min_regions": ("count", "services"),
    "moves": ("count", "count"),
}


def metric_rows(settings: ExperimentSettings) -> list[Row]:
    """Return a row per metric and role, as registered."""
    rows = [_row(settings, name, "success") for name in settings.metrics.success]
    rows += [_row(settings, name, "guardrail") for name in settings.metrics.guardrails]
    return rows + [_row(settings, name, "diagnostic") for name in DIAGNOSTICS]


def _row(settings: ExperimentSettings, name: str, role: str) -> Row:
    known = CATALOGUE.get(name)
    kind, unit = _OTHERS.get(name, ("share", "share"))
    if known is not None:
        unit = known.unit
        kind = "quantile" if known.needs_histogram else "ratio"
        kind = "share" if known.scale == "difference" else kind
    quantile = known.q if known is not None and known.needs_histogram else None
    numerator, denominator = _PARTS.get(name, ("latency of all requests", "none"))
    families = {"success": "holm", "guardrail": "all_must_pass", "diagnostic": "none"}
    row: Row = {
        "experiment_id": settings.experiment_id,
        "metric": name,
        "role": role,
        "kind": kind,
        "quantile_share": quantile,
        "numerator": numerator,
        "denominator": denominator,
        "unit": unit,
        "is_lower_better": name != "one_region_loss_served_share",
        "smallest_effect_share": settings.mde.get(name) if role == "success" else None,
        "alpha": None if role == "diagnostic" else settings.alpha,
        "family": families[role],
    }
    if role == "guardrail":
        given = GUARDRAIL_KINDS[name]
        value = settings.metrics.guardrails[name].of(given)
        row["margin_kind"] = _MARGINS[given]
        row["margin"] = float(value) if isinstance(value, int | float) else None
    return row
