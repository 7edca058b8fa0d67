"""How often the method cries wolf when nothing differs, and whether bad methods are caught."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ml.experiment.config import ExperimentSettings
from ml.experiment.cross_checks import ratio_delta
from ml.experiment.metrics import Floats
from ml.experiment.noise_world import Bank, NoiseWorld, draw_bank, observe
from ml.experiment.rates import rejected_shares, wilson
from ml.experiment.rng import generator
from ml.experiment.signflip import batch_p_values, coin_p_values

FPR_HIGH = 0.06
FULL_RUNS = 4000
# Fewer blocks cannot show a size of 5 %, and hide what peeking does.
MIN_SIZE_BLOCKS = 14
CANARY_LIMITS = {"service_day_rows_t": 0.30, "delta_ratio": 0.10, "naive_peeking": 0.15}


@dataclass(frozen=True)
class Calibration:
    """One measured false-positive rate with its Wilson interval.

    ``status`` is green where the rate is what it should be. A canary is a bad method: it must be
    red, and a green canary means that the harness could not see a bad method. ``rejected`` is the
    share of p-values at or below each of :data:`ml.experiment.rates.LEVELS` where nothing differs.
    """

    source: str
    design: str
    metric: str
    estimator: str
    scenario: str
    runs: int
    rate: float | None
    lo: float | None
    hi: float | None
    is_canary: bool
    status: str
    coverage: float | None = None
    coverage_lo: float | None = None
    coverage_hi: float | None = None
    power: float | None = None
    bias_points: float | None = None
    ks_p_uniform: float | None = None
    rejected: tuple[float, ...] | None = None


def band(runs: int, blocks: int, alpha: float = 0.05) -> tuple[float, float]:
    """Return the band a right false-positive rate must lie in: 4 to 6 % at 4,000 runs.

    Fewer runs widen it by the square root; few blocks cannot reach ``alpha`` exactly, which moves
    it down to the attainable size.

    Example:
        >>> [round(v, 3) for v in band(4000, 14)], [round(v, 3) for v in band(1000, 14)]
        ([0.04, 0.06], [0.03, 0.07])
    """
    half = 0.01 * math.sqrt(max(1.0, FULL_RUNS / runs))
    step = 2.0 / 2**blocks
    attainable = math.floor(alpha / step + 1e-9) * step
    # Three per mille is what 14 blocks lose and the band of 4,000 runs already allows for.
    return min(alpha, attainable + 0.003) - half, alpha + half


def rate_row(
    p_values: Floats,
    *,
    source: str,
    design: str,
    metric: str,
    estimator: str,
    scenario: str,
    limits: tuple[float, float] | None,
) -> Calibration:
    """Summarise p-values of runs in which nothing differs."""
    hits, runs = int((p_values <= 0.05).sum()), len(p_values)
    rate = hits / runs
    low, high = wilson(hits, runs)
    is_canary = limits is None
    if limits is None:
        status = "red" if rate > CANARY_LIMITS[estimator] else "green"
    else:
        status = "green" if limits[0] <= rate <= limits[1] else "red"
    label = (source, design, metric, estimator, scenario, runs)
    shares = rejected_shares(p_values)
    return Calibration(*label, rate, low, high, is_canary, status, rejected=shares)


def day_t_p_values(bank_control: Floats, coins: NDArray[np.bool_]) -> Floats:
    """Return p of the classical t-test on daily values, treatment days against control days."""
    is_treated = np.empty((len(coins), 2 * coins.shape[1]), dtype=bool)
    is_treated[:, 0::2], is_treated[:, 1::2] = coins, ~coins
    values = bank_control[:, : is_treated.shape[1]]
    days = coins.shape[1]
    total, squares = values.sum(axis=1), (values**2).sum(axis=1)
    sum_t = np.where(is_treated, values, 0.0).sum(axis=1)
    sq_t = np.where(is_treated, values**2, 0.0).sum(axis=1)
    return _two_sample_p(sum_t, sq_t, days, total - sum_t, squares - sq_t, days)


def _two_sample_p(
    sum_a: Floats, sq_a: Floats, n_a: int, sum_b: Floats, sq_b: Floats, n_b: int
) -> Floats:
    within = sq_a - sum_a**2 / n_a + sq_b - sum_b**2 / n_b
    pooled = np.maximum(within, 1e-300) / (n_a + n_b - 2)
    statistic = (sum_a / n_a - sum_b / n_b) / np.sqrt(pooled * (1 / n_a + 1 / n_b))
    result: Floats = 2 * stats.t.sf(np.abs(statistic), n_a + n_b - 2)
    return result


def service_day_rows(bank: Bank, rows: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Return p of t-tests that take service-days of a service-level split as independent rows."""
    _, services, days = bank.service_logs.shape
    sums, squares = bank.service_logs.sum(axis=2), (bank.service_logs**2).sum(axis=2)
    half = services // 2
    keys = rng.random((len(rows), services))
    picked = np.argsort(keys, axis=1)[:, :half]
    chosen = np.zeros((len(rows), services))
    np.put_along_axis(chosen, picked, 1.0, axis=1)
    sum_a, sq_a = (chosen * sums[rows]).sum(axis=1), (chosen * squares[rows]).sum(axis=1)
    sum_b, sq_b = sums[rows].sum(axis=1) - sum_a, squares[rows].sum(axis=1) - sq_a
    return _two_sample_p(sum_a, sq_a, half * days, sum_b, sq_b, (services - half) * days)


def delta_ratio(bank: Bank, rows: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Return p of the delta method on a service-level split: a few services carry the traffic."""
    services = bank.weights.shape[1]
    means = np.exp(bank.service_logs).mean(axis=2)
    p_values = np.empty(len(rows))
    for run, row in enumerate(rows):
        is_treated = np.zeros(services, dtype=bool)
        is_treated[rng.permutation(services)[: services // 2]] = True
        weight = bank.weights[row]
        gap, error, freedom = ratio_delta(weight * means[row], weight, is_treated)
        p_values[run] = 2 * stats.t.sf(abs(gap) / error, freedom)
    return p_values


def naive_peeking(differences: Floats) -> Floats:
    """Return the smallest p of t-tests after every block: stopping at the first p < 0.05."""
    blocks = differences.shape[1]
    counts = np.arange(1, blocks + 1)
    mean = np.cumsum(differences, axis=1) / counts
    squares = np.cumsum(differences**2, axis=1)
    spread = np.sqrt(np.maximum(squares - counts * mean**2, 1e-300) / np.maximum(counts - 1, 1))
    statistic = np.abs(mean) / (spread / np.sqrt(counts))
    p_values = 2 * stats.t.sf(statistic[:, 1:], counts[1:] - 1)
    result: Floats = np.asarray(p_values).min(axis=1)
    return result


def calibrate(
    settings: ExperimentSettings, daily: Mapping[str, Floats] | None = None
) -> list[Calibration]:
    """Measure false-positive rates of the registered test and of the canaries.

    Args:
        settings: Registered configuration.
        daily: Daily values per metric of one plan in the experiment's own world, shape (D,).

    Returns:
        One row per source, metric and estimator.
    """
    sizes, blocks = settings.calibration, max(MIN_SIZE_BLOCKS, settings.evaluate.days // 2)
    rng = generator(settings.experiment_id, settings.seed, "calibrate")
    bank = draw_bank(NoiseWorld(), sizes.worlds, 2 * blocks, rng)
    rows = np.arange(sizes.runs) % sizes.worlds
    coins = rng.random((sizes.runs, blocks)) < 0.5
    differences = observe(bank, coins, rows)
    label = {"source": "noise_world", "design": "switchback", "metric": "latency_mean"}
    scenario = f"A/A, {blocks} blocks"
    result = [
        rate_row(
            batch_p_values(differences, rng),
            **label,
            estimator="sign_flip",
            scenario=scenario,
            limits=band(sizes.runs, blocks),
        ),
        rate_row(
            day_t_p_values(bank.control[rows], coins),
            **label,
            estimator="classical_t_on_days",
            scenario=scenario,
            limits=(0.0, FPR_HIGH),
        ),
    ]
    result += _canaries(settings, bank, differences, rng)
    for metric, values in sorted((daily or {}).items()):
        result += _own_world(metric, values, coins, rng)
    return result


def _canaries(
    settings: ExperimentSettings, bank: Bank, differences: Floats, rng: np.random.Generator
) -> list[Calibration]:
    runs = settings.calibration.canary_runs
    rows = np.arange(runs) % len(bank.weights)
    heavy = draw_bank(
        NoiseWorld(weight_sigma=2.0), min(len(bank.weights), 200), bank.control.shape[1], rng
    )
    heavy_rows = np.arange(runs) % len(heavy.weights)
    parallel = "parallel_by_service"
    measured = (
        (parallel, "service_day_rows_t", service_day_rows(bank, rows, rng), "weight sigma 1.5"),
        (parallel, "delta_ratio", delta_ratio(heavy, heavy_rows, rng), "weight sigma 2.0"),
        ("switchback", "naive_peeking", naive_peeking(differences), "a look after every block"),
    )
    return [
        rate_row(
            p_values,
            source="noise_world",
            design=design,
            metric="latency_mean",
            estimator=name,
            scenario=f"A/A, {scenario}",
            limits=None,
        )
        for design, name, p_values, scenario in measured
    ]


def _own_world(
    metric: str, values: Floats, coins: NDArray[np.bool_], rng: np.random.Generator
) -> list[Calibration]:
    blocks = min(coins.shape[1], len(values) // 2)
    if blocks < 6 or not (np.isfinite(values).all() and (values > 0).all()):
        return []
    logs = np.log(values[: 2 * blocks])
    gaps = logs[0::2] - logs[1::2]
    signs = np.where(coins[:, :blocks], 1.0, -1.0)
    series = np.broadcast_to(values[: 2 * blocks], (len(coins), 2 * blocks))
    label = {"source": "world_daily", "design": "switchback", "metric": metric}
    scenario = f"A/A, {blocks} blocks, one world, many coins"
    return [
        rate_row(
            coin_p_values(gaps, signs, rng),
            **label,
            estimator="sign_flip",
            scenario=scenario,
            limits=band(len(coins), blocks),
        ),
        rate_row(
            day_t_p_values(np.asarray(series), coins[:, :blocks]),
            **label,
            estimator="classical_t_on_days",
            scenario=scenario,
            limits=(0.0, FPR_HIGH),
        ),
    ]
