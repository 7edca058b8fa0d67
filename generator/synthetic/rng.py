"""Hashed randomness: every draw is a pure function of (seed, stream, counter).

Nothing here keeps state, so a draw never depends on what was drawn before it, on the number of
threads, or on how many services or days exist. SplitMix64 mixes; one uniform makes one normal.

Counter layout, unless a caller documents another one: ``service * 2**28 + region * 2**20 + t``
with region < 2**8 and t < 2**20 (an hour or a day). Graph streams use ``caller * 2**28 + callee``.
Both are injective up to 2**35 services, 2**8 regions, 2**20 hours (119 years).
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]
Counters = NDArray[np.uint64]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
REGION_BITS = 8
TIME_BITS = 20


def mix(x: Counters) -> Counters:
    """Return the SplitMix64 finaliser of every element (Steele et al., OOPSLA 2014)."""
    with np.errstate(over="ignore"):
        z = x + _GAMMA
        z = (z ^ (z >> np.uint64(30))) * _MIX_1
        z = (z ^ (z >> np.uint64(27))) * _MIX_2
        return z ^ (z >> np.uint64(31))


def counter(service: ArrayLike, region: ArrayLike = 0, t: ArrayLike = 0) -> Counters:
    """Return ``service * 2**28 + region * 2**20 + t``, broadcast."""
    s = np.asarray(service, dtype=np.uint64) << np.uint64(REGION_BITS + TIME_BITS)
    r = np.asarray(region, dtype=np.uint64) << np.uint64(TIME_BITS)
    return s + r + np.asarray(t, dtype=np.uint64)


def uniform(seed: int, stream: str, counters: Counters) -> Floats:
    """Return uniforms in (0, 1), never 0 or 1, one per counter.

    Args:
        seed: Seed of the world.
        stream: Name of the use; two names never share draws.
        counters: Unsigned 64-bit counters of any shape.
    """
    stream_key = mix(np.array([zlib.crc32(stream.encode())], dtype=np.uint64))
    key = mix(np.array([seed & 0xFFFFFFFFFFFFFFFF], dtype=np.uint64) ^ stream_key)
    words = mix(np.asarray(counters, dtype=np.uint64) ^ key[0])
    draws: Floats = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return draws


def normal(seed: int, stream: str, counters: Counters) -> Floats:
    """Return standard normals, one per counter, by the inverse distribution function."""
    draws: Floats = ndtri(uniform(seed, stream, counters))
    return draws


def gumbel(seed: int, stream: str, counters: Counters) -> Floats:
    """Return standard Gumbel draws: adding them to scores and taking the top k samples k."""
    draws: Floats = -np.log(-np.log(uniform(seed, stream, counters)))
    return draws


def ar1(innovations: Floats, phi: float) -> Floats:
    """Return a stationary AR(1) of unit variance along the last axis, started at its first value.

    Args:
        innovations: Standard normals from t = 0 on; an AR(1) that starts later would depend on
            the window.
        phi: Lag-1 autocorrelation in [0, 1).
    """
    # Time first: one step of all series is then one stretch of memory. The bits are those of
    # scipy.signal.lfilter, whose import alone takes longer than most calls.
    by_time = np.moveaxis(innovations, -1, 0) * np.sqrt(1.0 - phi * phi)
    by_time[0] = innovations[..., 0]
    for t in range(1, len(by_time)):
        by_time[t] += phi * by_time[t - 1]
    series: Floats = np.moveaxis(by_time, 0, -1)
    return series
