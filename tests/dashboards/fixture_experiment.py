"""Rows of the experiment marts for the fixture snapshot."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

Row = dict[str, Any]
EXPERIMENT = "fixture-01"


def tables(as_of: datetime) -> dict[str, list[Row]]:
    """Return every experiment mart's rows."""
    return {
        "fct_experiment_verdict": [_verdict()],
        "fct_experiment_checks": _checks(),
        "fct_experiment_results": _results(),
        "fct_experiment_classic_report": _classic(),
        "fct_experiment_baselines": _baselines(),
        "fct_experiment_units": _units(),
        "fct_experiment_metrics": _metrics(),
        "fct_experiment_calibration": _calibration(),
        "fct_experiment_rejections": _rejections(),
        "fct_experiment_monitor": _monitor(),
        "fct_experiment_power": _power(),
        "fct_experiment_goals": _goals(),
        "fct_experiment_service_effects": _service_effects(),
        "fct_experiment_moves": _moves(),
        "fct_experiment_event_study": _event_study(),
        "fct_experiment_move_diagnostics": _move_diagnostics(),
        "fct_experiment_demand": _demand(),
        "fct_experiment_quantiles": _quantiles(),
        "fct_recommendation_outcomes": _outcomes(),
    }


def _verdict() -> Row:
    return {
        "experiment_id": EXPERIMENT,
        "verdict": "ship",
        "reasons": "latency_mean is superior; every guard rail passed",
        "config_sha256": "a" * 64,
        "control_plan_id": "c" * 32,
        "treatment_plan_id": "d" * 32,
        "train_through_on": date(2026, 8, 29),
        "evaluate_from_on": date(2026, 8, 30),
        "evaluate_days": 56,
        "in_sample_gain_share": 0.09,
        "out_of_sample_gain_share": 0.08,
        "coin_redraws_significant_share": 0.94,
    }


def _checks() -> list[Row]:
    rows = (
        ("demand_equal", "twin", "100.000 %", "100 %", "green"),
        ("assignment_ratio", "switchback", "28 of 28", "28 of 28", "green"),
        ("demand_balance", "switchback", "9 blocks", "11 blocks", "not_testable"),
    )
    names = ("check_name", "scope", "observed", "expected", "status")
    return [{"experiment_id": EXPERIMENT} | dict(zip(names, row, strict=True)) for row in rows]


def _results() -> list[Row]:
    rows = []
    for metric, unit, control, effect in (
        ("latency_mean", "ms", 60.0, -0.08),
        ("latency_p95", "ms", 180.0, -0.05),
        ("cost_per_1m", "usd", 21.0, -0.004),
    ):
        for mode in ("twin", "switchback"):
            rows.append(_result(metric, unit, control, effect, mode, "success"))
    rows.append(_result("latency_p99", "ms", 300.0, 0.01, "twin", "guardrail") | _rail("relative"))
    rows.append(_result("moves", "count", 0.0, 0.0, "twin", "guardrail") | _rail("maximum"))
    for region in ("country:US", "country:DE"):
        one = _result("latency_mean", "ms", 60.0, -0.07, "twin", "segment")
        rows.append(one | {"segment": "origin_region", "segment_value": region})
    critical = _result("latency_mean_critical", "ms", 50.0, -0.1, "twin", "diagnostic")
    beside = _result("latency_mean", "ms", 60.0, 0.0, "switchback", "diagnostic") | {
        **{"segment": "cross_check", "segment_value": "cuped", "effective_units": 27.9},
        **dict.fromkeys(("rel_effect", "rel_lo", "rel_hi", "interval_level", "p_value")),
        **{"status": "insufficient", "verdict": "not_judged"},
        "reason": "cross-check, never the verdict; 27.9 effective units of 28: at least 100 needed",
    }
    return [*rows, critical | {"verdict": "reported"}, beside]


def _rail(kind: str) -> Row:
    return {
        "margin": 0.05 if kind == "relative" else 60.0,
        "margin_kind": kind,
        "verdict": "passed",
    }


def _result(metric: str, unit: str, control: float, effect: float, mode: str, role: str) -> Row:
    coin = mode == "switchback"
    half = 0.02 if coin else 0.01
    return {
        "experiment_id": EXPERIMENT,
        "mode": mode,
        "metric": metric,
        "role": role,
        "segment": "all",
        "segment_value": "all",
        "unit": unit,
        "control": control,
        "treatment": control * (1 + effect),
        "abs_effect": control * effect,
        "abs_lo": control * (effect - half),
        "abs_hi": control * (effect + half),
        "rel_effect": effect,
        "rel_lo": effect - half,
        "rel_hi": effect + half,
        "interval_level": 0.95,
        "effective_units": None,
        "p_value": 0.00001 if coin else None,
        "p_adjusted": 0.00003 if coin else None,
        "plausible_lo": None if coin else effect - 0.015,
        "plausible_hi": None if coin else effect + 0.015,
        "mde80": 0.046 if coin else None,
        "margin": None,
        "margin_kind": None,
        "blocks": 28 if coin else 30,
        "method": "sign_flip" if coin else "paired",
        "status": "ok",
        "verdict": "superior" if abs(effect) > 0.01 else "inconclusive",
        "reason": None,
    }


def _classic() -> list[Row]:
    names = ("line", "unit", "control", "treatment", "change_abs", "change_share", "label")
    rows = (
        ("average_latency", "ms", 60.0, 55.2, -4.8, -0.08, None),
        ("total_cost", "usd", 5000.0, 4980.0, -20.0, -0.004, None),
        ("redundancy_score", "regions", 1.4, 1.6, 0.2, 0.14, None),
        ("critical_service_latency", "ms", 50.0, 45.0, -5.0, -0.1, None),
        ("t_statistic", "", None, -3.1, None, None, "not used for the decision"),
        ("t_p_value", "", None, 0.002, None, None, "not used for the decision"),
    )
    return [
        {"experiment_id": EXPERIMENT, "line_order": at, "definition": "as registered"}
        | dict(zip(names, row, strict=True))
        for at, row in enumerate(rows, start=1)
    ]


def _baselines() -> list[Row]:
    families = ["treatment", "control", "greedy_nearest", "cheapest"] + ["random_matched"] * 20
    return [
        {
            "experiment_id": EXPERIMENT,
            "plan_name": f"{family}-{at}",
            "family": family,
            "mean_latency_ms": 55.0 + at,
            "cost_usd_per_million": 20.0 + (at * 7 % 10) / 5,
            "redundancy": 1.6,
            "instance_hours": 1000.0,
            "objective_usd_per_hour": 9.0,
            "latency_rank": at + 1,
            "p_plan": 1 / 21 if family == "treatment" else None,
        }
        for at, family in enumerate(families)
    ]


def _units() -> list[Row]:
    return [
        {
            "experiment_id": EXPERIMENT,
            "metric": metric,
            "block_id": day // 2,
            "observed_on": date(2026, 8, 30) + timedelta(days=day),
            "arm": "treatment" if (day + day // 2) % 2 else "control",
            "value": 60.0 - 5 * ((day + day // 2) % 2) + day % 7,
            "unit": "ms",
            "offered_requests": 1_000_000,
        }
        for metric in ("latency_mean", "latency_p95")
        for day in range(14)
    ]


def _metrics() -> list[Row]:
    return [
        {
            "experiment_id": EXPERIMENT,
            "metric": metric,
            "role": role,
            "kind": kind,
            "numerator": "latency",
            "denominator": "requests offered" if kind == "ratio" else "none",
            "unit": "ms",
            "is_lower_better": True,
            "family": "holm" if role == "success" else "all_must_pass",
        }
        for metric, role, kind in (
            ("latency_mean", "success", "ratio"),
            ("latency_p99", "guardrail", "quantile"),
        )
    ]


def _calibration() -> list[Row]:
    return [
        {
            "form": "short",
            "source": "noise_world",
            "design": "switchback",
            "metric": "latency_mean",
            "estimator": estimator,
            "scenario": "none",
            "runs": 1000,
            "false_positive_rate": rate,
            "rate_lo": rate - 0.01,
            "rate_hi": rate + 0.01,
            "is_canary": canary,
            "status": "green",
        }
        for estimator, rate, canary in (("sign_flip", 0.047, False), ("t_rows", 0.57, True))
    ]


def _rejections() -> list[Row]:
    return [
        {
            "form": "short",
            "source": "noise_world",
            "design": "switchback",
            "metric": "latency_mean",
            "estimator": estimator,
            "scenario": "none",
            "nominal_level": level,
            "runs": 1000,
            "rejected_share": min(1.0, level + extra),
            "rejected_lo": level,
            "rejected_hi": min(1.0, level + extra + 0.02),
            "band_lo": max(0.0, level - 0.043),
            "band_hi": min(1.0, level + 0.043),
            "is_canary": canary,
        }
        for estimator, extra, canary in (("sign_flip", -0.003, False), ("t_rows", 0.52, True))
        for level in (0.05, 0.5, 1.0)
    ]


def _monitor() -> list[Row]:
    return [
        {
            "experiment_id": EXPERIMENT,
            "metric": metric,
            "blocks": blocks,
            "log_e": blocks * slope,
            "always_valid_p": 1.0 if blocks * slope < 0 else 2.718 ** (-blocks * slope),
            "rel_lo": -0.12 if blocks >= 6 else None,
            "rel_hi": -0.02 if blocks >= 6 else None,
            "decision": "stop" if blocks * slope >= 3 else "continue",
        }
        for metric, slope in (("latency_mean", 0.5), ("latency_p95", -0.1))
        for blocks in range(1, 9)
    ]


def _power() -> list[Row]:
    known = [
        {
            "experiment_id": EXPERIMENT,
            "design": "switchback",
            "metric": "latency_mean",
            "days": days,
            "effect_share": effect,
            "alpha": 0.05,
            "power": min(1.0, effect * days / 3),
            "mde80": 1.4 / days,
            "runs": 500,
            "status": "ok",
            "reason": None,
        }
        for days in (14, 28, 56)
        for effect in (0.02, 0.05)
    ]
    refused = known[0] | {
        "design": "cluster_switchback",
        **dict.fromkeys(("alpha", "power", "mde80")),
        "status": "refused",
        "reason": "31% of call volume crosses communities, limit 15%",
    }
    return [*known, refused]


def _goals() -> list[Row]:
    return [
        {
            "goal_id": goal,
            "goal_order": order,
            "meaning": "false alarms where nothing differs",
            "target": "in [4 %, 6 %]",
            "observed": "5.10 %",
            "status": status,
        }
        for order, (goal, status) in enumerate((("G1a", "met"), ("G7b", "missed")), start=1)
    ]


def _service_effects() -> list[Row]:
    row: Row = {"experiment_id": EXPERIMENT, "traffic_share": 0.6, "status": "ok", "reason": None}
    known = {"control_ms": 60.0, "treatment_ms": 54.0, "rel_effect": -0.1}
    known |= {"rel_lo": -0.12, "rel_hi": -0.08, "shrunk_effect": -0.09, "p_adjusted": 0.01}
    silent = {"traffic_share": 0.0, "status": "insufficient", "reason": "0 days with requests"}
    return [
        row | {"service_id": "svc-001"} | known,
        row | {"service_id": "svc-002"} | silent,
    ]


def _moves() -> list[Row]:
    row: Row = {
        "experiment_id": EXPERIMENT,
        "service_id": "svc-001",
        "moved_on": date(2026, 8, 1),
        "estimator": "matched_did",
        "from_regions": "us-east-1",
        "to_regions": "eu-west-1",
        "rel_effect": -0.2,
        "rel_lo": -0.28,
        "rel_hi": -0.11,
        "placebo_p": 0.01,
        "placebos": 200,
        "grade": "B",
        "move_reason": "rolled_out",
        "traffic_share": 0.6,
        "status": "ok",
        "reason": "moved because rolled_out, which is not latency; placebos pass",
        "sentence": "svc-001 was 20% faster after the move than services that stayed",
    }
    refused = dict.fromkeys(("rel_effect", "rel_lo", "rel_hi", "placebo_p", "grade", "sentence"))
    refused |= {"service_id": "svc-002", "status": "refused", "placebos": 0}
    mixed = [row | {"estimator": e, "sentence": None} for e in ("synthetic_control", "sdid")]
    return [row, *mixed, row | refused | {"reason": "another move inside the window"}]


def _event_study() -> list[Row]:
    return [
        {
            "experiment_id": EXPERIMENT,
            "move_id": move,
            "service_id": service,
            "moved_on": None if service is None else date(2026, 8, 1),
            "days_from_move": day,
            "moves": 1,
            "rel_gap": (-0.2 if day > 0 else 0.0) + 0.01 * (day % 3),
            "rel_lo": None if day > 14 else (-0.28 if day > 0 else -0.08),
            "rel_hi": None if day > 14 else (-0.11 if day > 0 else 0.08),
            "grade": "B",
        }
        for move, service in (("all", None), ("svc-001 2026-08-01", "svc-001"))
        for day in range(-28, 29)
    ]


def _move_diagnostics() -> list[Row]:
    row: Row = {
        "experiment_id": EXPERIMENT,
        "move_id": "svc-001 2026-08-01",
        "service_id": "svc-001",
        "moved_on": date(2026, 8, 1),
        "diagnostic": "neighbour_spill",
        "rel_value": -0.06,
        "rel_band": -0.05,
        "placebo_p": 0.02,
        "is_unusual": True,
        "status": "ok",
        "reason": None,
    }
    usual = {"diagnostic": "lead", "rel_value": 0.01, "placebo_p": 0.6, "is_unusual": False}
    unknown = dict.fromkeys(("rel_value", "rel_band", "placebo_p", "is_unusual", "service_id"))
    unknown |= {"move_id": "all", "moved_on": None, "status": "insufficient"}
    return [row, row | usual, row | unknown | {"reason": "no caller or callee stood still"}]


def _demand() -> list[Row]:
    counts = {"control": (998_000, 2_000, 0), "treatment": (999_000, 1_000, 0)}
    return [
        {
            "experiment_id": EXPERIMENT,
            "arm": arm,
            "outcome": outcome,
            "requests": requests,
            "offered_requests": 1_000_000,
            "offered_share": requests / 1_000_000,
        }
        for arm, parts in counts.items()
        for outcome, requests in zip(("served", "errored", "dropped"), parts, strict=True)
    ]


def _quantiles() -> list[Row]:
    return [
        {
            "experiment_id": EXPERIMENT,
            "mode": mode,
            "quantile_share": percent / 100,
            "control_ms": 20.0 + percent,
            "treatment_ms": (20.0 + percent) * 0.92,
            "rel_effect": -0.08 if percent < 99 else 0.02,
            "rel_lo": -0.08 - half if percent < 99 else None,
            "rel_hi": -0.08 + half if percent < 99 else None,
            "interval_level": 0.95,
        }
        for mode, half in (("twin", 0.01), ("switchback", 0.02))
        for percent in (1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9)
    ]


def _outcomes() -> list[Row]:
    row: Row = {
        "recommendation_id": "e" * 32,
        "plan_id": "d" * 32,
        "service_id": "svc-001",
        "advised_through_on": date(2026, 7, 20),
        "moved_on": date(2026, 8, 1),
        "from_regions": "us-east-1",
        "to_regions": "eu-west-1",
        "predicted_effect": -0.22,
        "predicted_lo": -0.3,
        "predicted_hi": -0.15,
        "interval_level": 0.8,
        "realised_effect": -0.2,
        "realised_lo": -0.28,
        "realised_hi": -0.11,
        "is_covered": True,
        "grade": "B",
        "error_ratio": 0.27,
        "status": "ok",
        "reason": "moved because rolled_out, which is not latency; placebos pass",
    }
    unseen = dict.fromkeys(("moved_on", "realised_effect", "realised_lo", "realised_hi"))
    unseen |= dict.fromkeys(("is_covered", "grade", "error_ratio"))
    unseen |= {"recommendation_id": "f" * 32, "status": "insufficient"}
    return [row, row | unseen | {"reason": "the advised regions have not been seen yet"}]
