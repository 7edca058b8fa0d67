"""The full run as files: every hour of both arms, and the gate over them in SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from ml.experiment.config import ExperimentSettings
from ml.experiment.gate import Check, check
from ml.experiment.plans import PlanSet
from ml.experiment.world import HOURS_PER_DAY, TIMEOUT_MS, Outcomes, World
from ml.io import Writer

FILES = "simulate_*.parquet"
"""What :func:`simulate` writes; a build leaves an empty table beside it."""
_COUNTS = {
    "offered_requests": "offered",
    "served_requests": "served",
    "errored_requests": "errored",
    "dropped_requests": "dropped",
    "latency_sum_us": "latency_sum_us",
    "imputed_sum_us": "imputed_sum_us",
    "slo_violations": "slo_violations",
}


def simulate(
    world: World,
    plans: PlanSet,
    days: Sequence[date],
    settings: ExperimentSettings,
    writer: Writer,
    say: Callable[[str, float | None], None],
) -> int:
    """Run both plans and write every hour of every service and origin; return the rows."""
    total = 0
    for number, arm in enumerate(("control", "treatment")):
        say(f"run {arm}", number / 2)
        outcomes = world.run(plans.bare(arm), days)
        rows = outcome_frame(outcomes, settings.experiment_id, arm, plans.ids[arm])
        writer.write("sim_outcomes", rows, f"simulate_{arm}")
        histogram = histogram_frame(outcomes, settings.experiment_id, arm)
        writer.write("sim_latency_hist", histogram, f"simulate_{arm}")
        total += len(rows)
    return total


def outcome_frame(outcomes: Outcomes, experiment_id: str, arm: str, plan_id: str) -> pd.DataFrame:
    """Return the rows of ``sim_outcomes`` of one arm."""
    services, origins = len(outcomes.service_ids), len(outcomes.origin_ids)
    hours = HOURS_PER_DAY * len(outcomes.days)
    columns: dict[str, object] = {
        "experiment_id": experiment_id,
        "arm": arm,
        "service_id": np.repeat(np.array(outcomes.service_ids, dtype=object), origins * hours),
        "origin_id": np.tile(
            np.repeat(np.array(outcomes.origin_ids, dtype=object), hours), services
        ),
        "hour_index": np.tile(np.arange(hours), services * origins),
        "placed_on": np.tile(
            np.repeat(pd.to_datetime(list(outcomes.days)).to_numpy(), HOURS_PER_DAY),
            services * origins,
        ),
        "plan_id": plan_id,
    }
    for column, name in _COUNTS.items():
        columns[column] = np.asarray(getattr(outcomes, name)).ravel()
    return pd.DataFrame(columns)


def histogram_frame(outcomes: Outcomes, experiment_id: str, arm: str) -> pd.DataFrame:
    """Return the rows of ``sim_latency_hist`` of one arm; empty bins are left out."""
    if outcomes.histogram is None or outcomes.histogram_after_warmup is None:
        return pd.DataFrame()
    after = np.asarray(outcomes.histogram_after_warmup, dtype=np.float64)
    before = np.asarray(outcomes.histogram, dtype=np.float64) - after
    parts = []
    for in_warmup, counts in ((True, before), (False, after)):
        day, bin_ = np.nonzero(counts > 0)
        parts.append(
            pd.DataFrame(
                {
                    "experiment_id": experiment_id,
                    "arm": arm,
                    "placed_on": pd.to_datetime(list(outcomes.days)).to_numpy()[day],
                    "in_warmup": in_warmup,
                    "bin": bin_,
                    "requests": counts[day, bin_],
                }
            )
        )
    return pd.concat(parts)


_CELLS = """
select
    count(*) filter (where c.offered_requests is distinct from t.offered_requests),
    count(*) filter (where c.service_id is null or t.service_id is null),
    count(*)
from (select * from outcomes where arm = 'control') as c
full outer join (select * from outcomes where arm = 'treatment') as t
    on c.service_id = t.service_id
    and c.origin_id = t.origin_id
    and c.hour_index = t.hour_index
"""
_ENDS = """
select
    count(*) filter (
        where served_requests + errored_requests + dropped_requests <> offered_requests
    ),
    count(*) filter (
        where imputed_sum_us
            < latency_sum_us + (offered_requests - served_requests) * cast($1 as bigint)
    ),
    count(*)
from outcomes
"""
_ARMS = """
select
    arm,
    sum(offered_requests),
    sum(served_requests),
    sum(imputed_sum_us) / 1000.0 / sum(offered_requests)
from outcomes
group by arm
order by arm
"""


def gate_over(folder: Path) -> list[Check]:
    """Recompute the gate over the written hours, in SQL: neither side relies on the other.

    Args:
        folder: ``sim_outcomes`` as written by :func:`simulate`.
    """
    with duckdb.connect() as connection:
        connection.execute("set threads to 1")
        files = str(folder / FILES).replace("'", "''")
        connection.execute(f"create view outcomes as select * from read_parquet('{files}')")
        differing, unmatched, cells = connection.execute(_CELLS).fetchone() or (1, 1, 0)
        timeout_us = int(TIMEOUT_MS * 1000)
        broken, cheap, rows = connection.execute(_ENDS, [timeout_us]).fetchone() or (1, 1, 0)
        arms = {row[0]: row[1:] for row in connection.execute(_ARMS).fetchall()}
    totals = [int(arms[arm][0]) if arm in arms else 0 for arm in ("control", "treatment")]
    return [
        check(
            "demand_equal",
            "files",
            f"{differing} of {cells} cells differ, {unmatched} without a partner",
            "0 cells differ, none is missing, extra or double",
            differing == unmatched == 0 and 2 * cells == rows > 0,
        ),
        check(
            "requests_conserved",
            "files",
            f"{broken} of {rows} cells broken",
            "served + errored + dropped = offered in every cell",
            broken == 0 and rows > 0,
        ),
        check(
            "demand_total",
            "files",
            f"control {totals[0]}, treatment {totals[1]} requests",
            "100.000 % of demand in both arms",
            totals[0] == totals[1] > 0,
        ),
        check(
            "shedding_cannot_help",
            "files",
            f"{cheap} cells where a request not served costs less than the time-out",
            "0 cells",
            cheap == 0,
        ),
    ]
