"""Regional Analysis: which regions are far from users and from each other, and what they cost."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st

from dashboards import atlas, charts, parts, questions, words
from dashboards.data import Snapshot, ask

STATISTICS = {
    "median": "median_rtt_ms",
    "mean": "mean_rtt_ms",
    "p95": "p95_rtt_ms",
    "min": "min_rtt_ms",
    "max": "max_rtt_ms",
    "std": "std_rtt_ms",
}


def render() -> None:
    """Draw the page."""
    parts.header("Regional Analysis", "Which regions hurt, and what do they cost?")
    snapshot = parts.snapshot_or_stop()
    pairs = ask(snapshot, questions.REGION_PAIRS)
    if pairs.empty:
        parts.nothing("No round trip between regions was measured or estimated in this build.")
    else:
        _matrix(pairs[pairs["client_is_region"]])
        _corridors(pairs)
    _map(snapshot)
    _load(snapshot)


def _matrix(pairs: pd.DataFrame) -> None:
    parts.section("Round trips between regions")
    statistic = st.segmented_control(
        "Statistic",
        list(STATISTICS),
        default="median",
        required=True,
        key="statistic",
        bind="query-params",
        help="Over the measured windows. p95 only where the source gives quantiles.",
    )
    column = STATISTICS[str(statistic)]
    if pairs.empty:
        parts.nothing("No pair of regions in this build.")
        return
    regions = sorted(set(pairs["client_id"]) | set(pairs["region_id"]))
    grid = pd.MultiIndex.from_product([regions, regions], names=["client_id", "region_id"])
    cells = pairs.set_index(["client_id", "region_id"]).reindex(grid).reset_index()
    known = cells[cells[column].notna()]
    missing = len(cells) - len(known)
    drawn = pd.DataFrame(
        {
            "from": cells["client_id"],
            "to": cells["region_id"],
            "value": cells[column],
            "text": [words.DASH if pd.isna(v) else words.number(v) for v in cells[column]],
            "source": cells["rtt_source"].fillna("not known"),
        }
    )
    apart = known[known["client_id"] != known["region_id"]]
    worst = apart.sort_values(column, ascending=False, kind="stable").head(1)
    finding = (
        "No pair has this statistic"
        if worst.empty
        else f"{worst['client_id'].iloc[0]} to {worst['region_id'].iloc[0]} is the longest way:"
        f" {words.ms(worst[column].iloc[0])} ({statistic})"
    )
    gaps = f" {words.plural(missing, 'cell')} grey: no {statistic} is known." if missing else ""
    parts.chart(
        finding,
        charts.heat_map(
            drawn,
            "to",
            "from",
            "value",
            "text",
            x_title="To region",
            y_title="From region",
            tooltip=[
                alt.Tooltip("from:N", title="From"),
                alt.Tooltip("to:N", title="To"),
                alt.Tooltip("text:N", title=f"{statistic} round trip (ms)"),
                alt.Tooltip("source:N", title="Source"),
            ],
        ),
        cells,
        key="heat_map",
        alt=f"Heat map of the {statistic} round trip in milliseconds for"
        f" {len(regions)} by {len(regions)} regions. {finding}.{gaps}",
        note=f"Milliseconds, {statistic} over measured windows.{gaps}",
        sql=questions.REGION_PAIRS,
    )
    st.subheader("Minimum, maximum and spread of every pair", anchor=False)
    view = pd.DataFrame(
        {
            "From": pairs["client_id"],
            "To": pairs["region_id"],
            **{f"{name} (ms)": pairs[col] for name, col in STATISTICS.items()},
            "Source": pairs["rtt_source"],
        }
    )
    parts.table(
        view,
        key="pair_statistics",
        config={
            f"{name} (ms)": st.column_config.NumberColumn(format="%.1f") for name in STATISTICS
        },
        alt="Minimum, maximum, mean, median, p95 and standard deviation of round trips by pair.",
    )


def _corridors(pairs: pd.DataFrame) -> None:
    parts.section(
        "High-latency corridors",
        "Ways that are long and busy, ordered by the seconds spent on them each day:"
        " round trip times requests of users and of calling services.",
    )
    default = int(pairs["high_latency_threshold_ms"].iloc[0])
    threshold = st.slider(
        "Show ways of at least (ms)", 0, 400, default, 10, key="threshold_ms", bind="query-params"
    )
    busy = pairs[pairs["corridor_rank"].notna()]
    long = busy[busy["used_rtt_ms"] >= threshold].sort_values("corridor_rank", kind="stable")
    if long.empty:
        parts.empty_filter(f"a threshold of {threshold} ms with traffic", {"threshold_ms": default})
        return
    top = long.head(15)
    requests = top["user_requests_per_day"] + top["call_requests_per_day"]
    drawn = pd.DataFrame(
        {
            "corridor": top["client_id"] + " → " + top["region_id"],
            "seconds": top["waiting_seconds_per_day"],
            "text": [
                f"{words.ms(rtt)} × {words.count(amount)} a day"
                for rtt, amount in zip(top["used_rtt_ms"], requests, strict=True)
            ],
        }
    )
    parts.chart(
        f"{words.plural(len(long), 'corridor')} at or above {threshold} ms;"
        f" {drawn['corridor'].iloc[0]} weighs most",
        charts.bars(
            drawn,
            "corridor",
            "seconds",
            label="From → to",
            unit="Seconds on the way, a day",
            text="text",
        ),
        long,
        key="corridors",
        alt=f"Corridors of at least {threshold} ms by time spent on the way: "
        + "; ".join(f"{r['corridor']} {r['text']}" for _, r in drawn.iterrows())
        + ".",
        note=f"Threshold {threshold} ms."
        + (f" The 15 heaviest of {len(long)}." if len(long) > 15 else ""),
        sql=questions.REGION_PAIRS,
    )


def _map(snapshot: Snapshot) -> None:
    parts.section("Map")
    places = ask(snapshot, questions.PLACES)
    load = ask(snapshot, questions.REGION_LOAD)
    sent = ask(snapshot, questions.TRAFFIC_BY_ORIGIN)
    places = places[places["latitude"].notna() & places["longitude"].notna()]
    if places.empty:
        parts.nothing("No place with coordinates in this build.")
        return
    volume = pd.concat(
        [
            load[["region_id", "requests_served"]].set_axis(["place_id", "requests"], axis=1),
            sent.set_axis(["place_id", "requests"], axis=1),
        ]
    ).drop_duplicates("place_id")
    points = places.merge(volume, on="place_id", how="left")
    points["requests"] = points["requests"].fillna(0)
    points["words"] = points["requests"].map(words.count)
    regions = points[points["place_kind"] == "region"]
    origins = len(points) - len(regions)
    busiest = regions.sort_values("requests", ascending=False, kind="stable").head(1)
    parts.chart(
        f"{busiest['label'].iloc[0]} serves the most requests"
        if len(busiest)
        else "No region has coordinates",
        atlas.world_map(
            points,
            "requests",
            size_title="Requests",
            tooltip=[
                alt.Tooltip("label:N", title="Place"),
                alt.Tooltip("place_kind:N", title="Kind"),
                alt.Tooltip("words:N", title="Requests"),
            ],
        ),
        points,
        key="map",
        alt="World map: circles are regions sized by requests served, diamonds are user origins"
        " sized by requests sent. Regions: "
        + "; ".join(f"{r['label']} {r['words']}" for _, r in regions.iterrows())
        + ".",
        note=(
            f"{words.plural(origins, 'user origin')} apart from the regions."
            if origins
            else "Users are counted at the region nearest to them."
        )
        + " Land: Natural Earth, 1:110 million.",
        sql=questions.PLACES,
    )


def _load(snapshot: Snapshot) -> None:
    parts.section(
        "Cost and share of each region",
        "Now and under the recommended plan, on the same forecast demand.",
    )
    plans = ask(snapshot, questions.PLAN_REGIONS)
    if plans.empty:
        parts.nothing("No plan was made in this build.")
    else:
        _plans(plans)
    load = ask(snapshot, questions.REGION_LOAD)
    if load.empty:
        return
    st.subheader("What ran in the history", anchor=False)
    view = pd.DataFrame(
        {
            "Region": load["region_id"],
            "Services": load["services"],
            "Requests": load["requests_served"].map(words.count),
            "Share of requests": load["requests_share"].map(words.share),
            "Compute cost": load["cost_usd"].map(words.usd),
            "Share of cost": load["cost_share"].map(words.share),
        }
    )
    st.table(view, hide_index=True, alt="Services, requests and cost by region in the history.")


def _plans(plans: pd.DataFrame) -> None:
    names = {"current": "now", "recommended": "recommended"}
    used = plans.loc[plans["services"] > 0, "region_id"].unique()
    unused = plans["region_id"].nunique() - len(used)
    every, plans = plans, plans[plans["region_id"].isin(used)]
    if plans.empty:
        parts.nothing("No plan runs anything in any region.")
        return
    drawn = plans.assign(
        plan=plans["plan_kind"].map(names),
        text=[
            f"{words.usd(cost)}, {words.share(part)} of traffic"
            for cost, part in zip(plans["monthly_compute_usd"], plans["traffic_share"], strict=True)
        ],
    )
    now = plans[plans["plan_kind"] == "current"].sort_values(
        "monthly_compute_usd", ascending=False, kind="stable"
    )
    top = now.iloc[0] if len(now) else plans.iloc[0]
    parts.chart(
        f"{top['region_id']} takes {words.share(top['compute_share'])} of the compute cost and"
        f" {words.share(top['traffic_share'])} of the traffic",
        charts.paired_bars(
            drawn[["region_id", "plan", "monthly_compute_usd", "text"]],
            "region_id",
            "monthly_compute_usd",
            "plan",
            label="Region",
            unit="Compute cost a month (USD)",
        ),
        every,
        key="region_cost",
        alt="Compute cost a month and share of traffic by region and plan: "
        + "; ".join(f"{r['region_id']} {r['plan']} {r['text']}" for _, r in drawn.iterrows())
        + ".",
        note="Price book; transfer is counted per service, not per region."
        + (f" {words.plural(unused, 'region')} unused by both plans left out." if unused else ""),
        sql=questions.PLAN_REGIONS,
    )
    view = pd.DataFrame(
        {
            "Region": drawn["region_id"],
            "Plan": drawn["plan"],
            "Services": drawn["services"],
            "Instances": drawn["instances"],
            "vCPU": drawn["vcpu"].map(words.number),
            "Capacity used": drawn["capacity_used_share"].map(words.share),
            "Share of traffic": drawn["traffic_share"].map(words.share),
            "Compute a month": drawn["monthly_compute_usd"].map(words.usd),
            "Share of compute": drawn["compute_share"].map(words.share),
        }
    )
    st.table(view, hide_index=True, alt="Load and cost of each region, now and recommended.")


if __name__ == "__main__":
    render()
