"""Hashed randomness: stable, uniform, injective counters."""

from __future__ import annotations

import numpy as np

from generator.synthetic.rng import ar1, counter, gumbel, mix, normal, uniform


def test_mixing_agrees_with_the_published_sequence() -> None:
    # First outputs of SplitMix64 seeded with 0 and then advanced by its golden gamma.
    state = np.array([0, 0x9E3779B97F4A7C15], dtype=np.uint64)
    assert [hex(int(v)) for v in mix(state)] == ["0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4"]


def test_draws_do_not_depend_on_what_else_is_drawn() -> None:
    few = uniform(42, "demand", counter(3, 1, np.arange(10)))
    many = uniform(42, "demand", counter(np.arange(9)[:, None], 1, np.arange(100)))
    assert (few == many[3, :10]).all()
    assert not (few == uniform(43, "demand", counter(3, 1, np.arange(10)))).any()
    assert not (few == uniform(42, "other", counter(3, 1, np.arange(10)))).any()


def test_uniforms_are_uniform_and_streams_are_not_correlated() -> None:
    cells = counter(np.arange(200)[:, None], 0, np.arange(1000))
    u, z = uniform(1, "a", cells).ravel(), normal(1, "b", cells).ravel()
    assert 0 < u.min() < u.max() < 1
    counts = np.histogram(u, bins=50, range=(0, 1))[0]
    chi2 = float(((counts - 4000) ** 2 / 4000).sum())
    assert chi2 < 86  # 99.9 % of chi-square with 49 degrees of freedom
    assert abs(z.mean()) < 0.01
    assert abs(z.var() - 1) < 0.01
    assert abs(np.corrcoef(u, z)[0, 1]) < 0.01
    assert abs(gumbel(1, "c", cells).mean() - np.euler_gamma) < 0.01


def test_counters_are_injective_at_the_largest_supported_world() -> None:
    corners = [
        int(counter(s, r, t))
        for s in (0, 1, 24_974, 24_975)
        for r in (0, 1, 254, 255)
        for t in (0, 1, (1 << 20) - 2, (1 << 20) - 1)
    ]
    assert len(set(corners)) == len(corners)
    # Fields do not overlap: the parts can be read back.
    assert all(c < 1 << 63 for c in corners)
    c = int(counter(24_975, 255, (1 << 20) - 1))
    assert (c >> 28, (c >> 20) & 0xFF, c & 0xFFFFF) == (24_975, 255, (1 << 20) - 1)


def test_ar1_is_stationary_and_a_prefix_of_a_longer_one() -> None:
    z = normal(5, "ar", counter(np.arange(500)[:, None], 0, np.arange(400)))
    x = ar1(z, 0.9)
    assert (x[:, :100] == ar1(z[:, :100], 0.9)).all()
    assert abs(x.var() - 1) < 0.05
    assert abs((x[:, 1:] * x[:, :-1]).mean() / x.var() - 0.9) < 0.02


def test_ar1_has_the_bits_of_the_reference_filter_for_one_series_and_for_many() -> None:
    from scipy.signal import lfilter

    for shape in ((40,), (3, 40), (2, 3, 40)):
        z = normal(1, "z", np.arange(np.prod(shape), dtype=np.uint64)).reshape(shape)
        scaled = z * np.sqrt(1 - 0.6 * 0.6)
        scaled[..., 0] = z[..., 0]
        assert np.array_equal(ar1(z, 0.6), lfilter([1.0], [1.0, -0.6], scaled, axis=-1))
