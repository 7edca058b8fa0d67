"""The grid of the long calibration: which worlds, how many runs, what must come out."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ml.experiment.noise_world import Interference, NoiseWorld

EFFECT = -0.05
KINDS: tuple[Interference, ...] = ("none", "spill", "cap")


@dataclass(frozen=True)
class Sizes:
    """How many runs of each kind; the defaults are those the goals are stated for."""

    size: int = 4000
    coverage: int = 2000
    cluster: int = 2000
    wedge: int = 300
    monitor: int = 2000

    def shrunk(self, factor: float) -> Sizes:
        """Return a fraction of every kind, for a test."""
        return Sizes(*(max(20, int(v * factor)) for v in self.__dict__.values()))


@dataclass(frozen=True)
class Scenario:
    """One cell of the grid, and the band its rate (nothing differs) or coverage must lie in."""

    design: str
    name: str
    world: NoiseWorld
    runs: int
    days: int
    limits: tuple[float, float] | None

    @property
    def is_null(self) -> bool:
        """Say whether nothing differs."""
        return not self.world.effect and not self.world.is_mixed


def widened(limits: tuple[float, float], runs: int, stated: int) -> tuple[float, float]:
    """Return the band of ``stated`` runs, wider by the square root where there are fewer.

    Example:
        >>> [round(v, 2) for v in widened((0.94, 0.96), 500, 2000)]
        [0.93, 0.97]
    """
    middle, half = (limits[0] + limits[1]) / 2, (limits[1] - limits[0]) / 2
    half *= max(1.0, math.sqrt(stated / runs))
    return middle - half, middle + half


def scenarios(sizes: Sizes) -> list[Scenario]:
    """Return the grid.

    A design by community is biased where all share a capacity limit: printed, not judged.
    """

    def cell(
        design: str, name: str, world: NoiseWorld, runs: int, days: int = 28, is_judged: bool = True
    ) -> Scenario:
        is_null = not world.effect and not world.is_mixed
        # Distinct worlds and thousands of runs: one point either way is what an exact test keeps.
        stated, middle = (4000, 0.05) if is_null else (2000, 0.95)
        limits = widened((middle - 0.01, middle + 0.01), runs, stated)
        return Scenario(design, name, world, runs, days, limits if is_judged else None)

    half = sizes.coverage // 2
    field, network, steps = "switchback", "cluster_switchback", "stepped_wedge"
    moved = {kind: NoiseWorld(effect=EFFECT, interference=kind) for kind in KINDS}
    return [
        cell(field, "A/A", NoiseWorld(), sizes.size),
        *(cell(field, f"-5 %, {kind}", moved[kind], sizes.coverage) for kind in KINDS),
        cell(
            field,
            "-5 %, carry-over, washout",
            NoiseWorld(effect=EFFECT, carryover=0.15),
            sizes.coverage,
        ),
        cell(field, "total 0, mixed", NoiseWorld(is_mixed=True), sizes.coverage),
        # Power is a goal of its own here: as many runs as the size has.
        cell(field, "-5 %, none", moved["none"], sizes.size, 56),
        cell(field, "-10 %, none", NoiseWorld(effect=-0.10), half),
        cell(field, "-5 %, weight sigma 2", NoiseWorld(effect=EFFECT, weight_sigma=2.0), half),
        cell(network, "A/A", NoiseWorld(), sizes.cluster),
        cell(network, "-5 %, none", moved["none"], sizes.cluster),
        cell(network, "-5 %, spill", moved["spill"], sizes.cluster),
        cell(network, "-5 %, cap", moved["cap"], sizes.cluster // 4, is_judged=False),
        cell(steps, "A/A", NoiseWorld(), sizes.wedge, 56),
        cell(steps, "-5 %, none", moved["none"], sizes.wedge, 56),
    ]
