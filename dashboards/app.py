"""The dashboard: which pages there are, what frames each of them, and what happens on an error.

Start it from the repository with ``python -m streamlit run dashboards/app.py``; its configuration
lies in ``dashboards/.streamlit/config.toml``.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import streamlit as st

# Streamlit puts this folder on the path, not the repository; the rooms are imported by name.
_ROOT = str(Path(__file__).resolve().parent.parent)
if _ROOT not in sys.path:
    sys.path.append(_ROOT)

from dashboards import data, frame  # noqa: E402

# A file of ours: an icon by name would be fetched from a font server by the visitor's browser.
ICON = Path(__file__).resolve().parent / "assets" / "icon.png"
PAGES = {
    "Decide": [
        ("overview", "Overview", ":material/home:"),
        ("recommendations", "Recommendations", ":material/rule:"),
        ("what_if", "What-if", ":material/tune:"),
        ("frontier", "Frontier", ":material/show_chart:"),
    ],
    "Prove": [("ab_test", "A/B Test Results", ":material/science:")],
    "Explore": [
        ("regions", "Regional Analysis", ":material/public:"),
        ("service", "Service Details", ":material/dns:"),
    ],
    "Trust": [("quality", "Data quality", ":material/verified:")],
}


def main() -> None:
    """Frame one page and run it."""
    st.set_page_config(page_title="regionwise", page_icon=str(ICON), layout="wide")
    pages = {
        group: [
            st.Page(
                f"views/{name}.py",
                title=title,
                icon=icon,
                url_path=name,
                default=name == "overview",
            )
            for name, title, icon in group_pages
        ]
        for group, group_pages in PAGES.items()
    }
    # Streamlit's own sidebar nests groups in a way that screen readers cannot follow, and its top
    # bar hides the pages: the links are drawn by the frame.
    page = st.navigation(pages, position="hidden")
    frame.links(pages)
    build_id = "none"
    try:
        snapshot = data.current(data.data_dir())
        if snapshot is not None:
            build_id = snapshot.build_id
            frame.around(snapshot)
        page.run()
    except data.SnapshotError as error:
        st.error(f"{error} Publish again with `make build`.")
    except Exception:
        # The trace is for whoever runs the server; the visitor gets a sentence and a handle.
        logging.getLogger("regionwise.dashboards").exception(
            "page %s failed on build %s", page.url_path or "overview", build_id
        )
        st.error(
            f"This page could not be drawn from build `{build_id}`. The trace is in the"
            " server's log. The other pages and the published tables are not affected."
        )


main()
