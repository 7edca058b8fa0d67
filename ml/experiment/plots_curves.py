"""Pictures of whole distributions and paths: demand, every percentile, designs, days of moves."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd

from ml.experiment import svg
from ml.experiment.rates import OURS
from ml.experiment.svg import Picture, around

Tables = Mapping[str, pd.DataFrame]
_CURVE_KEY = ["source", "design", "metric", "estimator", "scenario"]
_OUTCOMES = (("served", svg.BLUE), ("errored", svg.ORANGE), ("dropped", svg.VERMILION))


def demand(tables: Tables) -> Picture | None:
    """Draw what became of every request of both arms, each bar all of the demand."""
    rows = tables["experiment_demand"]
    if rows.empty:
        return None
    arms = sorted(rows["arm"].unique())
    picture = Picture(
        "All of the demand in both arms: served, errored, dropped",
        "% of requests offered",
        (0.0, 132.0),
        arms,
    )
    for row, arm in enumerate(arms):
        shares = rows[rows["arm"] == arm].set_index("outcome")["offered_share"] * 100
        start, said = 0.0, []
        for outcome, colour in _OUTCOMES:
            share = float(shares.get(outcome, 0.0))
            if share > 0:
                picture.bar(start, start + share, row, colour)
            start += share
            said.append(f"{share:.3f}")
        picture.words(start, row, " / ".join(said))
    return picture


def quantile_curve(tables: Tables) -> Picture | None:
    """Draw the effect at every percentile with its pointwise band, the twin's and the field's."""
    rows = tables["experiment_quantiles"]
    rows = rows[rows["rel_effect"].notna()]
    if rows.empty:
        return None
    ends = rows[["rel_lo", "rel_hi", "rel_effect"]].to_numpy(dtype=float).ravel() * 100
    picture = Picture(
        "Effect at every percentile of latency (bands hold for one percentile alone)",
        "percentile of requests",
        (0.0, 100.0),
        y_title="change, %",
        y_range=around(ends.tolist()),
    )
    picture.line(0, 0, 100, 0, dash=True)
    named = []
    for mode, colour in (("switchback", svg.ORANGE), ("twin", svg.BLUE)):
        curve = rows[rows["mode"] == mode].sort_values("quantile_share")
        if curve.empty:
            continue
        _path(picture, curve, "quantile_share", "rel_effect", colour, x_times=100.0)
        named.append((mode, colour))
    picture.legend(named)
    return picture


def event_study(tables: Tables) -> Picture | None:
    """Draw latency round past moves, all together, less that of services that stayed."""
    rows = tables["experiment_event_study"]
    rows = rows[rows["move_id"] == "all"].sort_values("days_from_move")
    if rows.empty:
        return None
    ends = rows[["rel_lo", "rel_hi", "rel_gap"]].to_numpy(dtype=float).ravel() * 100
    picture = Picture(
        f"Past moves day by day against services that stayed (grade {rows['grade'].iloc[0]})",
        "days from the move",
        (float(rows["days_from_move"].min()) - 1, float(rows["days_from_move"].max()) + 1),
        y_title="gap, %",
        y_range=around(ends.tolist()),
    )
    low, high = picture.y_range
    picture.line(0, low, 0, high, svg.VERMILION, dash=True)
    picture.line(picture.x_range[0], 0, picture.x_range[1], 0, dash=True)
    _path(picture, rows, "days_from_move", "rel_gap", svg.BLUE)
    return picture


def designs(tables: Tables) -> Picture | None:
    """Draw what every design says of mean latency against what the twin says."""
    rows = tables["experiment_results"]
    rows = rows[(rows["metric"] == "latency_mean") & rows["rel_effect"].notna()]
    rows = rows[(rows["segment"] == "all") & rows["role"].isin(["success", "diagnostic"])]
    twin = rows[rows["mode"] == "twin"]
    if twin.empty or len(rows) < 2:
        return None
    ends = rows[["rel_lo", "rel_hi", "rel_effect"]].to_numpy(dtype=float) * 100
    names = [f"{r.mode}{'' if r.status == 'ok' else ', biased'}" for r in rows.itertuples()]
    picture = Picture(
        "Mean latency by design; the line is the twin, over all hours of the day",
        "change, % (95 % interval)",
        around(ends.ravel().tolist(), zero=False),
        names,
    )
    truth = float(twin["rel_effect"].iloc[0]) * 100
    picture.line(truth, -0.4, truth, len(names) - 0.6, svg.GREY, dash=True)
    for index, (lo, hi, effect) in enumerate(ends):
        colour = svg.BLUE if "biased" not in names[index] else svg.VERMILION
        if lo == lo and hi == hi:
            picture.line(lo, index, hi, index, colour)
        picture.dot(effect, index, colour)
    return picture


def coverage(tables: Tables) -> Picture | None:
    """Draw how often intervals hold the truth, by design and scenario, where that was measured."""
    rows = tables["experiment_calibration"]
    rows = rows[rows["coverage"].notna()].sort_values(["design", "scenario"], kind="stable")
    if rows.empty:
        return None
    ends = rows[["coverage_lo", "coverage_hi", "coverage"]].to_numpy(dtype=float) * 100
    names = [f"{r.scenario}, {r.design}" for r in rows.itertuples()]
    picture = Picture(
        "Share of intervals that hold the true effect (red: outside its band)",
        "%, the line is 95 %",
        around(ends.ravel().tolist(), zero=False),
        names,
    )
    picture.line(95, -0.4, 95, len(names) - 0.6, dash=True)
    for index, ((lo, hi, held), status) in enumerate(zip(ends, rows["status"], strict=True)):
        colour = svg.BLUE if status == "green" else svg.VERMILION
        picture.line(lo, index, hi, index, colour)
        picture.dot(held, index, colour, "circle" if status == "green" else "square")
    return picture


def blocks(tables: Tables) -> Picture | None:
    """Draw what every block says of mean latency, as it is tested, and the interval of all."""
    rows = tables["experiment_units"]
    rows = rows[rows["metric"] == "latency_mean"].dropna(subset=["value"])
    rows = rows.assign(tested=np.log(rows["value"]) - rows["covariate"].astype(float).fillna(0.0))
    wide = rows.pivot_table(index="block_id", columns="arm", values="tested", sort=True)
    if wide.empty or set(wide.columns) != {"control", "treatment"}:
        return None
    gaps = (100 * np.expm1(wide["treatment"] - wide["control"])).tolist()
    results = tables["experiment_results"]
    results = results[(results["mode"] == "switchback") & (results["metric"] == "latency_mean")]
    told = results[(results["role"] == "success") & results["rel_lo"].notna()]
    ends = (100 * told[["rel_lo", "rel_effect", "rel_hi"]].to_numpy(dtype=float)).ravel().tolist()
    picture = Picture(
        "Each block of two days: treatment against control (band: interval of the test)",
        "block",
        (0.0, len(gaps) + 1.0),
        y_title="change, %",
        y_range=around([*gaps, *ends]),
    )
    picture.line(0, 0, len(gaps) + 1, 0, dash=True)
    if ends:
        picture.band([(0.0, ends[0], ends[2]), (len(gaps) + 1.0, ends[0], ends[2])], svg.BLUE)
        picture.line(0, ends[1], len(gaps) + 1, ends[1], svg.BLUE)
    for index, gap in enumerate(gaps, start=1):
        picture.dot(index, gap, svg.BLUE)
    return picture


def rejections(tables: Tables) -> Picture | None:
    """Draw how many p-values of no effect lie at or below each level; the diagonal is right."""
    rows = tables["experiment_rejections"]
    if rows.empty:
        return None
    # The long form has more runs of the same: both would be drawn on top of each other.
    rows = rows[rows["form"] == ("long" if rows["form"].eq("long").any() else "short")]
    # Moves that nobody drew by a coin have no right rate: their grades say what they are worth.
    rows = rows[rows["design"] != "observational"]
    picture = Picture(
        "Share of p-values at or below each level where nothing differs (dashed: bad methods)",
        "level of the test, %; the upright line is 5 %",
        (0.0, 100.0),
        y_title="% of runs",
        y_range=(0.0, 100.0),
    )
    picture.line(0, 0, 100, 100, dash=True)
    picture.line(5, 0, 5, 100, dash=True)
    ours = rows["estimator"].isin(OURS)
    kinds = (
        ("another estimator", ~ours & ~rows["is_canary"], svg.GREEN),
        ("bad method, to be above", rows["is_canary"], svg.VERMILION),
        ("our tests, band of uniform p-values", ours, svg.BLUE),
    )
    banded = rows[rows["estimator"] == "sign_flip"].head(1)
    for _, kind, colour in kinds:
        for key, part in rows[kind].groupby(_CURVE_KEY, sort=True):
            points = part.sort_values("nominal_level")
            table = points[["nominal_level", "rejected_share", "band_lo", "band_hi"]] * 100
            corners = [(0.0, 0.0, 0.0, 0.0), *table.itertuples(index=False, name=None)]
            for (x1, y1, *_), (x2, y2, *_) in itertools.pairwise(corners):
                picture.line(x1, y1, x2, y2, colour, dash=colour == svg.VERMILION)
            if len(banded) and key == tuple(banded[_CURVE_KEY].iloc[0]):
                picture.band([(x, lo, hi) for x, _, lo, hi in corners[1:]], colour)
    picture.legend([(name, colour) for name, kind, colour in kinds if kind.any()], low=True)
    return picture


def _path(
    picture: Picture, rows: pd.DataFrame, x: str, y: str, colour: str, x_times: float = 1.0
) -> None:
    """Draw a line with its band; both break where a value is unknown."""
    points = rows[[x, y, "rel_lo", "rel_hi"]].to_numpy(dtype=float, copy=True)
    points[:, 0] *= x_times
    points[:, 1:] *= 100
    known = [p for p in points.tolist() if p[2] == p[2] and p[3] == p[3]]
    picture.band([(p[0], p[2], p[3]) for p in known], colour)
    for (x1, y1, *_), (x2, y2, *_) in itertools.pairwise(points.tolist()):
        picture.line(x1, y1, x2, y2, colour)
