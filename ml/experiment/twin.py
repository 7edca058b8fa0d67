"""The twin: both plans on the same demand and the same random numbers. No p-value.

Three passes. The *full* run (replication 0, every evaluation day, histograms) gives the level.
*Replications* run every day again with other random numbers: the estimate is their mean, so that an
incident of one replication counts once in R, and never more. *Input draws* run a few days with
uncertain inputs and the random numbers of the full run; what they move is added to the mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from ml.experiment.config import ExperimentSettings, Inputs
from ml.experiment.estimate import TwinEstimate, scale_of
from ml.experiment.metrics import (
    ALL,
    CATALOGUE,
    Arm,
    Cut,
    Floats,
    day_positions,
    effect,
    fleet_curve,
    n1_served_share,
    reduce_outcomes,
    total_value,
)
from ml.experiment.rng import generator
from ml.experiment.world import World

DETAIL_METRICS = frozenset({"latency_p50", "latency_p95", "latency_p99", "slo_violation_rate"})
N1 = "one_region_loss_served_share"
UTILISATION = "max_region_utilisation"
TOP_SERVICES = 20
Snapshot = Mapping[str, float]


@dataclass(frozen=True)
class TwinResult:
    """Both arms of the full run and the estimates of every metric.

    ``curves`` holds the fleet's quantiles by arm, of the full run first and then of every
    replication with histograms, milliseconds, shape (replications, Q).
    """

    control: Arm
    treatment: Arm
    estimates: dict[str, TwinEstimate]
    top_services: tuple[str, ...]
    utilisation_worst: dict[str, float]
    notes: tuple[str, ...]
    curves: dict[str, Floats]


_Snapshots = dict[str, Snapshot]


@dataclass(frozen=True)
class _Pair:
    """Snapshots of both arms with other inputs, and of the full run on the same days."""

    treatment: Snapshot
    control: Snapshot
    base_treatment: Snapshot
    base_control: Snapshot


def snapshot(arm: Arm, top: Sequence[str], cut: Cut = ALL, *, detail: bool = True) -> Snapshot:
    """Return every twin metric of one arm over the days of ``cut``."""
    values = {
        name: total_value(arm, name, cut=cut)
        for name in CATALOGUE
        if detail or name not in DETAIL_METRICS
    }
    position = {service: index for index, service in enumerate(arm.service_ids)}
    days = slice(None) if cut.days is None else cut.days
    for service in top:
        index = position[service]
        offered = int(arm.counts["offered"][index][:, days].sum())
        spent = int(arm.counts["imputed_sum_us"][index][:, days].sum())
        values[f"service:{service}"] = spent / 1e3 / offered if offered else math.nan
    values[N1] = n1_served_share(arm, cut)
    values[UTILISATION] = arm.max_utilisation
    return values


def top_services(arm: Arm, count: int = TOP_SERVICES) -> tuple[str, ...]:
    """Return the services with the most requests, ties by id."""
    offered = arm.counts["offered"].sum(axis=(1, 2))
    order = sorted(range(len(arm.service_ids)), key=lambda i: (-int(offered[i]), i))
    return tuple(arm.service_ids[i] for i in order[:count] if offered[i] > 0)


def rotate(days: Sequence[date], index: int, length: int) -> list[date]:
    """Return ``length`` neighbouring days, the window moving on with ``index``, sorted.

    Example:
        >>> rotate([date(2026, 1, d) for d in (1, 2, 3, 4)], 1, 2)
        [datetime.date(2026, 1, 3), datetime.date(2026, 1, 4)]
    """
    length = min(length, len(days))
    start = index * length % len(days)
    return sorted(days[(start + offset) % len(days)] for offset in range(length))


def input_draws(inputs: Inputs, count: int, *seed_parts: object) -> list[dict[str, float]]:
    """Return log-normal factors around 1 for each uncertain input."""
    spreads = inputs.model_dump()
    normals = generator(*seed_parts, "inputs").standard_normal((count, len(spreads)))
    return [
        {name: math.exp(spreads[name] * z) for name, z in zip(sorted(spreads), row, strict=True)}
        for row in normals
    ]


class Twin:
    """Runs the passes of one experiment in one world."""

    def __init__(
        self,
        world: World,
        plans: Mapping[str, pd.DataFrame],
        settings: ExperimentSettings,
        full: Mapping[str, Arm],
    ) -> None:
        self._world = world
        self._plans = plans
        self._settings = settings
        self._full = full
        self._days = list(full["control"].days)
        self._top = top_services(full["control"])
        self._bases: dict[tuple[object, ...], Snapshot] = {}
        self._curves = {name: [fleet_curve(arm)] for name, arm in full.items()}

    def _pair(self, days: list[date], inputs: Mapping[str, float], *, detail: bool) -> _Pair:
        snaps: dict[str, Snapshot] = {}
        for arm in ("treatment", "control"):
            outcomes = self._world.run(self._plans[arm], days, inputs=inputs, detail=detail)
            snaps[arm] = snapshot(reduce_outcomes(outcomes), self._top, detail=detail)
            snaps[f"base_{arm}"] = self._base(arm, days, detail=detail)
        return _Pair(**snaps)

    def _base(self, arm: str, days: list[date], *, detail: bool) -> Snapshot:
        """Return the full run on some days; many runs share their days."""
        key = (arm, *days, detail)
        if key not in self._bases:
            cut = Cut(days=day_positions(self._full[arm], days))
            self._bases[key] = snapshot(self._full[arm], self._top, cut, detail=detail)
        return self._bases[key]

    def replications(self) -> tuple[list[_Snapshots], list[_Snapshots]]:
        """Return every replication but number 0, and those of them that carry histograms."""
        twin = self._settings.twin
        found = []
        for number in range(1, twin.replications):
            detail = number < twin.detail_replications
            snaps: _Snapshots = {}
            for name in ("treatment", "control"):
                outcomes = self._world.run(
                    self._plans[name], self._days, replication=number, detail=detail
                )
                arm = reduce_outcomes(outcomes)
                snaps[name] = snapshot(arm, self._top, detail=detail)
                if detail:
                    self._curves[name].append(fleet_curve(arm))
            found.append(snaps)
        return found, found[: max(0, twin.detail_replications - 1)]

    def draws(self) -> list[_Pair]:
        """Return one pair per input draw; the first ``input_detail_draws`` have histograms."""
        twin, settings = self._settings.twin, self._settings
        factors = input_draws(
            settings.inputs, twin.input_draws, settings.experiment_id, settings.seed
        )
        rich, plain = twin.input_detail_draws, twin.input_draws - twin.input_detail_draws
        return [
            self._pair(
                self._window(index, rich, twin.input_windows, twin.input_days)
                if index < rich
                else self._window(index - rich, plain, twin.input_windows, twin.input_days),
                drawn,
                detail=index < rich,
            )
            for index, drawn in enumerate(factors)
        ]

    def _window(self, index: int, count: int, parts: int, length: int) -> list[date]:
        """Return the days of run ``index`` out of ``count``, spread over ``parts`` windows.

        Neighbouring runs share their days, because a world keeps the demand it made last; the
        windows are spread over the whole evaluation.
        """
        windows = max(1, len(self._days) // length)
        parts = min(parts, windows)
        part = index * parts // max(count, 1)
        return rotate(self._days, part * windows // parts, length)

    def result(self) -> TwinResult:
        """Run all passes and estimate every metric."""
        return self.estimate(self.replications(), self.draws())

    def estimate(
        self, repeated: tuple[list[_Snapshots], list[_Snapshots]], drawn: list[_Pair]
    ) -> TwinResult:
        """Estimate every metric from the passes; see :meth:`replications` and :meth:`draws`."""
        plain, detailed = repeated
        base = {arm: snapshot(self._full[arm], self._top) for arm in ("control", "treatment")}
        estimates = {}
        for name in base["control"]:
            has_detail = name in DETAIL_METRICS
            replications = detailed if has_detail else plain
            usable = drawn[: self._settings.twin.input_detail_draws] if has_detail else drawn
            estimates[name] = _estimate(name, base, replications, usable)
        return TwinResult(
            self._full["control"],
            self._full["treatment"],
            estimates,
            self._top,
            {
                arm: max(
                    [base[arm][UTILISATION]]
                    + [replication[arm][UTILISATION] for replication in plain]
                    + [getattr(pair, arm)[UTILISATION] for pair in drawn]
                )
                for arm in ("control", "treatment")
            },
            self._notes(len(detailed)),
            {name: np.array(curves) for name, curves in self._curves.items()},
        )

    def _notes(self, detailed: int) -> tuple[str, ...]:
        twin = self._settings.twin
        return (
            f"full run: {len(self._days)} days, every hour, replication 0",
            f"replications: {twin.replications}, all on every day; with histograms: {detailed + 1}",
            f"input draws: {twin.input_draws} on {twin.input_days} day(s) each "
            f"({twin.input_windows} different stretches), {twin.input_detail_draws} of them with "
            "histograms; levels come from the full run",
        )


def _estimate(
    name: str,
    base: Mapping[str, Snapshot],
    replications: Sequence[_Snapshots],
    drawn: Sequence[_Pair],
) -> TwinEstimate:
    scale = scale_of(name)
    full = effect(base["treatment"][name], base["control"][name], scale)
    others = [
        effect(each["treatment"][name], each["control"][name], scale) for each in replications
    ]

    def moved(pair: _Pair) -> float:
        # Same days, same random numbers, other inputs: noise cancels, what is left is the input.
        theirs = effect(pair.treatment[name], pair.control[name], scale)
        return theirs - effect(pair.base_treatment[name], pair.base_control[name], scale)

    thetas = np.array([full, *others])
    theta = float(thetas.mean())
    draws = np.array([theta + moved(pair) for pair in drawn])
    return TwinEstimate(
        name, scale, base["control"][name], base["treatment"][name], theta, thetas, draws
    )
