"""The model finds the constants of a world that was built without it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ml.latency import LatencySettings
from ml.latency.conformal import conformal_quantile
from ml.latency.folds import run_folds
from ml.latency.graph import build_fleet, network_waiting
from ml.latency.intervals import fit_intervals
from ml.latency.model import Core, Data, fit_core, predict, prepare, rows_of
from ml.latency.monotony import lowered_by_load
from ml.latency.splits import new_placement_sets, time_split


@pytest.fixture(scope="module")
def data(world):
    return prepare(world.inputs())


@pytest.fixture(scope="module")
def fitted(data, settings) -> Core:
    split = time_split(data.inputs.days, settings)
    return fit_core(data, split.train(data.day), settings)


def test_learned_constants_are_those_of_the_world(world, fitted):
    slopes = fitted.physics.slopes
    assert slopes.network == pytest.approx(world.truth.network, rel=0.05)
    assert slopes.entry == pytest.approx(world.truth.entry, abs=0.06)
    assert slopes.queue == pytest.approx(world.truth.queue, rel=0.15)
    assert slopes.calls == pytest.approx(world.truth.calls, rel=0.05)


def test_bases_are_those_of_the_world(world, data, fitted):
    true = np.array([world.base_ms[s] for s in data.fleet.services])
    assert np.corrcoef(true, fitted.physics.base_ms)[0, 1] > 0.8
    # Callers' bases drown in the noise of long calls (6 % of 400 ms); those of leaves do not.
    leaf = np.array([not calls for calls in data.fleet.calls])
    assert np.median(np.abs(fitted.physics.base_ms - true)[leaf]) < 2.0


def test_history_corrects_traced_factors(build_world, settings):
    """Traces show call factors 15 % wrong: the services' own history must bring them closer."""
    world = build_world(seed=11, trace_error=0.15)
    data = prepare(world.inputs())
    split = time_split(data.inputs.days, settings)
    core = fit_core(data, split.train(data.day), settings, kinds=())
    before, after = [], []
    for service, calls in enumerate(data.fleet.calls):
        caller = data.fleet.services[service]
        for call, found in zip(calls, core.physics.own.factors[service], strict=True):
            true = world.factors[caller, data.fleet.services[call.callee]]
            before.append(abs(np.log(call.factor / true)))
            after.append(abs(np.log(found / true)))
    assert np.mean(after) < 0.75 * np.mean(before)


def test_predictions_beat_what_noise_allows_by_no_more_than_chance(world, data, fitted, settings):
    test = time_split(data.inputs.days, settings).test(data.day)
    truth = world.mean_ms.to_numpy()[test]
    predicted = predict(fitted, rows_of(data, fitted))[test]
    y = data.columns.observed_ms[test]
    floor = np.mean(np.abs(y - truth))
    ratio = np.mean(np.abs(y - predicted)) / floor
    assert 0.99 < ratio < 1.25


def test_more_load_lowers_no_prediction(data, fitted):
    assert lowered_by_load(data, fitted) == 0


def test_load_check_sees_a_model_that_rewards_load(data, fitted):
    own = replace(fitted.physics.own, queue=-fitted.physics.own.queue)
    broken = replace(fitted, trees={}, physics=replace(fitted.physics, own=own))
    assert lowered_by_load(data, broken) > 0


def test_waiting_is_the_slowest_call_of_each_stage(world, data, fitted):
    """One request worked by hand: the first caller, its first day, its first region."""
    fleet, physics = data.fleet, fitted.physics
    caller = next(s for s, calls in enumerate(fleet.calls) if len(calls) >= 2)
    region, day = int(np.flatnonzero(fleet.active[caller, :, 0])[0]), 0
    by_stage: dict[float, list[float]] = {}
    rtt = world.tables["feat_latency__call_shares"]
    for call, factor in zip(fleet.calls[caller], physics.own.factors[caller], strict=True):
        inside = {}
        for place in np.flatnonzero(fleet.active[call.callee, :, day]):
            rows = (
                (data.columns.service == call.callee) & (data.region == place) & (data.day == day)
            )
            at = int(np.flatnonzero(rows)[0])
            way = rtt[
                (rtt["client_id"] == fleet.regions[region])
                & (rtt["region_id"] == fleet.regions[place])
                & (rtt["placed_on"] == pd.Timestamp("2026-06-01"))
            ]["rtt_ms"].iloc[0]
            own = physics.own.queue[call.callee] * data.columns.q_hat_ms[at]
            own += data.columns.demand_ms[at]
            own += physics.base_ms[call.callee]
            own += physics.slopes.calls * physics.waiting_ms[call.callee, place, day]
            inside[way] = way + own
        near = inside[min(inside)]
        mixed = 0.96 * near + 0.04 * np.mean(list(inside.values()))
        by_stage.setdefault(call.stage, []).append(factor * mixed)
    expected = sum(max(waits) for waits in by_stage.values())
    assert physics.waiting_ms[caller, region, day] == pytest.approx(expected, rel=1e-9)


def test_network_part_of_waiting_is_not_more_than_all_of_it(data, fitted):
    assert (network_waiting(data.fleet) <= fitted.physics.waiting_ms * (1 + 1e-9) + 1e-9).all()


def test_shuffled_input_gives_the_same_answer(world, data, fitted, settings):
    rows = world.tables["feat_latency__service_region_days"].sample(frac=1, random_state=3)
    edges = world.tables["feat_latency__dependencies"].sample(frac=1, random_state=4)
    shares = world.tables["feat_latency__call_shares"].sample(frac=1, random_state=5)
    other = prepare(world.inputs(rows=rows, edges=edges, shares=shares))
    core = fit_core(other, time_split(other.inputs.days, settings).train(other.day), settings)
    assert np.array_equal(
        predict(core, rows_of(other, core)), predict(fitted, rows_of(data, fitted))
    )


def test_a_service_without_a_label_takes_its_templates_base(data, settings):
    split = time_split(data.inputs.days, settings)
    hidden = data.columns.service == 5
    core = fit_core(data, split.train(data.day) & ~hidden, settings, kinds=())
    template = data.columns.template[5]
    known = (data.columns.template == template) & (np.arange(len(data.fleet.services)) != 5)
    assert core.physics.is_cold[5]
    assert core.physics.is_cold.sum() == 1
    assert core.physics.base_ms[5] == pytest.approx(np.median(core.physics.base_ms[known]), rel=0.1)


def test_no_label_of_a_test_day_reaches_the_model(world, data, fitted, settings):
    """A planted leak: test labels multiplied by ten must change no prediction."""
    rows = world.tables["feat_latency__service_region_days"].copy()
    split = time_split(data.inputs.days, settings)
    late = rows["day_index"] >= split.train_days
    rows.loc[late, "observed_ms"] *= 10
    other = prepare(world.inputs(rows=rows))
    core = fit_core(other, split.train(other.day), settings)
    assert np.array_equal(
        predict(core, rows_of(other, core)), predict(fitted, rows_of(data, fitted))
    )


def test_dbt_estimates_of_the_target_are_not_used(world, data, fitted, settings):
    """``phys_ms`` holds the true mean here: a model that read it would be perfect, and wrong."""
    rows = world.tables["feat_latency__service_region_days"].assign(phys_ms=1.0, base_hat_ms=1.0)
    other = prepare(world.inputs(rows=rows))
    core = fit_core(other, time_split(other.inputs.days, settings).train(other.day), settings)
    assert np.array_equal(
        predict(core, rows_of(other, core)), predict(fitted, rows_of(data, fitted))
    )


def test_intervals_cover_what_they_say(data, fitted, settings: LatencySettings):
    split = time_split(data.inputs.days, settings)
    predicted = predict(fitted, rows_of(data, fitted))
    intervals = fit_intervals(data, predicted, run_folds(data, split, settings), split, settings)
    busy = data.rho >= settings.load_group_rho
    quantile = np.where(busy, intervals.busy[data.day], intervals.calm[data.day])
    half = intervals.half_width(data.columns.service, np.zeros(len(busy), dtype=bool), quantile)
    test = split.test(data.day)
    inside = np.abs(data.log_y - np.log(predicted)) <= half
    assert 0.87 <= inside[test].mean() <= 0.93
    assert intervals.unseen_region >= 1.0
    assert intervals.unseen_service > 0.1


def test_interval_of_a_day_ignores_its_own_label(data, fitted, settings):
    """Labels of the last two days come too late for the last day's interval."""
    split = time_split(data.inputs.days, settings)
    predicted = predict(fitted, rows_of(data, fitted))
    folds = run_folds(data, split, settings)
    last = data.inputs.days - 1
    noisy = data.log_y + np.where(data.day >= last - 1, 5.0, 0.0)
    before = fit_intervals(data, predicted, folds, split, settings)
    after = fit_intervals(replace(data, log_y=noisy), predicted, folds, split, settings)
    assert after.calm[last] == before.calm[last]
    earlier = data.log_y + np.where(data.day == last - 2, 5.0, 0.0)
    moved = fit_intervals(replace(data, log_y=earlier), predicted, folds, split, settings)
    assert moved.calm[last] > before.calm[last]


def test_conformal_quantile_counts_ranks():
    assert conformal_quantile(np.array([3.0, 1.0, 2.0]), 0.5) == 2.0
    assert conformal_quantile(np.array([3.0, 1.0, 2.0]), 0.75) == 3.0
    assert conformal_quantile(np.array([3.0, 1.0, 2.0]), 0.9) == float("inf")


def test_new_placement_sets_never_occur_in_training(data, settings):
    split = time_split(data.inputs.days, settings)
    new = new_placement_sets(data.fleet, split)
    assert new.any()
    assert not new[split.train(data.day)].any()
    seen = {
        (s, tuple(np.flatnonzero(data.fleet.active[s, :, d])))
        for s in range(len(data.fleet.services))
        for d in range(split.train_days)
    }
    for at in np.flatnonzero(new)[::50]:
        service, day = int(data.columns.service[at]), int(data.day[at])
        assert (service, tuple(np.flatnonzero(data.fleet.active[service, :, day]))) not in seen


def test_a_cycle_of_calls_is_cut_and_counted(world):
    edges = world.tables["feat_latency__dependencies"]
    back = edges.iloc[[0]].rename(
        columns={
            "caller_service_id": "callee_service_id",
            "callee_service_id": "caller_service_id",
        }
    )
    back = back.assign(is_async=False)
    both = pd.concat([edges.assign(is_async=False), back], ignore_index=True)
    fleet = build_fleet(world.inputs(edges=both))
    assert fleet.cut_edges >= 1
    assert np.isfinite(network_waiting(fleet)).all()


def test_data_of_one_thread_and_two_workers_agree(data: Data, settings):
    split = time_split(data.inputs.days, settings)
    one = run_folds(data, split, replace(settings, workers=1))
    two = run_folds(data, split, replace(settings, workers=2))
    for name in ("unseen_service", "unseen_region", "edges_missing"):
        assert np.array_equal(getattr(one, name), getattr(two, name), equal_nan=True)
