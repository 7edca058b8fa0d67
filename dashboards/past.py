"""What earlier moves did, day by day, and what became of advice that was followed."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from dashboards import evidence, parts, questions, theme, words
from dashboards.data import Snapshot, ask

_MIXES = {
    "synthetic_control": "a synthetic control",
    "sdid": "synthetic difference in differences",
}
_TOLD = {
    "lead": "latency drifted before the move",
    "spike": "latency had a spike before the move",
    "spread": "the estimators disagree",
    "neighbour_spill": "callers and callees changed too",
}


def show(snapshot: Snapshot, results: pd.DataFrame) -> None:
    """Show past moves, what speaks against them, and past advice; nothing where there is none."""
    moves, outcomes = ask(snapshot, questions.PAST_MOVES), ask(snapshot, questions.OUTCOMES)
    read = results[results["mode"].isin(["observational", "shadow"])]
    if moves.empty and outcomes.empty and read.empty:
        return
    parts.section(
        "Past moves and past advice",
        "Nothing was randomised here: correlation, graded A to D. Grades C and D yield no number"
        " that could be quoted as a saving.",
    )
    if len(outcomes):
        _outcomes(outcomes)
    for sentence in moves["sentence"].dropna().tolist():
        st.markdown(f"- {sentence}")
    if len(moves):
        _moves(moves)
    _days(ask(snapshot, questions.EVENT_STUDY))
    _diagnostics(ask(snapshot, questions.MOVE_DIAGNOSTICS))
    if len(read):
        st.table(
            evidence.effect_table(read),
            hide_index=True,
            alt="All past moves together by estimator, and the shadow.",
        )


def _moves(moves: pd.DataFrame) -> None:
    graded = moves[moves["estimator"] == "matched_did"]
    view = pd.DataFrame(
        {
            "Service": graded["service_id"],
            "Moved": graded["moved_on"].map(words.moment),
            "From → to": graded["from_regions"] + " → " + graded["to_regions"],
            "Grade": graded["grade"].fillna("refused"),
            "Why": graded["reason"].fillna(""),
        }
    )
    parts.table(view, key="past_moves", alt="Past moves with their grade and its reason.")
    heavy = moves[moves["estimator"].isin(list(_MIXES))]
    told = heavy[heavy["grade"].isin(["A", "B"])]
    if len(told):
        mixed = pd.DataFrame(
            {
                "Service": told["service_id"],
                "Against": told["estimator"].map(_MIXES),
                "Change": [words.share(v, signed=True) for v in told["rel_effect"]],
                "Fake moves reach": [
                    f"{words.share(lo, signed=True)} … {words.share(hi, signed=True)}"
                    for lo, hi in zip(told["rel_lo"], told["rel_hi"], strict=True)
                ],
                "p": told["placebo_p"].map(words.p_value),
            }
        )
        parts.table(
            mixed,
            key="heavy_moves",
            alt="The heaviest services that moved, against weighted mixes of services that stayed.",
        )


def _days(paths: pd.DataFrame) -> None:
    """Draw the mean path of all readable moves round their day."""
    pooled = paths[paths["move_id"] == "all"].sort_values("days_from_move")
    if pooled.empty:
        return
    known = pooled[pooled["rel_lo"].notna()]
    before = known[known["days_from_move"] < 0]
    outside = int(((before["rel_lo"] > 0) | (before["rel_hi"] < 0)).sum())
    finding = (
        f"Before the moves {outside} of {words.plural(len(before), 'day')} lie outside what fake"
        " moves show"
    )
    parts.chart(
        finding,
        _path(pooled),
        pooled,
        key="event_study",
        alt=f"Gap of moved services to services that stayed, by day from the move. {finding}.",
        note=f"Grade {pooled['grade'].iloc[0]}. The band holds for one day alone: one in twenty"
        " lies outside by chance. A gap that opens before the move was not made by it.",
        sql=questions.EVENT_STUDY,
    )


def _path(pooled: pd.DataFrame) -> Any:
    drawn = pooled.assign(
        gap=pooled["rel_gap"] * 100, lo=pooled["rel_lo"] * 100, hi=pooled["rel_hi"] * 100
    )
    x = alt.X("days_from_move:Q", title="Days from the move")
    band = (
        alt.Chart(drawn[drawn["lo"].notna()])
        .mark_area(opacity=0.25, color=theme.BLUE)
        .encode(x=x, y=alt.Y("lo:Q", title="Gap to services that stayed, %"), y2="hi:Q")
    )
    line = alt.Chart(drawn).mark_line(strokeWidth=2, color=theme.ink().after).encode(x=x, y="gap:Q")
    zeros = pd.DataFrame({"zero": [0.0]})
    rule = alt.Chart(zeros).mark_rule(strokeDash=[4, 3], color=theme.ink().faint)
    return (band + line + rule.encode(x="zero:Q") + rule.encode(y="zero:Q")).properties(height=260)


def _diagnostics(rows: pd.DataFrame) -> None:
    told = rows[rows["status"] == "ok"]
    if told.empty:
        return
    odd = told[told["is_unusual"].fillna(False).astype(bool)]
    st.markdown(
        f"**{len(odd)} of {words.plural(len(told), 'diagnostic')}** say something that fewer than"
        " 5 % of fake moves do."
    )
    if odd.empty:
        return
    view = pd.DataFrame(
        {
            "Move": odd["move_id"].replace("all", "all moves together"),
            "What speaks against it": odd["diagnostic"].map(_TOLD),
            "Size": [words.share(v, signed=True) for v in odd["rel_value"]],
            "Fake moves stay within": [words.share(v, signed=True) for v in odd["rel_band"]],
            "p": odd["placebo_p"].map(words.p_value),
        }
    )
    parts.table(view, key="move_diagnostics", alt="Diagnostics of past moves that are unusual.")


def _outcomes(outcomes: pd.DataFrame) -> None:
    judged = outcomes[outcomes["status"] == "ok"]
    kept = int(judged["is_covered"].fillna(False).astype(bool).sum())
    st.markdown(
        f"**{words.plural(len(judged), 'piece')} of advice can be judged;** the predicted interval"
        f" held {kept} of them."
    )
    view = pd.DataFrame(
        {
            "Service": outcomes["service_id"],
            "To": outcomes["to_regions"],
            "Predicted": [words.share(v, signed=True) for v in outcomes["predicted_effect"]],
            "Realised": [words.share(v, signed=True) for v in outcomes["realised_effect"]],
            "Grade": outcomes["grade"].fillna("none"),
            "Why": outcomes["reason"].fillna(""),
        }
    )
    parts.table(view, key="outcomes", alt="Predicted against realised change of followed advice.")
