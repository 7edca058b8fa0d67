"""Designs by community, run in the world: cluster switchback and stepped wedge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from ml.experiment import cluster, wedge
from ml.experiment.cluster import Communities
from ml.experiment.config import ExperimentSettings
from ml.experiment.fleet import FeatureReader, Fleet
from ml.experiment.full_run import FullRun
from ml.experiment.metrics import Floats, reduce_outcomes
from ml.experiment.mixed_run import METRICS, MixedDays, run_mixed
from ml.experiment.permutation import Permuted
from ml.experiment.plans import PlanSet, consecutive
from ml.experiment.rng import generator
from ml.experiment.switchback import Design, block_differences, design, observed
from ml.experiment.world import World

CALLS = "feat_placement__calls"
AGREEMENT_REPLICATIONS = 5
MIN_PRE_DAYS, MIN_WAVES = 14, 5


@dataclass(frozen=True)
class CommunityEffect:
    """Result of one design: effects by metric, or why it was refused."""

    mode: str
    effects: dict[str, Permuted] = field(default_factory=dict)
    reason: str | None = None
    is_biased: bool = False
    note: str | None = None
    blocks: int = 0
    units: MixedDays | None = None


@dataclass(frozen=True)
class CommunityLayers:
    """Communities of the fleet, and what the designs over them found and assigned."""

    communities: Communities
    service_ids: tuple[str, ...]
    results: tuple[CommunityEffect, ...]
    coins: NDArray[np.bool_] | None
    days: tuple[date, ...]
    waves: NDArray[np.int64] | None
    wave_days: tuple[date, ...]


def communities_of(
    settings: ExperimentSettings, features: FeatureReader, fleet: Fleet, ids: tuple[str, ...]
) -> Communities:
    """Find the communities of the fleet from calls and demand before the experiment."""
    columns = ["caller_service_id", "callee_service_id", "calls_per_request"]
    calls = pd.DataFrame({name: [] for name in columns})
    if features.has(CALLS):
        calls = features.read(CALLS)[columns]
    rates = fleet.demand.sum(axis=1).reindex(list(ids)).fillna(0.0)
    return cluster.find_communities(
        ids,
        calls,
        rates.to_numpy(dtype=np.float64),
        min_edge_share=settings.cluster.min_edge_share,
        seed_parts=(settings.experiment_id, settings.seed),
    )


def run_community_layers(
    world: World,
    plans: PlanSet,
    fleet: Fleet,
    features: FeatureReader,
    settings: ExperimentSettings,
    full: FullRun,
) -> CommunityLayers | None:
    """Run the registered designs by community; None if none is registered."""
    wanted = [m for m in settings.mode if m in ("cluster_switchback", "stepped_wedge")]
    if not wanted:
        return None
    ids = full.control.service_ids
    found = communities_of(settings, features, fleet, ids)
    days = full.control.days
    drawn = assign_communities(world, settings, found, ids, days)
    if drawn is None:
        return None
    plan = design(settings, days)
    results: list[CommunityEffect] = []
    if "cluster_switchback" in wanted:
        reason = _cluster_refusal(settings, found, plan)
        if drawn.coins is None:
            results.append(CommunityEffect("cluster_switchback", reason=reason))
        else:
            results.append(_cluster(world, plans, settings, full, found, plan, drawn.coins))
    if "stepped_wedge" in wanted:
        reason = _wedge_refusal(settings, world, found, days)
        if drawn.waves is None:
            results.append(CommunityEffect("stepped_wedge", reason=reason))
        else:
            results.append(_wedge(world, plans, settings, full, drawn))
    return replace(drawn, results=tuple(results))


def assign_communities(
    world: World,
    settings: ExperimentSettings,
    found: Communities,
    ids: tuple[str, ...],
    days: Sequence[date],
) -> CommunityLayers | None:
    """Draw who is treated when, before anything is run; None if no such design is registered."""
    wanted = [m for m in settings.mode if m in ("cluster_switchback", "stepped_wedge")]
    if not wanted:
        return None
    plan = design(settings, days)
    coins = waves = None
    wave_days: tuple[date, ...] = ()
    if "cluster_switchback" in wanted and _cluster_refusal(settings, found, plan) is None:
        coins = _coins(settings, found.count, plan.blocks)
    if "stepped_wedge" in wanted and _wedge_refusal(settings, world, found, days) is None:
        waves, wave_days = _waves(settings, found, days)
    return CommunityLayers(found, ids, (), coins, plan.days, waves, wave_days)


def _cluster_refusal(settings: ExperimentSettings, found: Communities, plan: Design) -> str | None:
    return cluster.refusal(
        found,
        max_crossing_share=settings.cluster.max_crossing_share,
        max_community_share=settings.cluster.max_community_share,
        blocks=plan.blocks,
        min_blocks=settings.switchback.min_blocks,
    )


def _wedge_refusal(
    settings: ExperimentSettings, world: World, found: Communities, days: Sequence[date]
) -> str | None:
    rules = settings.wedge
    known = (days[0] - world.history_first_on).days
    needed = rules.baseline_days + rules.waves * rules.wave_days
    if len(days) < needed:
        return f"{len(days)} evaluation days, {needed} needed for the waves"
    return wedge.refusal(
        pre_days=min(known, rules.pre_days),
        min_pre_days=MIN_PRE_DAYS,
        waves=rules.waves,
        min_waves=MIN_WAVES,
        communities=found.count,
    )


def _waves(
    settings: ExperimentSettings, found: Communities, days: Sequence[date]
) -> tuple[NDArray[np.int64], tuple[date, ...]]:
    rules = settings.wedge
    rng = generator(settings.experiment_id, settings.seed, "waves")
    length = rules.pre_days + rules.baseline_days + rules.waves * rules.wave_days
    calendar = consecutive(days[0] - timedelta(days=rules.pre_days), length)
    return wedge.deal(found.count, rules.waves, rng), tuple(calendar)


def _coins(settings: ExperimentSettings, communities: int, blocks: int) -> NDArray[np.bool_]:
    rng = generator(settings.experiment_id, settings.seed, "community coins")
    fallen: NDArray[np.bool_] = rng.random((communities, blocks)) < 0.5
    return fallen


def _treated(coins: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return who is treated on which day, from the coin of each block, shape (K, 2 B)."""
    treated = np.empty((coins.shape[0], 2 * coins.shape[1]), dtype=bool)
    treated[:, 0::2], treated[:, 1::2] = coins, ~coins
    return treated


def _cluster(
    world: World,
    plans: PlanSet,
    settings: ExperimentSettings,
    full: FullRun,
    found: Communities,
    plan: Design,
    coins: NDArray[np.bool_],
) -> CommunityEffect:
    ids, treated = full.control.service_ids, _treated(coins)
    mixed = run_mixed(world, plans, ids, found, plan.days, treated)
    signs = np.where(coins, 1.0, -1.0)
    effects = {}
    for metric in METRICS:
        logs = mixed.logs[metric]
        outcome = logs[:, 0::2] - logs[:, 1::2]
        usable = np.isfinite(outcome).all(axis=1) & (found.traffic > 0)
        weights = found.traffic[usable] / found.traffic[usable].sum()
        effects[metric] = cluster.analyze(
            outcome[usable],
            signs[usable],
            weights,
            alpha=settings.alpha,
            permutations=settings.cluster.permutations,
            rng=generator(settings.experiment_id, settings.seed, "community draws", metric),
        )
    lo, hi = _disagreement(world, plans, ids, found, plan, settings)
    fullest = mixed.max_utilisation
    limit = settings.cluster.max_utilisation
    is_apart = not lo <= 0 <= hi
    note = (
        f"minus the switchback {50 * (lo + hi):+.2f} log points x 100 "
        f"[{100 * lo:+.2f}, {100 * hi:+.2f}] over "
        f"{AGREEMENT_REPLICATIONS} replications; fullest region {fullest:.0%} (limit {limit:.0%}); "
        f"{found.crossing_share:.0%} of calls cross communities"
    )
    biased = is_apart or fullest > limit
    return CommunityEffect("cluster_switchback", effects, None, biased, note, plan.blocks, mixed)


def _disagreement(
    world: World,
    plans: PlanSet,
    ids: tuple[str, ...],
    found: Communities,
    plan: Design,
    settings: ExperimentSettings,
) -> tuple[float, float]:
    """Return the t interval of cluster minus fleet switchback over replications, same demand.

    Coins fall anew in each: with the same coins their luck would pass for interference.
    """
    gaps = []
    for replication in range(AGREEMENT_REPLICATIONS):
        rng = generator(settings.experiment_id, settings.seed, "agreement", replication)
        coins = rng.random((found.count, plan.blocks)) < 0.5
        fleet = Design(plan.days, rng.random(plan.blocks) < 0.5)
        signs, treated = np.where(coins, 1.0, -1.0), _treated(coins)
        mixed = run_mixed(world, plans, ids, found, plan.days, treated, replication)
        logs = mixed.logs["latency_mean"]
        outcome = logs[:, 0::2] - logs[:, 1::2]
        usable = np.isfinite(outcome).all(axis=1)
        weights = found.traffic[usable] / found.traffic[usable].sum()
        by_community = cluster.weighted_effect(outcome[usable], signs[usable], weights)
        arms = [
            reduce_outcomes(
                world.run(plans.bare(arm), list(plan.days), replication=replication, detail=False)
            )
            for arm in ("control", "treatment")
        ]
        values, is_treated = observed(fleet, arms[0], arms[1], "latency_mean")
        by_fleet = float(block_differences(values, is_treated, log=True).mean())
        gaps.append(by_community - by_fleet)
    mean, spread = float(np.mean(gaps)), float(np.std(gaps, ddof=1)) / math.sqrt(len(gaps))
    half = float(stats.t.ppf(0.975, len(gaps) - 1)) * spread
    return mean - half, mean + half


def _wedge(
    world: World,
    plans: PlanSet,
    settings: ExperimentSettings,
    full: FullRun,
    drawn: CommunityLayers,
) -> CommunityEffect:
    rules, found, waves = settings.wedge, drawn.communities, drawn.waves
    if waves is None:
        msg = "drawn.waves == None, must be dealt"
        raise ValueError(msg)
    plan = wedge.schedule(rules.pre_days, rules.baseline_days, rules.waves, rules.wave_days)
    ids = full.control.service_ids
    mixed = run_mixed(world, plans, ids, found, drawn.wave_days, plan.treated(waves) > 0)
    effects = {}
    for metric in METRICS:
        logs: Floats = mixed.logs[metric]
        usable = np.isfinite(logs).all(axis=1) & (found.traffic > 0)
        weights = found.traffic[usable] / found.traffic[usable].sum()
        effects[metric] = wedge.analyze(
            logs[usable],
            waves[usable],
            weights,
            plan,
            alpha=settings.alpha,
            permutations=rules.permutations,
            rng=generator(settings.experiment_id, settings.seed, "wave orders", metric),
        )
    limit, fullest = settings.cluster.max_utilisation, mixed.max_utilisation
    note = f"fullest region {fullest:.0%} (limit {limit:.0%})"
    biased = fullest > limit
    return CommunityEffect(
        "stepped_wedge", effects, is_biased=biased, note=note, blocks=rules.waves
    )
