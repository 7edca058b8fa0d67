"""The run report: what a manager reads at the end of a build, and the same as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from regionwise import publish
from regionwise.config import Settings
from regionwise.console import Reporter
from regionwise.exits import Exit, Stop
from regionwise.folders import Folders

# Smaller p-values are said as a bound: their digits mean nothing.
_SMALLEST_P = 0.001


@dataclass(frozen=True)
class RunReport:
    """One finished run: the lines for people and the content for programs."""

    summary: str
    content: dict[str, Any]


def write(settings: Settings, run_id: str, reporter: Reporter) -> RunReport:
    """Read the headline from what was just published, write both reports, return them."""
    with duckdb.connect(str(publish.current(settings)), read_only=True) as marts:
        content: dict[str, Any] = {
            "run_id": run_id,
            "status": "published",
            "headline": headline(marts),
            "data": _data(marts, settings.stale_after_hours),
        }
    content["steps"] = [vars(record) for record in reporter.records]
    content["seconds"] = round(reporter.elapsed(), 1)
    content["stage_seconds"] = round(sum(record.seconds for record in reporter.records), 1)
    content["peak_memory_mb"] = round(reporter.peak_memory_mb())
    summary = _summary(content, settings, run_id)
    _save(settings, run_id, content, summary)
    return RunReport(summary, content)


def write_failed(settings: Settings, run_id: str, reporter: Reporter, error: BaseException) -> None:
    """Leave a report of a run that published nothing."""
    code = int(error.code) if isinstance(error, Stop) else int(Exit.UNEXPECTED)
    content = {
        "run_id": run_id,
        "status": "failed",
        "exit_code": code,
        "error": str(error),
        "steps": [vars(record) for record in reporter.records],
    }
    _save(settings, run_id, content, f"Nothing was published (exit {code}): {error}")


def gate(report: RunReport) -> None:
    """Turn what a scheduler should stop at into exit codes.

    Raises:
        Stop: 7 if a guard rail was breached, 6 if data are stale or insufficient.
    """
    headline_ = report.content["headline"]
    if headline_["guardrails_violated"]:
        names = ", ".join(headline_["guardrails_violated"])
        raise Stop(Exit.GUARDRAIL_BREACHED, f"published, but guard rails are violated: {names}")
    if report.content["data"]["is_stale"] or headline_["verdict"] == "invalid":
        age = report.content["data"]["age_hours"]
        raise Stop(
            Exit.STALE_OR_INSUFFICIENT, f"published, but the newest evidence is {age:.0f} h old"
        )


def _row(marts: duckdb.DuckDBPyConnection, query: str) -> dict[str, Any]:
    cursor = marts.execute(query)
    names = [column[0] for column in cursor.description or []]
    return dict(zip(names, cursor.fetchone() or [None] * len(names), strict=True))


def headline(marts: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Return what to do, what it is worth, how sure that is: every number straight from a mart."""
    found = _row(marts, _HEADLINE)
    found["top"] = [row[0] for row in marts.execute(_TOP).fetchall()]
    found["guardrails_violated"] = [row[0] for row in marts.execute(_VIOLATED).fetchall()]
    found["degradations"] = [row[0] for row in marts.execute(_DEGRADED).fetchall()]
    return {key: _plain(value) for key, value in found.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, (str, int, float, list)) or value is None:
        return value
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)


_HEADLINE = """
select
    advice.*,
    plan.monthly_saving_usd,
    plan.monthly_saving_lo_usd,
    plan.monthly_saving_hi_usd,
    plan.mean_latency_delta_ms,
    plan.mean_latency_delta_lo_ms,
    plan.mean_latency_delta_hi_ms,
    plan.interval_level,
    plan.gap_share,
    verdict.verdict,
    verdict.reasons as verdict_reasons,
    verdict.evaluate_days,
    effect.rel_effect as latency_effect,
    effect.rel_lo as latency_effect_lo,
    effect.rel_hi as latency_effect_hi,
    effect.p_value as latency_p_value,
    effect.status as latency_effect_status,
    field.p_plan,
    meta_runs.is_synthetic
from (
    select
        count(*) as services,
        count(*) filter (where action <> 'keep') as moves,
        count(*) filter (where outcome = 'REQUIRED') as required,
        count(*) filter (where outcome = 'NOT_FEASIBLE') as not_feasible,
        count(*) filter (where outcome = 'INSUFFICIENT_DATA') as insufficient
    from fct_recommendations
) as advice
cross join meta_runs
cross join fct_experiment_verdict as verdict
left join fct_plan_totals as plan on plan.plan_kind = 'recommended'
left join fct_experiment_results as effect
    on effect.mode = 'switchback' and effect.metric = 'latency_mean'
    and effect.role = 'success' and effect.segment = 'all'
left join fct_experiment_baselines as field on field.family = 'treatment'
"""
_TOP = """
select service_id || ' ' || from_regions || ' → ' || to_regions
from fct_recommendations where action <> 'keep'
order by monthly_saving_usd desc, service_id limit 3
"""
_VIOLATED = """
select distinct metric from fct_experiment_results
where role = 'guardrail' and verdict = 'violated' order by 1
"""
_DEGRADED = "select distinct reason_code from fct_degradations order by 1"
_ROWS = """
select sum(rows_read), sum(rows_quarantined)
from fct_data_quality where is_whole_table
"""


def _data(marts: duckdb.DuckDBPyConnection, stale_after_hours: int) -> dict[str, Any]:
    read, quarantined = marts.execute(_ROWS).fetchone() or (0, 0)
    as_of, is_synthetic = marts.execute("select as_of, is_synthetic from meta_runs").fetchone() or (
        None,
        None,
    )
    now = datetime.now(UTC).replace(tzinfo=None)
    age_hours = (now - as_of).total_seconds() / 3600 if as_of else 0.0
    return {
        "rows_read": int(read),
        "rows_quarantined": int(quarantined),
        "as_of": str(as_of),
        "age_hours": round(age_hours, 1),
        # Invented data have no age: their calendar is part of the invention.
        "is_stale": not is_synthetic and age_hours > stale_after_hours,
    }


def _summary(content: dict[str, Any], settings: Settings, run_id: str) -> str:
    head, data = content["headline"], content["data"]
    runs = Folders(settings.data).runs
    synthetic = " (synthetic demo: no real system)" if head["is_synthetic"] else ""
    lines = [
        f"What to move{synthetic}: {head['moves']} of {head['services']} services, "
        f"{head['required']} because a rule asks for it; e.g. {'; '.join(head['top']) or 'none'}",
        f"What it is worth: {_money(head)}; {_latency(head)}",
        f"How sure: experiment says {head['verdict']}{_effect(head)}",
        f"          {_certificate(head)}",
        f"Not possible: {head['not_feasible']} services have no plan that meets their rules"
        f"{'; insufficient data for ' + str(head['insufficient']) if head['insufficient'] else ''}",
        f"Data: {data['rows_read']:,} rows read, {data['rows_quarantined']:,} in quarantine; "
        f"weakened by: {', '.join(head['degradations']) or 'nothing'}",
        f"Took {content['seconds']:.0f} s ({content['stage_seconds']:.0f} s of stages, some side "
        f"by side), peak {content['peak_memory_mb']:,} MB; "
        f"report: {runs / run_id}.md and .json",
        "Next: make dashboard · make sql · make docs · make export",
    ]
    return "\n".join(["", *lines])


def _money(head: dict[str, Any]) -> str:
    value, low, high = (head[f"monthly_saving{part}_usd"] for part in ("", "_lo", "_hi"))
    if value is None:
        return "no plan to price"
    if value < 0:
        # A cost is said as a cost: its interval turns round with it.
        low, high = (None if end is None else -end for end in (high, low))
    word = "saves" if value >= 0 else "costs"
    return f"{word} ${abs(value):,.0f} a month{_interval(head, low, high, '${:,.0f}')}"


def _latency(head: dict[str, Any]) -> str:
    value, low, high = (head[f"mean_latency_delta{part}_ms"] for part in ("", "_lo", "_hi"))
    if value is None:
        return "latency not predicted"
    interval = _interval(head, low, high, "{:+.1f}")
    if low is not None and high is not None and low <= 0 <= high:
        return f"no clear change of latency, {value:+.1f} ms{interval}"
    return f"users wait {abs(value):.1f} ms {'less' if value < 0 else 'longer'}{interval}"


def _interval(head: dict[str, Any], low: float | None, high: float | None, form: str) -> str:
    if low is None or high is None:
        return ""
    return f" ({100 * head['interval_level']:.0f} %: {form.format(low)} … {form.format(high)})"


def _effect(head: dict[str, Any]) -> str:
    if head["latency_effect"] is None:
        return f" ({head['verdict_reasons']})"
    p_value = head["latency_p_value"]
    said = "p < 0.001" if p_value < _SMALLEST_P else f"p = {p_value:.3f}"
    return (
        f": latency {100 * head['latency_effect']:+.1f} % "
        f"(95 %: {100 * head['latency_effect_lo']:+.1f} … {100 * head['latency_effect_hi']:+.1f}) "
        f"on {head['evaluate_days']} unseen days, {said}"
    )


def _certificate(head: dict[str, Any]) -> str:
    if head["gap_share"] is None:
        return "no certified plan"
    rank = "" if head["p_plan"] is None else f"; rank among random plans p = {head['p_plan']:.3f}"
    gap = 100 * head["gap_share"]
    return f"one service at a time, at most {gap:.3f} % above the best choice{rank}"


def _save(settings: Settings, run_id: str, content: dict[str, Any], summary: str) -> None:
    folder = Folders(settings.data).runs
    folder.mkdir(parents=True, exist_ok=True)
    written = json.dumps(content, indent=2, sort_keys=True, default=str)
    (folder / f"{run_id}.json").write_text(written + "\n")
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    (folder / f"{run_id}.md").write_text(f"# Run {run_id}\n\nfinished {finished}\n\n{summary}\n")
