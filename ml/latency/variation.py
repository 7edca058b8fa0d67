"""How variable each service's own time is, told by its p95 once the calls' part is known.

Fitted callees first: what a service's calls contribute to its variance is fixed before its own
part is asked for, so a service that mostly waits is not blamed for what it calls.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.latency.graph import Fleet, FloatArray
from ml.latency.mixture import mixture_p95
from ml.latency.model import Data, thin
from ml.latency.p95_data import P95Rows
from ml.latency.physics import Physics
from ml.latency.variance import own_grid_ms, walk_variance

# Coefficients of variation tried for each service: from nearly constant to a very long tail.
VARIATIONS: FloatArray = np.geomspace(0.1, 2.8, 24)
# That of an exponential, for services without a p95 until the others are known.
_UNKNOWN = 1.0
# A median over sixty days tells neighbouring variations apart; more rows only cost time.
_ROWS_PER_SERVICE = 60


@dataclass(frozen=True)
class Variations:
    """What the p95 of every service follows from.

    Attributes:
        own: Coefficient of variation of the own time of each service, (S,).
        calls_ms2: Variance of the waiting for calls, ms², (S, R, D).
    """

    own: FloatArray
    calls_ms2: FloatArray


def fit_variations(
    data: Data, physics: Physics, p95: P95Rows, train: NDArray[np.int64]
) -> Variations:
    """Return the variations with which services miss their p95 least, in the median of logs.

    Services without a p95 take the median of their template, else of the fleet.

    Args:
        data: Everything known.
        physics: Fitted physics of the means.
        p95: Rows with a p95.
        train: Rows of ``p95`` that may be used.
    """
    fleet = data.fleet
    own_ms = own_grid_ms(data.columns, fleet, physics)
    mine = _rows_by_service(p95.service, train, len(fleet.services))
    known = np.array([rows.size > 0 for rows in mine])
    found = np.full(len(fleet.services), _UNKNOWN)
    to_fit = known

    def variation(service: int, calls_ms2: FloatArray) -> float:
        if to_fit[service]:
            rows = mine[service]
            from_calls = calls_ms2[p95.region[rows], p95.day[rows]]
            found[service] = _best(p95, rows, from_calls)
        return float(found[service])

    calls_ms2 = walk_variance(fleet, physics, own_ms, variation)
    if not known.all():
        # Again with the medians of templates, as far as they reach up the calls.
        found = _like_template(found, known, data.columns.template)
        to_fit = known & _reaches(fleet, ~known)
        calls_ms2 = walk_variance(fleet, physics, own_ms, variation)
    return Variations(found, calls_ms2)


def _best(p95: P95Rows, rows: NDArray[np.int64], calls_ms2: FloatArray) -> float:
    """Return the variation of one service, all that are tried stacked as rows.

    Args:
        p95: Rows with a p95.
        rows: Rows of the service, (n,).
        calls_ms2: Variance of their waiting for calls, ms², (n,).
    """
    tried = len(VARIATIONS)
    inside = np.tile(p95.inside_ms[rows], tried)
    spread = np.sqrt(np.outer(VARIATIONS, p95.own_ms[rows]) ** 2 + calls_ms2).ravel()
    stacked = p95.callers.take(np.tile(rows, tried))
    p95_ms = mixture_p95(stacked, np.tile(p95.trips[rows], tried), inside, spread / inside)
    ratio = np.log(p95_ms.reshape(tried, -1) / p95.rows.phys_ms[rows])
    error = np.median(np.abs(p95.log_observed_ratio[rows] - ratio), axis=1)
    return float(VARIATIONS[error.argmin()])


def _rows_by_service(
    service: NDArray[np.int64], train: NDArray[np.int64], services: int
) -> list[NDArray[np.int64]]:
    order = train[np.argsort(service[train], kind="stable")]
    ends = np.cumsum(np.bincount(service[train], minlength=services))
    return [thin(rows, _ROWS_PER_SERVICE) for rows in np.split(order, ends[:-1])]


def _reaches(fleet: Fleet, targets: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say of each service whether it calls one of ``targets``, directly or through others."""
    found = np.zeros(len(targets), dtype=bool)
    for service in fleet.order:
        found[service] = any(found[c.callee] or targets[c.callee] for c in fleet.calls[service])
    return found


def _like_template(
    values: FloatArray, known: NDArray[np.bool_], template: NDArray[np.object_]
) -> FloatArray:
    """Return values with those not known replaced by the median of their template, or of all."""
    out = values.copy()
    for index in np.flatnonzero(~known):
        kin = known & (template == template[index])
        pool = kin if kin.any() else known
        out[index] = float(np.median(values[pool]))
    return out
