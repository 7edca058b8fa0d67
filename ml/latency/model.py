"""The latency model: physics, three sets of trees, and how a row picks among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xgboost as xgb
from numpy.typing import NDArray

from ml.latency.graph import Fleet, FloatArray, build_fleet
from ml.latency.inputs import LatencyInputs
from ml.latency.physics import (
    Columns,
    Physics,
    columns_of,
    components,
    estimate,
    fit_physics,
    leave_one_out_bases,
)
from ml.latency.residual import Kind, Templates, context, correction, fit_trees, matrix
from ml.latency.settings import LatencySettings


@dataclass(frozen=True)
class Data:
    """Inputs and what every fit needs of them; ``log_y`` is NaN where no latency was seen."""

    inputs: LatencyInputs
    fleet: Fleet
    columns: Columns
    log_y: FloatArray
    day: NDArray[np.int64]
    region: NDArray[np.int64]
    rho: FloatArray


def prepare(inputs: LatencyInputs) -> Data:
    """Return the dense view of the inputs."""
    fleet = build_fleet(inputs)
    columns = columns_of(inputs, fleet)
    with np.errstate(invalid="ignore", divide="ignore"):
        log_y = np.where(columns.is_labelled, np.log(columns.observed_ms), np.nan)
    rho = pd.to_numeric(inputs.rows["rho"], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return Data(inputs, fleet, columns, log_y, fleet.row_at[2], fleet.row_at[1], rho)


@dataclass(frozen=True)
class Core:
    """A fitted model without its intervals.

    Attributes:
        physics: Slopes, bases and waiting.
        templates: Codes of the templates.
        trees: Trees by kind; empty when physics serves alone.
        is_region_seen: Regions with a training row, shape (R,).
    """

    physics: Physics
    templates: Templates
    trees: dict[Kind, xgb.Booster]
    is_region_seen: NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """Rows to predict, in the terms of a fitted model; all arrays of shape (N,).

    Attributes:
        parts: Components of the physics estimate, ms.
        phys_ms: Their sum.
        features: Columns of the trees.
        kind: Which trees predict the row: 0 full, 1 unseen region, 2 cold service.
    """

    parts: dict[str, FloatArray]
    phys_ms: FloatArray
    features: dict[str, FloatArray]
    kind: NDArray[np.int64]

    def take(self, at: NDArray[np.int64]) -> Rows:
        """Return some of the rows."""
        parts = {key: value[at] for key, value in self.parts.items()}
        features = {key: value[at] for key, value in self.features.items()}
        return Rows(parts, self.phys_ms[at], features, self.kind[at])


_KINDS: tuple[Kind, ...] = ("full", "region", "cold")


def fit_core(
    data: Data,
    train: NDArray[np.bool_],
    settings: LatencySettings,
    *,
    kinds: Sequence[Kind] = _KINDS,
    learn: bool = True,
    fleet: Fleet | None = None,
    max_rows: int | None = None,
) -> Core:
    """Fit physics and trees on the rows of ``train``.

    Args:
        data: Everything known.
        train: Rows whose latency may be used, shape (N,).
        settings: Parameters.
        kinds: Trees to fit; none leaves the physics alone.
        learn: False keeps the neutral slopes.
        fleet: A fleet with other edges than ``data.fleet``, for the missing-edge test.
        max_rows: Most rows the trees learn from; the physics always sees all.
    """
    fleet = fleet or data.fleet
    max_rows = max_rows or settings.fit_rows
    train = train & data.columns.is_labelled
    physics = fit_physics(data.columns, fleet, train, settings, learn=learn)
    seen = data.inputs.rows.loc[train, "template"]
    templates = Templates(tuple(sorted({str(t) for t in seen})))
    is_seen = np.bincount(data.region[train], minlength=len(fleet.regions)) > 0
    core = Core(physics, templates, {}, is_seen)
    if not kinds:
        return core
    rows, at = rows_of(data, core, fleet), thin(np.flatnonzero(train), max_rows)
    trees: dict[Kind, xgb.Booster] = {}
    for kind in kinds:
        phys = rows.phys_ms
        if kind == "cold":
            # A cold service has its template's base: train on what the others would have given it.
            others = leave_one_out_bases(data.columns.template, physics.base_ms, ~physics.is_cold)
            parts = {**rows.parts, "base_ms": others[data.columns.service]}
            phys = estimate(parts)
        target = data.log_y[at] - np.log(phys[at])
        trees[kind] = fit_trees(matrix(rows.features, kind, at), target, kind, settings)
    return Core(physics, templates, trees, is_seen)


def thin(at: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Return every k-th index so that at most ``limit`` remain.

    >>> thin(np.arange(10), 4)
    array([0, 3, 6, 9])
    """
    step = max(1, -(-len(at) // limit))
    return at[::step]


def rows_of(
    data: Data,
    core: Core,
    fleet: Fleet | None = None,
    parts: dict[str, FloatArray] | None = None,
) -> Rows:
    """Return the rows of the history in the terms of ``core``.

    Args:
        data: Everything known.
        core: Fitted model.
        fleet: Other edges than ``data.fleet``.
        parts: Components to use instead of the fitted ones (permutation, shifted load).
    """
    fleet = fleet or data.fleet
    parts = parts or components(data.columns, fleet, core.physics)
    features = context(data.inputs.rows, core.templates)
    at = fleet.row_at
    kind = pick_kind(core.physics.is_cold[at[0]], core.is_region_seen[at[1]])
    return assemble(parts, features, core.physics.network_waiting_ms[at], kind, core)


def pick_kind(is_cold: NDArray[np.bool_], is_region_seen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return 2 for cold services, 1 for regions without any training row, else 0."""
    return np.where(is_cold, 2, np.where(is_region_seen, 0, 1)).astype(np.int64)


def assemble(
    parts: dict[str, FloatArray],
    features: dict[str, FloatArray],
    network_waiting_ms: FloatArray,
    kind: NDArray[np.int64],
    core: Core,
) -> Rows:
    """Return rows whose tree columns follow from the components."""
    phys = estimate(parts)
    slope = core.physics.slopes.calls
    full = {
        **features,
        "dep_rtt_ms": network_waiting_ms,
        "dep_full_ms": parts["dependency_ms"] / slope if slope > 0 else parts["dependency_ms"],
        "base_hat_ms": parts["base_ms"],
        "phys_ms": phys,
    }
    return Rows(parts, phys, full, kind)


def predict(core: Core, rows: Rows) -> FloatArray:
    """Return the predicted mean latency of every row, ms."""
    log_factor = np.zeros(len(rows.phys_ms))
    for number, kind in enumerate(_KINDS):
        at = np.flatnonzero(rows.kind == number)
        chosen: Kind = kind if kind in core.trees else "full"
        if at.size and chosen in core.trees:
            log_factor[at] = correction(core.trees[chosen], matrix(rows.features, chosen, at))
    prediction: FloatArray = rows.phys_ms * np.exp(log_factor)
    return prediction
