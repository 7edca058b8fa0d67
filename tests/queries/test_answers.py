"""Answers worked out a second time, row by row in Python, from what the marts hold."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

QUERIES = Path(__file__).resolve().parents[2] / "queries"
HOURS_PER_MONTH = 730
KB_PER_GB = 1e6


def _answer(marts: duckdb.DuckDBPyConnection, name: str) -> list[dict[str, Any]]:
    return _rows(marts, (QUERIES / f"{name}.sql").read_text())


def _rows(marts: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    found = marts.execute(sql)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_cost_per_thousand_requests(marts: duckdb.DuckDBPyConnection) -> None:
    cost: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    requests: dict[tuple[str, str], int] = defaultdict(int)
    for day in _rows(marts, "select * from fct_service_region_days"):
        if day["requests_served"] and day["cost_usd"] is not None:
            key = (day["service_id"], day["region_id"])
            cost[key] += day["cost_usd"]
            requests[key] += day["requests_served"]
    answer = _answer(marts, "02_cost_per_thousand_requests")
    assert {(row["service_id"], row["region_id"]) for row in answer} == set(cost)
    for row in answer:
        key = (row["service_id"], row["region_id"])
        expected = 1000 * cost[key] / requests[key]
        assert row["usd_per_1000_requests"] == pytest.approx(float(expected), abs=1e-6)


def test_chatty_pairs_apart(marts: duckdb.DuckDBPyConnection) -> None:
    pairs = {
        (row["client_id"], row["region_id"]): row
        for row in _rows(marts, "select * from rpt_region_pairs where client_is_region")
    }
    demand = {
        row["service_id"]: row["mean_rps"] for row in _rows(marts, "select * from dim_services")
    }
    shares: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for row in _rows(
        marts, "select * from fct_plan_placements where plan_kind in ('current', 'recommended')"
    ):
        shares[row["plan_kind"], row["service_id"]][row["region_id"]] = row["traffic_share"]
    calls = {
        (row["caller_service_id"], row["callee_service_id"]): row
        for row in _rows(marts, "select * from fct_service_calls")
    }
    answer = _answer(marts, "03_chatty_pairs_apart")
    for row in answer:
        call = calls[row["caller_service_id"], row["callee_service_id"]]
        for kind, column in (
            ("current", "monthly_transfer_before_usd"),
            ("recommended", "monthly_transfer_after_usd"),
        ):
            callee_regions = shares[kind, row["callee_service_id"]]
            usd_per_request = 0.0
            for caller_region, share in shares[kind, row["caller_service_id"]].items():
                callee_region = min(
                    callee_regions,
                    key=lambda region, here=caller_region: (
                        pairs[here, region]["used_rtt_ms"],
                        region,
                    ),
                )
                there = float(pairs[callee_region, caller_region]["egress_usd_per_gb"])
                back = float(pairs[caller_region, callee_region]["egress_usd_per_gb"])
                sizes = (call["request_kb"] or 0.0, call["response_kb"] or 0.0)
                usd_per_request += share * (sizes[0] * there + sizes[1] * back) / KB_PER_GB
            requests = demand[row["caller_service_id"]] * 3600 * HOURS_PER_MONTH
            expected = usd_per_request * requests * call["calls_per_request"]
            assert float(row[column]) == pytest.approx(expected, abs=0.01, rel=1e-6)
    total = sum(row["monthly_transfer_before_usd"] for row in answer)
    assert total <= sum(call["monthly_transfer_before_usd"] or 0 for call in calls.values())


def test_why_services_stay(marts: duckdb.DuckDBPyConnection) -> None:
    gaps: dict[str, list[tuple[Decimal, str]]] = defaultdict(list)
    for row in _rows(marts, "select * from fct_recommendation_alternatives"):
        if row["is_feasible"] and not row["is_chosen"]:
            gaps[row["service_id"]].append((row["gap_objective"], row["region_id"]))
    answer = _answer(marts, "06_why_services_stay")
    stays = marts.execute("select count(*) from fct_recommendations where action = 'keep'")
    assert [(len(answer),)] == stays.fetchall()
    for row in answer:
        nearest = min(gaps[row["service_id"]], default=(None, None))
        assert (row["gap_usd_per_month"], row["next_best_region_id"]) == nearest
