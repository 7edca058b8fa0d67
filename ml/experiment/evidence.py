"""What the layers say of a success metric, and what their calibration says of the layers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ml.experiment.calibrate import Calibration
from ml.experiment.config import ExperimentSettings
from ml.experiment.decide import SuccessEvidence
from ml.experiment.field_layer import Layer
from ml.experiment.gate import Check, check
from ml.experiment.pre_period import Gains
from ml.experiment.rates import OURS
from ml.experiment.result_rows import Row
from ml.experiment.switchback import Design
from ml.experiment.twin import TwinResult


def evidence_of(
    name: str, twin: TwinResult, layer: Layer | None, by_community: Sequence[Row]
) -> SuccessEvidence:
    """Return what the layers say of one success metric."""
    if layer is None:
        # The design by community may supply the p-value, but never a second one to choose from.
        for row in by_community:
            if (
                row["metric"] == name
                and row["mode"] == "cluster_switchback"
                and row["status"] == "ok"
            ):
                estimate = math.log1p(row["rel_effect"])
                plausible = twin.estimates[name].plausible()
                return SuccessEvidence(name, estimate, row["p_adjusted"], *plausible)
    effect = layer.effects[name] if layer else None
    measured = effect.test.estimate if effect and effect.test else None
    adjusted = layer.adjusted[name] if layer else None
    return SuccessEvidence(name, measured, adjusted, *twin.estimates[name].plausible())


def calibration_checks(measured: Sequence[Calibration]) -> list[Check]:
    """Return whether canaries were caught and the registered test keeps its size."""
    canaries = [m for m in measured if m.is_canary]
    tests = [m for m in measured if m.estimator in OURS]
    missed = [m.estimator for m in canaries if m.status != "red"]
    rates = ", ".join(f"{m.estimator} {m.rate or 0.0:.1%}" for m in canaries)
    sizes = ", ".join(f"{m.source} {m.metric} {m.rate or 0.0:.2%}" for m in tests)
    return [
        check(
            "canaries_caught",
            "calibration",
            f"false-positive rates {rates}; not caught: {', '.join(missed) or 'none'}",
            "every bad method is seen to be bad",
            not missed,
        ),
        check(
            "false_positive_rate",
            "calibration",
            sizes,
            "the sign-flip test rejects 4 % to 6 % of A/A runs",
            all(m.status == "green" for m in tests),
        ),
    ]


def covariate_checks(settings: ExperimentSettings, plan: Design) -> list[Check]:
    """Return, for each success metric, what the registered covariate is; none where it is off."""
    if settings.switchback.covariate is None:
        return []
    expected = "fitted before the experiment, on demand alone, and frozen"
    found = []
    for name in settings.metrics.success:
        covariate = plan.covariates.get(name)
        if covariate is None:
            said = "nothing is taken off: demand does not predict this metric here"
            found.append(Check("covariate_frozen", name, said, expected, "not_testable"))
            continue
        said = (
            f"gamma {covariate.gamma:.3f} through {covariate.through}; takes "
            f"{covariate.explained_share:.0%} off the variance of block differences before, each "
            "half of the days told by the other"
        )
        if covariate.gamma == 0:
            said += ": no help, so nothing is taken off"
        is_before = not plan.days or covariate.through < plan.days[0]
        found.append(check("covariate_frozen", name, said, expected, is_before))
    return found


def gain_checks(gains: Gains) -> list[Check]:
    """Return the gain in and out of sample, printed."""
    return [
        Check(
            "out_of_sample_gain",
            name,
            f"in sample {gains.in_sample.get(name, math.nan):+.2%}, out of sample {later:+.2%}, "
            f"ratio {_ratio(gains.ratio(name))}",
            "printed: a gain much larger in sample is a winner's curse",
            "green" if name in gains.in_sample else "not_testable",
        )
        for name, later in gains.out_of_sample.items()
    ]


def _ratio(value: float) -> str:
    return "unknown: there is no later gain" if math.isnan(value) else f"{value:.2f}"
