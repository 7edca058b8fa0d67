"""A/B Test Results: did the plan work, told in the order in which one should doubt it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from dashboards import charts, distributions, evidence, parts, past, proof, questions, words
from dashboards.data import Snapshot, ask

# Shown without a click; a check that did not pass always is.
NAMED_CHECKS = (
    "demand_equal",
    "demand_total",
    "assignment_ratio",
    "registration_hash",
    "train_eval_overlap",
)


def render() -> None:
    """Draw the page."""
    parts.header(
        "A/B Test Results", "Did it work? Control is today's placement, treatment the plan."
    )
    snapshot = parts.snapshot_or_stop()
    verdict = ask(snapshot, questions.VERDICT)
    results = ask(snapshot, questions.RESULTS)
    if verdict.empty:
        parts.nothing(
            "No experiment was run in this build. An experiment needs a world to run in:"
            " imported data have none until both placements were tried in the field."
        )
        return
    _verdict(verdict.iloc[0])
    _checks(ask(snapshot, questions.CHECKS))
    distributions.demand(ask(snapshot, questions.DEMAND))
    _effects(results, verdict.iloc[0])
    distributions.curve(ask(snapshot, questions.QUANTILES))
    _guard_rails(results)
    proof.measured(ask(snapshot, questions.METRICS))
    _classic(ask(snapshot, questions.CLASSIC), results)
    _baselines(ask(snapshot, questions.BASELINES))
    evidence.power(results, ask(snapshot, questions.UNITS))
    proof.planned(ask(snapshot, questions.POWER))
    proof.looks(ask(snapshot, questions.MONITOR))
    evidence.calibration(ask(snapshot, questions.CALIBRATION), verdict.iloc[0])
    distributions.rejections(ask(snapshot, questions.REJECTIONS))
    proof.promises(ask(snapshot, questions.GOALS))
    evidence.segments(results)
    proof.services(ask(snapshot, questions.SERVICE_EFFECTS))
    past.show(snapshot, results)
    _critical(snapshot, results)
    _placements(ask(snapshot, questions.PLACEMENTS))
    _limits()


def _verdict(row: pd.Series[Any]) -> None:
    parts.section("Verdict")
    name, colour, meaning = words.VERDICTS[str(row["verdict"])]
    st.markdown(f"### :{colour}[{name}]")
    st.markdown(meaning)
    reasons = [part.strip() for part in str(row["reasons"] or "").split(";") if part.strip()]
    clauses = [r for r in reasons if r.startswith("(")] or reasons
    marked = [r.replace("[holds]", "✓ holds").replace("[fails]", "✗ fails") for r in clauses]
    st.markdown("\n".join(f"- {reason}" for reason in marked) or "No reason was recorded.")
    rest = [r for r in reasons if r not in clauses]
    if rest:
        st.caption("How it was run: " + "; ".join(rest) + ".")
    st.caption(
        f"Experiment {row['experiment_id']} · the plan knows days through"
        f" {words.moment(row['train_through_on'])}, the evaluation starts"
        f" {words.moment(row['evaluate_from_on'])} and lasts"
        f" {words.plural(row['evaluate_days'], 'day')} · registration {row['config_sha256'][:16]}"
    )


def _checks(checks: pd.DataFrame) -> None:
    parts.section(
        "Checks", "Equal demand, the assignment and the registration are gates, not measurements."
    )
    if checks.empty:
        parts.nothing("No check was recorded.")
        return
    red = int((checks["status"] == "red").sum())
    untested = int((checks["status"] == "not_testable").sum())
    green = len(checks) - red - untested
    st.markdown(
        f"**{green} of {words.plural(len(checks), 'check')} passed**; {red} failed,"
        f" {untested} could not be tested with so few data."
    )
    named = checks["check_name"].isin(NAMED_CHECKS) | (checks["status"] != "green")
    st.table(
        _check_table(checks[named]),
        hide_index=True,
        alt="The checks everyone asks for, and every check that did not pass.",
    )
    with st.expander(f"All {words.plural(len(checks), 'check')}"):
        st.table(_check_table(checks), hide_index=True, alt="All checks: seen and had to hold.")
        parts.download(checks, "checks")


def _check_table(checks: pd.DataFrame) -> pd.DataFrame:
    marks = {"green": "✓ passed", "red": "✗ failed", "not_testable": "? not testable"}
    return pd.DataFrame(
        {
            "Check": checks["check_name"].map(words.code),
            "Scope": checks["scope"],
            "Seen": checks["observed"],
            "Had to hold": checks["expected"],
            "Result": checks["status"].map(marks),
        }
    )


def _effects(results: pd.DataFrame, verdict: pd.Series[Any]) -> None:
    parts.section(
        "Control and treatment",
        "The twin runs both plans on the same demand and gives the size of the effect; the"
        " switchback flips the fleet by a coin and gives the p-value.",
    )
    success = results[results["role"] == "success"]
    if success.empty:
        parts.nothing("No success metric was judged.")
        return
    twin = success[success["mode"] == "twin"]
    boxes = twin if len(twin) else success
    # A refused effect is null, never zero: no box may suggest a number.
    boxes = boxes[boxes["rel_effect"].notna()]
    if len(boxes):
        for column, (_, row) in zip(st.columns(len(boxes)), boxes.iterrows(), strict=True):
            with column:
                evidence.effect_box(row)
    evidence.effect_chart(success)
    st.table(
        evidence.effect_table(success),
        hide_index=True,
        alt="Control, treatment and effect with interval and p-value by metric and layer.",
    )
    parts.download(success, "experiment_results")
    inside, outside = verdict["in_sample_gain_share"], verdict["out_of_sample_gain_share"]
    if words.is_missing(outside):
        return
    st.markdown(
        f"Gain on days the plan knew: **{words.share(inside)}**; on later days, which it did not"
        f" know: **{words.share(outside)}**. The second counts."
    )
    redraws = verdict["coin_redraws_significant_share"]
    if not words.is_missing(redraws):
        st.markdown(
            f"Had the coins fallen otherwise, {words.share(redraws)} of other coin sequences would"
            " have given p < 0.05."
        )


def _guard_rails(results: pd.DataFrame) -> None:
    parts.section("Guard rails", "What must not get worse; judged in the twin.")
    rails = results[results["role"] == "guardrail"]
    if rails.empty:
        parts.nothing("No guard rail was judged.")
        return
    judged = rails[~rails["verdict"].isin(["reported", "not_judged"])]
    passed = int((judged["verdict"] == "passed").sum())
    st.markdown(
        f"**{passed} of {words.plural(len(judged), 'guard rail')} passed.**"
        if len(judged)
        else "**No guard rail was judged.**"
    )
    st.table(
        evidence.guard_table(judged if len(judged) else rails),
        hide_index=True,
        alt="Guard rails with both arms, the effect, the margin and the result.",
    )
    printed = len(rails) - len(judged)
    if printed and len(judged):
        st.caption(f"The CSV also holds {words.plural(printed, 'row')} that were not judged.")
    parts.download(rails, "guard_rails")


def _classic(lines: pd.DataFrame, results: pd.DataFrame) -> None:
    parts.section(
        "Classic report",
        "The lines readers expect, on all demand of the evaluation days. The **t-statistic and"
        " its p-value** ignore the pairing of days and are **not used for the decision**.",
    )
    if lines.empty:
        parts.nothing("No classic report was made.")
        return
    view = pd.DataFrame(
        {
            "Line": [name[:1].upper() + name[1:] for name in lines["line"]],
            "Control": evidence.cells(lines, "control"),
            "Treatment": evidence.cells(lines, "treatment"),
            "Change": evidence.cells(lines, "change_abs", signed=True),
            "Change, relative": [words.share(v, signed=True) for v in lines["change_share"]],
            "Definition": lines["definition"],
            "Note": lines["label"].fillna(""),
        }
    )
    st.table(view, hide_index=True, alt="Classic report, both arms, with definitions.")
    parts.download(lines, "classic_report")
    coin = results[(results["role"] == "success") & results["p_value"].notna()]
    said = "; ".join(
        f"{words.metric(r['metric'])} p {words.p_value(r['p_value'])}" for _, r in coin.iterrows()
    )
    if said:
        st.caption(f"Beside it, the sign-flip test that does decide: {said}.")
    evidence.cross_checks(results)


def _baselines(plans: pd.DataFrame) -> None:
    parts.section(
        "Among random plans",
        "Random plans with the same number of regions and instances per service, on the same"
        " demand: beating one is luck, beating all is not.",
    )
    if plans.empty:
        parts.nothing("No baseline was scored.")
        return
    names = {
        "treatment": "recommended",
        "control": "today",
        "random_matched": "random, equal budget",
        "greedy_nearest": "nearest regions",
        "cheapest": "cheapest regions",
    }
    order = list(names)
    # Ours is drawn last: a crowd of random plans must not hide it.
    drawn = plans.assign(plan=plans["family"].map(names), layer=plans["family"].map(order.index))
    drawn = drawn.sort_values(["layer", "plan_name"], ascending=[False, True], kind="stable")
    ours = plans[plans["family"] == "treatment"]
    random_plans = int((plans["family"] == "random_matched").sum())
    rank, p_plan = parts.value(ours, "latency_rank"), parts.value(ours, "p_plan")
    finding = (
        f"Rank {words.count(rank)} of {len(plans)} plans by latency"
        if rank is not None
        else "The recommended plan was not scored"
    )
    parts.chart(
        finding,
        charts.scatter(
            drawn[["plan", "plan_name", "cost_usd_per_million", "mean_latency_ms"]],
            "cost_usd_per_million",
            "mean_latency_ms",
            "plan",
            x_title="Cost per million requests (USD)",
            y_title="Mean latency (ms)",
        ),
        plans,
        key="baselines",
        alt=f"Scatter of cost against mean latency for {len(plans)} plans. {finding}.",
        note=f"Share of {random_plans} random plans at least as good, with ours counted:"
        f" {words.p_value(p_plan)}. A rank, not the p-value of an A/B test.",
        sql=questions.BASELINES,
    )


def _critical(snapshot: Snapshot, results: pd.DataFrame) -> None:
    services = ask(snapshot, questions.CRITICAL_SERVICES)
    parts.section(
        "Critical services",
        f"{words.plural(len(services), 'service')} marked latency-critical.",
    )
    rows = results[results["metric"].str.contains("critical")]
    if len(rows):
        st.table(
            evidence.effect_table(rows),
            hide_index=True,
            alt="Effects on latency-critical services.",
        )
    with st.expander("Which services these are"):
        parts.table(services, key="critical_services", alt="Latency-critical services.")


def _placements(placements: pd.DataFrame) -> None:
    parts.section("Placements", "Both arms, one row per service and region.")
    left, right = st.columns(2)
    arms = (("control_placement", "current", left), ("treatment_placement", "recommended", right))
    for name, kind, column in arms:
        rows = placements[placements["plan_kind"] == kind].reset_index(drop=True)
        with column:
            st.markdown(f"**{words.code(name)}**: {words.plural(len(rows), 'row')}")
            parts.download(rows, name)


def _limits() -> None:
    parts.section("Limits")
    st.markdown(
        "- On generated data both layers are evidence inside the simulator; the switchback there"
        " rehearses a field test.\n"
        "- Intervals of the switchback speak of future days of this fleet; plausibility intervals"
        " of the twin of uncertain inputs. They are different questions.\n"
        "- Latency tails (p95, p99) need more days than means before they show anything."
    )


if __name__ == "__main__":
    render()
