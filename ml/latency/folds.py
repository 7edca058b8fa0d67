"""Judging on what the model never saw: services, regions, a tenth of the calls.

Every fold is also forward in time: it learns from training days and is judged on test days.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.latency.graph import FloatArray
from ml.latency.model import Core, Data, fit_core, predict, rows_of
from ml.latency.residual import Kind
from ml.latency.settings import LatencySettings
from ml.latency.splits import Split, dropped_edges, service_fold


@dataclass(frozen=True)
class Folds:
    """Out-of-fold predictions of every row, ms; NaN where a fold could not be fitted.

    Attributes:
        unseen_service: No label of the row's service was used.
        unseen_region: No label of the row's region was used.
        edges_missing: A tenth of the calls was unknown.
        service_fold: Fold of every service.
    """

    unseen_service: FloatArray
    unseen_region: FloatArray
    edges_missing: FloatArray
    service_fold: NDArray[np.int64]


def run_folds(data: Data, split: Split, settings: LatencySettings) -> Folds:
    """Fit and predict every fold, two at a time.

    A fit uses one thread and no shared state, so the order in which folds end changes nothing.
    """
    train = split.train(data.day) & data.columns.is_labelled
    fold = service_fold(data.fleet.services, settings.service_folds, settings.seed)
    of_row = fold[data.columns.service]
    jobs: list[tuple[str, NDArray[np.bool_], Callable[[], Core | None]]] = []
    for number in range(settings.service_folds):
        out = of_row == number
        jobs.append(("service", out, _fold_fit(data, train & ~out, settings, "cold")))
    rows_in = np.bincount(data.region[train], minlength=len(data.fleet.regions))
    largest = np.argsort(-rows_in, kind="stable")[: settings.region_folds]
    for region in sorted(int(r) for r in largest if rows_in[r]):
        out = data.region == region
        jobs.append(("region", out, _fold_fit(data, train & ~out, settings, "region")))
    found = {name: np.full(len(data.day), np.nan) for name in ("service", "region")}
    with ThreadPoolExecutor(settings.workers) as pool:
        missing = pool.submit(_without_edges, data, train, settings)
        for (name, out, _), core in zip(jobs, pool.map(lambda job: job[2](), jobs), strict=True):
            if core is not None:
                found[name][out] = predict(core, rows_of(data, core))[out]
        edges = missing.result()
    return Folds(found["service"], found["region"], edges, fold)


def _fold_fit(
    data: Data, train: NDArray[np.bool_], settings: LatencySettings, kind: str
) -> Callable[[], Core | None]:
    # A region left out may take services with it: those rows need the trees for cold services.
    kinds: tuple[Kind, ...] = ("cold",) if kind == "cold" else ("region", "cold")

    def fit() -> Core | None:
        if int(train.sum()) < settings.min_group_rows:
            return None
        return fit_core(data, train, settings, kinds=kinds, max_rows=settings.fold_rows)

    return fit


def _without_edges(data: Data, train: NDArray[np.bool_], settings: LatencySettings) -> FloatArray:
    dropped = dropped_edges(data.fleet, settings.edges_dropped_share, settings.seed)
    fleet = data.fleet.without(dropped)
    core = fit_core(
        data, train, settings, kinds=("full", "cold"), fleet=fleet, max_rows=settings.fold_rows
    )
    return predict(core, rows_of(data, core, fleet))
