"""From outcomes to metrics: exact integer sums first, one division last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ml.experiment.histogram import quantile, quantiles
from ml.experiment.world import HOURS_PER_DAY, TIMEOUT_MS, Outcomes

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Scale = Literal["log", "difference"]
CURVE: Floats = np.array([*range(1, 100), 99.5, 99.9]) / 100.0
"""Shares at which the whole distribution is compared: p1 to p99.9."""
COUNTS = (
    "offered",
    "served",
    "errored",
    "dropped",
    "latency_sum_us",
    "imputed_sum_us",
    "slo_violations",
)


@dataclass(frozen=True)
class Metric:
    """A metric of the catalogue; ``lower_is_better`` gives the direction."""

    name: str
    unit: str
    scale: Scale
    needs_histogram: bool = False
    q: float = 0.0
    lower_is_better: bool = True


CATALOGUE: dict[str, Metric] = {
    m.name: m
    for m in (
        Metric("latency_mean", "ms", "log"),
        Metric("latency_served_mean", "ms", "log"),
        Metric("latency_p50", "ms", "log", True, 0.50),
        Metric("latency_p95", "ms", "log", True, 0.95),
        Metric("latency_p99", "ms", "log", True, 0.99),
        Metric("cost_per_1m", "USD per million requests", "log"),
        Metric("egress_per_1m", "USD per million requests", "log"),
        Metric("error_rate", "share", "difference"),
        Metric("slo_violation_rate", "share", "difference"),
        Metric("unserved_share", "share", "difference"),
    )
}


@dataclass(frozen=True)
class Arm:
    """One plan's outcomes by service, origin and day, for all hours and after the warm-up.

    ``counts`` and ``counts_warm`` map a name of :data:`COUNTS` to int64 (S, O, D); money is
    int64 micro-dollars (S, D) over all hours, because cost has no hours. Histograms (D, B) count
    every request, those not served at the time-out.
    """

    service_ids: tuple[str, ...]
    origin_ids: tuple[str, ...]
    region_ids: tuple[str, ...]
    days: tuple[date, ...]
    counts: dict[str, Ints]
    counts_warm: dict[str, Ints]
    money: dict[str, Ints]
    max_utilisation: float
    n1_served_share: Floats
    histogram: Floats | None
    histogram_warm: Floats | None
    edges_ms: Floats

    def total_usd(self) -> float:
        """Return compute, egress and storage of all services and days, USD."""
        return sum(int(part.sum()) for part in self.money.values()) / 1e6


def reduce_outcomes(outcomes: Outcomes, warmup_hours: int = 4) -> Arm:
    """Sum hourly outcomes to days, exactly, and let go of the hours."""
    days = len(outcomes.days)
    counts, warm = {}, {}
    for name in COUNTS:
        # Counts that are no integers are the gate's to refuse, and it wants a full set of checks.
        cells = np.asarray(getattr(outcomes, name)).astype(np.int64, copy=False)
        hourly = cells.reshape(*cells.shape[:2], days, HOURS_PER_DAY)
        # Whole numbers add up exactly in any order; along so short an axis this one is faster.
        counts[name] = np.einsum("sodh->sod", hourly)
        warm[name] = counts[name] - np.einsum("sodh->sod", hourly[..., :warmup_hours])
    money = {
        name: np.asarray(getattr(outcomes, f"{name}_microusd"), dtype=np.int64)
        for name in ("compute", "egress", "storage")
    }
    return Arm(
        tuple(outcomes.service_ids),
        tuple(outcomes.origin_ids),
        tuple(outcomes.region_ids),
        tuple(outcomes.days),
        counts,
        warm,
        money,
        float(np.max(outcomes.region_utilisation, initial=0.0)),
        np.asarray(outcomes.n1_served_share, dtype=np.float64),
        _with_unserved(outcomes.histogram, outcomes.bin_edges_ms, counts),
        _with_unserved(outcomes.histogram_after_warmup, outcomes.bin_edges_ms, warm),
        np.asarray(outcomes.bin_edges_ms, dtype=np.float64),
    )


def _with_unserved(
    histogram: NDArray[Any] | None, edges_ms: NDArray[Any], counts: dict[str, Ints]
) -> Floats | None:
    """Return the histogram with every request not served at the time-out; None if it is empty.

    Without this, an arm could improve its p95 by not answering.
    """
    if histogram is None or not np.any(histogram):
        return None
    full = np.array(histogram, dtype=np.float64)
    unserved = (counts["offered"] - counts["served"]).sum(axis=(0, 1))
    full[:, int(np.searchsorted(edges_ms, TIMEOUT_MS, side="right")) - 1] += unserved
    return full


@dataclass(frozen=True)
class Cut:
    """Which services, origins and days a metric is taken over; None means all."""

    services: NDArray[np.bool_] | None = None
    origins: NDArray[np.bool_] | None = None
    days: NDArray[np.int64] | None = None


ALL = Cut()


def daily_parts(
    arm: Arm, name: str, *, warm: bool = False, cut: Cut = ALL
) -> tuple[Ints, Ints, float]:
    """Return numerator and denominator per day, and the factor from their ratio to the unit."""
    counts = arm.counts_warm if warm else arm.counts

    def total(key: str) -> Ints:
        return _sum_cells(counts[key], cut)

    if name == "latency_mean":
        return total("imputed_sum_us"), total("offered"), 1e-3
    if name == "latency_served_mean":
        return total("latency_sum_us"), total("served"), 1e-3
    if name == "error_rate":
        return total("errored"), total("offered"), 1.0
    if name == "slo_violation_rate":
        return total("slo_violations"), total("offered"), 1.0
    if name == "unserved_share":
        return total("dropped"), total("offered"), 1.0
    kinds = {"cost_per_1m": tuple(sorted(arm.money)), "egress_per_1m": ("egress",)}[name]
    cost: Ints = np.array([_sum_money(arm.money[kind], cut) for kind in kinds]).sum(axis=0)
    # Money has no hours and no origins: its requests are those of the whole day and all origins.
    offered = _sum_cells(arm.counts["offered"], Cut(cut.services, None, cut.days))
    return cost, offered, 1.0


def _sum_cells(cells: Ints, cut: Cut) -> Ints:
    if cut.services is not None:
        cells = cells[cut.services]
    if cut.origins is not None:
        cells = cells[:, cut.origins]
    if cut.days is not None:
        cells = cells[..., cut.days]
    result: Ints = cells.sum(axis=(0, 1), dtype=np.int64)
    return result


def _sum_money(cells: Ints, cut: Cut) -> Ints:
    if cut.services is not None:
        cells = cells[cut.services]
    if cut.days is not None:
        cells = cells[..., cut.days]
    result: Ints = cells.sum(axis=0, dtype=np.int64)
    return result


def total_value(arm: Arm, name: str, *, warm: bool = False, cut: Cut = ALL) -> float:
    """Return one metric over the whole period: sums first, then one division. NaN if undefined."""
    metric = CATALOGUE[name]
    if metric.needs_histogram:
        counts = arm.histogram_warm if warm else arm.histogram
        if counts is None or cut.services is not None or cut.origins is not None:
            return math.nan
        days = counts if cut.days is None else counts[cut.days]
        return quantile(days.sum(axis=0), arm.edges_ms, metric.q)
    top, bottom, factor = daily_parts(arm, name, warm=warm, cut=cut)
    denominator = int(bottom.sum())
    return int(top.sum()) * factor / denominator if denominator else math.nan


def n1_served_share(arm: Arm, cut: Cut = ALL) -> float:
    """Return the share still served after each service's worst loss of a region, by requests."""
    days = slice(None) if cut.days is None else cut.days
    offered: Ints = arm.counts["offered"][:, :, days].sum(axis=(1, 2))
    total = int(offered.sum())
    return float((arm.n1_served_share * offered).sum() / total) if total else math.nan


def daily_values(arm: Arm, name: str, *, warm: bool = False, cut: Cut = ALL) -> Floats:
    """Return one metric for each day, shape (D,); NaN where a day cannot tell it."""
    metric = CATALOGUE[name]
    if metric.needs_histogram:
        counts = arm.histogram_warm if warm else arm.histogram
        if counts is None or cut.services is not None or cut.origins is not None:
            return np.full(len(arm.days), math.nan)
        return np.array([quantile(row, arm.edges_ms, metric.q) for row in counts])
    top, bottom, factor = daily_parts(arm, name, warm=warm, cut=cut)
    with np.errstate(divide="ignore", invalid="ignore"):
        values: Floats = np.where(bottom > 0, top * factor / bottom, math.nan)
    return values


def fleet_curve(arm: Arm) -> Floats:
    """Return the fleet's quantiles at :data:`CURVE` over all days, ms, shape (Q,); NaN unknown."""
    if arm.histogram is None:
        return np.full(CURVE.size, math.nan)
    return quantiles(arm.histogram.sum(axis=0), arm.edges_ms, CURVE)


def effect(treatment: float, control: float, scale: Scale) -> float:
    """Return the log ratio, or the difference for shares that may be 0; NaN if undefined."""
    if math.isnan(treatment) or math.isnan(control):
        return math.nan
    if scale == "difference":
        return treatment - control
    if treatment <= 0 or control <= 0:
        return math.nan
    return math.log(treatment) - math.log(control)


def relative(theta: float | None) -> float | None:
    """Return a log ratio as a share: ``exp(theta) - 1``; None stays None."""
    return None if theta is None or math.isnan(theta) else math.expm1(theta)


def service_values(arm: Arm, name: str = "latency_mean") -> Floats:
    """Return the metric of each service over all days and origins, shape (S,)."""
    if name != "latency_mean":
        msg = f"name == {name!r}, must be 'latency_mean'"
        raise ValueError(msg)
    top = arm.counts["imputed_sum_us"].sum(axis=(1, 2), dtype=np.int64)
    bottom = arm.counts["offered"].sum(axis=(1, 2), dtype=np.int64)
    with np.errstate(divide="ignore", invalid="ignore"):
        values: Floats = np.where(bottom > 0, top / 1e3 / bottom, math.nan)
    return values


def day_positions(arm: Arm, wanted: Sequence[date]) -> NDArray[np.int64]:
    """Return where ``wanted`` days sit in the arm."""
    position = {day: index for index, day in enumerate(arm.days)}
    return np.array([position[day] for day in wanted], dtype=np.int64)
