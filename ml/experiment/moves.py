"""What a past move did: four estimators side by side, placebos, and a grade."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.experiment.config_designs import Observational
from ml.experiment.metrics import Floats
from ml.experiment.move_windows import DIAGNOSTICS, ESTIMATORS, Window, statistics
from ml.experiment.panel import Panel

NOT_LATENCY = ("rolled_out", "forced", "capacity", "cost", "policy", "random")
UNSELECTED = ("forced", "random")
_ALPHA = 0.05
_POOLED_DRAWS = 999


def reach(sizes: Floats) -> float:
    """Return what 95 % of fake moves stay below: rank ceil(0.95 (n + 1)), else the largest."""
    ordered = np.sort(sizes)
    return float(ordered[min(ordered.size, math.ceil((1 - _ALPHA) * (ordered.size + 1))) - 1])


@dataclass(frozen=True)
class MoveEffect:
    """Statistics of one move, log scale, with what fake moves say of each.

    Attributes:
        effects: By estimator and diagnostic; NaN where it cannot be told.
        bands: What 95 % of fake moves stay below.
        p_values: Share of fake moves at least as large, ours counted.
        placebos: Fake moves compared with.
        grade: A to D.
        reason: Why it was graded so.
        noise: Every statistic in units of the service's own noise.
    """

    effects: Mapping[str, float]
    bands: Mapping[str, float]
    p_values: Mapping[str, float]
    placebos: int
    grade: str
    reason: str
    noise: Mapping[str, float]


@dataclass(frozen=True)
class Pooled:
    """All readable moves together: mean statistics, placebo p-values of the mean, one grade."""

    moves: int
    unweighted: Mapping[str, float]
    weighted: Mapping[str, float]
    bands: Mapping[str, float]
    p_values: Mapping[str, float]
    grade: str
    reason: str


def refusal(panel: Panel, service: int, day: int, rules: Observational) -> str | None:
    """Say why a move cannot be read; None if it can."""
    days = panel.logs.shape[1]
    if day < rules.pre_days:
        return f"{day} days before the move, at least {rules.pre_days} needed"
    if days - day - 1 < rules.post_days:
        return f"{days - day - 1} days after the move, at least {rules.post_days} needed"
    others = [d for d in panel.moved_days().get(service, []) if d != day]
    near = [d for d in others if day - rules.pre_days < d <= day + rules.post_days]
    if near:
        return "another move inside the window"
    if not np.isfinite(panel.logs[service, day - rules.pre_days : day + rules.post_days + 1]).all():
        return "days without latency inside the window"
    return None


class MoveReader:
    """Estimates moves of one panel; fake moves are drawn once and shared.

    Args:
        panel: What was observed.
        rules: Registered windows and limits.
        rng: Made by the caller; draws the fake moves.
    """

    def __init__(self, panel: Panel, rules: Observational, rng: np.random.Generator) -> None:
        self.panel, self.rules = panel, rules
        self.fakes: list[tuple[int, int]] = []
        shape = panel.logs.shape
        moved = np.zeros(shape, dtype=bool)
        for move in panel.moves:
            moved[move.service, move.day] = True
        self._moved = np.concatenate([np.zeros((shape[0], 1)), np.cumsum(moved, axis=1)], axis=1)
        self._bad = np.concatenate(
            [np.zeros((shape[0], 1)), np.cumsum(~np.isfinite(panel.logs), axis=1)], axis=1
        )
        self._placebos = self._draw(rng)

    def _still(self, day: int) -> NDArray[np.bool_]:
        """Return the services without a move or a gap in the window of ``day``."""
        first, last = day - self.rules.pre_days, day + self.rules.post_days + 1
        quiet = self._moved[:, last] - self._moved[:, first + 1] == 0
        whole = self._bad[:, last] - self._bad[:, first] == 0
        result: NDArray[np.bool_] = quiet & whole
        return result

    def window(self, service: int, day: int, post: int | None = None) -> Window | None:
        """Return the paths round a day; None where too few services stood still.

        Who calls the service, or is called by it, may change with it: no neighbour is compared
        with, and what neighbours did is a statistic of its own.

        Args:
            service: Row of the panel.
            day: First day under the new regions.
            post: Days after it, the registered number if not given; unknown days are NaN.
        """
        still = self._still(day)
        still[service] = False
        beside = still & self.panel.is_neighbour(service)
        still &= ~beside
        if still.sum() < self.rules.controls:
            return None
        pre = self.rules.pre_days
        last = day + (self.rules.post_days if post is None else post) + 1
        part = self.panel.logs[:, day - pre : last]

        def level(rows: NDArray[np.bool_]) -> Floats:
            paths: Floats = part[rows]
            paths -= paths[:, :pre].mean(axis=1, keepdims=True)
            return paths

        own = part[service] - part[service, :pre].mean()
        return Window(own, level(still), level(beside), pre, np.flatnonzero(still))

    def _draw(self, rng: np.random.Generator) -> dict[str, Floats]:
        """Draw fake moves: services that stood still, on days on which they did."""
        services, days = self.panel.logs.shape
        first, last = self.rules.pre_days, days - self.rules.post_days - 1
        names = (*ESTIMATORS, *DIAGNOSTICS)
        found: dict[str, list[float]] = {name: [] for name in names}
        if last <= first:
            return {name: np.array([]) for name in names}
        for _ in range(20 * self.rules.placebos):
            if len(self.fakes) >= self.rules.placebos:
                break
            service, day = int(rng.integers(services)), int(rng.integers(first, last))
            if not self._still(day)[service]:
                continue
            window = self.window(service, day)
            if window is None:
                continue
            values = statistics(window, self.rules.controls)
            self.fakes.append((service, day))
            for name in names:
                found[name].append(values[name] / values["scale"])
        return {name: np.array(values) for name, values in found.items()}

    def _fake(self, name: str) -> Floats:
        """Return sizes of a statistic over the fake moves that can tell it."""
        values = self._placebos[name]
        sizes: Floats = np.abs(values[np.isfinite(values)])
        return sizes

    def _judge(self, name: str, value: float, scale: float) -> tuple[float, float]:
        """Return what 95 % of fake moves stay below, and the p-value; NaN where unknown."""
        fake = self._fake(name)
        if not np.isfinite(value) or fake.size < self.rules.placebos / 2:
            return math.nan, math.nan
        beyond = 1 + int((fake >= abs(value) / scale).sum())
        return reach(fake) * scale, beyond / (1 + fake.size)

    def read(self, service: int, day: int, recorded: str) -> MoveEffect | str:
        """Return the effects and grade of a move, or why there are none.

        Args:
            service: Row of the panel.
            day: First day under the new regions.
            recorded: Recorded reason, ``unknown`` if there is none.

        References:
            Callaway and Sant'Anna (2021); Daw and Hatfield (2018); Roth (2022).
        """
        reason = refusal(self.panel, service, day, self.rules)
        if reason:
            return reason
        window = self.window(service, day)
        if window is None:
            return (
                f"fewer than {self.rules.controls} services stood still in the window, its callers "
                "and callees left out"
            )
        count = self._placebos["did"].size
        if count < self.rules.placebos:
            return f"{count} fake moves found, at least {self.rules.placebos} needed"
        values = statistics(window, self.rules.controls)
        scale = values.pop("scale")
        judged = {name: self._judge(name, value, scale) for name, value in values.items()}
        p_values = {name: p_value for name, (_, p_value) in judged.items()}
        # Estimators of one noisy service differ by chance: only more than fake moves do counts.
        spread = values["spread"] if p_values["spread"] <= _ALPHA else 0.0
        grade, why = self._grade(values["spike"], p_values, spread, recorded)
        return MoveEffect(
            values,
            {name: band for name, (band, _) in judged.items()},
            p_values,
            count,
            grade,
            why,
            {name: value / scale for name, value in values.items()},
        )

    def pool(
        self,
        effects: Sequence[MoveEffect],
        weights: Floats,
        recorded: str,
        rng: np.random.Generator,
    ) -> Pooled:
        """Return all moves together, graded as one: what one service hides, many show.

        Args:
            effects: Readable moves, at least one.
            weights: Traffic of their services.
            recorded: The reason all of them share, ``unknown`` where they do not.
            rng: Made by the caller; draws sets of as many fake moves.
        """
        share = weights / weights.sum()
        plain, heavy, bands, p_values = {}, {}, {}, {}
        for name in (*ESTIMATORS, "lead", "spike", "neighbour_spill"):
            told = [e for e in effects if np.isfinite(e.effects[name])]
            values = self._placebos[name]
            values = values[np.isfinite(values)]
            if not told or values.size < self.rules.placebos / 2:
                continue
            picked = rng.integers(values.size, size=(_POOLED_DRAWS, len(told)))
            fake = np.abs(values[picked].mean(axis=1))
            mean = float(np.mean([effect.noise[name] for effect in told]))
            p_values[name] = (1 + int((fake >= abs(mean)).sum())) / (1 + _POOLED_DRAWS)
            own = np.array([effect.effects[name] for effect in told])
            plain[name] = float(own.mean())
            if len(told) == len(effects):
                heavy[name] = float((share * own).sum())
            scale = float(np.mean([e.bands[name] for e in told])) / reach(np.abs(values))
            bands[name] = float(np.quantile(fake, 1 - _ALPHA, method="higher")) * scale
        compared = [plain[name] for name in ("did", "gap_did", "matched_did")]
        spike = float(np.mean([effect.noise["spike"] for effect in effects]))
        spread = max(compared) - min(compared)
        grade, why = self._grade(spike, p_values, spread, recorded)
        return Pooled(len(effects), plain, heavy, bands, p_values, grade, why)

    def _grade(
        self, spike: float, p_values: Mapping[str, float], spread: float, recorded: str
    ) -> tuple[str, str]:
        if p_values["spike"] <= _ALPHA and spike > 0:
            return "D", "moved after a latency spike: what follows is the spike's end"
        if p_values["lead"] <= _ALPHA:
            return "C", "latency was already drifting before the move"
        if spread > self.rules.max_spread:
            return "C", f"estimators differ by {100 * spread:.1f} points"
        if recorded not in NOT_LATENCY:
            return "C", f"reason of the move is {recorded}: it may have been latency"
        if recorded in UNSELECTED:
            return "A", f"moved because {recorded}; placebos pass"
        return "B", f"moved because {recorded}, which is not latency; placebos pass"
