"""The long calibration: size, coverage, bias and power of every design, thousands of runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ml.experiment import cluster, wedge
from ml.experiment.calibrate import Calibration
from ml.experiment.community_world import CommunityBank, draw_communities
from ml.experiment.config import ExperimentSettings
from ml.experiment.config_designs import Cluster
from ml.experiment.grid import EFFECT, Scenario, Sizes, scenarios
from ml.experiment.metrics import Floats
from ml.experiment.monitor import BOUND, log_e
from ml.experiment.noise_world import (
    NoiseWorld,
    contaminated_share,
    draw_bank,
    observe,
    true_effect,
)
from ml.experiment.permutation import Permuted
from ml.experiment.power import acceptance, windows
from ml.experiment.rates import rejected_shares, wilson
from ml.experiment.rng import generator
from ml.experiment.signflip import batch_p_values

Say = Callable[[str, float | None], None]
_AT_ONCE = 200


@dataclass(frozen=True)
class Measured:
    """Estimates, ends and truth of many runs, log scale; p-values of the test of no effect.

    ``accepted`` says which fleets the design's own limits let it run on; None where all.
    """

    estimates: Floats
    ends: Floats
    truth: Floats
    p_values: Floats
    accepted: NDArray[np.bool_] | None = None

    def only(self, kept: NDArray[np.bool_]) -> Measured:
        """Return some of the runs."""
        return Measured(
            self.estimates[kept], self.ends[kept], self.truth[kept], self.p_values[kept]
        )


def jittered_ks(p_values: Floats, step: float, rng: np.random.Generator) -> float:
    """Return the Kolmogorov-Smirnov p against the uniform, steps of discrete p-values smoothed."""
    smooth = p_values - rng.random(p_values.size) * step
    return float(stats.kstest(np.clip(smooth, 0.0, 1.0), "uniform").pvalue)


def summarise(
    found: Measured,
    *,
    design: str,
    estimator: str,
    scenario: str,
    is_null: bool,
    limits: tuple[float, float] | None,
    rng: np.random.Generator,
    step: float,
) -> Calibration:
    """Return the row of one scenario; ``limits`` bound the rate (null) or the coverage."""
    runs = found.p_values.size
    hits = int((found.p_values <= 0.05).sum())
    held = int(((found.ends[:, 0] <= found.truth) & (found.truth <= found.ends[:, 1])).sum())
    judged = hits / runs if is_null else held / runs
    is_green = limits is None or limits[0] <= judged <= limits[1]
    lo, hi = wilson(hits, runs)
    coverage_lo, coverage_hi = wilson(held, runs)
    bias = 100 * float(np.mean(np.expm1(found.estimates) - np.expm1(found.truth)))
    return Calibration(
        "noise_world",
        design,
        "latency_mean",
        estimator,
        scenario,
        runs,
        hits / runs if is_null else None,
        lo if is_null else None,
        hi if is_null else None,
        False,
        "green" if is_green else "red",
        coverage=held / runs,
        coverage_lo=coverage_lo,
        coverage_hi=coverage_hi,
        power=None if is_null else hits / runs,
        bias_points=bias,
        ks_p_uniform=jittered_ks(found.p_values, step, rng) if is_null else None,
        rejected=rejected_shares(found.p_values) if is_null else None,
    )


def switchback_runs(
    world: NoiseWorld, runs: int, days: int, rng: np.random.Generator, warmup_hours: int = 4
) -> Measured:
    """Return switchbacks of ``runs`` distinct worlds."""
    parts: list[Measured] = []
    contaminated = contaminated_share(world.carryover, warmup_hours)
    for first in range(0, runs, _AT_ONCE):
        count = min(_AT_ONCE, runs - first)
        bank = draw_bank(world, count, days, rng)
        rows = np.arange(count)
        coins = rng.random((count, days // 2)) < 0.5
        gaps = observe(bank, coins, rows, contaminated=contaminated)
        ends = acceptance(gaps, 0.05, rng)
        truth = true_effect(bank, rows, days)
        parts.append(Measured(gaps.mean(axis=1), ends, truth, batch_p_values(gaps, rng)))
    return joined(parts)


def joined(parts: list[Measured]) -> Measured:
    """Return many runs as one."""
    return Measured(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("estimates", "ends", "truth", "p_values")
        )
    )


def cluster_runs(
    world: NoiseWorld, runs: int, days: int, rng: np.random.Generator, rules: Cluster
) -> Measured:
    """Return community switchbacks of ``runs`` distinct worlds, refused fleets among them."""
    found: list[tuple[float, ...]] = []
    accepted: list[bool] = []
    for first in range(0, runs, _AT_ONCE):
        count = min(_AT_ONCE, runs - first)
        bank = draw_communities(world, count, days, rng)
        rows = np.arange(count)
        coins = rng.choice((-1.0, 1.0), size=(count, world.communities, days // 2))
        treated = np.repeat(coins > 0, 2, axis=2).astype(np.float64)
        treated[:, :, 1::2] = 1.0 - treated[:, :, 1::2]
        logs = np.log(bank.observe(treated, rows))
        truth = bank.truth(rows)
        largest, crossing = bank.weights.max(axis=1), bank.crossing
        fits = (largest <= rules.max_community_share) & (crossing <= rules.max_crossing_share)
        accepted += fits.tolist()
        for run in range(count):
            tested = cluster.analyze(
                logs[run][:, 0::2] - logs[run][:, 1::2],
                coins[run],
                bank.weights[run],
                alpha=0.05,
                permutations=rules.permutations,
                rng=rng,
            )
            found.append(_flat(tested, float(truth[run])))
    return replace(_measured(found), accepted=np.array(accepted))


def wedge_runs(
    world: NoiseWorld, runs: int, settings: ExperimentSettings, rng: np.random.Generator
) -> Measured:
    """Return stepped wedges of ``runs`` distinct worlds."""
    rules = settings.wedge
    plan = wedge.schedule(rules.pre_days, rules.baseline_days, rules.waves, rules.wave_days)
    found: list[tuple[float, ...]] = []
    for first in range(0, runs, _AT_ONCE):
        count = min(_AT_ONCE, runs - first)
        bank: CommunityBank = draw_communities(world, count, plan.days, rng)
        rows = np.arange(count)
        truth = bank.truth(rows)
        for run in range(count):
            waves = wedge.deal(world.communities, rules.waves, rng)
            treated = plan.treated(waves)[None]
            tested = wedge.analyze(
                np.log(bank.observe(treated, rows[run : run + 1])[0]),
                waves,
                bank.weights[run],
                plan,
                alpha=0.05,
                permutations=rules.permutations,
                rng=rng,
            )
            found.append(_flat(tested, float(truth[run])))
    return _measured(found)


def _flat(tested: Permuted, truth: float) -> tuple[float, ...]:
    lo = -math.inf if tested.lo is None else tested.lo
    hi = math.inf if tested.hi is None else tested.hi
    return (tested.estimate, lo, hi, truth, tested.p_value)


def _measured(rows: list[tuple[float, ...]]) -> Measured:
    table = np.array(rows)
    return Measured(table[:, 0], table[:, 1:3], table[:, 3], table[:, 4])


def ever_stops(effect: float, runs: int, blocks: int, rng: np.random.Generator) -> float:
    """Return the share of runs whose e-process ever reaches its bound, a look after each block."""
    stopped = 0
    for first in range(0, runs, _AT_ONCE):
        count = min(_AT_ONCE, runs - first)
        bank = draw_bank(NoiseWorld(effect=effect), count, 2 * blocks, rng)
        coins = rng.random((count, blocks)) < 0.5
        gaps = observe(bank, coins, np.arange(count))
        stopped += int((log_e(gaps).max(axis=1) >= math.log(BOUND)).sum())
    return stopped / runs


def own_power(
    settings: ExperimentSettings, daily: Mapping[str, Floats], runs: int
) -> list[Calibration]:
    """Return the switchback's power at -5 % over 56 days drawn from this world's own days."""
    values = daily.get("latency_mean")
    if values is None or len(values) < 4 or not (np.isfinite(values).all() and (values > 0).all()):
        return []
    rng = generator(settings.experiment_id, settings.seed, "long", "own power")
    logs = np.log(windows(values, 56, runs, rng))
    signs = rng.choice((-1.0, 1.0), size=(runs, 28))
    ends = acceptance(signs * (logs[:, 0::2] - logs[:, 1::2]), 0.05, rng)
    size = -math.log1p(EFFECT)
    power = float(((ends[:, 1] < size) | (ends[:, 0] > size)).mean())
    scenario = f"-5 %, 56 days drawn from {len(values)} of one world"
    label = ("world_daily", "switchback", "latency_mean", "sign_flip", scenario, runs)
    return [Calibration(*label, None, None, None, False, "green", power=power)]


def calibrate_long(settings: ExperimentSettings, sizes: Sizes, say: Say) -> list[Calibration]:
    """Run every scenario of the switchback, the community switchback and the stepped wedge."""
    rows: list[Calibration] = []
    listed = scenarios(sizes)
    for number, cell in enumerate(listed):
        say(f"{cell.design}: {cell.name}", number / len(listed))
        rng = generator(settings.experiment_id, settings.seed, "long", cell.design, cell.name)
        rows += _scenario_rows(settings, cell, rng)
    return rows


def _scenario_rows(
    settings: ExperimentSettings, cell: Scenario, rng: np.random.Generator
) -> list[Calibration]:
    if cell.design == "switchback":
        found = switchback_runs(cell.world, cell.runs, cell.days, rng)
        step = 2.0 / 2 ** (cell.days // 2) if cell.days <= 28 else 1e-4
    elif cell.design == "cluster_switchback":
        found = cluster_runs(cell.world, cell.runs, cell.days, rng, settings.cluster)
        step = 1.0 / (settings.cluster.permutations + 1)
    else:
        found = wedge_runs(cell.world, cell.runs, settings, rng)
        step = 1.0 / (settings.wedge.permutations + 1)
    parts = [(found, cell.name, cell.limits)]
    if cell.world.interference == "spill" and found.accepted is not None and found.accepted.any():
        # Printed beside, never instead: the goal is stated over all fleets.
        parts.append((found.only(found.accepted), f"fleets it accepts: {cell.name}", None))
    return [
        summarise(
            part,
            design=cell.design,
            estimator="sign_flip" if cell.design == "switchback" else "permutation",
            scenario=f"{name}, {cell.days} days",
            is_null=cell.is_null,
            limits=limits,
            rng=rng,
            step=step,
        )
        for part, name, limits in parts
    ]
