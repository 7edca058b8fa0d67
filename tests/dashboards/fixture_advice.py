"""Rows of the advice and trust marts for the fixture snapshot: by formula, consistent in sum."""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from typing import Any

Row = dict[str, Any]
KEEP_FROM = 5
"""Services before this one change; the rest keep, each with reasons like any move."""


def identity(*parts: object) -> str:
    """Return a stable id."""
    return hashlib.md5("|".join(map(str, parts)).encode()).hexdigest()


def runs(build_id: str, as_of: datetime) -> list[Row]:
    """Return the record of the build."""
    return [
        {
            "run_id": identity("run", build_id),
            "build_id": build_id,
            "code_commit": "0" * 40,
            "dataset_hash": identity("data"),
            "config_hash": identity("config"),
            "seed": 42,
            "command": "regionwise build",
            "started_at": as_of,
            "versions": "{}",
            "as_of": as_of,
            "is_synthetic": True,
        }
    ]


def tables(
    services: int, regions: list[str], as_of: datetime, scale: float
) -> dict[str, list[Row]]:
    """Return plans, recommendations with their children, calls and trust tables."""
    advised = [_recommendation(i, regions, as_of, scale) for i in range(services)]
    return {
        "fct_plan_totals": _totals(advised, as_of) if services else [],
        "fct_plan_placements": _placements(services, regions),
        "fct_plan_services": _plan_services(advised),
        "rpt_plan_regions": _plan_regions(regions) if services else [],
        "fct_recommendations": advised,
        "fct_recommendation_regions": _regions(advised),
        "fct_recommendation_reasons": _reasons(advised),
        "fct_recommendation_alternatives": _alternatives(advised, regions),
        "fct_service_calls": _calls(services),
        "fct_data_quality": _quality(services),
        "fct_degradations": _degradations(services),
        "fct_model_metrics": _metrics(services),
    }


def _recommendation(i: int, regions: list[str], as_of: datetime, scale: float) -> Row:
    moves = i < KEEP_FROM and len(regions) > 1
    saving = round(scale * (900.0 - 150 * i), 2) if moves else 0.0
    delta = -8.0 + 2 * i if moves else 0.0
    return {
        "recommendation_id": identity("rec", i, regions),
        "plan_id": identity("plan", "recommended"),
        "as_of": as_of,
        "service_id": f"svc-{i:03d}",
        "action": "move" if moves else "keep",
        "outcome": "GAIN" if moves else "KEEP_NO_GAIN",
        "primary_reason_code": "USERS_CLOSER" if moves else "ALREADY_BEST",
        "instances_before": 4,
        "instances_after": 4,
        "from_regions": regions[0],
        "to_regions": regions[-1] if moves else regions[0],
        "monthly_cost_before_usd": 5000.0,
        "monthly_cost_after_usd": 5000.0 - saving,
        "monthly_saving_usd": saving,
        "monthly_saving_lo_usd": saving - 100 if moves else 0.0,
        "monthly_saving_hi_usd": saving + 100 if moves else 0.0,
        "cost_basis": "price_book",
        "effective_monthly_saving_usd": None,
        "migration_cost_usd": 25.0 if moves else 0.0,
        "payback_days": 12.0 if moves else None,
        "mean_latency_before_ms": 60.0,
        "mean_latency_after_ms": 60.0 + delta,
        "mean_latency_delta_ms": delta,
        "mean_latency_delta_lo_ms": delta - 3 if moves else 0.0,
        "mean_latency_delta_hi_ms": delta + 3 if moves else 0.0,
        "p95_latency_delta_ms": None,
        "interval_level": 0.8,
        "is_n1_covered_before": False,
        "is_n1_covered_after": moves,
        "n1_served_share_before": 0.5,
        "n1_served_share_after": 0.99996 if moves else 0.5,
        "monthly_carbon_delta_kg": None,
        "confidence": "medium" if moves else "high",
        "confidence_cap_code": "DISTANCE_FALLBACK" if moves else None,
        "risk_level": i % 5 if moves else 0,
        "effort": "low",
        "is_reversible": True,
        "needs_data_migration": i % 4 == 0,
        "lookback_days": 90,
        "evidence_first_on": date(2026, 6, 1),
        "evidence_last_on": date(2026, 8, 29),
        "data_age_hours": 0.0,
        "status": "open",
    }


def _totals(advised: list[Row], as_of: datetime) -> list[Row]:
    before = sum(row["monthly_cost_before_usd"] for row in advised)
    saving = sum(row["monthly_saving_usd"] for row in advised)
    delta = sum(row["mean_latency_delta_ms"] for row in advised) / len(advised)
    rows = []
    for kind, part in (("current", 0.0), ("recommended", 1.0), ("least_cost", 1.5)):
        rows.append(
            {
                "plan_id": identity("plan", kind),
                "plan_kind": kind,
                "as_of": as_of,
                "services": len(advised),
                "instances": 4 * len(advised),
                "monthly_cost_usd": before - part * saving,
                "monthly_saving_usd": part * saving,
                "monthly_saving_lo_usd": part * saving * 0.8,
                "monthly_saving_hi_usd": part * saving * 1.2,
                "mean_latency_ms": 60.0 + part * delta,
                "mean_latency_lo_ms": 50.0 + part * delta,
                "mean_latency_hi_ms": 70.0 + part * delta,
                "mean_latency_delta_ms": part * delta,
                "mean_latency_delta_lo_ms": part * delta * 1.4,
                "mean_latency_delta_hi_ms": part * delta * 0.6,
                "interval_level": 0.8,
                "placements": len(advised),
                "services_changed": sum(r["action"] != "keep" for r in advised),
                "n1_covered_services": sum(r["is_n1_covered_after"] for r in advised) * (part > 0),
            }
        )
    return rows


def _placements(services: int, regions: list[str]) -> list[Row]:
    return [
        {
            "plan_id": identity("plan", kind),
            "plan_kind": kind,
            "service_id": f"svc-{i:03d}",
            "region_id": regions[-1] if kind == "recommended" and i < KEEP_FROM else regions[0],
            "instances": 4,
            "traffic_share": 1.0,
        }
        for kind in ("current", "recommended")
        for i in range(services)
    ]


def _regions(advised: list[Row]) -> list[Row]:
    rows = []
    for row in advised:
        roles = {row["from_regions"]: "removed", row["to_regions"]: "added"}
        if row["action"] == "keep":
            roles = {row["to_regions"]: "stay"}
        for region, role in roles.items():
            rows.append(
                {
                    "recommendation_id": row["recommendation_id"],
                    "region_id": region,
                    "role": role,
                    "instances_before": 0 if role == "added" else 4,
                    "instances_after": 0 if role == "removed" else 4,
                    "traffic_share_before": 0.0 if role == "added" else 1.0,
                    "traffic_share_after": 0.0 if role == "removed" else 1.0,
                    "monthly_cost_usd": 0.0 if role == "removed" else 4000.0,
                }
            )
    return rows


def _reasons(advised: list[Row]) -> list[Row]:
    return [
        {
            "recommendation_id": row["recommendation_id"],
            "reason_rank": rank,
            "reason_code": code,
            "is_for_change": rank == 1 and row["action"] != "keep",
            "reason_text": "Users are closer to the new region.",
            "metric_name": "mean_latency_ms",
            "observed_value": row["mean_latency_after_ms"],
            "threshold_value": 60.0 if rank == 1 else None,
            "unit": "ms",
            "monthly_worth_usd": 40.0 if rank == 1 else None,
            "evidence_mart": "fct_plan_totals",
        }
        for row in advised
        for rank, code in ((1, row["primary_reason_code"]), (2, "DISTANCE_FALLBACK"))
    ]


def _alternatives(advised: list[Row], regions: list[str]) -> list[Row]:
    rows = []
    for row in advised:
        for k, region in enumerate(regions):
            blocked = k == 2
            unranked = k == 3
            open_ = not blocked and not unranked
            rows.append(
                {
                    "recommendation_id": row["recommendation_id"],
                    "service_id": row["service_id"],
                    "region_id": region,
                    "is_chosen": region == row["to_regions"],
                    "is_current": region == row["from_regions"],
                    "is_feasible": open_,
                    "is_complete": not unranked,
                    "alternative_rank": k + 1 if open_ else None,
                    "blocking_constraint": {2: "RESIDENCY", 3: "INCOMPLETE_DATA"}.get(k),
                    "blocking_evidence": {2: "may run in EU only", 3: "no price"}.get(k),
                    "best_region_set": region,
                    "gap_usd": 10.0 * k if open_ else None,
                    "gap_ms": -1.5 * k if open_ else None,
                    "gap_objective": 12.0 * k if open_ else None,
                    "gap_lower": 10.0 * k if open_ else None,
                    "gap_upper": 14.0 * k if open_ and k else None,
                    "gap_method": ("bounded", "resolved")[min(k, 1)] if open_ else None,
                }
            )
    return rows


def _calls(services: int) -> list[Row]:
    return [
        {
            "caller_service_id": f"svc-{i:03d}",
            "callee_service_id": f"svc-{i + 1:03d}",
            "calls_per_request": 1.5,
            "stage": 1,
            "is_async": i % 3 == 2,
            "cross_region_share_before": 0.5,
            "cross_region_share_after": 0.25,
        }
        for i in range(services - 1)
    ]


def _quality(services: int) -> list[Row]:
    return [
        {
            "table_name": name,
            "rule_id": rule,
            "is_whole_table": rule == "all",
            "reason": "Requests below zero." if rule != "all" else "All rows of the table.",
            "file_name": f"{name}.csv",
            "is_present": True,
            "absent_columns": "",
            "unknown_columns": None,
            "rows_read": rows,
            "rows_kept": rows - bad if rule == "all" else None,
            "rows_quarantined": bad,
            "quarantined_share": bad / rows,
            "is_account_closed": True,
        }
        for name, rule, rows, bad in (
            ("services", "all", services, 0),
            ("traffic_patterns", "all", 10_000, 12),
            ("traffic_patterns", "negative_requests", 10_000, 12),
        )
        if services
    ]


def _plan_services(advised: list[Row]) -> list[Row]:
    return [
        {
            "plan_kind": kind,
            "service_id": row["service_id"],
            "monthly_compute_usd": 4000.0,
            "monthly_egress_usd": row[f"monthly_cost_{side}_usd"] - 4200.0,
            "monthly_open_usd": 200.0,
            "monthly_cost_usd": row[f"monthly_cost_{side}_usd"],
        }
        for kind, side in (("current", "before"), ("recommended", "after"))
        for row in advised
    ]


def _plan_regions(regions: list[str]) -> list[Row]:
    share = 1 / len(regions)
    return [
        {
            "plan_kind": kind,
            "region_id": region,
            "services": 2,
            "instances": 8,
            "vcpu": 16.0,
            "capacity_used_share": None,
            "traffic_share": share,
            "monthly_compute_usd": 1000.0,
            "compute_share": share,
        }
        for kind in ("current", "recommended")
        for region in regions
    ]


def _degradations(services: int) -> list[Row]:
    more = {
        "effect": "Estimated, so less sure.",
        "confidence_cap": "medium",
        "noticed_by": "features",
    }
    return [
        {
            "reason_code": "DISTANCE_FALLBACK",
            "scope": "fleet",
            "scope_kind": "fleet",
            "detail": "12 pairs by distance",
        }
        | more,
        {
            "reason_code": "CARBON_OFF",
            "scope": "region:us-east-1",
            "scope_kind": "region",
            "detail": "no grid intensity",
        }
        | more,
    ][: 2 if services else 0]


def _metrics(services: int) -> list[Row]:
    return [
        {
            "model_name": "latency",
            "variant": variant,
            "split": "forward",
            "slice_name": "all",
            "metric": "r2",
            "value": value,
            "goal_low": 0.9,
            "goal_high": None,
            "status": status,
            "row_count": 1000,
        }
        for variant, value, status in (("model", 0.93, "met"), ("linear", 0.81, "reported"))
        if services
    ]
