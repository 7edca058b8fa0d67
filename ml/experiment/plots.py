"""The report's pictures, each from one published table; none where its table is empty."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import pandas as pd

from ml.experiment import svg
from ml.experiment.plots_curves import (
    blocks,
    coverage,
    demand,
    designs,
    event_study,
    quantile_curve,
    rejections,
)
from ml.experiment.svg import Picture, around

Tables = Mapping[str, pd.DataFrame]
_ARMS = {"control": (svg.VERMILION, "circle"), "treatment": (svg.BLUE, "square")}


def effects(tables: Tables) -> Picture | None:
    """Draw the effect of every success metric in every layer, with its interval and margin."""
    every = tables["experiment_results"]
    rows = every[(every["role"] == "success") & every["rel_effect"].notna()]
    if rows.empty:
        return None
    rails = every[(every["role"] == "guardrail") & (every["margin_kind"] == "relative")]
    margin = dict(zip(rails["metric"], rails["margin"].astype(float) * 100, strict=True))
    ends = rows[["rel_lo", "rel_hi", "rel_effect"]].to_numpy(dtype=float) * 100
    names = [f"{r.metric}, {r.mode}" for r in rows.itertuples()]
    margins = [margin.get(metric) for metric in rows["metric"]]
    picture = Picture(
        "Effect of the treatment by metric and layer (red: margin of its guard rail)",
        "change, % (95 % interval; left is better)",
        around([*ends.ravel().tolist(), *(m for m in margins if m is not None)]),
        names,
    )
    picture.line(0, -0.4, 0, len(names) - 0.6, dash=True)
    for index, limit in enumerate(margins):
        if limit is not None:
            picture.line(limit, index - 0.35, limit, index + 0.35, svg.VERMILION)
    for index, (lo, hi, effect) in enumerate(ends):
        if lo == lo and hi == hi:
            picture.line(lo, index, hi, index, svg.BLUE)
        picture.dot(effect, index, svg.BLUE)
    return picture


def days(tables: Tables) -> Picture | None:
    """Draw the daily mean latency in the arm that ran."""
    rows = tables["experiment_units"]
    rows = rows[rows["metric"] == "latency_mean"].reset_index(drop=True)
    if rows.empty:
        return None
    picture = Picture(
        "Daily mean latency in the arm of the day (circle control, square treatment)",
        "day of the switchback",
        (0, len(rows) + 1),
        y_title="ms",
        y_range=around(rows["value"].tolist(), zero=False),
    )
    for index, row in enumerate(rows.itertuples(), start=1):
        picture.dot(index, float(str(row.value)), *_ARMS[str(row.arm)])
    for _, block in rows.groupby("block_id"):
        at = block.index + 1
        low, high = block["value"]
        picture.line(at[0], low, at[1], high)
    return picture


def guard_rails(tables: Tables) -> Picture | None:
    """Draw how much of its margin every guard rail uses up."""
    rows = tables["experiment_results"]
    rows = rows[(rows["role"] == "guardrail") & rows["margin"].notna() & (rows["margin"] != 0)]
    rows = rows[rows["mode"] == "twin"]
    if rows.empty:
        return None
    upper = rows["rel_hi"].fillna(rows["abs_hi"])
    upper = upper.where(rows["margin"] > 0, rows["rel_lo"].fillna(rows["abs_lo"]))
    # A maximum bounds the treatment itself, a margin bounds its distance from the control.
    upper = upper.where(rows["margin_kind"] != "maximum", rows["treatment"])
    used = (upper / rows["margin"]).clip(-2, 3).tolist()
    picture = Picture(
        "Guard rails: worse bound as a multiple of the margin (1 is the limit)",
        "bound / margin, cut at -2 and 3",
        (-2.1, 3.1),
        rows["metric"].tolist(),
    )
    picture.line(1, -0.4, 1, len(rows) - 0.6, svg.VERMILION, dash=True)
    for index, (share, verdict) in enumerate(zip(used, rows["verdict"], strict=True)):
        picture.bar(0, share, index, svg.GREEN if verdict == "passed" else svg.VERMILION)
        picture.words(max(share, 0), index, str(verdict))
    return picture


def looks(tables: Tables) -> Picture | None:
    """Draw the e-value after every block, with the line at 20."""
    rows = tables["experiment_monitor"]
    if rows.empty:
        return None
    limit = 2.995732273553991
    picture = Picture(
        "Looks: stop above the line (e-value 20), valid at any time",
        "blocks seen",
        (0, float(rows["blocks"].max()) + 1),
        y_title="log e-value",
        y_range=around([*rows["log_e"], limit]),
    )
    picture.line(0, limit, float(rows["blocks"].max()) + 1, limit, svg.VERMILION, dash=True)
    named = []
    for (metric, path), colour in zip(
        rows.groupby("metric"), (svg.BLUE, svg.GREEN, svg.ORANGE) * 3, strict=False
    ):
        points = list(zip(path["blocks"], path["log_e"], strict=True))
        for (x1, y1), (x2, y2) in itertools.pairwise(points):
            picture.line(x1, y1, x2, y2, colour)
        named.append((str(metric), colour))
    picture.legend(named)
    return picture


def calibration(tables: Tables) -> Picture | None:
    """Draw measured false-alarm rates with their Wilson intervals; canaries are squares."""
    rows = tables["experiment_calibration"]
    rows = rows[rows["false_positive_rate"].notna()]
    if rows.empty:
        return None
    names = [f"{r.estimator}, {r.metric}, {r.source}" for r in rows.itertuples()]
    ends = rows[["rate_lo", "rate_hi", "false_positive_rate"]].to_numpy(dtype=float) * 100
    picture = Picture(
        "False alarms where nothing differs (squares are bad methods, to be caught)",
        "%, the line is 5 %",
        around(ends.ravel().tolist()),
        names,
    )
    picture.line(5, -0.4, 5, len(names) - 0.6, dash=True)
    for index, ((lo, hi, rate), canary) in enumerate(zip(ends, rows["is_canary"], strict=True)):
        colour = svg.VERMILION if canary else svg.BLUE
        picture.line(lo, index, hi, index, colour)
        picture.dot(rate, index, colour, "square" if canary else "circle")
    return picture


def smallest_effects(tables: Tables) -> Picture | None:
    """Draw the smallest effect found with 80 % power against the length, by design."""
    rows = tables["experiment_power"]
    rows = rows[rows["mde80"].notna()].drop_duplicates(["design", "metric", "days"])
    if rows.empty:
        return None
    picture = Picture(
        "Smallest improvement found with 80 % power, by length",
        "days",
        (0, float(rows["days"].max()) + 4),
        y_title="%",
        y_range=around([*(rows["mde80"] * 100), 130 * rows["mde80"].max()]),
    )
    named = []
    for (key, path), colour in zip(
        rows.groupby(["design", "metric"]), (svg.BLUE, svg.GREEN, svg.ORANGE) * 6, strict=False
    ):
        points = list(zip(path["days"], path["mde80"] * 100, strict=True))
        for (x1, y1), (x2, y2) in itertools.pairwise(points):
            picture.line(x1, y1, x2, y2, colour)
        for x, y in points:
            picture.dot(x, y, colour)
        named.append((f"{key[1]}, {key[0]}", colour))
    picture.legend(named)
    return picture


def cloud(tables: Tables) -> Picture | None:
    """Draw cost against latency of random plans, simple rules, today and the treatment."""
    rows = tables["experiment_baselines"]
    if rows.empty:
        return None
    picture = Picture(
        "Cost and latency among random plans of equal budget",
        "cost per million requests, USD",
        around(rows["cost_usd_per_million"].tolist(), zero=False),
        y_title="mean ms",
        y_range=around(rows["mean_latency_ms"].tolist(), zero=False),
    )
    order = rows.sort_values("family", key=lambda f: f.ne("random_matched"), kind="stable")
    labelled = 0
    for row in order.itertuples():
        named = row.family != "random_matched"
        at = (float(str(row.cost_usd_per_million)), float(str(row.mean_latency_ms)))
        picture.dot(*at, svg.BLUE if named else "#bbbbbb", "square" if named else "circle")
        if named:
            picture.words(*at, str(row.plan_name), up=12.0 * labelled)
            labelled += 1
    return picture


def services(tables: Tables) -> Picture | None:
    """Draw the shrunk effect of the twenty services with the most traffic."""
    rows = tables["experiment_service_effects"]
    rows = rows[rows["shrunk_effect"].notna()]
    if rows.empty:
        return None
    rows = rows.sort_values(["traffic_share", "service_id"], ascending=[False, True]).head(20)
    values = (rows["shrunk_effect"] * 100).tolist()
    picture = Picture(
        "Twenty heaviest services: effect, pulled towards the fleet's",
        "change of mean latency, %",
        around(values),
        rows["service_id"].tolist(),
    )
    for index, value in enumerate(values):
        picture.bar(0, value, index, svg.BLUE if value < 0 else svg.VERMILION)
    return picture


def gains(tables: Tables) -> Picture | None:
    """Draw the gain on days the plan knew beside the gain on later days."""
    rows = tables["experiment_verdict"]
    if rows.empty or rows["out_of_sample_gain_share"].isna().any():
        return None
    row = rows.iloc[0]
    pair = [100 * row["in_sample_gain_share"], 100 * row["out_of_sample_gain_share"]]
    picture = Picture(
        "Gain in the objective: a fall from the first to the second bar is a winner's curse",
        "%",
        around(pair),
        ["days the plan knew", "later days"],
    )
    for index, value in enumerate(pair):
        picture.bar(0, value, index, svg.BLUE)
        picture.words(max(value, 0), index, f"{value:.1f} %")
    return picture


PLOTS: dict[str, Callable[[Tables], Picture | None]] = {
    "demand": demand,
    "effects": effects,
    "designs": designs,
    "quantile_curve": quantile_curve,
    "days": days,
    "blocks": blocks,
    "guard_rails": guard_rails,
    "looks": looks,
    "smallest_effects": smallest_effects,
    "cloud": cloud,
    "services": services,
    "gains": gains,
    "event_study": event_study,
    "rejections": rejections,
    "calibration": calibration,
    "coverage": coverage,
}
