"""Compares what was predicted and decided with the truth that only the generator knows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd

from regionwise.config import Settings
from regionwise.console import StepRecord
from regionwise.exits import Exit, Stop
from regionwise.folders import Folders
from regionwise.policy import policy

if TYPE_CHECKING:
    from generator.synthetic import SyntheticWorld
    from ml.io import Writer


def audit(settings: Settings, writer: Writer, record: StepRecord) -> None:
    """Write the audit's metrics and the decision's regret; real data have no truth.

    Raises:
        Stop: With exit code 4, if the latency model is better than its data allow.
    """
    folders = Folders(settings.data)
    world = folders.truth / "world.json"
    if not world.exists():
        writer.write("placement_regret", pd.DataFrame(), "audit")
        record.detail = "no known truth: these are real data"
        return
    from generator import synthetic

    rows = synthetic.audit(folders.truth, writer.read("latency_predictions"))
    writer.write("model_metrics", rows, "audit")
    leaks = rows[
        (rows["metric"] == "r2_ratio_to_deploy_aware_ceiling") & (rows["status"] == "missed")
    ]
    if len(leaks):
        raise Stop(
            Exit.DATA_TESTS_FAILED,
            f"the latency model is better than its data allow ({leaks['value'].iloc[0]:.4f} of the "
            "deploy-aware ceiling, limit 1.005): something leaks the answer",
        )
    regrets = _regret(settings, writer, synthetic.SyntheticWorld(**json.loads(world.read_text())))
    record.rows = len(rows) + len(regrets)
    own = regrets[regrets["decision"] == "recommended"]
    if len(own):
        record.detail = f"priced regret {100 * own['priced_regret_share'].iloc[0]:.2f} %"


def _regret(settings: Settings, writer: Writer, world: SyntheticWorld) -> pd.DataFrame:
    """Score the decision in the world, beside the one that the truth leads to."""
    from ml.io import Features
    from ml.placement import InfeasibleError
    from regionwise import regret

    try:
        with Features(Folders(settings.data).warehouse) as reader:
            rows = regret.measure(reader, writer, policy(settings), world)
    except InfeasibleError:
        # With true latencies the rules leave no plan: there is nothing to compare with.
        rows = pd.DataFrame()
    writer.write("placement_regret", rows, "audit")
    return rows
