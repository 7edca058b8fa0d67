"""The switchback of every metric, with Holm's adjustment, power and the other coins."""

from __future__ import annotations

from dataclasses import dataclass

from ml.experiment.config import ExperimentSettings
from ml.experiment.full_run import FullRun
from ml.experiment.power import Power, power_of
from ml.experiment.pre_period import PrePeriod
from ml.experiment.rng import generator
from ml.experiment.signflip import holm
from ml.experiment.switchback import Design, SwitchbackEffect, analyze, design, redraw_share

DIAGNOSTICS = ("latency_served_mean", "latency_p50", "egress_per_1m")
PRINTED = ("latency_p99", "error_rate", "slo_violation_rate", "cost_per_1m", "unserved_share")


@dataclass(frozen=True)
class Layer:
    """Switchback results by metric, Holm-adjusted p of the success metrics, and the design."""

    plan: Design
    effects: dict[str, SwitchbackEffect]
    adjusted: dict[str, float | None]
    power: dict[str, Power]
    redraws: dict[str, float | None]


def run_switchback(settings: ExperimentSettings, full: FullRun, pre: PrePeriod) -> Layer | None:
    """Draw the registered coins and test every metric; None if the layer is not registered."""
    if "switchback" not in settings.mode:
        return None
    plan = design(settings, full.control.days, pre.covariates)
    success = settings.metrics.success
    effects = {
        name: analyze(settings, plan, full.control, full.treatment, name)
        for name in dict.fromkeys((*success, *PRINTED, *DIAGNOSTICS))
    }
    p_values = {n: e.test.p_value for n in success if (e := effects[n]).test is not None}
    adjusted: dict[str, float | None] = dict.fromkeys(success)
    # Holm over the registered family: a refused metric keeps its place, as if its p were 1.
    family = holm([p_values.get(name, 1.0) for name in success])
    adjusted |= {n: p for n, p in zip(success, family, strict=True) if n in p_values}
    rng = generator(settings.experiment_id, settings.seed, "power")
    power = {
        name: power_of(
            name,
            pre.tested[name],
            days=2 * plan.blocks,
            alpha=settings.alpha / len(success),
            draws=settings.power.draws,
            effect=settings.mde.get(name),
            rng=rng,
        )
        for name in success
        if name in pre.daily and plan.blocks >= settings.switchback.min_blocks
    }
    redraws = {
        n: redraw_share(settings, plan, full.control, full.treatment, n)
        for n in success
        if effects[n].test is not None
    }
    return Layer(plan, effects, adjusted, power, redraws)
