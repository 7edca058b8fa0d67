"""Compiles the walk before there is a problem: it takes ten seconds, once per machine."""

from __future__ import annotations

import numpy as np

from ml.placement.kernel.jit import is_available
from ml.placement.problem.instance import Floats, Ints
from ml.placement.walk.sweep import sweep
from ml.placement.walk.types import Known, Rows, Work


def make_ready() -> None:
    """Compile the walk, or load what was compiled before; without the compiler do nothing.

    No plan is changed: the walk is asked to follow no moves in a problem without services. A
    caller that still waits for its data saves the time.
    """
    if not is_available():
        return
    none, bits = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint8)
    known = Known(
        share=_floats(2),
        peak_share=_floats(2),
        sets=_ints(2),
        rtt=_floats(2),
        out_usd=_floats(2),
        peak=_floats(3),
        user=_floats(3),
        cell=_floats(4),
        area=_floats(3),
        own=_floats(2),
        region=_floats(2),
        edge=_ints(2),
        call=_floats(2),
        starts=_ints(2),
        incoming=none,
        order=none,
        buckets=_floats(1),
        rules=_floats(1),
        limits=_floats(1),
        has=none,
    )
    work = Work(
        mark=bits,
        place=none,
        touched=none,
        hour=_floats(1),
        calling=_floats(1),
        took=_floats(2),
        instances=none,
        proof=none,
        use=_floats(2),
        total=none,
        is_open=np.zeros((0, 0), dtype=np.uint8),
        stays=bits,
    )
    ranks = np.zeros((1, 4), dtype=np.int64)
    starts = np.zeros(1, dtype=np.int64)
    sweep(known, _rows(), _rows(), work, none, none, starts, ranks, 0, none, none)


def _rows() -> Rows:
    return Rows(
        peak=_floats(3),
        flow=_floats(3),
        load_peak=_floats(3),
        load=_floats(2),
        slot=_floats(3),
        depends=_floats(3),
        answers=_floats(3),
        found=_ints(2),
        bill=_floats(1),
    )


def _floats(axes: int) -> Floats:
    return np.zeros((0,) * axes)


def _ints(axes: int) -> Ints:
    return np.zeros((0,) * axes, dtype=np.int64)
