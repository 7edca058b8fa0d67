"""Seeded instances of the published families, and files as the library writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ml.placement.facility import Medians, Warehouses


def graph(n: int, p: int, seed: int) -> str:
    """A p-median file: a path through all nodes, then random edges, n² / 50 of them in all.

    Doubles stay in: the library's files hold some, and the last one counts.
    """
    rng = np.random.default_rng(seed)
    edges = [(i, i + 1) for i in range(1, n)]
    while len(edges) < n * n // 50:
        a, b = rng.integers(1, n + 1, 2).tolist()
        if a != b:
            edges.append((a, b))
    lengths = rng.integers(1, 101, len(edges)).tolist()
    lines = [f" {a} {b} {length} " for (a, b), length in zip(edges, lengths, strict=True)]
    return "\n".join([f" {n} {len(edges)} {p} ", *lines]) + "\n"


def euclidean(seed: int, m: int, n: int, capacity: float, fixed: tuple[float, float]) -> Warehouses:
    """Sites and customers in a square of 1,000, demand 1 to 100, costs with some noise.

    A guess at how the published 100 x 1,000 instances were drawn: as hard, not the same.
    """
    rng = np.random.default_rng(seed)
    site, customer = rng.uniform(0, 1000, (m, 2)), rng.uniform(0, 1000, (n, 2))
    demand = rng.integers(1, 101, n).astype(float)
    way = np.hypot(*(site[:, None] - customer[None]).transpose(2, 0, 1))
    cost = (way * demand * rng.uniform(1, 1.25, (m, n))).round(3)
    return Warehouses(np.full(m, capacity), rng.uniform(*fixed, m).round(), demand, cost)


def written(problem: Warehouses, path: Path, word: str | None = None) -> Path:
    """Write a warehouse file; ``word`` stands where capacities are."""
    lines = [f" {len(problem.capacity)} {len(problem.demand)} "]
    for capacity, fixed in zip(problem.capacity, problem.fixed_cost, strict=True):
        lines.append(f" {word or repr(float(capacity))} {float(fixed)!r} ")
    for j, demand in enumerate(problem.demand):
        lines.append(f" {float(demand)!r} ")
        costs = [repr(float(cost)) for cost in problem.cost[:, j]]
        lines += [" " + " ".join(costs[k : k + 7]) + " " for k in range(0, len(costs), 7)]
    path.write_text("\n".join(lines) + "\n")
    return path


def small_medians(seed: int, n: int, p: int) -> Medians:
    """Any whole distances: the method needs no triangle inequality."""
    rng = np.random.default_rng(seed)
    way = rng.integers(1, 30, (n, n)).astype(float)
    way = np.minimum(way, way.T)
    np.fill_diagonal(way, 0)
    return Medians(way, p)


def small_warehouses(seed: int, m: int, n: int) -> Warehouses:
    """Unequal capacities, some too small, some of no cost, some demand of zero."""
    rng = np.random.default_rng(seed)
    demand = rng.integers(0, 20, n).astype(float)
    capacity = rng.integers(5, 40, m).astype(float)
    fixed = rng.integers(0, 60, m).astype(float)
    cost = rng.uniform(0, 30, (m, n)).round(2)
    return Warehouses(capacity, fixed, demand, cost)
