"""The twin's estimate: a mean over replications, each with its own days and its own luck."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ml.experiment.metrics import reduce_outcomes
from ml.experiment.plans import consecutive
from ml.experiment.twin import Twin


def _twin(lab: Any, settings: Any, **knobs: Any) -> Any:
    world = lab.world(**knobs)
    days = consecutive(world.first_future_on, 28)
    plans = {
        arm: lab.placements(kind)
        for arm, kind in (("control", "current"), ("treatment", "recommended"))
    }
    full = {arm: reduce_outcomes(world.run(plan, days)) for arm, plan in plans.items()}
    return Twin(world, plans, settings, full).result()


def test_an_incident_of_one_replication_counts_once_in_r(lab: Any, settings: Any) -> None:
    """One bad day of replication 0 may not be copied into the others: they had none."""
    quiet = _twin(lab, settings)
    struck = _twin(lab, settings, incident_factor=8.0)
    name = f"service:{lab.services[0]}"
    assert name in struck.estimates
    shift = struck.estimates[name].thetas - quiet.estimates[name].thetas
    assert shift[0] == pytest.approx(math.log(1 + 7 / 28), abs=0.05)
    assert shift[1:] == pytest.approx(0.0, abs=1e-12)
    moved = struck.estimates[name].theta - quiet.estimates[name].theta
    assert moved == pytest.approx(shift[0] / settings.twin.replications)
    # The interval knows that one replication differs: it is not all of one mind.
    lo, hi = struck.estimates[name].monte_carlo(0.95)
    assert lo < quiet.estimates[name].theta < hi


def test_every_replication_runs_every_day(lab: Any, settings: Any) -> None:
    found = _twin(lab, settings, latency_factor=0.9)
    assert found.estimates["latency_mean"].thetas.size == settings.twin.replications
    assert found.estimates["latency_p95"].thetas.size == settings.twin.detail_replications
    assert found.estimates["latency_mean"].draws.size == settings.twin.input_draws
    assert found.estimates["latency_mean"].theta == pytest.approx(math.log(0.9), abs=0.01)
