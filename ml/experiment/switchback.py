"""The switchback: whole-fleet plans that change by a fair coin, two neighbouring days a block."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ml.experiment.config import ExperimentSettings
from ml.experiment.covariate import Covariate
from ml.experiment.gate import Check, check
from ml.experiment.metrics import ALL, CATALOGUE, Arm, Cut, Floats, daily_values, day_positions
from ml.experiment.rng import generator
from ml.experiment.signflip import EXACT_BLOCKS, SignFlip, batch_p_values, sign_flip

_SRM_P = 0.001


@dataclass(frozen=True)
class Design:
    """Blocks of two days and the coin of each: True means treatment on the first day.

    ``covariates`` are what is taken off the days of a metric, frozen before the first of them.
    """

    days: tuple[date, ...]
    treatment_first: NDArray[np.bool_]
    covariates: Mapping[str, Covariate] = field(default_factory=dict)

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return len(self.treatment_first)


def block_days(days: Sequence[date], excluded: Sequence[date]) -> tuple[date, ...]:
    """Pair days (1,2), (3,4), ... and drop pairs that touch a planned event, before any coin."""
    kept: list[date] = []
    for first, second in zip(days[0::2], days[1::2], strict=False):
        if first not in excluded and second not in excluded:
            kept += [first, second]
    return tuple(kept)


def draw_coins(blocks: int, *seed_parts: object) -> NDArray[np.bool_]:
    """Return one fair coin per block, from a registered seed."""
    coins: NDArray[np.bool_] = generator(*seed_parts, "coins").random(blocks) < 0.5
    return coins


def design(
    settings: ExperimentSettings,
    days: Sequence[date],
    covariates: Mapping[str, Covariate] | None = None,
) -> Design:
    """Return the registered assignment of the evaluation days."""
    paired = block_days(days, settings.switchback.excluded_days)
    coins = draw_coins(len(paired) // 2, settings.experiment_id, settings.seed)
    return Design(paired, coins, covariates or {})


def day_positions_of(plan: Design, arm: Arm) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return where the paired days sit in the arm, and which of them run the treatment."""
    is_treated = np.empty(len(plan.days), dtype=bool)
    is_treated[0::2], is_treated[1::2] = plan.treatment_first, ~plan.treatment_first
    return day_positions(arm, plan.days), is_treated


def observed(
    plan: Design, control: Arm, treatment: Arm, name: str, cut: Cut = ALL
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the metric of each paired day in the arm that ran, and which days were treatment.

    The first hours of every day are left out in both arms, whether or not the plan changed:
    leaving them out only after a change would make the mix of hours depend on the coins.
    """
    index, is_treated = day_positions_of(plan, control)
    values = np.where(
        is_treated,
        daily_values(treatment, name, warm=True, cut=cut)[index],
        daily_values(control, name, warm=True, cut=cut)[index],
    )
    return values, is_treated


def shifts(plan: Design, arm: Arm, name: str, cut: Cut = ALL) -> Floats:
    """Return what demand alone does to the log metric of each paired day, 0 without a covariate.

    A covariate is registered for the whole fleet: a part of it is left as it is.
    """
    covariate = plan.covariates.get(name) if cut is ALL else None
    if covariate is None:
        return np.zeros(len(plan.days))
    return covariate.of(arm, plan.days)


def adjusted(
    plan: Design, control: Arm, treatment: Arm, name: str, cut: Cut = ALL
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return :func:`observed`, less what the registered covariate takes off: what is tested."""
    values, is_treated = observed(plan, control, treatment, name, cut)
    if name not in plan.covariates or cut is not ALL:
        return values, is_treated
    return values * np.exp(-shifts(plan, control, name)), is_treated


def block_differences(values: Floats, is_treated: NDArray[np.bool_], *, log: bool) -> Floats:
    """Return treatment minus control of each block, on the log scale for ratios."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.log(values) if log else values
    first, second = scaled[0::2], scaled[1::2]
    differences: Floats = np.where(is_treated[0::2], first - second, second - first)
    return differences


@dataclass(frozen=True)
class SwitchbackEffect:
    """Result of one metric; ``test`` is None where it was refused, and ``reason`` says why."""

    name: str
    control: float
    treatment: float
    test: SignFlip | None
    reason: str | None
    redraw_share: float | None = None
    covariate: Covariate | None = None


def analyze(
    settings: ExperimentSettings,
    plan: Design,
    control: Arm,
    treatment: Arm,
    name: str,
    cut: Cut = ALL,
) -> SwitchbackEffect:
    """Run the sign-flip test of one metric; refuse it on too few or broken blocks."""
    log = CATALOGUE[name].scale == "log"
    values, is_treated = adjusted(plan, control, treatment, name, cut)
    level_c = _level(values[~is_treated], log)
    level_t = _level(values[is_treated], log)
    if plan.blocks < settings.switchback.min_blocks:
        reason = f"{plan.blocks} blocks, at least {settings.switchback.min_blocks} needed"
        return SwitchbackEffect(name, level_c, level_t, None, reason)
    differences = block_differences(values, is_treated, log=log)
    if not np.isfinite(differences).all():
        return SwitchbackEffect(name, level_c, level_t, None, "a day has no value of this metric")
    rng = generator(settings.experiment_id, settings.seed, "subsets", name)
    test = sign_flip(differences, alpha=settings.alpha, rng=rng)
    covariate = plan.covariates.get(name) if cut is ALL else None
    return SwitchbackEffect(name, level_c, level_t, test, None, covariate=covariate)


def _level(values: Floats, log: bool) -> float:
    if not values.size or not np.isfinite(values).all() or (log and (values <= 0).any()):
        return math.nan
    return float(np.exp(np.log(values).mean())) if log else float(values.mean())


def redraw_share(
    settings: ExperimentSettings, plan: Design, control: Arm, treatment: Arm, name: str
) -> float | None:
    """Return the share of other coin sequences that would have given p < alpha.

    Printed next to the p-value: nobody can pick a lucky seed unseen.
    """
    count = settings.switchback.coin_redraws
    if count == 0 or plan.blocks < settings.switchback.min_blocks:
        return None
    log = CATALOGUE[name].scale == "log"
    each = np.array(
        [
            draw_coins(plan.blocks, settings.experiment_id, settings.seed, "redraw", index)
            for index in range(count)
        ]
    )
    # What a block says depends on its own coin only: both outcomes are known from the start.
    first, second = (
        block_differences(
            *adjusted(replace(plan, treatment_first=coins), control, treatment, name), log=log
        )
        for coins in (np.ones(plan.blocks, dtype=bool), np.zeros(plan.blocks, dtype=bool))
    )
    differences = np.where(each, first, second)
    if not np.isfinite(differences).all():
        return None
    rng = generator(settings.experiment_id, settings.seed, "redraw subsets")
    return float((batch_p_values(differences, rng) < settings.alpha).mean())


def classical_t(values: Floats, is_treated: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the independent t-test on daily means: it ignores the pairing, for display only.

    References:
        Student (1908), The Probable Error of a Mean.
    """
    if min(is_treated.sum(), (~is_treated).sum()) < 2:
        return math.nan, math.nan
    result = stats.ttest_ind(values[is_treated], values[~is_treated])
    return float(result.statistic), float(result.pvalue)


def check_assignment(
    settings: ExperimentSettings, plan: Design, control: Arm, treatment: Arm
) -> list[Check]:
    """Check the demand of the days each arm saw, and the ratio of the coins."""
    index, is_treated = day_positions_of(plan, control)
    demand_c = control.counts["offered"].sum(axis=(0, 1))[index]
    demand_t = treatment.counts["offered"].sum(axis=(0, 1))[index]
    seen = np.where(is_treated, demand_t, demand_c)
    differing = int((seen != np.where(is_treated, demand_c, demand_t)).sum())
    firsts = int(plan.treatment_first.sum())
    ratio_p = float(stats.chisquare([firsts, plan.blocks - firsts]).pvalue) if plan.blocks else 1.0
    balance = _demand_balance(settings, plan, seen.astype(np.float64), is_treated)
    return [
        check(
            "demand_of_the_day",
            "switchback",
            f"{differing} of {len(seen)} days differ from the demand of that day",
            "0 days differ",
            differing == 0,
        ),
        check(
            "assignment_ratio",
            "switchback",
            f"{int(is_treated.sum())} treatment and {int((~is_treated).sum())} control days, "
            f"treatment first in {firsts} of {plan.blocks} blocks (p {ratio_p:.4f})",
            "as many days in each arm; fair coin at p >= 0.001",
            2 * int(is_treated.sum()) == len(plan.days) and ratio_p >= _SRM_P,
        ),
        balance,
    ]


def check_before(settings: ExperimentSettings, plan: Design, daily: Mapping[str, Floats]) -> Check:
    """Check that days before the experiment, dealt by the same coins, show no effect.

    Nothing differed then: a coin that follows the days, or days that the test reads wrongly, shows.
    """
    name = settings.metrics.success[0]
    expected = "the registered coins find nothing before the experiment at p >= 0.001"
    values = daily.get(name, np.empty(0))
    blocks = min(len(values) // 2, plan.blocks)
    if (
        blocks == 0
        or 2 / 2**blocks >= _SRM_P
        or not (np.isfinite(values).all() and values.min() > 0)
    ):
        said = f"{blocks} blocks before cannot reach p < 0.001"
        return Check("no_effect_before", name, said, expected, "not_testable")
    is_treated = np.empty(2 * blocks, dtype=bool)
    is_treated[0::2], is_treated[1::2] = (
        plan.treatment_first[:blocks],
        ~plan.treatment_first[:blocks],
    )
    gaps = block_differences(values[: 2 * blocks], is_treated, log=True)
    rng = generator(settings.experiment_id, settings.seed, "subsets", "before")
    found = sign_flip(gaps, rng=None if blocks <= EXACT_BLOCKS else rng)
    said = f"{math.expm1(found.estimate):+.2%} over {blocks} blocks before, p {found.p_value:.4f}"
    return check("no_effect_before", name, said, expected, found.p_value >= _SRM_P)


def _demand_balance(
    settings: ExperimentSettings, plan: Design, seen: Floats, is_treated: NDArray[np.bool_]
) -> Check:
    expected = "log demand of treatment and control days alike at p >= 0.001"
    # Below 11 blocks the smallest p is above 0.001: the check could not fail, so it says nothing.
    if 2 / 2**plan.blocks >= _SRM_P or (seen <= 0).any():
        observed_text = f"{plan.blocks} blocks cannot reach p < 0.001"
        return Check("demand_balance", "switchback", observed_text, expected, "not_testable")
    differences = block_differences(seen, is_treated, log=True)
    rng = generator(settings.experiment_id, settings.seed, "subsets", "demand")
    exact = plan.blocks <= EXACT_BLOCKS
    p_value = sign_flip(differences, rng=None if exact else rng).p_value
    return check("demand_balance", "switchback", f"p {p_value:.4f}", expected, p_value >= _SRM_P)
