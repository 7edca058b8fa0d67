"""Accept, defer or dismiss a recommendation; the only thing a page writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from dashboards import words
from regionwise import decisions

CHOICES = ("accepted", "deferred", "dismissed", "done", "reverted", "open")


def with_status(recommendations: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Return recommendations with the status that people gave them since the build.

    Args:
        recommendations: ``fct_recommendations``; its own status is as old as the build.
        folder: The data folder that holds the decision log.
    """
    newest = decisions.latest(folder)
    said = dict(zip(newest["recommendation_id"], newest["status"], strict=True))
    built = zip(recommendations["recommendation_id"], recommendations["status"], strict=True)
    known = [
        said.get(name) or ("open" if words.is_missing(status) else str(status))
        for name, status in built
    ]
    return recommendations.assign(status=known)


def form(row: pd.Series[Any], folder: Path) -> None:
    """Offer the legal decisions on one recommendation, and show those already taken."""
    st.header("Decide", anchor=False)
    st.markdown(f"Status: **{row['status']}**")
    legal = [s for s in CHOICES if s in decisions.TRANSITIONS.get(str(row["status"]), ())]
    if legal:
        _inputs(row, legal, folder)
    _history(row, folder)


def _inputs(row: pd.Series[Any], legal: list[str], folder: Path) -> None:
    key = str(row["recommendation_id"])
    labels = {
        "accepted": "Accept",
        "deferred": "Defer",
        "dismissed": "Dismiss",
        "done": "Mark as done",
        "reverted": "Mark as reverted",
        "open": "Reopen",
    }
    what, why, who = st.columns(3)
    status = what.selectbox(
        "Decision", legal, format_func=lambda s: labels[s], key=f"decision_{key}"
    )
    reason = why.selectbox(
        "Reason", decisions.REASONS[status], format_func=words.code, key=f"reason_{key}_{status}"
    )
    person = who.text_input("Decided by", max_chars=80, key="decided_by")
    note = st.text_input("Note", max_chars=decisions.NOTE_LIMIT, key=f"note_{key}")
    if st.button("Keep this decision", type="primary", key="keep_decision"):
        try:
            decisions.record(
                folder, key, str(row["service_id"]), status, reason, note or "", person or ""
            )
        except decisions.DecisionError as error:
            st.error("Enter who decides." if not (person or "").strip() else f"Not kept: {error}.")
        except OSError:
            st.error("Not kept: the data folder cannot be written.")
        else:
            st.session_state["decision_kept"] = f"Kept: {labels[status].lower()}, by {person}."
            st.rerun()


def _history(row: pd.Series[Any], folder: Path) -> None:
    kept = st.session_state.pop("decision_kept", None)
    if kept:
        st.success(kept)
    log = decisions.read(folder)
    log = log[log["service_id"] == row["service_id"]].iloc[::-1]
    if log.empty:
        return
    view = pd.DataFrame(
        {
            "When (UTC)": log["decided_at"].str.slice(0, 16).str.replace("T", " "),
            "Decision": log["status"],
            "Reason": log["reason"].map(words.code),
            "Note": log["note"],
            "By": log["decided_by"],
            "On": [
                "this advice" if known == row["recommendation_id"] else "earlier advice"
                for known in log["recommendation_id"]
            ],
        }
    )
    st.table(view, hide_index=True, alt="Decisions on this service, newest first.")
