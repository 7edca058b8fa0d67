"""The compiler, where it is installed: no threads of its own, no fast-math, code kept on disk."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

try:
    from numba import njit
except ImportError:  # without it the same functions run as they are, slowly
    njit = None

_F = TypeVar("_F", bound=Callable[..., Any])
# Division follows NumPy, not Python: every divisor is checked by the caller. No reference counts:
# few loops make an array, and counting took two thirds of the time.
_OPTIONS = {"error_model": "numpy", "_nrt": False}
_MAKES_ARRAYS = {"error_model": "numpy"}


def is_available() -> bool:
    """Return whether compiled pricing can be used."""
    return njit is not None


def cores() -> int:
    """Return how many threads can run at once; what they compute must not depend on it."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def side_by_side(run: Callable[[int], None], places: Iterable[int]) -> None:
    """Call a function once per place, on as many threads as there are cores.

    Calls must write to different places: then the order in which they end does not matter.
    """
    every = list(places)
    workers = min(cores(), len(every))
    if workers < 2:
        for place in every:
            run(place)
        return
    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(run, place) for place in every]:
            done.result()


def inner(function: _F) -> _F:
    """Compile a function that only compiled functions call; without numba return it as it is.

    Calling it from Python would crash: what unpacks Python objects is left out, for a third less
    time to compile.
    """
    if njit is None:
        return function
    found: _F = njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **_OPTIONS)(function)
    return found


def compiled(function: _F) -> _F:
    """Compile a function that Python calls, with all that it calls, once per machine.

    The code is kept beside the module, or in ``NUMBA_CACHE_DIR``, or in the user's cache folder,
    the first that can be written. Where none can be, it is compiled anew in each process. What is
    kept is found again by the function's own code and by what it closes over: let it close over
    :func:`source_stamp`, or a change in a function that it calls goes unnoticed. It runs without
    Python's lock, so threads that write different arrays run side by side.
    """
    return _kept(function, _OPTIONS)


def making_arrays(function: _F) -> _F:
    """Compile like :func:`compiled` a function that makes arrays of its own."""
    return _kept(function, _MAKES_ARRAYS)


def _kept(function: _F, options: dict[str, Any]) -> _F:
    if njit is None:
        return function
    try:
        found: _F = njit(cache=True, nogil=True, **options)(function)
    except RuntimeError:
        # No place to keep it: slower to start, otherwise the same.
        found = njit(nogil=True, **options)(function)
    return found


def source_stamp(files: Iterable[Path]) -> int:
    """Return a number, not negative, that changes with the text of any of the files."""
    stamp = 0
    for file in sorted(files):
        stamp = zlib.crc32(file.read_bytes(), stamp)
    return stamp
