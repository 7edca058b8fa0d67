"""The same choice as one integer programme, for comparison: open, route and count variables.

A general solver can only be given what it can express: no survival of a loss, no strays, no
objectives, one latency per region. :func:`plain` takes those out of an instance, for both sides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import highspy
import numpy as np
from scipy.sparse import coo_array

from ml.placement.evaluate import Today
from ml.placement.fleet import GB_PER_KB, SECONDS_PER_HOUR
from ml.placement.instance import Floats, Instance

_CEIL_SLACK = 1e-9


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
            internal_ms=np.repeat(parts.internal_ms[:, :, :1], len(parts.buckets), axis=2),
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
    lp = _model(instance, today)
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
    solver.passModel(lp)
    solver.run()
    info = solver.getInfo()
    # Without a solution the solver reports an infinite objective: its status comes first.
    has_plan = info.primal_solution_status == 2
    return Whole(
        float(info.objective_function_value) if has_plan else float("inf"),
        float(info.mip_dual_bound),
        str(solver.modelStatusToString(solver.getModelStatus())),
        int(lp.num_row_),
        int(lp.num_col_),
    )


def _model(one: Instance, today: Today) -> highspy.HighsLp:
    s, r, o = one.n_services, one.n_regions, one.n_origins
    hours = one.peak_rps.shape[2]
    opened = np.arange(s * r).reshape(s, r)
    count = s * r + opened
    routed = 2 * s * r + np.arange(s * o * r).reshape(s, o, r)
    blocks: list[tuple[Floats, Floats, Floats, Floats, Floats]] = []

    def add(n: int, terms: list[tuple[Floats, Floats, Floats]], low: Floats, high: Floats) -> None:
        rows, columns, values = (
            np.concatenate([np.broadcast_to(t[i], np.shape(t[1])).ravel() for t in terms])
            for i in range(3)
        )
        blocks.append((rows, columns, values, np.broadcast_to(low, n), np.broadcast_to(high, n)))

    inf = np.inf
    each = np.arange(s)[:, None]
    cap = np.minimum(one.max_regions, one.policy.max_regions_cap)
    add(s, [(each, opened, 1.0)], one.min_regions.astype(float), cap.astype(float))
    pair = np.arange(s * r).reshape(s, r)
    least = -float(one.policy.min_instances)
    add(s * r, [(pair, count, 1.0), (pair, opened, least)], 0.0, inf)
    rate = one.full_rate * one.policy.utilisation_target
    load = np.arange(s * r * hours).reshape(s, 1, r, hours)
    demand = -np.broadcast_to(one.peak_rps[:, :, None, :], (s, o, r, hours))
    columns = np.broadcast_to(routed[..., None], (s, o, r, hours))
    rates = np.broadcast_to(rate[:, None, None], (s, r, hours))
    counted = np.broadcast_to(count[..., None], (s, r, hours))
    slack = np.broadcast_to(-_CEIL_SLACK * rate[:, None, None], (s, r, hours)).ravel()
    add(s * r * hours, [(load, columns, demand), (load[:, 0], counted, rates)], slack, inf)
    client = np.arange(s * o).reshape(s, o, 1)
    add(s * o, [(client, routed, 1.0)], 1.0, 1.0)
    cell = np.arange(s * o * r).reshape(s, o, r)
    wide = np.broadcast_to(opened[:, None, :], (s, o, r))
    add(s * o * r, [(cell, routed, -1.0), (cell, wide, 1.0)], 0.0, inf)
    # The nearest open region serves: whoever is open forbids all that are farther.
    order = np.argsort(one.rtt_ms[:o], axis=1, kind="stable")
    place = np.argsort(order, axis=1)
    oo, near, here = np.nonzero(place[:, :, None] <= place[:, None, :])
    rows = (np.arange(s)[:, None] * o + oo) * r + here
    terms = [(rows, routed[:, oo, near], 1.0), (cell, wide, -1.0)]
    add(s * o * r, terms, 0.0, inf)
    limited = np.flatnonzero(np.isfinite(one.capacity_vcpu))
    if limited.size:
        at = np.broadcast_to(np.arange(limited.size), (s, limited.size))
        cores = np.broadcast_to(one.cpu_cores[:, None], at.shape)
        add(limited.size, [(at, count[:, limited], cores)], -inf, one.capacity_vcpu[limited])
    return _lp(one, _cost(one, today), blocks)


def _cost(one: Instance, today: Today) -> Floats:
    moved = np.where(one.current, 0.0, today.move_usd)
    opened = one.policy.open_region_usd_per_hour + one.replica_usd[:, None] + moved
    took = one.latency.factor[:, :, 0][:, None] * (
        one.latency.network_weight[:, :, 0][:, None] * one.rtt_ms[: one.n_origins]
        + one.latency.internal_ms[:, :, 0][:, None]
    )
    per_gb = one.response_kb[:, None] * one.user_egress_usd
    per_gb = GB_PER_KB * (per_gb + one.request_kb[:, None] * one.policy.ingress_usd_per_gb)
    per_request = per_gb[:, None] + one.usd_per_request_ms[:, None, None] * took
    routed = SECONDS_PER_HOUR * one.mean_rps[:, :, None] * per_request
    return np.concatenate((opened.ravel(), one.instance_usd.ravel(), routed.ravel()))


def _lp(one: Instance, cost: Floats, blocks: list[tuple[Floats, ...]]) -> highspy.HighsLp:
    starts = np.cumsum([0] + [len(b[3]) for b in blocks])
    rows = np.concatenate([b[0] + at for b, at in zip(blocks, starts, strict=False)])
    columns, values = (np.concatenate([b[i] for b in blocks]) for i in (1, 2))
    matrix = coo_array((values, (rows, columns)), shape=(int(starts[-1]), len(cost))).tocsc()
    matrix.sum_duplicates()
    s, r = one.n_services, one.n_regions
    upper = np.ones(len(cost))
    upper[s * r : 2 * s * r] = np.inf
    upper[: s * r] = (one.blocker == 0).ravel()
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(cost), int(starts[-1])
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, np.zeros(len(cost)), upper
    lp.row_lower_ = np.concatenate([b[3] for b in blocks])
    lp.row_upper_ = np.concatenate([b[4] for b in blocks])
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = matrix.indptr.astype(np.int32)
    lp.a_matrix_.index_ = matrix.indices.astype(np.int32)
    lp.a_matrix_.value_ = matrix.data
    # One solution costs as an integer programme only if routes are whole too.
    lp.integrality_ = [highspy.HighsVarType.kInteger] * len(cost)
    lp.offset_ = -float(one.replica_usd.sum())
    return lp
