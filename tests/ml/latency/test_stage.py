"""The stage as the build calls it: files in, files out, the same bytes every time."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from ml.io import Features, Writer
from ml.latency import LatencySettings, run
from ml.latency.degrade import fit_degraded
from ml.latency.inputs import read_inputs
from ml.latency.model import fit_core, predict, prepare, rows_of
from ml.latency.settings import read_params
from ml.latency.splits import time_split
from ml.latency.store import predict_stored, save

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def built(world, settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage")
    warehouse = world.warehouse(folder / "warehouse.duckdb")
    writer = Writer(folder / "predictions", folder / "models")
    with Features(warehouse) as features:
        result = run(features, writer, settings)
    return folder, warehouse, writer, result


def test_every_labelled_row_is_predicted(world, built):
    _, _, writer, result = built
    table = writer.read("latency_predictions")
    rows = world.tables["feat_latency__service_region_days"]
    assert result.is_trained
    assert len(table) == len(rows)
    assert set(table["split"]) == {"train", "calibration", "test"}
    parts = ["network_ms", "dependency_ms", "cpu_ms", "queue_ms", "base_ms"]
    assert np.allclose(table[parts].sum(axis=1), table["physics_ms"])
    assert (table["predicted_lo_ms"] < table["predicted_ms"]).all()
    assert (table["predicted_ms"] < table["predicted_hi_ms"]).all()


def test_candidates_cover_every_service_region_and_bucket(world, built, settings):
    table = built[2].read("latency_candidates")
    assert len(table) == len(world.tables["feat_latency__candidates"]) * len(settings.buckets)
    wide = table.pivot_table(
        index=["service_id", "region_id"], columns="utilization_bucket", values="internal_ms"
    )
    assert (wide.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    mean = table.assign(mean=table["internal_ms"] * table["residual_factor"]).pivot_table(
        index=["service_id", "region_id"], columns="utilization_bucket", values="mean"
    )
    assert (mean.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    assert (table["p95_hi_factor"] >= table["p95_factor"]).all()


def test_candidates_say_how_much_own_time_varies_and_that_it_grows_with_load(built):
    folder, _, writer, result = built
    table = writer.read("latency_candidates")
    services = pd.read_parquet(folder / "models" / result.model_id / "services.parquet")
    variation = table["service_id"].map(services.set_index("service_id")["p95_variation"])
    own = table["internal_ms"] - table["calls_ms"]
    assert np.allclose(table["own_sd_ms"], variation * own)
    wide = table.pivot_table(
        index=["service_id", "region_id"],
        columns="utilization_bucket",
        values=["own_sd_ms", "calls_ms"],
    )
    assert (wide["own_sd_ms"].diff(axis=1).iloc[:, 1:] > 0).all(axis=None)
    assert (wide["calls_ms"].nunique(axis=1) == 1).all()


def test_calls_are_written_and_part_of_the_stored_model(world, built):
    folder, _, writer, result = built
    table = writer.read("latency_calls")
    edges = world.tables["feat_latency__dependencies"]
    edges = edges[~edges["is_async"]].sort_values(
        ["caller_service_id", "callee_service_id"], ignore_index=True
    )
    assert set(table["model_id"]) == {result.model_id}
    assert table["callee_service_id"].tolist() == edges["callee_service_id"].tolist()
    assert np.array_equal(table["traced_factor"], edges["latency_factor"])
    assert not np.allclose(table["latency_factor"], table["traced_factor"])
    stored = pd.read_parquet(folder / "models" / result.model_id / "calls.parquet")
    pd.testing.assert_frame_equal(
        stored.sort_values(list(stored.columns[:2]), ignore_index=True),
        table.drop(columns="model_id"),
    )


def test_another_call_factor_is_another_model(built, settings, tmp_path):
    with Features(built[1]) as features:
        data = prepare(read_inputs(features))
    split = time_split(data.inputs.days, settings)
    fitted = fit_degraded(data, split, settings)
    one = save(tmp_path, fitted, data.fleet, settings)
    own = fitted.core.physics.own
    factors = tuple(f * (1.1 if i == 40 else 1.0) for i, f in enumerate(own.factors))
    assert own.factors[40].size
    physics = replace(fitted.core.physics, own=replace(own, factors=factors))
    other = replace(fitted, core=replace(fitted.core, physics=physics))
    assert save(tmp_path, other, data.fleet, settings) != one


def test_the_bound_of_the_p95_is_that_of_placements_not_of_days(built):
    folder, _, writer, result = built
    known = json.loads((folder / "models" / result.model_id / "model.json").read_text())
    services = pd.read_parquet(folder / "models" / result.model_id / "services.parquet")
    table = writer.read("latency_candidates")
    table = table[~table["is_extrapolated"]]
    margin = np.log(table["p95_hi_factor"] / table["p95_factor"])
    width = table["service_id"].map(services.set_index("service_id")["p95_width"])
    assert np.allclose(margin, known["p95_lasting_quantile"] * np.sqrt(width))
    metrics = writer.read("model_metrics").set_index(["split", "metric"])["value"]
    ratios = metrics.loc[[("forward", f"bound_ratio_{of}") for of in ("lasting", "day")]]
    assert 1 < ratios.iloc[0] < ratios.iloc[1]
    assert ("unseen_service", "coverage_lasting") in metrics.index


def test_a_region_never_used_gets_a_wider_interval(built):
    table = built[2].read("latency_candidates")
    half = np.log(table["mean_hi_factor"]).groupby([table["service_id"], table["is_extrapolated"]])
    both = half.mean().unstack().dropna()
    assert len(both)
    assert (both[True] >= both[False]).all()


def test_model_and_baselines_are_judged_on_the_same_rows(built):
    table = built[2].read("model_metrics")
    forward = table[
        (table["split"] == "forward") & (table["slice"] == "all") & (table["metric"] == "mae_ms")
    ]
    mae = forward[forward["model_name"] == "latency"].set_index("variant")
    expected = {
        *("model", "global_mean", "service_mean", "service_region_mean"),
        *("ridge", "physics", "xgboost_plain"),
    }
    assert set(mae.index) == expected
    assert mae["rows"].nunique() == 1
    assert (
        mae.loc["model", "value"]
        < mae.loc["service_region_mean", "value"]
        < (mae.loc["global_mean", "value"])
    )


def test_every_goal_of_the_tiny_world_is_met(built):
    table = built[2].read("model_metrics")
    assert not len(table[table["status"] == "missed"])
    assert (table.loc[table["metric"] == "predictions_lowered", "value"] == 0).all()


def test_importances_rank_what_the_world_is_made_of(built):
    table = built[2].read("feature_importances")
    groups = table[(table["method"] == "grouped_permutation") & (table["slice"] == "all")]
    assert set(groups.sort_values("importance_rank")["feature"][:2]) == {"dependencies", "network"}
    shares = table[(table["method"] == "component_share") & (table["slice"] == "all")]
    assert shares["importance"].sum() == pytest.approx(1.0)
    assert {"shap"} <= set(table["method"])


def _hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".duckdb"
    }


def test_same_bytes_in_a_fresh_process_with_another_thread_count(built, tmp_path):
    folder, warehouse, _, _ = built
    code = (
        "import sys; from pathlib import Path\n"
        "from ml.io import Features, Writer\n"
        "from ml.latency import LatencySettings, run\n"
        "out = Path(sys.argv[2])\n"
        "with Features(Path(sys.argv[1])) as features:\n"
        "    run(features, Writer(out / 'predictions', out / 'models'), LatencySettings.load())\n"
    )
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONHASHSEED": "17",
    }
    subprocess.run(
        [sys.executable, "-c", code, str(warehouse), str(tmp_path)],
        cwd=ROOT,
        env=environment,
        check=True,
    )
    assert _hashes(tmp_path) == _hashes(folder)


def test_stored_model_predicts_the_same_bits_in_a_fresh_process(built, settings, tmp_path):
    _, warehouse, writer, result = built
    with Features(warehouse) as features:
        data = prepare(read_inputs(features))
    core = fit_core(data, time_split(data.inputs.days, settings).train(data.day), settings)
    expected = predict(core, rows_of(data, core))
    at = data.fleet.row_at
    rows = data.inputs.rows.assign(
        dep_rtt_ms=core.physics.network_waiting_ms[at], dep_full_ms=core.physics.waiting_ms[at]
    )
    rows.to_parquet(tmp_path / "rows.parquet")
    code = (
        "import sys; from pathlib import Path\n"
        "import numpy as np, pandas as pd\n"
        "from ml.latency.store import predict_stored\n"
        "rows = pd.read_parquet(sys.argv[2])\n"
        "np.save(sys.argv[3], predict_stored(Path(sys.argv[1]), rows))\n"
    )
    folder = writer.models_dir / result.model_id
    out = tmp_path / "predicted.npy"
    subprocess.run(
        [sys.executable, "-c", code, str(folder), str(tmp_path / "rows.parquet"), str(out)],
        cwd=ROOT,
        check=True,
    )
    assert np.array_equal(np.load(out), expected)


def test_a_damaged_model_file_is_refused(built, tmp_path):
    _, _, writer, result = built
    folder = tmp_path / "model"
    folder.mkdir()
    for path in (writer.models_dir / result.model_id).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "full.ubj").write_bytes(b"x" + (folder / "full.ubj").read_bytes()[1:])
    with pytest.raises(ValueError, match="not the file that was stored"):
        predict_stored(folder, pd.DataFrame())


def test_nothing_is_pickled(built):
    assert {path.suffix for path in built[2].models_dir.rglob("*.*")} <= {
        *(".ubj", ".parquet", ".json")
    }


def test_parameters_refuse_unknown_keys_and_missing_reasons(tmp_path):
    shipped = yaml.safe_load((ROOT / "ml/latency/params.yaml").read_text())
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({**shipped, "tress": shipped["trees"]}))
    with pytest.raises(ValueError, match="unknown keys \\['tress'\\]"):
        read_params(path, LatencySettings)
    path.write_text(yaml.safe_dump({**shipped, "trees": {"value": 1, "unit": "trees"}}))
    with pytest.raises(ValueError, match="trees must hold exactly"):
        read_params(path, LatencySettings)
