"""Designs by community and looks: exact where they can be, honest where they may not be run."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ml.experiment import cluster, run, wedge
from ml.experiment.calibrate_long import cluster_runs, ever_stops, wedge_runs
from ml.experiment.community_world import draw_communities
from ml.experiment.config_designs import Cluster
from ml.experiment.grid import widened
from ml.experiment.monitor import BOUND, log_e, monitor
from ml.experiment.noise_world import NoiseWorld, draw_bank, draw_parts
from ml.experiment.permutation import Products, invert, orders, sign_draws
from ml.experiment.service_effects import shrink

EXAMPLES = settings(max_examples=60, deadline=None, derandomize=True)


def _drawn(seed: int, communities: int, blocks: int, effect: float) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    coins = rng.choice((-1.0, 1.0), size=(communities, blocks))
    outcome = rng.normal(0, 0.05, coins.shape) + effect * coins
    weights = rng.dirichlet(np.ones(communities))
    return outcome, coins, weights, rng


@EXAMPLES
@given(
    seed=st.integers(0, 10_000),
    communities=st.integers(2, 9),
    blocks=st.integers(2, 9),
    effect=st.sampled_from([0.0, 0.02, -0.05]),
)
def test_the_interval_leaves_out_zero_exactly_when_p_is_small(
    seed: int, communities: int, blocks: int, effect: float
) -> None:
    outcome, coins, weights, rng = _drawn(seed, communities, blocks, effect)
    try:
        found = cluster.analyze(outcome, coins, weights, alpha=0.05, permutations=199, rng=rng)
    except ValueError:
        return  # every block fell alike: nothing to compare
    lo = -math.inf if found.lo is None else found.lo
    hi = math.inf if found.hi is None else found.hi
    assert lo <= found.estimate <= hi
    assert (found.p_value <= 0.05) == (not lo <= 0 <= hi)


def test_the_interval_equals_a_search_on_a_grid() -> None:
    """p(theta) counted for each theta: what the closed form says without counting."""
    outcome, coins, weights, rng = _drawn(5, 6, 8, -0.03)
    draws, _ = sign_draws(coins.size, 199, rng, coins.ravel())
    products = cluster.products_of(outcome, coins, weights, draws.reshape(-1, *coins.shape))
    estimate = cluster.weighted_effect(outcome, coins, weights)
    found = invert(estimate, products, 0.05)
    grid = np.linspace(estimate - 0.2, estimate + 0.2, 4001)
    statistics = (products.outcome - np.outer(grid, products.real)) / products.own
    p = (1 + (np.abs(statistics) >= np.abs(estimate - grid)[:, None]).sum(axis=1)) / 200
    kept = grid[p > 0.05]
    assert found.lo == pytest.approx(kept.min(), abs=2e-4)
    assert found.hi == pytest.approx(kept.max(), abs=2e-4)


def test_the_estimate_is_weighted_least_squares_with_block_dummies() -> None:
    """Solved here as a regression, without any demeaning."""
    outcome, coins, weights, _ = _drawn(12, 5, 7, -0.04)
    dummies = np.kron(np.ones((5, 1)), np.eye(7))
    design = np.column_stack([coins.ravel(), dummies])
    root = np.sqrt(np.repeat(weights, 7))
    solved = np.linalg.lstsq(design * root[:, None], outcome.ravel() * root, rcond=None)[0]
    assert cluster.weighted_effect(outcome, coins, weights) == pytest.approx(solved[0], rel=1e-9)


def test_the_wedge_is_weighted_two_way_fixed_effects() -> None:
    rng = np.random.default_rng(13)
    plan = wedge.schedule(14, 7, 5, 7)
    waves, weights = wedge.deal(10, 5, rng), np.full(10, 0.1)
    treated = plan.treated(waves)
    logs = rng.normal(0, 0.02, treated.shape) + rng.normal(0, 1, (10, 1)) + 0.07 * treated
    found = wedge.analyze(logs, waves, weights, plan, alpha=0.05, permutations=99, rng=rng)
    unit, day = np.kron(np.eye(10), np.ones((56, 1))), np.kron(np.ones((10, 1)), np.eye(56))
    design = np.column_stack([treated.ravel(), unit, day])
    solved = np.linalg.lstsq(design, logs.ravel(), rcond=None)[0]
    assert found.estimate == pytest.approx(solved[0], rel=1e-6)
    assert found.p_value == pytest.approx(0.01)


def test_draws_that_mirror_too_much_are_counted_on_both_sides() -> None:
    """|B| above Q: such a draw agrees with all but a gap; the hull holds every kept theta."""
    rng = np.random.default_rng(3)
    products = Products(rng.normal(0, 0.5, 99), rng.normal(0, 1.4, 99), np.ones(99))
    estimate = 0.4
    found = invert(estimate, products, 0.2)
    grid = np.linspace(-30, 30, 20001)
    statistics = products.outcome - np.outer(grid, products.real)
    p = (1 + (np.abs(statistics) >= np.abs(estimate - grid)[:, None]).sum(axis=1)) / 100
    kept = grid[p > 0.2]
    lo = -math.inf if found.lo is None else found.lo
    hi = math.inf if found.hi is None else found.hi
    assert lo <= kept.min() + 0.01
    assert hi >= kept.max() - 0.01
    assert found.lo is None or kept.min() == pytest.approx(lo, abs=0.01)
    assert found.hi is None or kept.max() == pytest.approx(hi, abs=0.01)


def test_few_coins_are_all_enumerated() -> None:
    """Twelve coins: p is the share of all 4,096 sign vectors, counted here by hand."""
    outcome, coins, weights, rng = _drawn(8, 3, 4, -0.04)
    found = cluster.analyze(outcome, coins, weights, alpha=0.05, permutations=999, rng=rng)
    assert found.is_exact
    real, hits, count = abs(found.estimate), 0, 0
    for signs in itertools.product((-1.0, 1.0), repeat=12):
        other = np.array(signs).reshape(3, 4)
        own = cluster.products_of(outcome, coins, weights, other[None])
        if own.own[0] > 1e-12:
            count += 1
            hits += abs(own.outcome[0] / own.own[0]) >= real - 1e-12 * real
            # The statistic of a draw is its own effect, against the effect of the coins that fell.
    assert found.p_value == pytest.approx(hits / count, rel=1e-12)


def test_sign_vectors_of_one_unit_equal_scipys_permutation_test() -> None:
    rng = np.random.default_rng(4)
    for blocks in (6, 9, 12):
        gaps = rng.normal(-0.02, 0.05, blocks)
        draws, exact = sign_draws(blocks, 10, rng, np.ones(blocks))
        assert exact
        p = (1 + (np.abs(draws @ gaps) >= abs(gaps.sum()) - 1e-12).sum()) / (len(draws) + 1)
        expected = stats.permutation_test(
            (gaps,),
            lambda d, axis: np.abs(np.mean(d, axis=axis)),
            permutation_type="samples",
            alternative="greater",
            n_resamples=np.inf,
        ).pvalue
        assert p == pytest.approx(expected, rel=1e-12)


def test_orders_of_few_communities_are_all_there_are() -> None:
    found, exact = orders([0, 0, 1, 1, 2], 99, np.random.default_rng(1))
    assert exact
    every = {tuple(row) for row in found.tolist()} | {(0, 0, 1, 1, 2)}
    assert every == set(itertools.permutations([0, 0, 1, 1, 2]))
    random, exact = orders(list(range(5)) * 5, 99, np.random.default_rng(1))
    assert not exact
    assert random.shape == (99, 25)


@pytest.mark.parametrize(("interference", "low", "high"), [("none", 0.0, 0.0), ("cap", -4.0, -1.0)])
def test_short_coverage_by_community(interference: Any, low: float, high: float) -> None:
    """120 worlds: 95 % within 95 +- 4 points without a shared limit; under one it is biased."""
    rng = np.random.default_rng(6)
    world = NoiseWorld(effect=-0.05, interference=interference)
    found = cluster_runs(world, 120, 28, rng, Cluster(permutations=399))
    held = ((found.ends[:, 0] <= found.truth) & (found.truth <= found.ends[:, 1])).mean()
    bias = 100 * float((found.estimates - found.truth).mean())
    if interference == "none":
        assert widened((0.94, 0.96), 120, 2000)[0] <= held
        assert abs(bias) < 0.6
    else:
        assert held < 0.8
        assert low < bias < high


def test_as_many_calls_stay_inside_as_the_model_says() -> None:
    """With fewer inside, spill-over would cross far more than the design itself accepts."""
    for share in (1.0, 0.85, 0.3):
        world = NoiseWorld(effect=-0.05, interference="spill", inside_share=share)
        parts = draw_parts(world, 40, 2, np.random.default_rng(1))
        assert parts.callee is not None
        own = np.arange(world.services)[None, :, None]
        assert not (parts.callee == own).any()
        called = np.array([c[k] for c, k in zip(parts.community, parts.callee, strict=True)])
        inside = called == parts.community[:, :, None]
        alone = (parts.community[:, :, None] == parts.community[:, None, :]).sum(axis=2) == 1
        assert not inside[alone].any()
        # 40 worlds x 150 services x 3 calls: a standard error of a third of a point.
        assert inside[~alone].mean() == pytest.approx(share, abs=0.012)
        crossing = draw_communities(world, 40, 2, np.random.default_rng(1)).crossing
        weighed = (parts.weights * ~alone * (1 - share) + parts.weights * alone).sum(axis=1)
        assert crossing.mean() == pytest.approx(weighed.mean(), abs=0.02)


def test_short_size_by_community_and_of_the_wedge(settings: Any) -> None:
    """120 and 30 worlds in which nothing differs: at most four standard deviations above 5 %."""
    rng = np.random.default_rng(7)
    found = cluster_runs(NoiseWorld(), 120, 28, rng, Cluster(permutations=199))
    assert (found.p_values <= 0.05).mean() <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 120)
    assert stats.kstest(found.p_values, "uniform").pvalue > 0.001
    found = wedge_runs(NoiseWorld(), 30, settings, rng)
    assert (found.p_values <= 0.05).mean() <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 30)


def test_a_world_by_community_adds_up_to_the_world() -> None:
    """Everybody treated or nobody: communities together are the fleet of the same draws."""
    for interference in ("none", "spill", "cap"):
        world = NoiseWorld(effect=-0.05, interference=interference)  # type: ignore[arg-type]
        bank = draw_bank(world, 3, 14, np.random.default_rng(2))
        by_community = draw_communities(world, 3, 14, np.random.default_rng(2))
        rows, ones = np.arange(3), np.ones_like(by_community.control)
        assert by_community.control.sum(axis=1) == pytest.approx(bank.control)
        assert by_community.observe(ones, rows).sum(axis=1) == pytest.approx(bank.treatment)


def test_an_e_process_keeps_its_promise_and_finds_a_large_effect() -> None:
    """400 runs of 28 looks: at most 5 % ever stop; most do at -20 %."""
    rng = np.random.default_rng(5)
    assert ever_stops(0.0, 400, 28, rng) <= 0.05
    assert ever_stops(-0.20, 100, 14, rng) >= 0.9


@EXAMPLES
@given(seed=st.integers(0, 10_000), blocks=st.integers(1, 9))
def test_the_e_value_has_mean_one_over_all_coins(seed: int, blocks: int) -> None:
    """Exactly, given the sizes: the promise does not rest on a simulation."""
    size = np.abs(np.random.default_rng(seed).normal(0, 0.08, blocks))
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=blocks)))
    assert np.exp(log_e(signs * size)[:, -1]).mean() == pytest.approx(1.0, rel=1e-9)


def test_looks_agree_with_their_interval_and_cannot_stop_before_six() -> None:
    looks = monitor(np.full(8, -0.4))
    assert [look.decision for look in looks] == ["continue"] * 5 + ["stop"] * 3
    for look in looks:
        outside = look.hi is not None and look.hi < 0
        assert outside == (look.log_e >= math.log(BOUND))
    noise = monitor(np.random.default_rng(2).normal(0, 0.05, 28))
    assert {look.decision for look in noise} == {"continue"}
    last = noise[-1]
    assert last.lo is not None
    assert last.hi is not None
    assert last.lo < 0 < last.hi
    # Always valid: a later look never widens what an earlier one left.
    ends = [(look.lo, look.hi) for look in noise if look.lo is not None and look.hi is not None]
    assert all(a[0] <= b[0] and a[1] >= b[1] for a, b in itertools.pairwise(ends))  # type: ignore[operator]


def test_communities_follow_calls_and_refusals_say_why() -> None:
    ids = [f"s{i}" for i in range(6)]
    calls = pd.DataFrame(
        [
            ("s0", "s1", 2.0),
            ("s1", "s2", 2.0),
            ("s3", "s4", 2.0),
            ("s4", "s5", 2.0),
            ("s2", "s3", 0.1),
        ],
        columns=["caller_service_id", "callee_service_id", "calls_per_request"],
    )
    found = cluster.find_communities(
        ids, calls, np.array([1.0, 1, 1, 2, 2, 2]), min_edge_share=0.01, seed_parts=("x", 1)
    )
    assert found.of_service.tolist() == [1, 1, 1, 0, 0, 0]
    assert found.traffic.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert found.crossing_share == pytest.approx(0.1 / (2 + 2 + 4 + 4 + 0.1))
    limits = {
        "max_crossing_share": 0.15,
        "max_community_share": 0.20,
        "blocks": 14,
        "min_blocks": 7,
    }
    assert "largest community carries 67%" in str(cluster.refusal(found, **limits))
    limits |= {"max_community_share": 0.9}
    assert cluster.refusal(found, **limits) is None
    assert "crosses communities" in str(
        cluster.refusal(found, **limits | {"max_crossing_share": 0.001})
    )
    assert "6 blocks" in str(cluster.refusal(found, **limits | {"blocks": 6}))
    few = {"pre_days": 14, "min_pre_days": 14, "waves": 5, "min_waves": 5, "communities": 2}
    assert "a wave would be empty" in str(wedge.refusal(**few))


def test_shrinking_pulls_noisy_services_to_the_fleet() -> None:
    effects = np.array([-0.30, -0.05, 0.20, -0.05])
    errors = np.array([0.30, 0.01, 0.01, 0.30])
    found = shrink(effects, errors, np.array([0.1, 0.4, 0.1, 0.4]))
    assert abs(found.effects[0] - found.mean) < 0.3 * abs(effects[0] - found.mean)
    assert found.effects[2] == pytest.approx(effects[2], abs=0.03)
    equal = shrink(effects, np.zeros(4), np.full(4, 0.25))
    assert equal.effects == pytest.approx(effects)


def test_designs_by_community_in_a_world(lab: Any, make_settings: Any) -> None:
    """Pairs of services that call each other, a gain everywhere: both designs see it."""
    pairs = list(zip(lab.services[0::2], lab.services[1::2], strict=True))
    lab.features._frames["feat_placement__calls"] = pd.DataFrame(
        [(a, b, 1.0) for a, b in pairs],
        columns=["caller_service_id", "callee_service_id", "calls_per_request"],
    )
    settings = make_settings(
        mode=["twin", "cluster_switchback", "stepped_wedge"],
        evaluate={"days": 42},
        cluster={"max_community_share": 0.9, "permutations": 199},
        wedge={"permutations": 199},
        baselines={"random_matched": 0},
    )
    _all_move(lab)
    result = run(lab.features, lab.writer, MixedWorld(lab), settings)
    results = lab.writer.read("experiment_results")
    rows = results[(results["metric"] == "latency_mean") & (results["role"] == "success")]
    rows = rows.set_index("mode")
    # Days of communities are many units: others' estimators may speak, and see the same.
    beside = results[(results["segment"] == "cross_check") & (results["metric"] == "latency_mean")]
    beside = beside.set_index("segment_value")
    assert set(beside["mode"]) == {"cluster_switchback"}
    assert set(beside["status"]) == {"ok"}
    assert beside["effective_units"].between(100, 6 * 42).all()
    truth = rows.loc["twin", "rel_effect"]
    assert beside["rel_lo"].lt(truth).all()
    assert beside["rel_hi"].gt(truth).all()
    # Communities differ by far more than the gain: only who knows their past can see it.
    width = beside["rel_hi"] - beside["rel_lo"]
    assert width["cuped"] < 0.6 * width["delta_method"]
    assert beside[["p_value", "p_adjusted"]].isna().all().all()
    for mode in ("cluster_switchback", "stepped_wedge"):
        row = rows.loc[mode]
        assert row["status"] == "ok", row["reason"]
        # In this world the days hardly differ by community: the size is the twin's, to a hair.
        assert row["rel_effect"] == pytest.approx(rows.loc["twin", "rel_effect"], abs=0.002)
        assert row["rel_lo"] < row["rel_effect"] < row["rel_hi"] < 0
        assert row["p_value"] <= 0.01
    members = lab.writer.read("experiment_communities").set_index("service_id")["community_id"]
    assert all(members[a] == members[b] for a, b in pairs)
    assert members.nunique() == 6
    assigned = lab.writer.read("experiment_assignments")
    waves = assigned[assigned["mode"] == "stepped_wedge"]
    arms = waves.sort_values("period_start_on").groupby("unit_id")["arm"].agg(tuple)
    assert set(arms) == {("control", "treatment")}
    days = assigned[assigned["mode"] == "cluster_switchback"]
    assert days.groupby(["unit_id", "block_id"])["arm"].nunique().eq(2).all()
    assert "superior" in " ".join(result.reasons)


def test_a_refused_design_shows_no_number(lab: Any, make_settings: Any) -> None:
    settings = make_settings(
        mode=["twin", "switchback", "cluster_switchback", "stepped_wedge"],
        baselines={"random_matched": 0},
        cluster={"max_community_share": 0.05},
    )
    run(lab.features, lab.writer, lab.world(latency_factor=0.9), settings)
    rows = lab.writer.read("experiment_results")
    for mode, why in (
        ("cluster_switchback", "largest community carries"),
        ("stepped_wedge", "28 evaluation days, 42 needed"),
    ):
        refused = rows[rows["mode"] == mode]
        assert len(refused) == 3
        assert set(refused["status"]) == {"refused"}
        assert refused[["rel_effect", "rel_lo", "p_value", "p_adjusted"]].isna().all().all()
        assert refused["reason"].str.contains(why).all()


class MixedWorld:
    """The lab's world, where each service alone is 10 % faster under its row of the treatment."""

    def __init__(self, lab: Any) -> None:
        self._world, self._lab = lab.world(), lab
        self.history_first_on = self._world.history_first_on
        self.first_future_on = self._world.first_future_on

    def run(self, plan: Any, days: Any, **options: Any) -> Any:
        def regions(rows: Any) -> Any:
            return rows.groupby("service_id")["region_id"].agg(frozenset)

        chosen, treated = regions(plan), regions(self._lab.placements("recommended"))
        found = self._world.run(self._lab.placements("current"), days, **options)
        for index, service in enumerate(self._lab.services):
            if chosen[service] == treated[service]:
                spent = found.latency_sum_us[index] * 9 // 10
                unserved = found.dropped[index] + found.errored[index]
                found.latency_sum_us[index] = spent
                found.imputed_sum_us[index] = spent + unserved * 2_000_000
        return found


def _all_move(lab: Any) -> None:
    """Let the recommended plan move every service: else most have nothing to tell."""

    def placements(kind: str) -> pd.DataFrame:
        shift = {"current": 0, "recommended": 1}[kind]
        rows = [
            (service, lab.regions[(i // 2 + j * 2 + shift) % 4], 3 + i % 2)
            for i, service in enumerate(lab.services)
            for j in range(2)
        ]
        return pd.DataFrame(rows, columns=["service_id", "region_id", "instances"])

    lab.placements = placements
    lab.write_placement()
