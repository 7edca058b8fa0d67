"""Rows of the marts about living with the plan: by formula, for the fixture snapshot."""

from __future__ import annotations

from datetime import datetime
from typing import Any

Row = dict[str, Any]


def tables(services: int, regions: list[str], as_of: datetime) -> dict[str, list[Row]]:
    """Return prices, frontier, waves, stability and what elastic rules were broken."""
    moving = min(services, 3) if len(regions) > 1 else 0
    return {
        "fct_placement_frontier": _frontier(as_of) if services else [],
        "fct_migration_waves": _waves(moving, regions, as_of) if services else [],
        "fct_migration_moves": _moves(moving, regions, as_of),
        "fct_recommendation_stability": [
            {
                "service_id": f"svc-{i:03d}",
                "is_stable": i != 1,
                "regions_at_lower": "us-east-1",
                "regions_at_upper": "eu-west-1",
                "interval_level": 0.8,
                "as_of": as_of,
            }
            for i in range(services)
        ],
        "fct_decision_regret": [
            {
                "decision": decision,
                "days": 7,
                "monthly_cost_usd": 1000.0 + 10 * i,
                "monthly_bill_usd": 800.0,
                "mean_latency_ms": 40.0,
                "cost_regret_share": 0.01 * i,
                "priced_regret_share": 0.011 * i,
                "critical_services": 5,
                "critical_misses": i,
                "critical_misses_foreseen": i // 2,
                "critical_misses_by_origin": i,
                "critical_miss_share": i / 5,
                "missed_requests_share": 0.001,
                "usd_per_missed_request": 6e-6,
                "sets_judged": 40 if decision == "recommended" else None,
                "sets_wrongly_blocked_share": 0.1 if decision == "recommended" else None,
                "sets_wrongly_allowed_share": 0.02 if decision == "recommended" else None,
                "status": "missed" if decision == "recommended" else "reported",
                "as_of": as_of,
            }
            for i, decision in enumerate(
                ("with_truth", "with_predictions", "recommended", "current")
            )
        ][: 3 * min(services, 1)],
        "fct_constraint_prices": _prices(regions, as_of) if services else [],
        "fct_placement_exceptions": [
            {
                "rule": "MOVE_BUDGET",
                "service_id": "*",
                "region_id": "*",
                "amount": 2.0,
                "unit": "moves",
                "usd_per_unit_hour": 0.1,
                "monthly_cost_usd": 146.0,
                "as_of": as_of,
            }
        ][: min(services, 1)],
        "fct_placement_blockers": [
            {
                "service_id": f"svc-{i:03d}",
                "rule": "RESIDENCY",
                "rule_order": 3,
                "sets_before": 30,
                "sets_after": 3,
                "sets_without_rule": 30,
                "is_decisive": False,
                "as_of": as_of,
            }
            for i in range(services)
        ],
    }


def _frontier(as_of: datetime) -> list[Row]:
    weights = [
        {
            "point_kind": "weight",
            "point_name": f"{factor:g}",
            "waiting_factor": factor,
            "monthly_cost_usd": 1000.0 + 50 * factor,
            "mean_latency_ms": 60.0 / (1 + factor),
            "moves": 3,
            "gap_share": 0.001,
            "services_not_feasible": 0,
            "is_efficient": True,
            "as_of": as_of,
        }
        for factor in (0.0, 1.0, 4.0)
    ]
    kinds = ("current", "recommended", "least_change", "best_region_recovery")
    plans = [
        {
            "point_kind": "plan",
            "point_name": kind,
            "waiting_factor": None,
            "monthly_cost_usd": 1300.0 - 60 * i,
            "mean_latency_ms": 80.0 - 5 * i,
            "moves": i,
            "gap_share": 0.001 if kind == "recommended" else None,
            "services_not_feasible": 0,
            "is_efficient": False,
            "as_of": as_of,
        }
        for i, kind in enumerate(kinds)
    ]
    return weights + plans


def _waves(moving: int, regions: list[str], as_of: datetime) -> list[Row]:
    return [
        {
            "wave": i,
            "services": min(i, 1),
            "regions_added": min(i, 1),
            "monthly_cost_usd": 1300.0 - 50 * i,
            "mean_latency_ms": 80.0 - 5 * i,
            "n1_served_share": 0.8,
            "peak_capacity_share": 0.9 if i else None,
            "fullest_region_id": regions[0] if i else None,
            "slowed_services": 0,
            "temporary_services": int(i == 1),
            "temporary_monthly_cost_usd": 12.0 * (i == 1),
            "as_of": as_of,
        }
        for i in range(moving + 1)
    ]


def _moves(moving: int, regions: list[str], as_of: datetime) -> list[Row]:
    return [
        {
            "service_id": f"svc-{i:03d}",
            "region_id": regions[i % len(regions)],
            "change_number": 1,
            "change": ("add", "remove")[i % 2],
            "wave": None if i == 2 else i + 1,
            "unit_service_id": f"svc-{i:03d}",
            "is_deadlock": i == 2,
            "reason": "us-east-1 has no room for old and new side by side: 11.0 of 10.0 vCPU",
            "instances": 2,
            "migration_cost_usd": 4.0,
            "payback_days": None if i == 1 else 12.0,
            "is_reversible": i != 1,
            "is_temporary": i == 0,
            "until_wave": 2 if i == 0 else None,
            "stay_monthly_cost_usd": 12.0 if i == 0 else None,
            "as_of": as_of,
        }
        for i in range(moving)
    ]


def _prices(regions: list[str], as_of: datetime) -> list[Row]:
    return [
        {
            "constraint_code": code,
            "scope": scope,
            "service_id": "*",
            "region_id": region,
            "is_binding": price > 0,
            "monthly_price_usd": price,
            "monthly_price_lo_usd": max(0.0, price - 5),
            "monthly_price_hi_usd": price + 5,
            "monthly_bill_price_usd": price / 2 if price else None,
            "mean_latency_price_ms": -0.5 if price else None,
            "price_method": "resolved" if price else "bounded",
            "dual_usd_per_unit_hour": 0.1,
            "sentence": f"rule {code} costs something",
            "as_of": as_of,
        }
        for code, scope, region, price in (
            ("MOVE_BUDGET", "fleet", "*", 40.0),
            ("NO_CAPACITY", "region", regions[0], 0.0),
        )
    ]
