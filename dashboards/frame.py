"""What stands around every page: whose data these are, how old, and from which build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st
from streamlit.navigation.page import Page

from dashboards import data, questions, words


def links(pages: Mapping[str, Sequence[Page]]) -> None:
    """Write the links to every page into the sidebar, by group."""
    with st.sidebar:
        st.markdown("**regionwise**")
        for group, members in pages.items():
            st.caption(group)
            for page in members:
                st.page_link(page)


def around(snapshot: data.Snapshot) -> pd.DataFrame:
    """Write the synthetic banner, the data's age and the build; return the run's record."""
    run = data.ask(snapshot, questions.RUN)
    as_of = None if run.empty else run["as_of"].iloc[0]
    is_synthetic = bool(not run.empty and run["is_synthetic"].iloc[0])
    st.session_state["_as_of_words"] = f"Data as of {words.moment(as_of)}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if is_synthetic:
            st.badge("Synthetic demo data", icon=":material/labs:", color="orange")
        elif _is_stale(as_of):
            st.badge("Stale", icon=":material/schedule:", color="red")
        st.caption(f"{_age(as_of, is_synthetic)} · build {snapshot.build_id[:16]}")
    with st.sidebar:
        if is_synthetic:
            st.caption(
                "The fleet, its users and the experiment are simulated: nothing here was measured"
                " in a real cloud."
            )
    return run


def _is_stale(as_of: object) -> bool:
    hours = words.hours_since(as_of)
    return hours is None or hours > words.STALE_AFTER_HOURS


def _age(as_of: object, is_synthetic: bool) -> str:
    if words.is_missing(as_of):
        return "Age of the data is not known"
    if is_synthetic:
        # Synthetic time need not be near today's: an age in hours would mean nothing.
        return f"as of {words.moment(as_of)}"
    hours = words.hours_since(as_of) or 0.0
    age = f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"
    return f"Data as of {words.moment(as_of)}, {age} old"
