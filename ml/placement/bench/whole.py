"""The same choice as one integer programme, for comparison: open, route and count variables.

A general solver can only be given what it can express: no survival of a loss, no strays, no
objectives, one latency per region. :func:`plain` takes those out of an instance, for both sides.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import highspy
import numpy as np
from scipy.sparse import coo_array, csc_array

from ml.placement.fleet.evaluate import Today
from ml.placement.fleet.fleet import GB_PER_KB, SECONDS_PER_HOUR
from ml.placement.problem.instance import Floats, Instance

_CEIL_SLACK = 1e-9
_CPSAT = Path(__file__).with_name("cpsat.py")
# Numbers of rows and of columns, factors; and with them the limits of the rows.
_Term = tuple[Any, Any, Any]
_Block = tuple[Any, Any, Any, Any, Any]


@dataclass(frozen=True)
class Whole:
    """What the solver found; infinite where it found nothing."""

    upper_usd: float
    lower_usd: float
    status: str
    rows: int
    columns: int


def plain(instance: Instance) -> Instance:
    """Return the instance without what an integer programme of this form cannot express."""
    parts, n = instance.latency, instance.n_services
    policy = replace(
        instance.policy,
        misroute_share=0.0,
        near_tie_share=0.0,
        keep_loss_survival=False,
        slowdown_limit_share=None,
        loss_proof_tiers=(),
    )
    never = np.full(n, np.nan)
    return replace(
        instance,
        policy=policy,
        misroute=np.zeros_like(instance.misroute),
        loss_proof=np.zeros(n, dtype=bool),
        slo_ms=never,
        slo_stated_ms=never,
        latency=replace(
            parts,
            own_ms=np.repeat(parts.own_ms[:, :, :1], len(parts.buckets), axis=2),
            network_weight=np.repeat(parts.network_weight[:, :, :1], len(parts.buckets), axis=2),
            factor=np.repeat(parts.factor[:, :, :1], len(parts.buckets), axis=2),
        ),
    )


def solve_whole_programme(instance: Instance, today: Today, seconds: float) -> Whole:
    """Give the programme to HiGHS on one thread.

    Args:
        instance: As :func:`plain` returns it.
        today: What moving costs.
        seconds: Time limit; without it a solver may run for days.
    """
    programme = programme_of(instance, today)
    solver = highspy.Highs()
    for name, value in (
        ("output_flag", False),
        ("threads", 1),
        ("parallel", "off"),
        ("random_seed", 0),
        ("mip_rel_gap", 0.0),
        ("time_limit", seconds),
    ):
        solver.setOptionValue(name, value)
    solver.passModel(_lp(programme))
    solver.run()
    info = solver.getInfo()
    # Without a solution the solver reports an infinite objective: its status comes first.
    has_plan = info.primal_solution_status == 2
    return Whole(
        float(info.objective_function_value) if has_plan else float("inf"),
        float(info.mip_dual_bound),
        str(solver.modelStatusToString(solver.getModelStatus())),
        *programme.matrix.shape,
    )


def solve_with_cpsat(instance: Instance, today: Today, seconds: float, workers: int) -> Whole:
    """Give the programme to CP-SAT in a process of its own.

    Args:
        instance: As :func:`plain` returns it.
        today: What moving costs.
        seconds: Time limit.
        workers: Threads.

    Raises:
        ModuleNotFoundError: If ortools, the extra ``bench``, is not installed.
    """
    if find_spec("ortools") is None:
        raise ModuleNotFoundError("ortools is not installed: pip install 'regionwise[bench]'")
    programme = programme_of(instance, today)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "programme.npz"
        programme.save(path)
        command = [sys.executable, "-I", str(_CPSAT), str(path), str(seconds), str(workers)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return Whole(math.inf, -math.inf, done.stderr.strip()[-200:], *programme.matrix.shape)
    found = json.loads(done.stdout.splitlines()[-1])
    upper, lower = found["upper_usd"], found["lower_usd"]
    return Whole(
        math.inf if upper is None else upper,
        -math.inf if lower is None else lower,
        found["status"],
        *programme.matrix.shape,
    )


@dataclass(frozen=True)
class Programme:
    """All columns are whole and at least 0."""

    cost: Floats
    upper: Floats
    row_lower: Floats
    row_upper: Floats
    matrix: csc_array
    offset: float

    def save(self, path: Path) -> None:
        """Write it for a solver in another process."""
        matrix = self.matrix
        np.savez(
            path, cost=self.cost, upper=self.upper, row_lower=self.row_lower,
            row_upper=self.row_upper, start=matrix.indptr, index=matrix.indices,
            value=matrix.data, offset=self.offset,
        )  # fmt: skip


def programme_of(instance: Instance, today: Today) -> Programme:
    """Return the whole choice as one integer programme.

    Args:
        instance: As :func:`plain` returns it.
        today: What moving costs.
    """
    rows = _Rows(instance)
    rows.add_counts()
    rows.add_routes()
    rows.add_capacity()
    return _programme(instance, _cost(instance, today), rows.blocks)


@dataclass
class _Rows:
    """Blocks of rows; columns are open (S, R), counts (S, R), then routes (S, O, R)."""

    one: Instance

    def __post_init__(self) -> None:
        s, r, o = self.one.n_services, self.one.n_regions, self.one.n_origins
        self.shape = s, o, r
        self.opened = np.arange(s * r).reshape(s, r)
        self.count = s * r + self.opened
        self.routed = 2 * s * r + np.arange(s * o * r).reshape(s, o, r)
        self.blocks: list[_Block] = []

    def _add(self, n: int, terms: list[_Term], low: Any, high: Any) -> None:
        """Add n rows; each term is row numbers, column numbers and factors, broadcast alike."""
        rows, columns, values = (
            np.concatenate([np.broadcast_to(t[i], np.shape(t[1])).ravel() for t in terms])
            for i in range(3)
        )
        limits = np.broadcast_to(low, n), np.broadcast_to(high, n)
        self.blocks.append((rows, columns, values, *limits))

    def add_counts(self) -> None:
        """Ask for as many regions as the rules want, and instances for the peak of each."""
        one, (s, o, r), hours = self.one, self.shape, self.one.peak_rps.shape[2]
        cap = np.minimum(one.max_regions, one.policy.max_regions_cap)
        each = np.arange(s)[:, None]
        self._add(s, [(each, self.opened, 1.0)], one.min_regions.astype(float), cap.astype(float))
        pair, least = np.arange(s * r).reshape(s, r), -float(one.policy.min_instances)
        self._add(s * r, [(pair, self.count, 1.0), (pair, self.opened, least)], 0.0, np.inf)
        rate = (one.full_rate * one.policy.utilisation_target)[:, None, None]
        load = np.arange(s * r * hours).reshape(s, 1, r, hours)
        demand = -np.broadcast_to(one.peak_rps[:, :, None, :], (s, o, r, hours))
        routed = np.broadcast_to(self.routed[..., None], (s, o, r, hours))
        counted = np.broadcast_to(self.count[..., None], (s, r, hours))
        slack = np.broadcast_to(-_CEIL_SLACK * rate, (s, r, hours)).ravel()
        terms = [
            (load, routed, demand),
            (load[:, 0], counted, np.broadcast_to(rate, (s, r, hours))),
        ]
        self._add(s * r * hours, terms, slack, np.inf)

    def add_routes(self) -> None:
        """Serve every client once, from its nearest open region."""
        s, o, r = self.shape
        client = np.arange(s * o).reshape(s, o, 1)
        self._add(s * o, [(client, self.routed, 1.0)], 1.0, 1.0)
        cell = np.arange(s * o * r).reshape(s, o, r)
        wide = np.broadcast_to(self.opened[:, None, :], (s, o, r))
        self._add(s * o * r, [(cell, self.routed, -1.0), (cell, wide, 1.0)], 0.0, np.inf)
        order = np.argsort(self.one.rtt_ms[:o], axis=1, kind="stable")
        place = np.argsort(order, axis=1)
        # A region that is open forbids all that are farther.
        at, near, here = np.nonzero(place[:, :, None] <= place[:, None, :])
        rows = (np.arange(s)[:, None] * o + at) * r + here
        terms = [(rows, self.routed[:, at, near], 1.0), (cell, wide, -1.0)]
        self._add(s * o * r, terms, 0.0, np.inf)

    def add_capacity(self) -> None:
        """Limit the vCPU of regions."""
        limited = np.flatnonzero(np.isfinite(self.one.capacity_vcpu))
        if limited.size:
            shape = (self.shape[0], limited.size)
            at = np.broadcast_to(np.arange(limited.size), shape)
            cores = np.broadcast_to(self.one.cpu_cores[:, None], shape)
            high = self.one.capacity_vcpu[limited]
            self._add(limited.size, [(at, self.count[:, limited], cores)], -np.inf, high)


def _cost(one: Instance, today: Today) -> Floats:
    moved = np.where(one.current, 0.0, today.move_usd)
    opened = one.policy.open_region_usd_per_hour + one.replica_usd[:, None] + moved
    took = one.latency.factor[:, :, 0][:, None] * (
        one.latency.network_weight[:, :, 0][:, None] * one.rtt_ms[: one.n_origins]
        + one.latency.own_ms[:, :, 0][:, None]
    )
    per_gb = one.response_kb[:, None] * one.user_egress_usd
    per_gb = GB_PER_KB * (per_gb + one.request_kb[:, None] * one.policy.ingress_usd_per_gb)
    per_request = per_gb[:, None] + one.usd_per_request_ms[:, None, None] * took
    routed = SECONDS_PER_HOUR * one.mean_rps[:, :, None] * per_request
    return np.concatenate((opened.ravel(), one.instance_usd.ravel(), routed.ravel()))


def _programme(one: Instance, cost: Floats, blocks: list[_Block]) -> Programme:
    starts = np.cumsum([0] + [len(b[3]) for b in blocks])
    rows = np.concatenate([b[0] + at for b, at in zip(blocks, starts, strict=False)])
    columns, values = (np.concatenate([b[i] for b in blocks]) for i in (1, 2))
    matrix = coo_array((values, (rows, columns)), shape=(int(starts[-1]), len(cost))).tocsc()
    matrix.sum_duplicates()
    s, r = one.n_services, one.n_regions
    upper = np.ones(len(cost))
    upper[s * r : 2 * s * r] = np.inf
    upper[: s * r] = (one.blocker == 0).ravel()
    low, high = (np.concatenate([b[i] for b in blocks]) for i in (3, 4))
    return Programme(cost, upper, low, high, matrix, -float(one.replica_usd.sum()))


def _lp(programme: Programme) -> highspy.HighsLp:
    lp, matrix = highspy.HighsLp(), programme.matrix
    lp.num_row_, lp.num_col_ = matrix.shape
    lp.col_cost_, lp.offset_ = programme.cost, programme.offset
    lp.col_lower_, lp.col_upper_ = np.zeros(matrix.shape[1]), programme.upper
    lp.row_lower_, lp.row_upper_ = programme.row_lower, programme.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = matrix.indptr.astype(np.int32)
    lp.a_matrix_.index_ = matrix.indices.astype(np.int32)
    lp.a_matrix_.value_ = matrix.data
    # One solution costs as an integer programme only if routes are whole too.
    lp.integrality_ = [highspy.HighsVarType.kInteger] * matrix.shape[1]
    return lp
