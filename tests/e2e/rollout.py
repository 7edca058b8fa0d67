"""A company that follows advice: its files before the rollout, and its files weeks after it.

The synthetic world supplies the outcomes; the builds see files only, as of any importer's user.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from unittest.mock import patch

import duckdb
import numpy as np
import pyarrow.parquet as pq

from generator import contract
from generator.synthetic import generate
from generator.synthetic.facts import load_geography
from generator.synthetic.params import load_params
from generator.synthetic.placement import region_sets

SEED, SERVICES, REGIONS = 11, 30, 5
# Regions come and go until here: without that nobody could learn what a region does.
SETTLED, KNOWN, MOVED, LATER = 18, 46, 48, 66


def write_files(folder: Path, days: int, moved: Mapping[str, frozenset[str]]) -> None:
    """Write the company's tables of the first days, services moved to their new regions.

    Args:
        folder: Receives one CSV file a table.
        days: Days since the beginning.
        moved: New regions by service, from day :data:`MOVED` on.
    """

    def sets(seed, services, users, allowed, count, params):  # type: ignore[no-untyped-def]
        active = region_sets(seed, services, users, allowed, count, params)
        settled = active[:, SETTLED - 1 : SETTLED]
        alive = services.alive(np.arange(count))[:, SETTLED:, None]
        # Who is born later has no regions to keep.
        keeps = settled.any(axis=2, keepdims=True)
        active[:, SETTLED:] = np.where(keeps, settled & alive, active[:, SETTLED:])
        regions = load_geography(seed, REGIONS, load_params().network).region_ids
        for service, wanted in moved.items():
            row = services.ids.index(service)
            active[row, MOVED:] = [region in wanted for region in regions]
        return active

    raw = folder.parent / f"{folder.name}-landed"
    with patch("generator.synthetic.history.region_sets", sets):
        generate(raw, raw / "truth", seed=SEED, services=SERVICES, regions=REGIONS, days=days)
    folder.mkdir()
    with duckdb.connect() as connection:
        for name, table in contract.TABLES.items():
            if table.optional and not pq.read_metadata(raw / f"{name}.parquet").num_rows:
                continue
            connection.execute(
                f"copy (select columns(c -> c not like '\\_%' escape '\\') "
                f"from '{raw / name}.parquet') to '{folder / name}.csv' (format csv, header)"
            )
