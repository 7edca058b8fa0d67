"""The two plans under test, as the placement stage wrote them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import pandas as pd

from ml.experiment.baselines import budget_of, random_plans
from ml.experiment.config import ExperimentSettings
from ml.experiment.fleet import FeatureReader, Fleet
from ml.experiment.rng import generator
from ml.io import Writer

ARMS = ("control", "treatment")
RANDOM = "random_matched:"
_COLUMNS = ["service_id", "region_id", "instances", "traffic_share"]


@dataclass(frozen=True)
class PlanSet:
    """Placements by arm, their ids, and the last day either of them may know.

    ``missing`` says in words which plan was not found; the experiment is then refused.
    """

    placements: dict[str, pd.DataFrame]
    ids: dict[str, str]
    trained_through: date
    services: pd.DataFrame
    missing: str | None

    def bare(self, arm: str) -> pd.DataFrame:
        """Return what a world needs: service_id, region_id, instances."""
        return self.placements[arm][["service_id", "region_id", "instances"]]


def read_plans(
    writer: Writer, features: FeatureReader, settings: ExperimentSettings, fleet: Fleet
) -> PlanSet:
    """Read control and treatment from what the placement stage wrote, or draw a random control."""
    runs, rows = writer.read("placement_runs"), writer.read("placement_plans")
    kinds = {"treatment": settings.plans.treatment, "control": settings.plans.control}
    placements: dict[str, pd.DataFrame] = {}
    ids: dict[str, str] = {}
    trained: list[date] = []
    for arm in kinds:
        if kinds[arm].startswith(RANDOM):
            if "treatment" in placements:
                placements[arm] = random_control(placements["treatment"], fleet, kinds[arm])
                ids[arm] = kinds[arm]
            continue
        found = runs[runs["plan_kind"] == kinds[arm]].sort_values("plan_id")
        if found.empty:
            continue
        ids[arm] = str(found["plan_id"].iloc[0])
        trained += [pd.Timestamp(day).date() for day in found["trained_through"]]
        plan = rows[rows["plan_id"] == ids[arm]]
        if not plan.empty:
            plan = plan.sort_values(["service_id", "region_id"], ignore_index=True)
            placements[arm] = plan[_COLUMNS].astype({"instances": "int64"})
    absent = [f"{arm} ({kinds[arm]})" for arm in ARMS if arm not in placements]
    last = max(trained) if trained else _last_day(features)
    missing = f"no plan for {', '.join(absent)}" if absent else None
    return PlanSet(placements, ids, last, writer.read("placement_services"), missing)


def random_control(treatment: pd.DataFrame, fleet: Fleet, name: str) -> pd.DataFrame:
    """Draw a control with the treatment's regions and instances per service.

    Args:
        treatment: Its placement.
        fleet: Eligible regions, demand and prices.
        name: ``random_matched:<seed>``.
    """
    bare = treatment[["service_id", "region_id", "instances"]]
    rng = generator("control plan", name)
    drawn = next(random_plans(budget_of(bare, fleet), 1, rng))
    share = 1.0 / drawn.groupby("service_id")["region_id"].transform("size")
    drawn = drawn.assign(traffic_share=share.astype("float64"))
    return drawn.sort_values(["service_id", "region_id"], ignore_index=True)[_COLUMNS]


def _last_day(features: FeatureReader) -> date:
    last: date = pd.Timestamp(features.read("feat_window")["last_on"].iloc[0]).date()
    return last


def consecutive(first: date, count: int) -> list[date]:
    """Return ``count`` days from ``first``.

    Example:
        >>> consecutive(date(2026, 2, 28), 2)
        [datetime.date(2026, 2, 28), datetime.date(2026, 3, 1)]
    """
    return [first + timedelta(days=offset) for offset in range(count)]


def required_regions(control: pd.DataFrame, rules: dict[str, int]) -> dict[str, int]:
    """Return how many regions each service must have: its rule, or what control has if less.

    A service that no feasible plan could bring up to its rule must not get worse, but it does not
    hold back everything else.

    Example:
        >>> plan = pd.DataFrame({"service_id": ["a", "b"], "region_id": ["x", "x"]})
        >>> required_regions(plan, {"a": 2, "b": 1, "c": 3})
        {'a': 1, 'b': 1}
    """
    count = control.groupby("service_id")["region_id"].nunique()
    return {str(s): min(rules.get(str(s), 1), int(n)) for s, n in count.items()}


def below(plan: pd.DataFrame, needed: dict[str, int]) -> list[str]:
    """Return the services of ``plan`` with fewer regions than ``needed`` (1 where not said)."""
    count = plan.groupby("service_id")["region_id"].nunique()
    return sorted(str(s) for s, n in count.items() if n < needed.get(str(s), 1))
