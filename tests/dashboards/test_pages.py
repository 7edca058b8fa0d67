"""Every page in every state, as a visitor meets it."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
from streamlit.testing.v1 import AppTest

from regionwise import decisions
from tests.dashboards import fixture_snapshot

APP = Path(__file__).resolve().parents[2] / "dashboards" / "app.py"
PAGES = (
    *("overview", "recommendations", "what_if", "frontier"),
    *("ab_test", "regions", "service", "quality"),
)


def open_page(name: str, **query: str) -> AppTest:
    """Open one page of the whole app."""
    app = AppTest.from_file(str(APP), default_timeout=60)
    app.run()
    for key, value in query.items():
        app.query_params[key] = value
    return app.switch_page(f"views/{name}.py").run()


def assert_healthy(app: AppTest) -> None:
    """Fail with what the visitor would read."""
    assert not app.exception, app.exception[0].value
    assert not app.error, app.error[0].value


def words_on(app: AppTest) -> str:
    return "\n".join(str(part.value) for part in [*app.markdown, *app.caption, *app.info])


def headline_on(app: AppTest) -> str:
    return next(part.value for part in app.markdown if "to change:" in str(part.value))


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
    assert "nan" not in words_on(app).lower().split()
    assert "Synthetic demo data" in words_on(app)


def test_pages_agree_on_the_headline(data_folder: Path) -> None:
    fixture_snapshot.build(data_folder, "full")
    overview, recommendations = open_page("overview"), open_page("recommendations")
    assert headline_on(overview) == headline_on(recommendations)
    assert "80 %" in headline_on(overview)
    assert "The experiment says :green[**Ship**]" in words_on(overview)


def test_a_rebuild_is_seen_at_the_next_interaction(data_folder: Path) -> None:
    fixture_snapshot.build(data_folder, "full", build_id="build-a")
    app = open_page("overview")
    before = headline_on(app)
    fixture_snapshot.build(data_folder, "full", build_id="build-b", scale=2.0)
    app.run()
    assert_healthy(app)
    assert "build-b" in words_on(app)
    assert headline_on(app) != before


def test_a_draft_beside_the_pointer_is_not_read(data_folder: Path) -> None:
    fixture_snapshot.build(data_folder, "full", build_id="build-a")
    app = open_page("overview")
    (data_folder / "serving" / "build-b").mkdir()
    (data_folder / "serving" / "build-b" / "warehouse.duckdb").write_bytes(b"half a file")
    app.run()
    assert_healthy(app)
    assert "build-a" in words_on(app)


def test_a_broken_pointer_is_a_sentence(data_folder: Path) -> None:
    (data_folder / "serving").mkdir()
    pointer = data_folder / "serving" / "current.json"
    for content in ("{", "[]", json.dumps({"build_id": "b", "path": "gone/warehouse.duckdb"})):
        pointer.write_text(content)
        app = open_page_anyway()
        assert not app.exception
        assert "make build" in app.error[0].value


def open_page_anyway() -> AppTest:
    return AppTest.from_file(str(APP), default_timeout=60).run()


def test_a_failing_page_names_the_build_and_hides_the_trace(data_folder: Path) -> None:
    path = fixture_snapshot.build(data_folder, "full", build_id="build-x")
    with duckdb.connect(str(path)) as connection:
        connection.execute("drop table fct_plan_totals")
    app = open_page_anyway()
    assert not app.exception
    assert "build-x" in app.error[0].value
    assert "Traceback" not in app.error[0].value


def test_imported_data_that_grew_old_are_marked_stale(data_folder: Path) -> None:
    path = fixture_snapshot.build(data_folder, "full")
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "update meta_runs set is_synthetic = false, as_of = timestamp '2020-01-01'"
        )
    shown = words_on(open_page("overview"))
    assert "Stale" in shown
    assert "days old" in shown
    assert "Synthetic" not in shown


def test_a_link_opens_the_same_service(data_folder: Path) -> None:
    fixture_snapshot.build(data_folder, "full")
    for page in ("service", "recommendations"):
        app = open_page(page, service="svc-003")
        assert_healthy(app)
        assert app.selectbox(key="service").value == "svc-003"


def test_an_unknown_service_in_a_link_is_survived(data_folder: Path) -> None:
    fixture_snapshot.build(data_folder, "full")
    assert_healthy(open_page("service", service="no-such-service"))


def test_the_statistic_of_the_heat_map_is_in_the_link(data_folder: Path) -> None:
    fixture_snapshot.build(data_folder, "full")
    app = open_page("regions", statistic="p95", threshold_ms="40")
    assert_healthy(app)
    titles = [part.value for part in app.subheader]
    assert any("(p95)" in title for title in titles)
    assert any("at or above 40 ms" in title for title in titles)
    assert "grey: no p95 is known" in words_on(app)


def test_a_filter_that_leaves_nothing_can_be_reset(data_folder: Path) -> None:
    fixture_snapshot.build(data_folder, "full")
    app = open_page("recommendations", team="payments", outcome="Keep no gain", action="Move")
    assert_healthy(app)
    assert "No row matches" in words_on(app)
    app.button(key="reset_filters").click().run()
    assert_healthy(app)
    assert "No row matches" not in words_on(app)


def test_a_threshold_above_all_ways_can_be_reset(data_folder: Path) -> None:
    fixture_snapshot.build(data_folder, "full")
    app = open_page("regions", threshold_ms="400")
    assert "threshold of 400 ms" in words_on(app)
    app.button(key="reset_filters").click().run()
    assert app.slider(key="threshold_ms").value == 100


def test_keep_is_one_switch_away(data_folder: Path) -> None:
    fixture_snapshot.build(data_folder, "full")
    app = open_page("recommendations")
    assert "5 recommendations" in words_on(app)
    app.toggle(key="changes_only").set_value(False).run()
    assert "9 recommendations" in words_on(app)


def test_an_effect_that_spans_zero_is_no_clear_change(data_folder: Path) -> None:
    fixture_snapshot.build(data_folder, "full")
    app = open_page("recommendations", service="svc-003")
    latency = next(box for box in app.metric if box.label == "Change of mean latency")
    assert "no clear change" in latency.delta


def test_a_decision_is_kept_and_shown(data_folder: Path) -> None:
    fixture_snapshot.build(data_folder, "full")
    app = open_page("recommendations", service="svc-001")
    app.button(key="keep_decision").click().run()
    assert app.error[0].value == "Enter who decides."
    app.text_input(key="decided_by").set_value("ada").run()
    app.button(key="keep_decision").click().run()
    assert_healthy(app)
    assert "Status: **accepted**" in words_on(app)
    log = decisions.read(data_folder)
    assert log[["service_id", "status", "decided_by"]].values.tolist() == [
        ["svc-001", "accepted", "ada"]
    ]
    assert "1 accepted" in words_on(open_page("overview"))


def test_a_decision_outlives_a_rebuild(data_folder: Path) -> None:
    fixture_snapshot.build(data_folder, "full", build_id="build-a")
    app = open_page("recommendations", service="svc-001")
    app.text_input(key="decided_by").set_value("ada").run()
    app.button(key="keep_decision").click().run()
    fixture_snapshot.build(data_folder, "full", build_id="build-b")
    assert "Status: **accepted**" in words_on(open_page("service", service="svc-001"))


def test_a_copy_for_reading_takes_no_decision(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGIONWISE_READ_ONLY", "1")
    fixture_snapshot.build(data_folder, "full")
    app = open_page("recommendations")
    assert_healthy(app)
    assert not [button for button in app.button if button.key == "keep_decision"]


def test_the_t_statistic_is_shown_as_not_used_for_the_decision(data_folder: Path) -> None:
    fixture_snapshot.build(data_folder, "full")
    app = open_page("ab_test")
    shown = words_on(app)
    assert "not used for the decision" in shown
    classic = next(t.value for t in app.table if "Line" in t.value.columns)
    assert "T_statistic" in set(classic["Line"])
    assert "< 0.001" in shown


def test_ab_page_shows_looks_power_promises_and_past_advice(data_folder: Path) -> None:
    fixture_snapshot.build(data_folder, "full")
    app = open_page("ab_test")
    assert_healthy(app)
    said = words_on(app)
    assert "1 of 2 metrics passed the line at which one stops" in "\n".join(
        str(part.value) for part in app.subheader
    )
    assert "31% of call volume crosses communities, limit 15%" in said
    assert "1 of 2 goals" in said
    assert "1 missed" in said
    assert "svc-001 was 20% faster after the move" in said
    assert "1 piece of advice can be judged" in said
    # A service without requests has no effect to show, rather than one of zero.
    assert "1 service faster, 0 slower" in said


def test_ab_page_shows_all_of_the_demand_and_of_the_distribution(data_folder: Path) -> None:
    fixture_snapshot.build(data_folder, "full")
    app = open_page("ab_test")
    assert_healthy(app)
    titles = [str(part.value) for part in app.subheader]
    assert "Both arms answer for the same 100 % of the demand" in titles
    assert "Change at p10 −8.00 %, median −8.00 %, p99 +2.00 %" in titles
    assert "far tail is slower" in words_on(app)
    path = fixture_snapshot.build(data_folder, "full", build_id="another")
    path.chmod(0o644)
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "update fct_experiment_demand set requests = requests - 7"
            " where arm = 'treatment' and outcome = 'served'"
        )
        connection.execute("delete from fct_experiment_quantiles")
    titles = [str(part.value) for part in open_page("ab_test").subheader]
    assert "The arms do not answer for the same demand" in titles
    assert not [title for title in titles if title.startswith("Change at")]


def test_ab_page_shows_what_speaks_against_past_moves(data_folder: Path) -> None:
    fixture_snapshot.build(data_folder, "full")
    app = open_page("ab_test")
    assert_healthy(app)
    titles = [str(part.value) for part in app.subheader]
    # The fixture's gap before the move stays inside what fake moves show, on all 28 days.
    assert "Before the moves 0 of 28 days lie outside what fake moves show" in titles
    assert "1 of 2 diagnostics" in words_on(app)
    path = fixture_snapshot.build(data_folder, "full", build_id="another")
    path.chmod(0o644)
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "update fct_experiment_event_study set rel_lo = 0.01 where days_from_move = -3"
        )
    titles = [str(part.value) for part in open_page("ab_test").subheader]
    assert "Before the moves 1 of 28 days lie outside what fake moves show" in titles


def test_ab_page_shows_what_was_refused_beside_the_test_and_every_level(data_folder: Path) -> None:
    fixture_snapshot.build(data_folder, "full")
    app = open_page("ab_test")
    assert_healthy(app)
    assert any("Cross-checks" in part.label for part in app.expander)
    told = [table.value for table in app.table if "Effective units" in table.value.columns]
    assert told[0][["Change", "Interval", "Effective units"]].to_numpy().tolist() == [
        ["–", "no interval", "27.9"]
    ]
    summed = [table.value for table in app.table if "What is summed" in table.value.columns]
    assert summed[0]["Divided by"].tolist() == ["requests offered", "–"]
    titles = [str(part.value) for part in app.subheader]
    assert "False alarms at the 5 % level: our tests 4.70 %, bad methods 57.0 %" in titles
    path = fixture_snapshot.build(data_folder, "full", build_id="another")
    path.chmod(0o644)
    with duckdb.connect(str(path)) as connection:
        connection.execute("delete from fct_experiment_rejections")
        connection.execute("delete from fct_experiment_results where segment = 'cross_check'")
    app = open_page("ab_test")
    assert_healthy(app)
    assert not any("False alarms" in str(part.value) for part in app.subheader)
    assert not any("Cross-checks" in part.label for part in app.expander)


def test_ab_page_says_when_the_long_calibration_never_ran(data_folder: Path) -> None:
    path = fixture_snapshot.build(data_folder, "full")
    path.chmod(0o644)
    with duckdb.connect(str(path)) as connection:
        connection.execute("delete from fct_experiment_goals")
        connection.execute("delete from fct_experiment_monitor")
    said = words_on(open_page("ab_test"))
    assert "`make calibrate`" in said
    assert "nothing to look at" in said
