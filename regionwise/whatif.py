"""The what-if command: options into a scenario, the answer into words or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regionwise import publish
from regionwise.config import Settings
from regionwise.exits import Exit, Stop

if TYPE_CHECKING:
    from ml.placement.answers.scenario import Scenario
    from ml.placement.whatif import WhatIf

_SHOWN = 12


def factor(text: str) -> float:
    """Return a factor from ``+20%``, ``-5%``, or ``1.2``.

    Raises:
        ValueError: If the text is neither.

    Example:
        >>> factor("+20%")
        1.2
    """
    text = text.strip()
    return round(1 + float(text[:-1]) / 100, 9) if text.endswith("%") else float(text)


def _pairs(option: str, given: Sequence[str], read: Callable[[str], Any]) -> tuple[Any, ...]:
    out = []
    for text in given:
        name, sign, value = text.partition("=")
        try:
            if not sign or not name:
                raise ValueError
            out.append((name, read(value)))
        except ValueError as error:
            rule = "must be NAME=VALUE, such as REGION=+20% or SERVICE=REGION+REGION"
            raise Stop(Exit.USAGE, f"{option} == {text!r}, {rule}") from error
    return tuple(out)


def scenario_of(**given: Any) -> Scenario:
    """Return the scenario that the command's options describe.

    Raises:
        Stop: With exit code 2, naming the option and the rule it broke.
    """
    from ml.placement.answers.scenario import Scenario

    budget = given["move_budget"]
    try:
        limit = None if budget in (None, "none") else int(budget)
        objective = 1.0 if given["slo"] is None else factor(given["slo"])
    except ValueError as error:
        rule = "--move-budget takes a whole number or none, --slo a factor such as 0.8 or -20%"
        raise Stop(Exit.USAGE, rule) from error
    return Scenario(
        waiting_factor=given["weight"],
        slo_factor=objective,
        banned=tuple(given["ban"]),
        lost=tuple(given["lose"]),
        prices=_pairs("--price", given["price"], factor),
        capacities=_pairs("--capacity", given["capacity"], factor),
        min_regions=given["min_regions"],
        move_budget=limit,
        no_move_budget=budget == "none",
        frozen=tuple(given["freeze"]),
        pinned=_pairs("--pin", given["pin"], lambda text: tuple(text.split("+"))),
    )


def run(settings: Settings, scenario: Scenario, *, as_json: bool) -> str:
    """Answer the scenario on the published build.

    Raises:
        Stop: With exit code 2 for a senseless scenario, 5 where no plan keeps its rules.
    """
    from ml.placement.answers.saved import FILE, SavedProblemError
    from ml.placement.answers.scenario import ScenarioError
    from ml.placement.errors import InfeasibleError
    from ml.placement.whatif import whatif

    path: Path = publish.current(settings).parent / FILE
    try:
        found = whatif(path, scenario)
    except ScenarioError as error:
        raise Stop(Exit.USAGE, f"scenario refused: {error}") from error
    except SavedProblemError as error:
        raise Stop(Exit.USAGE, str(error), "run: make build") from error
    except InfeasibleError as error:
        message = f"{scenario.words}: no plan keeps every rule ({', '.join(error.rules)}): {error}"
        raise Stop(Exit.NO_FEASIBLE_PLAN, message) from error
    return json.dumps(_content(found), indent=2, sort_keys=True) if as_json else _text(found)


def _content(found: WhatIf) -> dict[str, Any]:
    return {**asdict(found), "sentence": found.sentence, "scenario_words": found.scenario.words}


def _text(found: WhatIf) -> str:
    rows: list[tuple[str, ...]] = [("", "recommended", "kept as is", "solved again")]
    three = (found.base, found.stay, found.after)
    for label, name, form in (
        ("bill, $ a month", "monthly_cost_usd", "{:,.0f}"),
        ("objective, $ a month", "monthly_objective_usd", "{:,.0f}"),
        ("mean latency, ms", "mean_latency_ms", "{:.2f}"),
        ("regions added", "moves", "{}"),
        ("served after a loss, %", "n1_served_share", "{:.1%}"),
        ("services breaking a rule", "services_not_feasible", "{}"),
    ):
        rows.append((label, *(form.format(getattr(one, name)) for one in three)))
    lines = [found.sentence, ""]
    lines += [f"{a:<26}{b:>14}{c:>14}{d:>14}" for a, b, c, d in rows]
    lines.append(
        f"certified gap of the scenario {100 * found.gap_share:.3f} %, one service at a time"
    )
    for one in found.changes[:_SHOWN]:
        lines.append(
            f"  {one.service_id}: {', '.join(one.from_regions)} -> {', '.join(one.to_regions)}"
        )
    if len(found.changes) > _SHOWN:
        lines.append(f"  and {len(found.changes) - _SHOWN} more; --json lists all")
    return "\n".join(lines)
