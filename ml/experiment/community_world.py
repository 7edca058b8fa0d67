"""The noise world seen by community: every mix of plans on one day, truth known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.experiment.metrics import Floats
from ml.experiment.noise_world import CAP_SLOWDOWN, SPILL_SHARE, NoiseWorld, Parts, draw_parts

MIXED_PENALTY = 0.01
"""What a caller loses where all its callees run the other plan."""


@dataclass(frozen=True)
class CommunityBank:
    """Worlds by community and day; what a community does depends on who is treated.

    Attributes:
        control: Latency times traffic, nobody treated, (W, K, D).
        moved: Change in row community when the column community is treated, (W, K, K, D).
        mixed: Weight of calls from row to column community, for the penalty, (W, K, K, D).
        weights: Traffic shares (W, K).
        slowdown: Share by which all slow down when everybody is treated.
        crossing: Share of calls between communities (W,); 0 where nobody calls.
    """

    control: Floats
    moved: Floats
    mixed: Floats
    weights: Floats
    slowdown: float
    crossing: Floats

    def observe(self, treated: Floats, rows: NDArray[np.int64]) -> Floats:
        """Return latency times traffic by community and day, (N, K, D).

        Args:
            treated: 1 where a community runs the treatment, (N, K, D).
            rows: World of each run, (N,).
        """
        levels = self.control[rows] + np.einsum(
            "nkjd,njd->nkd", self.moved[rows], treated, optimize=True
        )
        differs = np.abs(treated[:, :, None, :] - treated[:, None, :, :])
        levels += MIXED_PENALTY * np.einsum("nkjd,nkjd->nkd", self.mixed[rows], differs)
        share = np.einsum("nk,nkd->nd", self.weights[rows], treated)
        result: Floats = levels * (1.0 + self.slowdown * share)[:, None, :]
        return result

    def truth(self, rows: NDArray[np.int64]) -> Floats:
        """Return the log effect of treating everybody on every day, (N,)."""
        ones = np.ones_like(self.control[rows])
        top = self.observe(ones, rows).sum(axis=(1, 2))
        result: Floats = np.log(top) - np.log(self.control[rows].sum(axis=(1, 2)))
        return result


def draw_communities(
    world: NoiseWorld, worlds: int, days: int, rng: np.random.Generator
) -> CommunityBank:
    """Draw worlds and add their services up to communities."""
    parts = draw_parts(world, worlds, days, rng)
    member = (parts.community[:, :, None] == np.arange(world.communities)).astype(np.float64)
    levels = parts.weights[:, :, None] * np.exp(parts.logs)
    # A community without services weighs nothing; its log must exist all the same.
    control = np.maximum(np.einsum("wsk,wsd->wkd", member, levels, optimize=True), 1e-300)
    own = np.einsum("wsk,wsd->wkd", member, levels * parts.direct[:, :, None], optimize=True)
    count = world.communities
    moved = np.zeros((worlds, count, count, days))
    moved[:, np.arange(count), np.arange(count)] = own
    mixed = np.zeros_like(moved)
    if parts.callee is not None:
        moved += SPILL_SHARE * _called(world, parts, levels, parts.direct)
        mixed = _called(world, parts, levels, np.ones_like(parts.direct))
    slowdown = CAP_SLOWDOWN if world.interference == "cap" and np.any(parts.direct) else 0.0
    weights = np.einsum("wsk,ws->wk", member, parts.weights)
    return CommunityBank(control, moved, mixed, weights, slowdown, _crossing(parts))


def _crossing(parts: Parts) -> Floats:
    """Return the share of call volume, calls weighted by their callers' traffic, that crosses."""
    if parts.callee is None:
        return np.zeros(len(parts.weights))
    called = np.take_along_axis(
        parts.community, parts.callee.reshape(len(parts.callee), -1), axis=1
    ).reshape(parts.callee.shape)
    crosses = (called != parts.community[:, :, None]).mean(axis=2)
    result: Floats = (parts.weights * crosses).sum(axis=1)
    return result


def _called(world: NoiseWorld, parts: Parts, levels: Floats, value: Floats) -> Floats:
    """Return ``value`` of callees, weighted by their callers' levels: caller x callee community."""
    if parts.callee is None:
        msg = "parts.callee == None, must hold the callees"
        raise ValueError(msg)
    count, (worlds, _, days) = world.communities, levels.shape
    total = np.zeros((worlds, count * count, days))
    for w in range(worlds):
        callee = parts.callee[w]
        cell = parts.community[w][:, None] * count + parts.community[w][callee]
        theirs = value[w][callee] / world.callees
        rows = levels[w][:, None, :] * theirs[:, :, None]
        np.add.at(total[w], cell.ravel(), rows.reshape(-1, days))
    return total.reshape(worlds, count, count, days)
