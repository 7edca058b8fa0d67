"""The report as one page without scripts: verdict, reasons, checks, pictures, tables, limits."""

from __future__ import annotations

from html import escape
from pathlib import Path

import pandas as pd

from ml.experiment.plots import PLOTS
from ml.experiment.report import ESTIMAND, LIMITS
from ml.io import Writer

_TABLES = (
    *("experiment_verdict", "experiment_checks", "experiment_results", "experiment_units"),
    *("experiment_classic_report", "experiment_baselines", "experiment_calibration"),
    *("experiment_rejections", "experiment_goals", "experiment_monitor", "experiment_power"),
    *("experiment_service_effects", "experiment_demand", "experiment_quantiles"),
    *("experiment_moves", "experiment_event_study", "experiment_move_diagnostics"),
)
_STYLE = (
    "body{font-family:sans-serif;max-width:900px;margin:2em auto;color:#222}"
    "table{border-collapse:collapse;font-size:13px}td,th{border:1px solid #ccc;padding:3px 7px;"
    "text-align:left}figure{margin:1.5em 0}"
)
_RESULTS = ["mode", "metric", "rel_effect", "rel_lo", "rel_hi", "p_adjusted", "status", "verdict"]

_MOVES = ["service_id", "moved_on", "estimator", "rel_effect", "rel_lo", "rel_hi", "grade"]
_ODD = ["move_id", "diagnostic", "rel_value", "rel_band", "placebo_p"]


def write_html(writer: Writer) -> list[Path]:
    """Write ``experiment_report.html`` and one SVG per picture from the tables as they are.

    Returns:
        The files written, the page first.
    """
    tables = {name: writer.read(name) for name in _TABLES}
    folder = writer.artifacts_dir / "plots"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    paths, figures = [], []
    for name, draw in PLOTS.items():
        picture = draw(tables)
        if picture is None:
            continue
        text = picture.render()
        path = folder / f"{name}.svg"
        path.write_text(text, encoding="utf-8", newline="\n")
        paths.append(path)
        figures.append(f"<figure>\n{text}</figure>")
    page = writer.artifacts_dir / "experiment_report.html"
    page.write_text(_page(tables, figures), encoding="utf-8", newline="\n")
    return [page, *paths]


def _page(tables: dict[str, pd.DataFrame], figures: list[str]) -> str:
    verdict = tables["experiment_verdict"]
    head = verdict.iloc[0] if len(verdict) else pd.Series({"verdict": "none", "reasons": ""})
    reasons = [part for part in str(head["reasons"]).split("; ") if part]
    results = tables["experiment_results"]
    success = results[results["role"] == "success"][_RESULTS]
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><title>Experiment report</title>',
        f"<style>{_STYLE}</style></head><body>",
        f"<h1>Verdict: {escape(str(head['verdict']))}</h1>",
        "<ul>" + "".join(f"<li>{escape(reason)}</li>" for reason in reasons) + "</ul>",
        f"<p>{escape(ESTIMAND)}</p>",
        "<h2>Checks</h2>",
        _table(tables["experiment_checks"].drop(columns="experiment_id")),
        "<h2>Effects</h2>",
        _table(success),
        "<h2>Pictures</h2>",
        *figures,
    ]
    if len(tables["experiment_goals"]):
        goals = tables["experiment_goals"].sort_values("goal_order").drop(columns="goal_order")
        parts += ["<h2>Goals of the method</h2>", _table(goals)]
    moves = tables["experiment_moves"]
    if len(moves):
        told = moves[moves["status"] == "ok"][_MOVES]
        odd = tables["experiment_move_diagnostics"]
        odd = odd[odd["is_unusual"].eq(True)][_ODD]
        parts += ["<h2>Past moves</h2>", _table(told), "<h2>What speaks against them</h2>"]
        parts.append(_table(odd) if len(odd) else "<p>Nothing that fake moves do not show.</p>")
    parts += ["<h2>Limits</h2>", "<ul>"]
    parts += [f"<li>{escape(limit)}</li>" for limit in LIMITS]
    return "\n".join([*parts, "</ul>", "</body></html>"]) + "\n"


def _table(rows: pd.DataFrame) -> str:
    head = "".join(f"<th>{escape(str(name))}</th>" for name in rows.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row) + "</tr>\n"
        for row in rows.itertuples(index=False)
    )
    return f"<table>\n<tr>{head}</tr>\n{body}</table>"


def _cell(value: object) -> str:
    if value is None or value is pd.NA or value != value:
        return ""
    return escape(f"{value:.4g}" if isinstance(value, float) else str(value))
