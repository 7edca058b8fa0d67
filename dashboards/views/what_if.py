"""What-if: the plan solved again under other weights, prices and rules, live."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from dashboards import living, parts, questions, words
from dashboards.data import Snapshot, ask
from ml.placement.whatif import (
    FILE,
    InfeasibleError,
    SavedProblemError,
    Scenario,
    ScenarioError,
    WhatIf,
    whatif,
)

DEFAULTS: dict[str, Any] = {
    "weight": 1.0,
    "slo": 1.0,
    "ban": [],
    "lose": [],
    "price_region": [],
    "price": 20,
    "capacity_region": [],
    "capacity": -10,
    "min_regions": 0,
    "budget": "as configured",
    "moves": 60,
    "freeze": [],
}
BUDGETS = ["as configured", "none", "other"]


def render() -> None:
    """Draw the page."""
    parts.header("What-if", "What if latency counts more, a region fails, or prices rise?")
    snapshot = parts.snapshot_or_stop()
    path = snapshot.path.parent / FILE
    if not path.is_file():
        parts.nothing("This build holds no problem to solve again: it has no service to place.")
        return
    scenario = _asked(snapshot)
    _answer(path, snapshot, scenario)
    living.prices(snapshot)


def _asked(snapshot: Snapshot) -> Scenario:
    regions = ask(snapshot, questions.REGION_IDS)["region_id"].tolist()
    names = ask(snapshot, questions.SERVICE_NAMES)
    services = dict(zip(names["service_id"], names["service_name"], strict=True))
    left, middle, right = st.columns(3)
    with left:
        weight = _number("Worth of a millisecond, as a multiple", "weight", 0.0, 100.0, 0.5)
        slo = _number("Latency objectives, as a multiple", "slo", 0.1, 10.0, 0.1)
        least = _number("Fewest regions of any service (0: as stated)", "min_regions", 0, 30, 1)
    with middle:
        ban = _several("Regions given up", "ban", regions)
        lose = _several("Regions that are gone", "lose", regions)
        freeze = _several("Services that stay", "freeze", list(services))
    with right:
        dear = _several("Regions with other prices", "price_region", regions)
        price = _number("Change of their prices, %", "price", -100, 1000, 5)
        tight = _several("Regions with other capacity", "capacity_region", regions)
        capacity = _number("Change of their capacity, %", "capacity", -100, 1000, 5)
    budget = st.segmented_control(
        "Move budget", BUDGETS, default=BUDGETS[0], key="budget", bind="query-params"
    )
    moves = None
    if budget == "other":
        moves = int(_number("Regions that may be added", "moves", 0, 100_000, 5))
    return Scenario(
        waiting_factor=float(weight),
        slo_factor=float(slo),
        banned=tuple(ban),
        lost=tuple(lose),
        prices=tuple((r, round(1 + price / 100, 6)) for r in dear),
        capacities=tuple((r, round(1 + capacity / 100, 6)) for r in tight),
        min_regions=int(least) or None,
        move_budget=moves,
        no_move_budget=budget == "none",
        frozen=tuple(freeze),
    )


def _number(label: str, key: str, low: float, high: float, step: float) -> float:
    default = DEFAULTS[key]
    kind = float if isinstance(default, float) else int
    found = st.number_input(
        label,
        min_value=kind(low),
        max_value=kind(high),
        value=default,
        step=kind(step),
        key=key,
        bind="query-params",
    )
    return float(found)


def _several(label: str, key: str, options: list[str]) -> list[str]:
    return list(st.multiselect(label, options, key=key, bind="query-params"))


@st.cache_data(max_entries=50, show_spinner=False)
def _solved(path: str, build_id: str, scenario: Scenario) -> WhatIf | str:
    # build_id is part of the cache key: a new build is a new question.
    try:
        return whatif(Path(path), scenario)
    except InfeasibleError as error:
        return f"No plan keeps every rule: {error}"
    except (ScenarioError, SavedProblemError) as error:
        return str(error)


def _answer(path: Path, snapshot: Snapshot, scenario: Scenario) -> None:
    asked = scenario != Scenario()
    # A link that holds a scenario is answered at once; after that, a press of the button.
    pressed = st.button("Solve", type="primary", disabled=not asked, key="solve")
    first = "what_if_seen" not in st.session_state
    st.session_state["what_if_seen"] = True
    if pressed or (first and asked):
        st.session_state["what_if"] = scenario
    if st.session_state.get("what_if") != scenario or not asked:
        st.info("Change something and press Solve. The build itself is not touched.")
        return
    with st.spinner("Solving"):
        found = _solved(str(path), snapshot.build_id, scenario)
    if isinstance(found, str):
        st.warning(found)
        return
    _figures(found)
    _changes(found)
    st.caption("A link that holds this scenario:")
    st.code(f"what_if?{urlencode(_parameters(), doseq=True)}", language=None)


def _parameters() -> dict[str, Any]:
    """Return every value: one equal to its default would drop out of the address bar's link."""
    return {key: st.session_state.get(key, value) for key, value in DEFAULTS.items()}


def _figures(found: WhatIf) -> None:
    parts.section("Answer", found.sentence)
    bill = found.after.monthly_cost_usd - found.base.monthly_cost_usd
    wait = found.after.mean_latency_ms - found.base.mean_latency_ms
    one, two, three = st.columns(3)
    with one:
        parts.figure("Bill, a month", words.usd(bill, signed=True), "against the advice")
    with two:
        parts.figure("Mean latency", words.ms(wait, signed=True), "against the advice")
    with three:
        parts.figure(
            "Cost and priced waiting",
            words.usd(found.monthly_objective_change_usd, signed=True),
            f"the gaps leave {words.usd(found.change_lo_usd, signed=True)} to"
            f" {words.usd(found.change_hi_usd, signed=True)}",
        )
    three_plans = (found.base, found.stay, found.after)
    rows = pd.DataFrame(
        {
            "Plan": ["Recommended, as built", "Recommended, kept under the scenario", "Solved"],
            "Bill, a month": [words.usd(p.monthly_cost_usd) for p in three_plans],
            "Mean latency": [words.ms(p.mean_latency_ms) for p in three_plans],
            "Regions added": [words.count(p.moves) for p in three_plans],
            "Served after the worst loss": [words.share(p.n1_served_share) for p in three_plans],
            "Services breaking a rule": [words.count(p.services_not_feasible) for p in three_plans],
        }
    )
    st.table(rows, hide_index=True, alt="The recommended plan and the plan for the scenario.")
    st.caption(
        f"Certified gap of the scenario {words.share(found.gap_share)}, one service at a time."
        " Figures are the model's."
    )


def _changes(found: WhatIf) -> None:
    if not found.changes:
        parts.nothing("Every service runs where the advice has it.")
        return
    rows = pd.DataFrame(
        [
            {
                "Service": one.service_id,
                "Advice": ", ".join(one.from_regions),
                "Under the scenario": ", ".join(one.to_regions),
            }
            for one in found.changes
        ]
    )
    st.subheader(f"{words.plural(len(rows), 'service')} elsewhere than advised", anchor=False)
    parts.table(rows, key="what_if_changes", alt="Services that run elsewhere than advised.")


if __name__ == "__main__":
    render()
