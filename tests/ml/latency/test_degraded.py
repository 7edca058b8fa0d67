"""Small, poor and strange data: an honest estimate and a reason, never a crash."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ml.latency.run import LatencyTables, compute


def _small(world, *, days: int, regions: int | None = None, **columns: object):
    """Return inputs of the first days, in one region if asked, with columns replaced."""
    rows = world.tables["feat_latency__service_region_days"]
    rows = rows[rows["day_index"] < days].assign(**columns)
    if regions == 1:
        rows = rows.drop_duplicates(["service_id", "placed_on"]).assign(region_id="us-one")
    last_on = rows["placed_on"].max()
    candidates = world.tables["feat_latency__candidates"]
    if "demand_ms" in columns:
        candidates = candidates.assign(demand_ms=columns["demand_ms"])
    shares = world.tables["feat_latency__call_shares"]
    if regions == 1:
        shares = shares[shares["region_id"] == "us-one"]
    return world.inputs(rows=rows, last_on=last_on, candidates=candidates, shares=shares)


def _write_all(tables: LatencyTables, writer) -> None:
    writer.write("latency_predictions", tables.predictions, "latency")
    writer.write("latency_candidates", tables.candidates, "latency")
    writer.write("latency_calls", tables.calls, "latency")
    writer.write("model_metrics", tables.metrics, "latency")
    writer.write("feature_importances", tables.importances, "latency")
    writer.write("run_degradations", tables.degradations, "latency")


def test_three_days_in_one_region_without_cpu(world, writer, settings):
    nothing = dict.fromkeys(("demand_ms", "rho", "rho_max", "q_hat_ms", "q_w95_ms"), np.nan)
    inputs = _small(world, days=3, regions=1, cpu_utilization=np.nan, **nothing)
    tables = compute(inputs, writer, settings, set())
    _write_all(tables, writer)
    codes = set(tables.degradations["code"])
    assert {"MODEL_NOT_TRAINED", "NO_PLACEMENT_VARIATION", "CPU_NOT_IDENTIFIABLE"} == codes
    assert not tables.is_trained
    gated = tables.metrics[tables.metrics["metric"] == "coverage"]
    assert set(gated["status"]) == {"insufficient"}
    ratio = tables.predictions["predicted_hi_ms"] / tables.predictions["predicted_ms"]
    assert (ratio >= settings.insufficient_factor - 1e-9).all()
    assert (tables.candidates["residual_factor"] == 1).all()
    assert (tables.candidates["network_weight"] == 1).all()
    written = writer.read("latency_candidates")
    assert written[["own_sd_ms", "p95_factor", "p95_hi_factor"]].isna().all(axis=None)
    assert written["calls_ms"].between(0, written["internal_ms"]).all()
    calls = writer.read("latency_calls")
    assert len(calls)
    assert (calls["latency_factor"] == calls["traced_factor"]).all()


def test_reasons_that_the_warehouse_gave_are_not_repeated(world, writer, settings):
    inputs = _small(world, days=3, regions=1)
    tables = compute(inputs, writer, settings, {"NO_PLACEMENT_VARIATION"})
    assert set(tables.degradations["code"]) == {"MODEL_NOT_TRAINED"}


def test_one_region_for_long_keeps_neutral_constants_but_learns_trees(world, writer, settings):
    inputs = _small(world, days=60, regions=1)
    tables = compute(inputs, writer, settings, set())
    assert tables.is_trained
    assert set(tables.degradations["code"]) == {"NO_PLACEMENT_VARIATION"}
    assert (tables.candidates["network_weight"] == 1).all()
    _write_all(tables, writer)


def test_half_trained_history_is_judged_on_its_own_last_days(world, writer, settings):
    inputs = _small(world, days=15)
    tables = compute(inputs, writer, settings, set())
    assert not tables.is_trained
    assert set(tables.predictions["split"]) == {"train", "calibration", "test"}
    mae = tables.metrics[
        (tables.metrics["variant"] == "model")
        & (tables.metrics["metric"] == "mae_ms")
        & (tables.metrics["slice"] == "all")
        & (tables.metrics["split"] == "forward")
    ]
    assert mae["status"].tolist() == ["reported"]


def test_services_without_calls_labels_or_history(world, writer, settings):
    """No call graph at all, unlabelled rows, and a service that only the candidates know."""
    rows = world.tables["feat_latency__service_region_days"].copy()
    rows.loc[rows["day_index"] % 7 == 0, "observed_ms"] = np.nan
    rows = rows[rows["service_id"] != "svc-003"]
    edges = world.tables["feat_latency__dependencies"].iloc[:0]
    tables = compute(world.inputs(rows=rows, edges=edges), writer, settings, set())
    _write_all(tables, writer)
    assert tables.calls.empty
    assert (tables.candidates["calls_ms"] == 0).all()
    assert len(tables.predictions) == int(rows["observed_ms"].notna().sum())
    new = tables.candidates[tables.candidates["service_id"] == "svc-003"]
    known = tables.candidates[tables.candidates["service_id"] == "svc-007"]
    assert len(new) == len(known)
    assert new["mean_hi_factor"].min() > known["mean_hi_factor"].max()


def test_one_row_is_enough_not_to_crash(world, writer, settings):
    rows = world.tables["feat_latency__service_region_days"].iloc[:1]
    candidates = world.tables["feat_latency__candidates"]
    candidates = candidates[candidates["service_id"] == rows["service_id"].iloc[0]]
    inputs = world.inputs(
        rows=rows,
        candidates=candidates,
        edges=world.tables["feat_latency__dependencies"].iloc[:0],
        last_on=pd.Timestamp(rows["placed_on"].iloc[0]),
    )
    tables = compute(inputs, writer, settings, set())
    _write_all(tables, writer)
    assert len(tables.predictions) == 1


@pytest.mark.parametrize("missing", ["p95_ms", "rho"])
def test_an_absent_column_degrades_one_thing(world, writer, settings, missing):
    rows = world.tables["feat_latency__service_region_days"].assign(**{missing: np.nan})
    tables = compute(world.inputs(rows=rows), writer, settings, set())
    _write_all(tables, writer)
    for column in ("own_sd_ms", "p95_factor"):
        assert (column in tables.candidates) == (missing != "p95_ms")
    assert tables.candidates["calls_ms"].notna().all()
