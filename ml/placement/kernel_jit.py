"""The compiler, where it is installed: one thread, no fast-math, compiled code kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

try:
    from numba import njit
except ImportError:  # numba is only needed for large fleets
    njit = None

_F = TypeVar("_F", bound=Callable[..., Any])


def is_available() -> bool:
    """Return whether compiled pricing can be used."""
    return njit is not None


def compiled(function: _F) -> _F:
    """Compile a function of plain arrays; without numba return it as it is.

    Compiled code is kept beside the module, or in ``NUMBA_CACHE_DIR``, or in the user's cache
    folder, the first that can be written. Where none can be, it is compiled anew in each process.
    """
    if njit is None:
        return function
    try:
        found: _F = njit(cache=True, error_model="numpy", _nrt=False)(function)
    except RuntimeError:
        # No place for the cache: slower to start, otherwise the same.
        found = njit(function)
    return found
