"""Rules of the pages that hold by construction: alt text, colours, contracts, no addresses."""

from __future__ import annotations

import ast
import doctest
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dashboards import atlas, distributions, headline, theme, words
from ml.experiment.rates import OURS
from tests.dashboards import fixture_snapshot

HOME = Path(__file__).resolve().parents[2] / "dashboards"
SOURCES = sorted(HOME.rglob("*.py"))
DRAWN = {
    "altair_chart", "dataframe", "table", "image", "map", "mermaid_chart", "echarts_chart",
    "line_chart", "bar_chart", "area_chart", "scatter_chart", "plotly_chart", "pyplot",
    "vega_lite_chart", "graphviz_chart", "pydeck_chart", "data_editor",
}  # fmt: skip


def streamlit_calls() -> Iterator[tuple[str, str, ast.Call]]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "st"
            ):
                yield f"{path.relative_to(HOME)}:{node.lineno}", node.func.attr, node


def test_everything_drawn_has_alt_text() -> None:
    drawn = [call for call in streamlit_calls() if call[1] in DRAWN]
    assert drawn
    mute = [f"{where} {name}" for where, name, node in drawn if not _has_words(node)]
    assert not mute, mute


def _has_words(node: ast.Call) -> bool:
    given = [keyword.value for keyword in node.keywords if keyword.arg == "alt"]
    return bool(given) and not (isinstance(given[0], ast.Constant) and not given[0].value)


def test_one_function_makes_all_metrics() -> None:
    made = {where.split(":")[0] for where, name, _ in streamlit_calls() if name == "metric"}
    assert made == {"parts.py"}


def test_only_the_reader_opens_the_snapshot() -> None:
    openers = [
        str(path.relative_to(HOME))
        for path in SOURCES
        if "duckdb" in path.read_text(encoding="utf-8").split('"""', 2)[-1]
    ]
    assert openers == ["data.py"]


def test_no_page_names_an_address() -> None:
    named = [str(p) for p in SOURCES if re.search(r"https?://", p.read_text(encoding="utf-8"))]
    assert not named, named


def test_every_mart_of_the_fixture_is_promised_by_dbt() -> None:
    promised = fixture_snapshot.contracts()
    used = fixture_snapshot.tables("full", "b", 1.0)
    assert sorted(set(used) - set(promised)) == []


def test_every_table_asked_is_a_public_mart() -> None:
    text = (HOME / "questions.py").read_text(encoding="utf-8")
    asked = set(re.findall(r"\b(?:from|join)\s+((?:dim|fct|rpt|meta|int|feat|stg)_\w+)", text))
    assert asked
    assert asked <= set(fixture_snapshot.contracts())


def test_fixture_refuses_a_column_that_no_mart_promises(tmp_path: Path) -> None:
    import duckdb

    with duckdb.connect() as connection, pytest.raises(AssertionError, match="invents nonsense"):
        fixture_snapshot._create(connection, "dim_x", [{"nonsense": 1}], {"service_id": "string"})


def test_text_is_readable_on_every_shade_of_the_heat_map() -> None:
    worst = min(
        theme.contrast(theme.shade(place), theme.text_on(theme.shade(place)))
        for place in np.linspace(0, 1, 201)
    )
    assert worst >= 4.5


def test_text_is_readable_on_a_missing_cell_and_on_the_page() -> None:
    settings = tomllib.loads((HOME / ".streamlit" / "config.toml").read_text())["theme"]
    for ink, name in ((theme.LIGHT, "light"), (theme.DARK, "dark")):
        page = settings[name]["backgroundColor"]
        assert theme.contrast(ink.missing, theme.text_on(ink.missing)) >= 4.5
        for colour in (ink.text, ink.faint):
            assert theme.contrast(colour, page) >= 4.5
        for mark in (ink.outline, ink.before, ink.after):
            assert theme.contrast(mark, page) >= 3
        for key, colour in settings[name].items():
            if key.endswith("TextColor") or key in ("textColor", "linkColor"):
                assert theme.contrast(colour, page) >= 4.5, key


def test_streamlit_and_altair_share_one_palette() -> None:
    settings = tomllib.loads((HOME / ".streamlit" / "config.toml").read_text())["theme"]
    assert tuple(settings["chartCategoricalColors"]) == theme.CATEGORIES
    assert tuple(settings["chartSequentialColors"]) == theme.CIVIDIS
    assert tuple(settings["chartDivergingColors"]) == theme.DIVERGING


def test_background_of_the_map_is_silent_and_local() -> None:
    points = pd.DataFrame(
        {
            "latitude": [1.0], "longitude": [2.0], "place_kind": ["region"],
            "place_id": ["r"], "label": ["R"], "requests": [3.0],
        }
    )  # fmt: skip
    spec = atlas.world_map(points, "requests", size_title="Requests", tooltip=[]).to_dict()
    land = spec["layer"][0]
    assert land["mark"]["aria"] is False
    assert "url" not in str(land["data"].keys())


@pytest.mark.parametrize("module", [words, theme])
def test_examples_in_the_docs_run(module: object) -> None:
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.attempted
    assert not result.failed


def _plan(saving: float, lo: float, hi: float, changed: int = 5) -> pd.DataFrame:
    row = {
        "plan_kind": "recommended", "services_changed": changed, "interval_level": 0.8,
        "monthly_saving_usd": saving, "monthly_saving_lo_usd": lo, "monthly_saving_hi_usd": hi,
        "mean_latency_delta_ms": -4.0, "mean_latency_delta_lo_ms": -6.0,
        "mean_latency_delta_hi_ms": -2.0,
    }  # fmt: skip
    return pd.DataFrame([row])


def test_headline_says_saving_with_interval_and_level() -> None:
    assert headline.sentence(_plan(4120, 2900, 5300)) == (
        "5 services to change: −$4,120 a month (80 %: −$5,300 … −$2,900),"
        " −4.00 ms mean latency (80 %: −6.00 ms … −2.00 ms)."
    )


def test_headline_of_a_dearer_plan_does_not_hide_it() -> None:
    assert "+$500 a month (80 %: +$400 … +$600)" in headline.sentence(_plan(-500, -600, -400))


def test_headline_does_not_claim_what_spans_zero() -> None:
    assert "no clear change of the bill" in headline.sentence(_plan(100, -50, 250))


def test_headline_without_changes_or_plan() -> None:
    assert headline.sentence(_plan(0, 0, 0, changed=0)).startswith("Keep everything")
    assert headline.sentence(_plan(1, 1, 1).iloc[:0]) == "No recommended plan was made."


def test_the_page_calls_those_tests_ours_that_may_decide() -> None:
    assert distributions._OURS == OURS
