"""What can be said before anything is looked at: registration, assignment, power."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ml.experiment.community_layer import CommunityLayers, assign_communities, communities_of
from ml.experiment.config import ExperimentSettings
from ml.experiment.design_rows import assignment_rows, member_rows, power_rows
from ml.experiment.fleet import FeatureReader, read_fleet
from ml.experiment.metrics import daily_values, reduce_outcomes
from ml.experiment.mixed_run import community_logs
from ml.experiment.opening import evaluation_days
from ml.experiment.plans import PlanSet, consecutive, read_plans
from ml.experiment.power import PowerPoint
from ml.experiment.power_designs import community_power, switchback_power
from ml.experiment.pre_period import adjusted_days, fit_covariates
from ml.experiment.registry import Registration, register
from ml.experiment.result_rows import Row, frame
from ml.experiment.switchback import design
from ml.experiment.world import World
from ml.io import Writer

STAGE = "experiment"


class NotPossibleError(ValueError):
    """The data do not carry what was asked for; the message says what is missing."""


@dataclass(frozen=True)
class Bench:
    """What every command works on: settings, readers, plans, and a world where there is one."""

    settings: ExperimentSettings
    features: FeatureReader
    writer: Writer
    world: World | None
    plans: PlanSet

    @classmethod
    def of(
        cls,
        settings: ExperimentSettings,
        features: FeatureReader,
        writer: Writer,
        world: World | None,
    ) -> Bench:
        """Read the plans; a missing one is refused here and not later.

        Raises:
            NotPossibleError: If a plan is missing.
        """
        plans = read_plans(writer, features, settings, read_fleet(features))
        if plans.missing:
            raise NotPossibleError(plans.missing)
        return cls(settings, features, writer, world, plans)

    def need_world(self) -> World:
        """Return the world.

        Raises:
            NotPossibleError: If these are imported data.
        """
        if self.world is None:
            raise NotPossibleError("no world to run the plans in: imported data")
        return self.world

    def register(self, registry: Path) -> Registration:
        """Register the rules for these plans, or compare with what was registered."""
        folders = [registry, self.writer.artifacts_dir]
        return register(folders, self.settings, self.plans.placements)


def assign(bench: Bench) -> list[Row]:
    """Draw and write who runs what when, before any outcome exists."""
    settings, world = bench.settings, bench.need_world()
    days = evaluation_days(settings, world, bench.plans.trained_through)
    plan = design(settings, days) if "switchback" in settings.mode else None
    layers = _layers(bench, world)
    rows = assignment_rows(settings, plan, layers)
    _write(bench.writer, "experiment_assignments", rows)
    _write(bench.writer, "experiment_communities", member_rows(settings, layers))
    return rows


def _layers(bench: Bench, world: World) -> CommunityLayers | None:
    ids = _service_ids(bench, world)
    fleet = read_fleet(bench.features)
    days = evaluation_days(bench.settings, world, bench.plans.trained_through)
    found = communities_of(bench.settings, bench.features, fleet, ids)
    return assign_communities(world, bench.settings, found, ids, days)


def _service_ids(bench: Bench, world: World) -> tuple[str, ...]:
    # One known day tells which services there are; nothing of the evaluation is run.
    day = [bench.plans.trained_through]
    return tuple(world.run(bench.plans.bare("control"), day, detail=False).service_ids)


def power(bench: Bench, say: Callable[[str, float | None], None]) -> list[PowerPoint]:
    """Simulate every design on days before the experiment, and write what each would find."""
    settings, world = bench.settings, bench.need_world()
    last = bench.plans.trained_through
    count = min(settings.pre_period.days, (last - world.history_first_on).days + 1)
    days = consecutive(last - timedelta(days=count - 1), count)
    with threadpool_limits(limits=1):
        say("run the control on known days", 0.0)
        arm = reduce_outcomes(world.run(bench.plans.bare("control"), days))
        daily = {m: daily_values(arm, m, warm=True) for m in settings.metrics.success}
        daily |= adjusted_days(fit_covariates(settings, arm))
        say("switchback", 0.2)
        points = switchback_power(settings, daily, settings.power.draws)
        say("designs by community", 0.5)
        fleet = read_fleet(bench.features)
        found = communities_of(settings, bench.features, fleet, arm.service_ids)
        points += community_power(settings, found, community_logs(arm, found, "latency_mean"))
    _write(bench.writer, "experiment_power", power_rows(settings, points))
    return points


def _write(writer: Writer, name: str, rows: list[Row]) -> None:
    writer.write(name, frame(name, rows), STAGE)
