"""What every page is made of: a header, figures, charts with their data, tables, states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pandas as pd
import streamlit as st

from dashboards import data, words

BUILD_COMMAND = "make build"


def snapshot_or_stop() -> data.Snapshot:
    """Return the published build, or say how to make one and end the page."""
    found = data.current(data.data_dir())
    if found is None:
        st.info("There is no published build yet. Make one, then reload this page:")
        st.code(BUILD_COMMAND, language="bash")
        st.caption(
            "The first build makes a synthetic fleet. To use your own data:"
            " `make build DATA=path/to/folder`. `make doctor` names what is missing."
        )
        st.stop()
    return found


def service_picker(label: str, names: Mapping[str, str], first: str) -> str:
    """Let a service be searched by name or id; the choice is kept in the link.

    Args:
        label: What stands above the box.
        names: Name by service id.
        first: Id shown until somebody chooses.
    """
    # Streamlit keeps the shown label in the link; a link written by hand or by a program has the
    # bare id, which is understood too.
    given = st.query_params.get("service")
    if given in names:
        st.session_state["service"] = given
    options = sorted(names, key=lambda service_id: (names[service_id], service_id))
    chosen = st.selectbox(
        label,
        options,
        index=options.index(first),
        format_func=lambda service_id: f"{names[service_id]} ({service_id})",
        key="service",
        bind="query-params",
    )
    return chosen or first


def header(title: str, question: str) -> None:
    """Write the page's title and the question it answers."""
    st.title(title, anchor=False)
    st.markdown(question)


def section(title: str, words_below: str = "") -> None:
    """Start a section."""
    st.header(title, anchor=False)
    if words_below:
        st.markdown(words_below)


def figure(label: str, value: str, below: str = "", *, change: str = "") -> None:
    """Show one figure in a box; the only place that makes a metric.

    Args:
        label: What it is.
        value: The number as words.
        below: Interval or explanation, shown under the number.
        change: A wording of :func:`dashboards.words.change`; its colour follows its words.
    """
    with st.container(border=True, height="stretch"):
        # Left to itself Streamlit paints a falling number red; a falling cost is good news.
        st.metric(
            label,
            value,
            delta=change or None,
            delta_color=_colour(change),
            delta_arrow="off",
        )
        if below:
            st.caption(below)


def _colour(change: str) -> Literal["green", "orange", "gray"]:
    if change.endswith(words.GOOD):
        return "green"
    return "orange" if change.endswith(words.BAD) else "gray"


def show_data(frame: pd.DataFrame, key: str, about: str, sql: str = "") -> None:
    """Offer the rows behind a chart, as a table and as CSV, and the question that made them."""
    with st.expander("Show data"):
        st.dataframe(frame, hide_index=True, key=f"{key}_rows", alt=f"Data: {about}")
        download(frame, key)
        if sql:
            st.code(sql.strip(), language="sql")


def download(frame: pd.DataFrame, key: str, label: str = "Download CSV") -> None:
    """Offer a frame as CSV; the clicks do not rerun the page."""
    st.download_button(
        label,
        frame.to_csv(index=False).encode("utf-8"),
        file_name=f"{key}.csv",
        mime="text/csv",
        key=f"{key}_csv",
        on_click="ignore",
        type="tertiary",
        icon=":material/download:",
    )


def chart(
    finding: str,
    drawn: Any,
    rows: pd.DataFrame,
    *,
    key: str,
    alt: str,
    note: str = "",
    sql: str = "",
) -> None:
    """Show a chart: the finding as its title, alt text, the data and their age beside it.

    Args:
        finding: What the reader should see, as a sentence.
        drawn: The Altair chart.
        rows: The rows behind it.
        key: Unique name, used for widgets and the file name.
        alt: The chart in words for those who do not see it.
        note: Extra words under the chart.
        sql: The question that made the rows.
    """
    st.subheader(finding, anchor=False)
    st.altair_chart(drawn, width="stretch", key=key, alt=alt)
    as_of = st.session_state.get("_as_of_words", "")
    st.caption(" · ".join(part for part in (note, as_of) if part))
    show_data(rows, key, alt, sql)


def table(
    rows: pd.DataFrame,
    *,
    key: str,
    alt: str,
    config: Mapping[str, Any] | None = None,
    height: int | Literal["auto", "content"] = "auto",
) -> None:
    """Show a sortable table with a CSV of the same rows."""
    st.dataframe(
        rows, hide_index=True, column_config=dict(config or {}), key=key, alt=alt, height=height
    )
    download(rows, key)


def nothing(words_shown: str) -> None:
    """Say that there is nothing to show, and why."""
    st.info(words_shown)


def reset_filters(keys: Mapping[str, Any]) -> None:
    """Put filters back to their defaults; used as a button's callback."""
    for name, default in keys.items():
        st.session_state[name] = default


def empty_filter(description: str, defaults: Mapping[str, Any]) -> None:
    """Say which filter leaves nothing, and offer to reset it."""
    st.info(f"No row matches {description}.")
    st.button("Reset filters", on_click=reset_filters, args=(dict(defaults),), key="reset_filters")


def value(frame: pd.DataFrame, column: str, default: Any = None) -> Any:
    """Return a cell of the first row; the default if there is no row or no value."""
    if frame.empty:
        return default
    cell = frame[column].iloc[0]
    return default if words.is_missing(cell) else cell
