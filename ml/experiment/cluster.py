"""The switchback by community: neighbours in the call graph change together, each by its coin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.experiment.metrics import Floats
from ml.experiment.permutation import Permuted, Products, invert, sign_draws
from ml.experiment.rng import seed_of


@dataclass(frozen=True)
class Communities:
    """A partition of the services, numbered by falling traffic, ties by their first service.

    Attributes:
        of_service: Community of each service, shape (S,), in the order of the ids given.
        traffic: Share of all requests by community, shape (K,), sums to 1.
        crossing_share: Share of call volume between different communities, 0 to 1.
    """

    of_service: NDArray[np.int64]
    traffic: Floats
    crossing_share: float

    @property
    def count(self) -> int:
        """Number of communities."""
        return self.traffic.size


def find_communities(
    service_ids: Sequence[str],
    calls: pd.DataFrame,
    requests: Floats,
    *,
    min_edge_share: float,
    seed_parts: tuple[object, ...],
) -> Communities:
    """Partition the call graph by Louvain on calls per request times the caller's traffic.

    Args:
        service_ids: Services, sorted.
        calls: caller_service_id, callee_service_id, calls_per_request.
        requests: Requests of each service, shape (S,).
        min_edge_share: Edges with a smaller share of all calls are left out of the search; they
            count in the crossing share all the same.
        seed_parts: Registered seed.

    References:
        Blondel, Guillaume, Lambiotte and Lefebvre (2008), Fast unfolding of communities.
    """
    position = {service: index for index, service in enumerate(service_ids)}
    edges = _edges(position, calls, requests)
    total = sum(edges.values())
    graph = nx.Graph()
    graph.add_nodes_from(range(len(service_ids)))
    for (a, b), volume in sorted(edges.items()):
        if total and volume >= min_edge_share * total:
            graph.add_edge(a, b, weight=volume)
    seed = seed_of(*seed_parts, "communities") % 2**32
    parts = nx.community.louvain_communities(graph, weight="weight", seed=seed)
    share = requests / requests.sum() if requests.sum() else np.full(requests.size, 0.0)
    ordered = sorted(parts, key=lambda part: (-float(share[sorted(part)].sum()), min(part)))
    of_service = np.empty(len(service_ids), dtype=np.int64)
    for number, part in enumerate(ordered):
        of_service[sorted(part)] = number
    traffic = np.bincount(of_service, weights=share, minlength=len(ordered)).astype(np.float64)
    crossing = sum(v for (a, b), v in sorted(edges.items()) if of_service[a] != of_service[b])
    return Communities(of_service, traffic, crossing / total if total else 0.0)


def _edges(
    position: dict[str, int], calls: pd.DataFrame, requests: Floats
) -> dict[tuple[int, int], float]:
    edges: dict[tuple[int, int], float] = {}
    for caller, callee, rate in zip(
        calls["caller_service_id"],
        calls["callee_service_id"],
        calls["calls_per_request"],
        strict=True,
    ):
        a, b = position.get(str(caller), -1), position.get(str(callee), -1)
        if min(a, b) < 0 or a == b or not float(rate) > 0:
            continue
        key = (min(a, b), max(a, b))
        edges[key] = edges.get(key, 0.0) + float(rate) * float(requests[a])
    return edges


def refusal(
    found: Communities,
    *,
    max_crossing_share: float,
    max_community_share: float,
    blocks: int,
    min_blocks: int,
) -> str | None:
    """Say why the design may not be run on this fleet; None if it may."""
    if blocks < min_blocks:
        return f"{blocks} blocks, at least {min_blocks} needed"
    if found.count < 2:
        return "one community: there is nothing to compare with"
    if found.crossing_share > max_crossing_share:
        return (
            f"{found.crossing_share:.0%} of call volume crosses communities, limit "
            f"{max_crossing_share:.0%}"
        )
    if found.traffic[0] > max_community_share:
        return (
            f"the largest community carries {found.traffic[0]:.0%} of traffic, limit "
            f"{max_community_share:.0%}"
        )
    return None


def demean(values: Floats, weights: Floats) -> Floats:
    """Subtract the weighted mean over communities within each block; (..., K, B)."""
    mean = np.tensordot(weights, values, axes=([0], [values.ndim - 2]))
    result: Floats = values - mean[..., None, :]
    return result


def products_of(outcome: Floats, real: Floats, weights: Floats, draws: Floats) -> Products:
    """Return A, B and Q of draws with shape (P, K, B) against outcome and real, (K, B).

    One side of a product need not be demeaned: the other already sums to 0 in every block.
    """
    flat = draws.reshape(len(draws), -1)
    mean = np.tensordot(draws, weights, axes=([1], [0]))
    own = (draws**2).sum(axis=2) @ weights - (mean**2).sum(axis=1)
    return Products(
        flat @ (weights[:, None] * demean(outcome, weights)).ravel(),
        flat @ (weights[:, None] * demean(real, weights)).ravel(),
        own,
    )


def weighted_effect(outcome: Floats, real: Floats, weights: Floats) -> float:
    """Return the weighted least-squares effect with block dummies."""
    found = products_of(outcome, real, weights, real[None])
    return float(found.outcome[0] / found.own[0]) if found.own[0] > 1e-12 else math.nan


def analyze(
    outcome: Floats,
    coins: Floats,
    weights: Floats,
    *,
    alpha: float,
    permutations: int,
    rng: np.random.Generator,
) -> Permuted:
    """Test and estimate from communities that changed by their own coins.

    ``r = log metric of day 1 - day 2`` of a block and ``s = +1`` where day 1 ran the treatment,
    both demeaned within the block by traffic: ``r`` then moves by ``theta`` times ``s``.

    Args:
        outcome: r, shape (K, B).
        coins: s as +1 or -1, shape (K, B).
        weights: Traffic share of the period before, shape (K,).
        alpha: Two-sided level.
        permutations: Fresh coin matrices; all of them where there are at most 12 coins.
        rng: Made by the caller.

    References:
        Eckles, Karrer and Ugander (2017); Canay, Romano and Shaikh (2017).
    """
    flat, is_exact = sign_draws(coins.size, permutations, rng, coins.ravel())
    draws = flat.reshape(-1, *coins.shape)
    found = products_of(outcome, coins, weights, draws)
    # A draw in which all communities fell alike compares nothing.
    usable = found.own > 1e-12
    kept = Products(found.outcome[usable], found.real[usable], found.own[usable])
    estimate = weighted_effect(outcome, coins, weights)
    if not math.isfinite(estimate):
        msg = "all communities fell alike in every block: nothing to compare"
        raise ValueError(msg)
    return invert(estimate, kept, alpha, is_exact=is_exact)


def mover(
    one: tuple[float, float, float], two: tuple[float, float, float]
) -> tuple[float, float, float]:
    """Return the difference of two estimates with an interval from their intervals.

    Args:
        one: Estimate, lower and upper end.
        two: The same of the estimate that is subtracted.

    References:
        Zou and Donner (2008), Construction of confidence limits about effect measures.

    Example:
        >>> [round(v, 3) for v in mover((0.3, 0.1, 0.5), (0.1, 0.0, 0.2))]
        [0.2, -0.024, 0.424]
    """
    (a, a_lo, a_hi), (b, b_lo, b_hi) = one, two
    delta = a - b
    low = delta - math.sqrt((a - a_lo) ** 2 + (b_hi - b) ** 2)
    high = delta + math.sqrt((a_hi - a) ** 2 + (b - b_lo) ** 2)
    return delta, low, high
