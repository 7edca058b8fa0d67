"""The equal-demand gate: integers, tolerance 0. Any red check makes the verdict `invalid`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.experiment.plans import below
from ml.experiment.world import TIMEOUT_MS, Outcomes

Status = Literal["green", "red", "not_testable"]
_COUNTED = ("offered", "served", "errored", "dropped")


@dataclass(frozen=True)
class Check:
    """One validity check; a red one invalidates the experiment."""

    name: str
    scope: str
    observed: str
    expected: str
    status: Status


def check(name: str, scope: str, observed: str, expected: str, holds: bool) -> Check:
    """Return a check that is green exactly when ``holds``."""
    return Check(name, scope, observed, expected, "green" if holds else "red")


def _ids(outcomes: Outcomes) -> tuple[tuple[object, ...], ...]:
    return (
        tuple(outcomes.service_ids),
        tuple(outcomes.origin_ids),
        tuple(outcomes.days),
        np.asarray(outcomes.offered).shape,
    )


def check_equal_demand(control: Outcomes, treatment: Outcomes) -> list[Check]:
    """Compare the offered demand of both arms in every service, origin and hour.

    Returns:
        Checks `demand_cells` (same keys), `demand_equal` (same counts), `demand_total`.
    """
    same_keys = _ids(control) == _ids(treatment)
    keys = check(
        "demand_cells",
        "twin",
        f"control {_size(control)}, treatment {_size(treatment)}",
        "same services, origins and hours: no missing, extra or duplicate cell",
        same_keys and _is_unique(control) and _is_unique(treatment),
    )
    total_c, total_t = int(control.offered.sum()), int(treatment.offered.sum())
    differing = int((control.offered != treatment.offered).sum()) if same_keys else -1
    share = 100.0 * total_t / total_c if total_c else 0.0
    return [
        keys,
        check(
            "demand_equal",
            "twin",
            f"{differing} of {control.offered.size} cells differ"
            if same_keys
            else "cells cannot be matched",
            "0 cells differ",
            differing == 0,
        ),
        check(
            "demand_total",
            "twin",
            f"control {total_c}, treatment {total_t} requests ({share:.3f} %)",
            "100.000 % of demand in both arms",
            total_t == total_c and total_c > 0,
        ),
    ]


def _size(outcomes: Outcomes) -> str:
    shape: tuple[int, ...] = np.asarray(outcomes.offered).shape
    return " x ".join(str(length) for length in shape)


def _is_unique(outcomes: Outcomes) -> bool:
    groups = (outcomes.service_ids, outcomes.origin_ids, outcomes.days)
    return all(len(set(ids)) == len(ids) for ids in groups)


def check_conservation(outcomes: Outcomes, arm: str) -> list[Check]:
    """Check that every request ends somewhere, as an integer, and that shedding cannot help."""
    cells: dict[str, NDArray[Any]] = {
        name: np.asarray(getattr(outcomes, name)) for name in _COUNTED
    }
    integers = all(np.issubdtype(part.dtype, np.integer) for part in cells.values())
    ends = cells["served"] + cells["errored"] + cells["dropped"]
    broken = int((ends != cells["offered"]).sum())
    negative = int(sum((part < 0).sum() for part in cells.values()))
    unserved = cells["offered"] - cells["served"]
    floor = np.asarray(outcomes.latency_sum_us) + unserved * int(TIMEOUT_MS * 1000)
    # Cheaper than the time-out for a request that was not served would reward shedding.
    cheap = int((np.asarray(outcomes.imputed_sum_us) < floor).sum())
    return [
        check(
            "requests_conserved",
            f"twin {arm}",
            f"{broken} cells broken, {negative} negative, integers: {integers}",
            "served + errored + dropped = offered in every cell, as integers",
            broken == 0 and negative == 0 and integers,
        ),
        check(
            "shedding_cannot_help",
            f"twin {arm}",
            f"{cheap} cells where a request not served costs less than the time-out; "
            f"{int(unserved.sum())} requests not served",
            "0 cells: latency counts every request not served at 2000 ms",
            cheap == 0,
        ),
    ]


def check_plan(plan: pd.DataFrame, outcomes: Outcomes, needed: dict[str, int], arm: str) -> Check:
    """Check that a plan places every service with demand, in known regions and in enough of them.

    Args:
        plan: Rows of service_id, region_id, instances.
        outcomes: What happened under it.
        needed: Regions per service, see :func:`ml.experiment.plans.required_regions`.
        arm: For the row.
    """
    unknown = sorted(set(plan["region_id"]) - set(outcomes.region_ids))
    demand = np.asarray(outcomes.offered).sum(axis=(1, 2))
    wanted = {s for s, n in zip(outcomes.service_ids, demand, strict=True) if n > 0}
    missing = sorted(wanted - set(plan["service_id"]))
    short = below(plan, needed)
    return check(
        "plan_complete",
        f"twin {arm}",
        f"{len(unknown)} unknown regions, {len(missing)} services without a region, "
        f"{len(short)} below the regions they need",
        "every serving region known, every service with demand placed, each in as many regions as "
        "its rule asks for, or as control has if that is less",
        not (unknown or missing or short),
    )


def check_replica_hours(control: pd.DataFrame, treatment: pd.DataFrame, days: int) -> Check:
    """Print the instance hours of both arms; a gap above 1 % adds a matched-budget comparison."""
    hours_c = int(control["instances"].sum()) * 24 * days
    hours_t = int(treatment["instances"].sum()) * 24 * days
    gap = hours_t / hours_c - 1 if hours_c else 0.0
    return Check(
        "replica_hours",
        "twin",
        f"control {hours_c}, treatment {hours_t} instance hours ({100 * gap:+.1f} %)",
        "printed; above 1 % apart a matched-budget comparison is added",
        "green",
    )


def check_same_plan_twice(first: Outcomes, second: Outcomes) -> Check:
    """Check that one plan run twice differs nowhere: the proof that streams are in step."""
    names = (*_COUNTED, "latency_sum_us", "imputed_sum_us", "slo_violations")
    rows = 0
    for name in (*names, "compute_microusd", "egress_microusd", "storage_microusd"):
        rows += int((np.asarray(getattr(first, name)) != np.asarray(getattr(second, name))).sum())
    largest = 0.0
    for name in ("histogram", "region_utilisation", "n1_served_share"):
        one, two = getattr(first, name), getattr(second, name)
        if one is not None and two is not None:
            largest = max(largest, float(np.abs(np.asarray(one) - np.asarray(two)).max(initial=0)))
    return check(
        "twin_same_plan_twice",
        "twin",
        f"{rows} cells differ, largest difference {largest!r}",
        "exactly 0 cells and 0.0 on every metric",
        rows == 0 and largest == 0.0,
    )
