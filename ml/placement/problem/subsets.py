"""The region sets a service may use, with their routing, enumerated once for the whole fleet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ml.placement.problem.instance import Flags, Floats, Ints

RegionSet = tuple[int, ...]
# Below any round trip that can be measured.
_NO_WAY_MS = 1e-9


@dataclass(frozen=True)
class SetSpace:
    """P region sets, sorted by (size, region ids); a *slot* is one region of one set.

    Sets, and slots inside a set, come in a fixed order, so that the first minimum over sets is
    the cheapest set with the fewest and then the smallest region ids.
    """

    sets: tuple[RegionSet, ...]
    size: Ints
    member: Flags
    """Which regions a set holds, ``(P, R)``."""
    slot_region: Ints
    """Region of a slot, ``(P, K)``; 0 in the slots a set does not fill."""
    slot_used: Flags
    slot_row: Ints
    """Row of ``share`` of a slot, ``(P, K)``; the last row, all zero, where not filled."""
    lost_row: Ints
    """Row of slot j of the set that is left when the region of slot i is lost, ``(P, i, j)``."""
    row_region: Ints
    share: Floats
    """Share of each client's requests served by each slot, ``(rows + 1, C)``."""
    peak_share: Floats
    """The same for sizing: every region that may be the nearest counts in full."""
    index: dict[RegionSet, int]

    def of(self, members: Flags) -> int:
        """Return the number of the set that holds exactly the regions flagged in ``members``."""
        return self.index[tuple(int(r) for r in np.flatnonzero(members))]


def build_space(
    rtt_ms: Floats,
    misroute: Floats,
    max_size: int,
    extra: Iterable[RegionSet] = (),
    near_tie: float = 0.0,
    split: bool = False,
) -> SetSpace:
    """Enumerate all sets of at most ``max_size`` regions, and ``extra`` ones.

    Args:
        rtt_ms: Round trip from client to region, ``(C, R)``.
        misroute: Share of a client's requests that is spread evenly, ``(C,)``.
        max_size: Largest set to enumerate; every subset of ``extra`` by one loss is added.
        extra: Larger sets that exist today.
        near_tie: Regions at most this share farther than the nearest may become the nearest.
        split: Expect requests at all of those, the fewer the farther a region is.

    Returns:
        The space; routing goes to the nearest open region, ties to the smaller region id, bar what
        is spread evenly and what near ties split.
    """
    n_regions = rtt_ms.shape[1]
    sets = _closed(n_regions, max_size, extra)
    width = max(len(s) for s in sets)
    index = {s: p for p, s in enumerate(sets)}
    size = np.array([len(s) for s in sets], dtype=np.int64)
    starts = np.concatenate(([0], np.cumsum(size)))
    n_rows = int(starts[-1])
    region = np.zeros((len(sets), width), dtype=np.int64)
    row = np.full((len(sets), width), n_rows, dtype=np.int64)
    lost = np.full((len(sets), width, width), n_rows, dtype=np.int64)
    member = np.zeros((len(sets), n_regions), dtype=bool)
    for p, chosen in enumerate(sets):
        k = len(chosen)
        region[p, :k] = chosen
        row[p, :k] = starts[p] + np.arange(k)
        member[p, list(chosen)] = True
        for i in range(k if k > 1 else 0):
            rest = starts[index[chosen[:i] + chosen[i + 1 :]]]
            lost[p, i, :i] = rest + np.arange(i)
            lost[p, i, i + 1 : k] = rest + np.arange(i, k - 1)
    used = row < n_rows
    ties = near_tie, split
    share, peak = _routing(rtt_ms, misroute, region, size, row, n_rows, ties)
    return SetSpace(sets, size, member, region, used, row, lost, region[used], share, peak, index)


def expected_shares(way: Floats, near_tie: float, split: bool) -> Floats:
    """Return which share of what goes to the nearest of some regions goes to each.

    Args:
        way: Round trips, regions along the last axis by id, infinite where a region is not open.
        near_tie: Regions at most this share farther than the nearest may become the nearest.
        split: Whether those get a share: the weight falls from one at the nearest, to the smaller
            region id where two are equally far, to nothing at the edge.

    Returns:
        Shares that add up to one, of the shape of ``way``.
    """
    nearest = np.zeros(way.shape)
    np.put_along_axis(nearest, way.argmin(axis=-1)[..., None], 1.0, axis=-1)
    if not split or near_tie <= 0.0:
        return nearest
    farther = way / np.maximum(way.min(axis=-1, keepdims=True), _NO_WAY_MS) - 1.0
    weight = np.maximum(nearest, 1.0 - farther / near_tie)
    return np.asarray(weight / weight.sum(axis=-1, keepdims=True))


def _closed(n_regions: int, max_size: int, extra: Iterable[RegionSet]) -> tuple[RegionSet, ...]:
    found: set[RegionSet] = set()
    for k in range(1, min(max_size, n_regions) + 1):
        found.update(combinations(range(n_regions), k))
    todo = [s for s in extra if s]
    while todo:
        chosen = todo.pop()
        if chosen in found:
            continue
        found.add(chosen)
        todo.extend(s for s in combinations(chosen, len(chosen) - 1) if s)
    return tuple(sorted(found, key=lambda s: (len(s), s)))


def _routing(
    rtt_ms: Floats,
    misroute: Floats,
    region: Ints,
    size: Ints,
    row: Ints,
    n_rows: int,
    ties: tuple[float, bool],
) -> tuple[Floats, Floats]:
    n_clients = rtt_ms.shape[0]
    share, peak = np.zeros((n_rows + 1, n_clients)), np.zeros((n_rows + 1, n_clients))
    for k in np.unique(size):
        plans = np.flatnonzero(size == k)
        # Slots are sorted by region id, so argmin breaks a tie towards the smaller id.
        way = rtt_ms[:, region[plans, :k]]
        maybe = way <= way.min(axis=2, keepdims=True) * (1.0 + ties[0])
        for out, near in ((peak, maybe), (share, expected_shares(way, *ties))):
            routed = near * (1.0 - misroute)[:, None, None] + misroute[:, None, None] / k
            out[row[plans, :k].ravel()] = routed.transpose(1, 2, 0).reshape(-1, n_clients)
    return share, peak
