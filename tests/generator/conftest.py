"""One small world for the whole room: 50 services, 5 regions, 30 days."""

from __future__ import annotations

import pytest

from generator.synthetic.foundation import Foundation, make_foundation
from generator.synthetic.generate import generate
from generator.synthetic.history import History, make_history
from tests.generator.small_world import DAYS, REGIONS, SEED, SERVICES, Dataset


@pytest.fixture(scope="session")
def base() -> Foundation:
    return make_foundation(SEED, SERVICES, REGIONS)


@pytest.fixture(scope="session")
def past(base: Foundation) -> History:
    return make_history(base, DAYS)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("synthetic")
    raw, truth = folder / "raw", folder / "truth"
    result = generate(raw, truth, seed=SEED, services=SERVICES, regions=REGIONS, days=DAYS)
    return Dataset(raw, truth, result)
