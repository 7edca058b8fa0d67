"""The margin on what lasts: day noise averages out of it, the error about a placement does not."""

from __future__ import annotations

import numpy as np
import pytest

from ml.latency.conformal import conformal_quantile
from ml.latency.lasting import (
    Placements,
    covered_elsewhere,
    lasting_quantile,
    placement_errors,
)

SERVICES, REGIONS, DAYS = 200, 3, 20
WIDTH = np.full(SERVICES, 0.09)


def _days(lasting: float, daily: float, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return error, service and region of every day of every placement."""
    rng = np.random.default_rng(seed)
    service = np.repeat(np.arange(SERVICES), REGIONS * DAYS)
    region = np.tile(np.repeat(np.arange(REGIONS), DAYS), SERVICES)
    stays = np.repeat(rng.normal(0, lasting, SERVICES * REGIONS), DAYS)
    return stays + rng.normal(0, daily, stays.size), service, region


def _margin(lasting: float, daily: float) -> float:
    placements = placement_errors(*_days(lasting, daily), 5)
    return lasting_quantile(placements, WIDTH, 0.9) * float(np.sqrt(WIDTH[0]))


def test_noise_of_single_days_hardly_moves_the_margin_and_lasting_errors_set_it() -> None:
    one_sided = 1.2816
    noisy = conformal_quantile(_days(0.05, 0.3)[0], 0.9)
    assert noisy == pytest.approx(one_sided * np.hypot(0.05, 0.3), rel=0.05)
    assert _margin(0.05, 0.3) == pytest.approx(
        one_sided * np.hypot(0.05, 0.3 / np.sqrt(DAYS)), rel=0.1
    )
    assert _margin(0.2, 0.3) == pytest.approx(one_sided * 0.2, rel=0.15)


def test_a_new_placement_is_covered_as_often_as_stated() -> None:
    level, covered = 0.9, []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        seen = Placements(np.arange(30), rng.gumbel(size=30))
        new = rng.gumbel()
        covered.append(new / np.sqrt(0.09) <= lasting_quantile(seen, WIDTH, level))
    # Binomial with 200 draws at 0.903 (the 28th of 31): three standard errors are 0.063.
    assert 0.84 < np.mean(covered) < 0.967


def test_a_service_is_judged_without_any_of_its_own_placements() -> None:
    service = np.repeat(np.arange(20), 2)
    error = np.where(service % 5 == 0, 5.0, np.tile([0.1, -0.1], 20))
    fold = np.arange(20) % 5
    covered = covered_elsewhere(Placements(service, error), WIDTH, fold, 0.9)
    # All bad services share a fold: sized on the others, the margin covers none of them.
    assert not covered[service % 5 == 0].any()
    assert covered[service % 5 != 0].all()


def test_placements_seen_on_few_days_say_nothing() -> None:
    error, service = np.array([1.0, 1, 1, 9, 9]), np.array([4, 4, 4, 7, 7])
    found = placement_errors(error, service, np.array([1, 1, 1, 0, 0]), 3)
    assert found.service.tolist() == [4]
    assert found.error.tolist() == [1.0]


def test_too_few_placements_give_no_margin_and_good_ones_none_below_zero() -> None:
    few = Placements(np.arange(5), np.ones(5))
    assert lasting_quantile(few, WIDTH, 0.9) == np.inf
    kind = Placements(np.arange(50), np.full(50, -1.0))
    assert lasting_quantile(kind, WIDTH, 0.9) == 0.0
