"""Every page in every state, as a visitor meets it."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.dashboards import fixture_snapshot

APP = Path(__file__).resolve().parents[2] / "dashboards" / "app.py"
PAGES = ("overview", "recommendations", "ab_test", "regions", "service", "quality")
FAILED = "could not be drawn"


def open_page(name: str, **query: str) -> AppTest:
    """Open one page of the whole app."""
    app = AppTest.from_file(str(APP), default_timeout=30)
    app.run()
    assert_healthy(app)
    for key, value in query.items():
        app.query_params[key] = value
    app.switch_page(f"views/{name}.py").run()
    return app


def assert_healthy(app: AppTest) -> None:
    """Fail with what the visitor would read, and the reason from the log."""
    assert not app.exception, app.exception[0].value
    assert not app.error, app.error[0].value


@pytest.mark.parametrize("page", PAGES)
def test_no_snapshot_names_the_exact_command(page: str, data_folder: Path) -> None:
    app = open_page(page)
    assert_healthy(app)
    assert app.code[0].value == "make build"


@pytest.mark.parametrize("variant", ["empty", "tiny", "full"])
@pytest.mark.parametrize("page", PAGES)
def test_page_draws(page: str, variant: fixture_snapshot.Variant, data_folder: Path) -> None:
    fixture_snapshot.build(data_folder, variant)
    app = open_page(page)
    assert_healthy(app)
    assert len(app.title) == 1
