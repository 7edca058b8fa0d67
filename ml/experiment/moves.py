"""What a past move did: four estimators side by side, placebos, and a grade."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.experiment.config_designs import Observational
from ml.experiment.metrics import Floats
from ml.experiment.panel import Panel

ESTIMATORS = ("before_after", "did", "gap_did", "matched_did")
_DIAGNOSTICS = ("lead", "spike", "spread")
NOT_LATENCY = ("rolled_out", "forced", "capacity", "cost", "policy", "random")
UNSELECTED = ("forced", "random")
_ALPHA = 0.05
_POOLED_DRAWS = 999


@dataclass(frozen=True)
class MoveEffect:
    """Effects of one move, log scale, with what its placebos say.

    Attributes:
        effects: By estimator.
        bands: Half width of the placebo band, by estimator.
        p_values: Share of fake moves at least as large, by estimator.
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
    """All readable moves together: mean effects, placebo p-values of the mean, one grade."""

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


@dataclass(frozen=True)
class _Window:
    """Demeaned paths of one service and its comparison services round one day."""

    own: Floats
    others: Floats


class MoveReader:
    """Estimates moves of one panel; fake moves are drawn once and shared.

    Args:
        panel: What was observed.
        rules: Registered windows and limits.
        rng: Made by the caller; draws the fake moves.
    """

    def __init__(self, panel: Panel, rules: Observational, rng: np.random.Generator) -> None:
        self._panel, self._rules = panel, rules
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
        first, last = day - self._rules.pre_days, day + self._rules.post_days + 1
        quiet = self._moved[:, last] - self._moved[:, first + 1] == 0
        whole = self._bad[:, last] - self._bad[:, first] == 0
        result: NDArray[np.bool_] = quiet & whole
        return result

    def _window(self, service: int, day: int) -> _Window | None:
        still = self._still(day)
        still[service] = False
        if still.sum() < self._rules.controls:
            return None
        part = slice(day - self._rules.pre_days, day + self._rules.post_days + 1)
        own, others = self._panel.logs[service, part], self._panel.logs[still, part]
        pre = self._rules.pre_days
        return _Window(own - own[:pre].mean(), others - others[:, :pre].mean(axis=1, keepdims=True))

    def _statistics(self, window: _Window) -> dict[str, float]:
        """Return every estimator and diagnostic of one (real or fake) move, in its own noise."""
        pre, post = self._rules.pre_days, self._rules.post_days
        own, all_others = window.own, window.others.mean(axis=0)
        after = slice(pre + 1, pre + 1 + post)
        near, far = slice(pre - 14, pre), slice(0, pre - 14)
        gap = own - all_others
        matched = own - window.others[self._nearest(window)].mean(axis=0)
        compared = {
            "did": float(gap[after].mean() - gap[near].mean()),
            "gap_did": float(gap[after].mean() - gap[far].mean()),
            "matched_did": float(matched[after].mean() - matched[near].mean()),
        }
        return compared | {
            "before_after": float(own[after].mean() - own[near].mean()),
            "spread": max(compared.values()) - min(compared.values()),
            "lead": float(gap[near].mean() - gap[far].mean()),
            "spike": float(gap[pre - 7 : pre].mean() - gap[: pre - 7].mean()),
            # Days of the first weeks tell how noisy the service is, whatever came before the move.
            "scale": float(np.std(np.diff(gap[:pre]), ddof=1)) or 1e-9,
        }

    def _nearest(self, window: _Window) -> NDArray[np.int64]:
        """Return the controls nearest in the weekly means of the path before, ties by order."""
        pre = self._rules.pre_days
        weeks = pre // 7

        def weekly(paths: Floats) -> Floats:
            kept = paths[..., pre - 7 * weeks : pre]
            means: Floats = kept.reshape(*kept.shape[:-1], weeks, 7).mean(axis=-1)
            return means

        away = ((weekly(window.others) - weekly(window.own)) ** 2).sum(axis=1)
        order: NDArray[np.int64] = np.argsort(away, kind="stable")
        return order[: self._rules.controls]

    def _draw(self, rng: np.random.Generator) -> dict[str, Floats]:
        """Draw fake moves: services that stood still, on days on which they did."""
        services, days = self._panel.logs.shape
        first, last = self._rules.pre_days, days - self._rules.post_days - 1
        names = (*ESTIMATORS, *_DIAGNOSTICS)
        found: dict[str, list[float]] = {name: [] for name in names}
        if last <= first:
            return {name: np.array([]) for name in names}
        for _ in range(20 * self._rules.placebos):
            if len(found["did"]) >= self._rules.placebos:
                break
            service, day = int(rng.integers(services)), int(rng.integers(first, last))
            if not self._still(day)[service]:
                continue
            window = self._window(service, day)
            if window is None:
                continue
            values = self._statistics(window)
            for name in names:
                found[name].append(values[name] / values["scale"])
        return {name: np.array(values) for name, values in found.items()}

    def _reach(self, name: str) -> float:
        """Return what 95 % of fake moves stay below, in units of a service's own noise."""
        fake = np.sort(np.abs(self._placebos[name]))
        return float(fake[min(fake.size, math.ceil((1 - _ALPHA) * (fake.size + 1))) - 1])

    def read(self, service: int, day: int, recorded: str) -> MoveEffect | str:
        """Return the effects and grade of a move, or why there are none.

        Args:
            service: Row of the panel.
            day: First day under the new regions.
            recorded: Recorded reason, ``unknown`` if there is none.

        References:
            Callaway and Sant'Anna (2021); Daw and Hatfield (2018); Roth (2022).
        """
        reason = refusal(self._panel, service, day, self._rules)
        if reason:
            return reason
        window = self._window(service, day)
        if window is None:
            return f"fewer than {self._rules.controls} services stood still in the window"
        count = self._placebos["did"].size
        if count < self._rules.placebos:
            return f"{count} fake moves found, at least {self._rules.placebos} needed"
        values = self._statistics(window)
        scale = values["scale"]
        p_values, bands = {}, {}
        for name in (*ESTIMATORS, *_DIAGNOSTICS):
            fake = np.abs(self._placebos[name])
            p_values[name] = (1 + int((fake >= abs(values[name]) / scale).sum())) / (1 + count)
            bands[name] = self._reach(name) * scale
        # Estimators of one noisy service differ by chance: only more than fake moves do counts.
        spread = values["spread"] if p_values["spread"] <= _ALPHA else 0.0
        grade, why = self._grade(values["spike"], p_values, spread, recorded)
        return MoveEffect(
            {name: values[name] for name in ESTIMATORS},
            {name: bands[name] for name in ESTIMATORS},
            {name: p_values[name] for name in ESTIMATORS},
            count,
            grade,
            why,
            {name: values[name] / scale for name in (*ESTIMATORS, *_DIAGNOSTICS)},
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
        count = self._placebos["did"].size
        picked = rng.integers(count, size=(_POOLED_DRAWS, len(effects)))
        share = weights / weights.sum()
        plain, heavy, bands, p_values = {}, {}, {}, {}
        for name in (*ESTIMATORS, "lead", "spike"):
            noise = np.array([effect.noise[name] for effect in effects])
            fake = np.abs(self._placebos[name][picked].mean(axis=1))
            mean = float(noise.mean())
            p_values[name] = (1 + int((fake >= abs(mean)).sum())) / (1 + _POOLED_DRAWS)
            if name in ESTIMATORS:
                values = np.array([effect.effects[name] for effect in effects])
                plain[name], heavy[name] = float(values.mean()), float((share * values).sum())
                scale = float(np.mean([e.bands[name] for e in effects])) / self._reach(name)
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
        if spread > self._rules.max_spread:
            return "C", f"estimators differ by {100 * spread:.1f} points"
        if recorded not in NOT_LATENCY:
            return "C", f"reason of the move is {recorded}: it may have been latency"
        if recorded in UNSELECTED:
            return "A", f"moved because {recorded}; placebos pass"
        return "B", f"moved because {recorded}, which is not latency; placebos pass"
