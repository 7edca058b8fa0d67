"""The "check" numbers of the design, on three seeds at the default size.

Goals that the world of this specification does not meet are listed, with everything that was
measured: the numbers were taken from a prototype that ranked all services by popularity and
rewrote old edges, which this world must not do. No threshold was moved.
"""

from __future__ import annotations

import pytest

from generator.synthetic.foundation import make_foundation
from generator.synthetic.history import make_history
from tests.generator.plausibility import measure

pytestmark = pytest.mark.slow

SEEDS = (42, 7, 2024)
# A check may differ from the prototype by this factor either way.
FACTOR = 1.5


@pytest.fixture(scope="module", params=SEEDS)
def measured(request: pytest.FixtureRequest) -> dict[str, float]:
    base = make_foundation(request.param, 150, 5)
    found = measure(base, make_history(base, 90))
    return found | {"seed": request.param}


def test_size_and_classes(measured: dict[str, float]) -> None:
    assert measured["rows"] >= 30_000
    assert measured["traffic_rows"] == 1_620_000
    assert abs(measured["entry_share"] - 0.13) <= 0.05
    assert abs(measured["leaf_share"] - 0.39) <= 0.05


def test_median_tail_over_mean(measured: dict[str, float]) -> None:
    assert 1.4 <= measured["p95_over_mean_median"] <= 1.9


CHECKS = {
    "edges": 256,
    "largest_out_degree": 8,
    "top_10_percent": 0.63,
    "top_20_percent": 0.81,
    "fleet_hour_min": 0.79,
    "fleet_hour_max": 1.22,
    "weekend_over_weekday": 0.72,
    "wait_over_5_ms_share": 0.05,
    "p99_over_mean_median": 2.21,
    "p99_over_mean_p90": 6.49,
    "largest_in_degree": 16,
    "top_1_percent": 0.1,
    "max_over_min": 1340,
    "origin_swing_max": 4.1,
    "hot_share": 0.04,
    "instances_entry": 4,
    "instances_middle": 6,
    "instances_leaf": 13,
}
GOALS = {name: (value / FACTOR, value * FACTOR) for name, value in CHECKS.items()}
GOALS |= {"r2_mu_y": (0.95, 0.985), "p95_over_mean_p90": (0.0, 3.2)}

# What was measured, in the order of SEEDS.
RECORDED = {
    "edges": (325, 341, 329),
    "largest_out_degree": (12, 12, 12),
    "top_10_percent": (0.6762, 0.6802, 0.6854),
    "top_20_percent": (0.8303, 0.8226, 0.8121),
    "fleet_hour_min": (0.6128, 0.658, 0.673),
    "fleet_hour_max": (1.53, 1.506, 1.761),
    "weekend_over_weekday": (0.961, 0.858, 0.8958),
    "wait_over_5_ms_share": (0.03929, 0.06062, 0.03886),
    "p99_over_mean_median": (2.299, 2.062, 2.125),
    "p99_over_mean_p90": (7.192, 6.824, 6.846),
    "r2_mu_y": (0.956, 0.9482, 0.9468),
    "p95_over_mean_p90": (3.293, 3.12, 3.079),
    "largest_in_degree": (22, 27, 23),
    "top_1_percent": (0.1739, 0.2486, 0.2668),
    "max_over_min": (8617, 1.464e04, 7745),
    "origin_swing_max": (6.182, 8.181, 7.29),
    "hot_share": (0.05484, 0.08286, 0.05023),
    "instances_entry": (1.922, 2.058, 1.862),
    "instances_middle": (4.355, 8.757, 3.788),
    "instances_leaf": (4.982, 7.854, 4.493),
}
# Goals that are missed: all but these are met.
MISSED = {
    42: {
        "p95_over_mean_p90",
        "top_1_percent",
        "max_over_min",
        "origin_swing_max",
        "instances_entry",
        "instances_leaf",
    },
    7: {
        "r2_mu_y",
        "largest_in_degree",
        "top_1_percent",
        "max_over_min",
        "origin_swing_max",
        "hot_share",
        "instances_entry",
        "instances_leaf",
    },
    2024: {
        "r2_mu_y",
        "top_1_percent",
        "max_over_min",
        "origin_swing_max",
        "instances_entry",
        "instances_middle",
        "instances_leaf",
    },
}


def test_goals_met_and_missed_are_those_recorded(measured: dict[str, float]) -> None:
    """A goal that starts to be missed, or to be met, is as much a change as a moved value."""
    seed = int(measured["seed"])
    found = {name: measured[name] for name in GOALS}
    recorded = {name: values[SEEDS.index(seed)] for name, values in RECORDED.items()}
    assert found == pytest.approx(recorded, rel=0.01)
    missed = {n for n, (low, high) in GOALS.items() if not low <= found[n] <= high}
    assert missed == MISSED[seed]
