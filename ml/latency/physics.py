"""The physics estimate: network + CPU + queue + calls + a base per service, constants learned.

The slopes come from differences within services only: what is constant within a service competes
with its base and is not estimated (the CPU demand keeps the coefficient 1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.latency.graph import Fleet, FloatArray, network_waiting, slowest_calls, walk
from ml.latency.inputs import LatencyInputs
from ml.latency.services import TINY, OneService, Own, Parts, fit_one_service, fleet_slopes
from ml.latency.settings import LatencySettings
from ml.latency.slopes import Slopes, centre, solve

MIN_LATENCY_MS = 0.05


@dataclass(frozen=True)
class Columns:
    """What the physics needs of every row, shape (N,) each, and of every service, shape (S,)."""

    service: NDArray[np.int64]
    observed_ms: FloatArray
    is_labelled: NDArray[np.bool_]
    rtt_w_ms: FloatArray
    is_entry: NDArray[np.bool_]
    is_entry_service: NDArray[np.bool_]
    demand_ms: FloatArray
    q_hat_ms: FloatArray
    template: NDArray[np.object_]


@dataclass(frozen=True)
class Physics:
    """Fitted physics of one fleet.

    Attributes:
        slopes: Learned constants of the fleet.
        own: The same of single services, near the fleet's.
        base_ms: Part per service that the physics does not explain, shape (S,).
        is_cold: Services whose base is their template's, shape (S,).
        template_base_ms: Median base by template; ``*`` for the fleet.
        waiting_ms: Waiting for other services, shape (S, R, D).
        network_waiting_ms: Network part of it, shape (S, R, D).
    """

    slopes: Slopes
    own: Own
    base_ms: FloatArray
    is_cold: NDArray[np.bool_]
    template_base_ms: dict[str, float]
    waiting_ms: FloatArray
    network_waiting_ms: FloatArray


def columns_of(inputs: LatencyInputs, fleet: Fleet) -> Columns:
    """Return the physics columns of the rows and the template of every service."""
    rows = inputs.rows
    named = ["service_id", "template", "service_class"]
    both = pd.concat([rows[named], inputs.candidates[named]])
    by_service = both.drop_duplicates("service_id").set_index("service_id").reindex(fleet.services)
    # The class from the call graph, not own demand: what users reach first opens connections.
    is_entry = (by_service["service_class"] == "entry").to_numpy(bool)
    return Columns(
        service=fleet.row_at[0],
        observed_ms=pd.to_numeric(rows["observed_ms"], errors="coerce").to_numpy(np.float64),
        is_labelled=rows["is_labelled"].to_numpy(bool),
        rtt_w_ms=rows["rtt_w_ms"].to_numpy(np.float64),
        is_entry=is_entry[fleet.row_at[0]],
        is_entry_service=is_entry,
        demand_ms=rows["demand_ms"].to_numpy(np.float64),
        q_hat_ms=rows["q_hat_ms"].to_numpy(np.float64),
        template=by_service["template"].fillna("unknown").to_numpy(object),
    )


def components(columns: Columns, fleet: Fleet, physics: Physics) -> dict[str, FloatArray]:
    """Return the parts of the estimate of every row, ms; they add up to the estimate."""
    own = physics.own
    return {
        "network_ms": own.trips[columns.service] * columns.rtt_w_ms,
        "cpu_ms": columns.demand_ms,
        "queue_ms": own.queue[columns.service] * columns.q_hat_ms,
        "dependency_ms": physics.slopes.calls * physics.waiting_ms[fleet.row_at],
        "base_ms": physics.base_ms[columns.service],
    }


def estimate(parts: dict[str, FloatArray]) -> FloatArray:
    """Return the sum of the components, ms, never below :data:`MIN_LATENCY_MS`."""
    total = parts["network_ms"] + parts["cpu_ms"] + parts["queue_ms"]
    total = total + parts["dependency_ms"] + parts["base_ms"]
    return np.maximum(total, MIN_LATENCY_MS)


def fit_physics(
    columns: Columns,
    fleet: Fleet,
    train: NDArray[np.bool_],
    settings: LatencySettings,
    *,
    learn: bool = True,
) -> Physics:
    """Fit bases and, if ``learn``, slopes on the rows of ``train``.

    Args:
        columns: Physics columns of the rows.
        fleet: Routing and calls.
        train: Rows whose latency may be used, shape (N,).
        settings: Passes, weights, outlier rule.
        learn: False keeps the neutral slopes (1, 0, 1, 1).
    """
    train = train & columns.is_labelled
    physics = Physics(
        slopes=Slopes(),
        own=fleet_slopes(Slopes(), columns.is_entry_service, fleet.calls),
        base_ms=np.zeros(len(fleet.services)),
        is_cold=_unseen(columns, train, len(fleet.services)),
        template_base_ms={"*": 0.0},
        waiting_ms=np.zeros(fleet.active.shape),
        network_waiting_ms=network_waiting(fleet),
    )
    # Twice: the first round has no template medians yet for services without a label.
    physics = _fit_services(columns, fleet, train, physics, None)
    physics = _fit_services(columns, fleet, train, physics, None)
    for _ in range(settings.physics_passes if learn else 0):
        slopes = _learn_slopes(columns, fleet, train, physics, settings)
        physics = _fit_services(columns, fleet, train, replace(physics, slopes=slopes), settings)
    return physics


def _unseen(columns: Columns, train: NDArray[np.bool_], services: int) -> NDArray[np.bool_]:
    is_cold: NDArray[np.bool_] = np.bincount(columns.service[train], minlength=services) == 0
    return is_cold


def _fit_services(
    columns: Columns,
    fleet: Fleet,
    train: NDArray[np.bool_],
    physics: Physics,
    settings: LatencySettings | None,
) -> Physics:
    """Return the physics with services refitted callees first, the fleet's slopes as they are.

    Without ``settings`` every service keeps the fleet's slopes, and only its base is fitted.
    """
    slopes = physics.slopes
    base = _cold_bases(columns.template, physics)
    demand, queue = fleet.spread(columns.demand_ms), fleet.spread(columns.q_hat_ms)
    rows_of = _rows_by_service(columns.service, train, len(fleet.services))
    fitted = estimate(components(columns, fleet, physics))
    own = fleet_slopes(slopes, columns.is_entry_service, fleet.calls)
    region, day = fleet.row_at[1], fleet.row_at[2]

    def answer(service: int, answers: FloatArray) -> tuple[FloatArray, FloatArray]:
        mine, calls = rows_of[service], fleet.calls[service]
        at = (region[mine], day[mine])
        if mine.size and settings is not None:
            mean = OneService(own.trips[service], own.queue[service], own.factors[service])
            guess = physics.own.factors[service]
            _, counted = slowest_calls(calls, guess, answers[:, *at])
            parts = Parts(
                columns.observed_ms[mine] - columns.demand_ms[mine],
                columns.rtt_w_ms[mine],
                columns.q_hat_ms[mine],
                slopes.calls * counted * (mean.factors / np.maximum(guess, TINY))[:, None],
                fitted[mine],
                columns.observed_ms[mine],
            )
            found = fit_one_service(parts, mean, settings)
            own.trips[service], own.queue[service] = found.trips, found.queue
            own.factors[service][:] = found.factors
        waiting, _ = slowest_calls(calls, own.factors[service], answers)
        if mine.size:
            left = columns.observed_ms[mine] - columns.demand_ms[mine]
            left = left - own.trips[service] * columns.rtt_w_ms[mine]
            left = left - own.queue[service] * columns.q_hat_ms[mine] - slopes.calls * waiting[at]
            base[service] = max(0.0, float(np.median(left)))
        inside = demand[service] + own.queue[service] * queue[service]
        return waiting, inside + slopes.calls * waiting + base[service]

    waiting = walk(fleet, answer)
    medians = _template_medians(columns.template, base, ~physics.is_cold)
    return replace(physics, own=own, base_ms=base, waiting_ms=waiting, template_base_ms=medians)


def _cold_bases(template: NDArray[np.object_], physics: Physics) -> FloatArray:
    fleet_wide = physics.template_base_ms["*"]
    return np.array([physics.template_base_ms.get(str(t), fleet_wide) for t in template])


def _rows_by_service(
    service: NDArray[np.int64], train: NDArray[np.bool_], services: int
) -> list[NDArray[np.int64]]:
    rows = np.flatnonzero(train)
    order = rows[np.argsort(service[rows], kind="stable")]
    ends = np.cumsum(np.bincount(service[rows], minlength=services))
    return np.split(order, ends[:-1])


def _template_medians(
    template: NDArray[np.object_], base: FloatArray, known: NDArray[np.bool_]
) -> dict[str, float]:
    if not known.any():
        return {"*": 0.0}
    medians = {"*": float(np.median(base[known]))}
    for name in sorted({str(t) for t in template[known]}):
        medians[name] = float(np.median(base[known & (template == name)]))
    return medians


def leave_one_out_bases(
    template: NDArray[np.object_], base: FloatArray, known: NDArray[np.bool_]
) -> FloatArray:
    """Return, for every service, the median base of the *other* services of its template.

    It is what a service looks like before its first label; the cold model trains on it.
    """
    out = np.empty(len(base))
    everyone = float(np.median(base[known])) if known.any() else 0.0
    for service, name in enumerate(template):
        others = known & (template == name)
        others[service] = False
        out[service] = float(np.median(base[others])) if others.any() else everyone
    return out


def _learn_slopes(
    columns: Columns,
    fleet: Fleet,
    train: NDArray[np.bool_],
    physics: Physics,
    settings: LatencySettings,
) -> Slopes:
    """Weighted non-negative least squares on components centred within each service."""
    fitted = estimate(components(columns, fleet, physics))
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.abs(np.log(columns.observed_ms / fitted))
    rows = np.flatnonzero(train & (error <= settings.outlier_log))
    weight = 1.0 / np.maximum(fitted[rows], settings.weight_floor_ms)
    parts = np.column_stack(
        [
            columns.rtt_w_ms[rows],
            columns.rtt_w_ms[rows] * columns.is_entry[rows],
            columns.q_hat_ms[rows],
            physics.waiting_ms[fleet.row_at][rows],
        ]
    )
    target = columns.observed_ms[rows] - columns.demand_ms[rows]
    service = columns.service[rows]
    centred = [
        weight * centre(values, service, weight**2)
        for values in (*(parts[:, i] for i in range(4)), target)
    ]
    return solve(centred[:4], centred[4], settings.min_component_share)


def waiting_with(columns: Columns, fleet: Fleet, physics: Physics, q_hat_ms: FloatArray) -> Physics:
    """Return the physics with the same constants and the waiting that other queues would cause.

    Args:
        columns: Physics columns of the rows.
        fleet: Routing and calls.
        physics: Fitted constants.
        q_hat_ms: Queue of every row, ms.
    """
    demand, queue = fleet.spread(columns.demand_ms), fleet.spread(q_hat_ms)
    own, base = physics.own, physics.base_ms

    def answer(service: int, answers: FloatArray) -> tuple[FloatArray, FloatArray]:
        waiting, _ = slowest_calls(fleet.calls[service], own.factors[service], answers)
        inside = demand[service] + own.queue[service] * queue[service] + base[service]
        return waiting, inside + physics.slopes.calls * waiting

    return replace(physics, waiting_ms=walk(fleet, answer))
