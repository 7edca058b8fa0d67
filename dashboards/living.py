"""Living with the plan: in which order to move, what would turn, and what each rule costs."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboards import parts, questions, words
from dashboards.data import Snapshot, ask

_SCOPES = {"fleet": "all services", "region": "one region", "service": "one service"}


def waves(snapshot: Snapshot) -> None:
    """Show the waves of moves, and what found no place in them."""
    parts.section(
        "In which order",
        "No wave breaks a rule that holds today and in the plan; old and new run side by side.",
    )
    found = ask(snapshot, questions.WAVES)
    moves = ask(snapshot, questions.MOVES)
    if moves.empty:
        parts.nothing("Nothing moves.")
        return
    view = pd.DataFrame(
        {
            "Wave": found["wave"].map(lambda n: "today" if n == 0 else str(int(n))),
            "Services": found["services"],
            "Regions added": found["regions_added"],
            "Cost after it, $/month": found["monthly_cost_usd"].astype(float),
            "Mean latency after it, ms": found["mean_latency_ms"],
            "Served after a loss": found["n1_served_share"].map(words.share),
            "Fullest region on the way": [
                words.DASH if words.is_missing(share) else f"{words.share(share)} ({region})"
                for share, region in zip(
                    found["peak_capacity_share"], found["fullest_region_id"], strict=True
                )
            ],
            "Slowed in passing": found["slowed_services"],
            "Elsewhere for a while": [
                words.DASH if not count else f"{int(count)} ({words.usd(usd, signed=True)}/month)"
                for count, usd in zip(
                    found["temporary_services"], found["temporary_monthly_cost_usd"], strict=True
                )
            ],
        }
    )
    parts.table(
        view,
        key="waves",
        alt="Waves of moves with cost, latency, survival and the fullest region on the way.",
        config={
            "Cost after it, $/month": st.column_config.NumberColumn(format="%,.0f"),
            "Mean latency after it, ms": st.column_config.NumberColumn(format="%.2f"),
        },
    )
    begun = moves[moves["stay_monthly_cost_usd"].notna()]
    if len(begun):
        usd = words.usd(begun["stay_monthly_cost_usd"].astype(float).sum(), signed=True)
        st.info(
            f"{words.plural(begun['service_id'].nunique(), 'service')} step aside to a temporary "
            f"region until there is room: {usd} a month of bill while all of these stays last. "
            "In the list of moves such steps are marked and say which wave ends them."
        )
    locked = moves[moves["is_deadlock"]]
    if len(locked):
        count = words.plural(locked["service_id"].nunique(), "service")
        st.warning(
            f"{count} found no place in any order: {locked['reason'].iloc[0]}. They wait for more"
            " room, or for a plan without them."
        )
    with st.expander("Every move"):
        st.dataframe(
            moves.drop(columns="as_of"), hide_index=True, key="moves_rows", alt="Every move."
        )
        parts.download(moves, "moves")


def stability(snapshot: Snapshot, service_id: str) -> None:
    """Say whether the advice for one service survives the interval of the latencies."""
    found = ask(snapshot, questions.STABILITY, service_id)
    if found.empty:
        return
    row = found.iloc[0]
    at = words.level(row["interval_level"])
    if row["is_stable"]:
        st.markdown(f"**Stable**: the same regions at both ends of the {at} interval of latency.")
        return
    st.markdown(
        f"**Not stable** over the {at} interval of latency. At the lower end:"
        f" {row['regions_at_lower']}; at the upper end: {row['regions_at_upper']}."
    )


def prices(snapshot: Snapshot) -> None:
    """Show what each rule costs, dearest first, and which elastic rules are broken."""
    parts.section(
        "What the rules cost",
        "The best plan with a rule against the best plan without it, in cost and priced waiting.",
    )
    found = ask(snapshot, questions.PRICES)
    if found.empty:
        parts.nothing("No rule was priced in this build.")
        return
    view = pd.DataFrame(
        {
            "Rule": found["sentence"].str.slice(0, 1).str.upper() + found["sentence"].str.slice(1),
            "Lifted for": found["scope"].map(_SCOPES),
            "Price, $/month": found["monthly_price_usd"].astype(float),
            "Between, $/month": [
                f"{words.usd(lo)} and {words.usd(hi)}"
                for lo, hi in zip(
                    found["monthly_price_lo_usd"], found["monthly_price_hi_usd"], strict=True
                )
            ],
            "Of it billed": found["monthly_bill_price_usd"].map(words.usd),
            "Latency": found["mean_latency_price_ms"].map(lambda v: words.ms(v, signed=True)),
            "How": found["price_method"],
        }
    )
    parts.table(
        view,
        key="prices",
        alt="What each rule costs, with both ends and how the price was found.",
        config={"Price, $/month": st.column_config.NumberColumn(format="%,.0f")},
    )
    _exceptions(snapshot)


def _exceptions(snapshot: Snapshot) -> None:
    found = ask(snapshot, questions.EXCEPTIONS)
    if found.empty:
        st.caption("No rule was declared elastic and broken.")
        return
    parts.table(
        found.drop(columns="as_of"),
        key="exceptions",
        alt="Elastic rules that the plan breaks, by how much, and what that costs.",
    )


_DECISIONS = {
    "recommended": "Recommended",
    "with_predictions": "Decided with predictions, from there",
    "with_truth": "Decided with true latencies",
    "current": "Today",
}


def regret(snapshot: Snapshot) -> None:
    """Show what wrong predictions cost, where the truth is known."""
    parts.section(
        "What wrong predictions cost",
        "The decisions against the one that true latencies lead to, all run in the world. A service"
        " misses if more than 5 % of its requests are late; place by place is the stricter count.",
    )
    found = ask(snapshot, questions.REGRET)
    if found.empty:
        parts.nothing("Nobody knows the truth of these data, so no regret can be told.")
        return
    view = pd.DataFrame(
        {
            "Decision": found["decision"].map(_DECISIONS),
            "Cost and waiting, $/month": found["monthly_cost_usd"].astype(float),
            "Cost regret": found["cost_regret_share"].map(lambda v: words.share(v, signed=True)),
            "With misses priced": found["priced_regret_share"].map(
                lambda v: words.share(v, signed=True)
            ),
            "Critical misses": [
                f"{int(misses)} of {int(total)}"
                for misses, total in zip(
                    found["critical_misses"], found["critical_services"], strict=True
                )
            ],
            "Foreseen": found["critical_misses_foreseen"].astype(int),
            "Place by place": found["critical_misses_by_origin"].astype(int),
            "Goal": found["status"],
        }
    )
    parts.table(
        view,
        key="regret",
        alt="Decisions with cost, regret and critical services that miss their objective.",
        config={"Cost and waiting, $/month": st.column_config.NumberColumn(format="%,.0f")},
    )
    for sets, blocked, allowed in zip(
        found["sets_judged"],
        found["sets_wrongly_blocked_share"],
        found["sets_wrongly_allowed_share"],
        strict=True,
    ):
        if pd.isna(sets):
            continue
        st.caption(
            f"Without any search, over {int(sets):,} region sets of critical services that keep "
            "all other rules: of those that truly meet the objective the predicted bound closes "
            f"{words.share(blocked)}; of those it lets through {words.share(allowed)} truly miss."
        )
