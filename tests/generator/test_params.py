"""Parameters are read once; a wrong key is refused, not ignored."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import date

import pytest

from generator.synthetic.params import DirtParams, _section, load_params


def test_templates_are_one_block_of_three_classes() -> None:
    params = load_params()
    classes = [t.service_class for t in params.templates]
    assert len(classes) == 25
    assert [classes.count(c) for c in ("entry", "middle", "leaf")] == [4, 11, 10]
    assert {t.layer for t in params.templates if t.service_class == "middle"} == {1, 2, 3}
    assert params.start_on == date(2026, 6, 1)
    assert params.start_on.weekday() == 0
    for chances in params.placement.region_count.values():
        assert sum(chances) == pytest.approx(1.0)


def test_unknown_and_missing_keys_are_refused() -> None:
    known = load_params().dirt.__dict__
    with pytest.raises(ValueError, match="typo"):
        _section(DirtParams, "dirt", {**known, "typo": 1})
    with pytest.raises(ValueError, match="late"):
        _section(DirtParams, "dirt", {k: v for k, v in known.items() if k != "late"})


def test_parameters_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        load_params().timeout_ms = 1  # type: ignore[misc]
