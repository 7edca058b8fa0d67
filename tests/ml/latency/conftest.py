"""A tiny world with known constants: 48 services, 4 regions, 60 days, calls four layers deep.

Its latency is computed here by plain recursion over one service, region and day at a time, and
shares no code with the model that has to find it again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from ml.io import Writer
from ml.latency import LatencySettings
from ml.latency.inputs import LatencyInputs, build_inputs

FIRST_ON = pd.Timestamp("2026-06-01")
REGIONS = ["ap-one", "eu-one", "us-one", "us-two"]
RTT = np.array([[1.0, 180, 230, 160], [180, 1.0, 85, 130], [230, 85, 1.0, 68], [160, 130, 68, 1.0]])
TEMPLATES = ["cache", "gateway", "search", "profile"]


@dataclass(frozen=True)
class Truth:
    """Constants that the model is meant to find."""

    network: float = 1.0
    entry: float = 0.3
    queue: float = 1.8
    calls: float = 1.0
    noise: float = 0.06
    misroute: float = 0.04


@dataclass
class World:
    """Feature tables of the tiny world, and what is true in it."""

    truth: Truth
    tables: dict[str, pd.DataFrame]
    base_ms: dict[str, float]
    mean_ms: pd.Series = field(default_factory=pd.Series)
    factors: dict[tuple[str, str], float] = field(default_factory=dict)

    def inputs(self, **changes: object) -> LatencyInputs:
        """Return the inputs of the stage; ``changes`` replace single arguments."""
        arguments: dict[str, object] = {
            "rows": self.tables["feat_latency__service_region_days"],
            "edges": self.tables["feat_latency__dependencies"],
            "shares": self.tables["feat_latency__call_shares"],
            "pairs": self.tables["feat_placement__region_pairs"],
            "candidates": self.tables["feat_latency__candidates"],
            "first_on": FIRST_ON,
            "last_on": self.tables["feat_window"].loc[0, "last_on"],
            "misroute_share": self.truth.misroute,
        }
        return build_inputs(**(arguments | changes))  # type: ignore[arg-type]

    def warehouse(self, path: Path) -> Path:
        """Write the tables as a warehouse file."""
        with duckdb.connect(str(path)) as connection:
            for name, frame in self.tables.items():
                connection.register("frame", frame)
                connection.execute(f'create table "{name}" as select * from frame')
                connection.unregister("frame")
        return path


def make_world(
    *,
    seed: int = 7,
    services: int = 48,
    days: int = 60,
    regions: int = 4,
    truth: Truth | None = None,
    trace_error: float = 0.0,
) -> World:
    """Return a world; everything in it follows from the arguments.

    ``trace_error`` is the log standard deviation of the factors that tracing shows.
    """
    truth = truth or Truth()
    rng = np.random.default_rng(seed)
    ids = [f"svc-{i:03d}" for i in range(services)]
    layer = {s: i * 4 // services for i, s in enumerate(ids)}  # 0 calls nobody
    template = {s: TEMPLATES[i % 4] for i, s in enumerate(ids)}
    demand = dict(zip(ids, rng.lognormal(1.2, 0.5, services), strict=True))
    of_template = dict(zip(TEMPLATES, (2.0, 9.0, 20.0, 5.0), strict=True))
    base = {s: of_template[template[s]] * float(rng.lognormal(0, 0.3)) for s in ids}
    cores = {s: float(rng.choice([0.5, 1, 2, 4])) for s in ids}
    edges = _edges(rng, ids, layer)
    active = _placements(rng, ids, days, regions)
    rtt = RTT[:regions, :regions, None] * np.exp(rng.normal(0, 0.03, (regions, regions, days)))
    facts = _Facts(truth, ids, layer, template, demand, base, cores, edges, active, rtt)
    world = _tables(facts, rng)
    pairs = zip(edges["caller_service_id"], edges["callee_service_id"], strict=True)
    world.factors = dict(zip(pairs, edges["latency_factor"], strict=True))
    noise = np.exp(rng.normal(0, trace_error, len(edges)))
    world.tables["feat_latency__dependencies"] = edges.assign(
        latency_factor=edges["latency_factor"] * noise
    )
    return world


@dataclass
class _Facts:
    truth: Truth
    ids: list[str]
    layer: dict[str, int]
    template: dict[str, str]
    demand: dict[str, float]
    base: dict[str, float]
    cores: dict[str, float]
    edges: pd.DataFrame
    active: dict[str, list[list[int]]]
    rtt: np.ndarray


def _edges(rng: np.random.Generator, ids: list[str], layer: dict[str, int]) -> pd.DataFrame:
    found = []
    for caller in ids:
        deeper = [s for s in ids if layer[s] < layer[caller]]
        if not deeper:
            continue
        for number, callee in enumerate(
            rng.choice(deeper, size=min(3, len(deeper)), replace=False)
        ):
            found.append(
                {
                    "caller_service_id": caller,
                    "callee_service_id": str(callee),
                    "calls_per_request": 1.0,
                    "latency_factor": float(rng.choice([0.3, 0.7, 1.0])),
                    "stage": number % 2,
                    "is_async": bool(rng.random() < 0.15),
                    "caller_layer": layer[caller],
                    "callee_layer": layer[str(callee)],
                }
            )
    return pd.DataFrame(found)


def _placements(
    rng: np.random.Generator, ids: list[str], days: int, regions: int
) -> dict[str, list[list[int]]]:
    out = {}
    for service in ids:
        history: list[list[int]] = []
        while len(history) < days:
            count = min(regions, int(rng.integers(1, 4)))
            chosen = sorted(int(r) for r in rng.choice(regions, size=count, replace=False))
            history += [chosen] * int(rng.integers(6, 18))
        out[service] = history[:days]
    return out


def _reach(facts: _Facts, callee: str, caller_region: int, day: int, inside: dict) -> float:
    places = facts.active[callee][day]
    ways = {r: facts.rtt[caller_region, r, day] + inside[callee, r, day] for r in places}
    nearest = min(places, key=lambda r: facts.rtt[caller_region, r, day])
    spread = float(np.mean(list(ways.values())))
    return (1 - facts.truth.misroute) * ways[nearest] + facts.truth.misroute * spread


def _tables(facts: _Facts, rng: np.random.Generator) -> World:
    truth, days = facts.truth, facts.rtt.shape[2]
    inside: dict[tuple[str, int, int], float] = {}
    rows = []
    for service in facts.ids:  # callees have smaller numbers, hence come first
        mine = (
            facts.edges[(facts.edges["caller_service_id"] == service) & ~facts.edges["is_async"]]
            if len(facts.edges)
            else facts.edges
        )
        is_entry = facts.layer[service] == 3
        mix = rng.dirichlet(np.ones(facts.rtt.shape[0]))
        for day in range(days):
            for region in facts.active[service][day]:
                instances = int(rng.integers(1, 6))
                workers = instances * max(1, int(facts.cores[service]))
                rho = float(rng.beta(1.2, 3.0))
                demand = facts.demand[service]
                queue = demand * rho ** (np.sqrt(2 * (workers + 1)) - 1) / (workers * (1 - rho))
                slowest: dict[int, float] = {}
                for edge in mine.itertuples():
                    wait = edge.latency_factor * _reach(
                        facts, edge.callee_service_id, region, day, inside
                    )
                    slowest[edge.stage] = max(slowest.get(edge.stage, 0.0), wait)
                waiting = sum(slowest.values())
                own = demand + truth.queue * queue + facts.base[service]
                inside[service, region, day] = own + truth.calls * waiting
                rtt_w = float(mix @ facts.rtt[:, region, day])
                trips = truth.network + truth.entry * is_entry
                mean = trips * rtt_w + inside[service, region, day]
                observed = mean * float(np.exp(rng.normal(0, truth.noise)))
                rows.append(
                    {
                        "service_id": service,
                        "region_id": REGIONS[region],
                        "placed_on": FIRST_ON + pd.Timedelta(days=day),
                        "day_index": day,
                        "mean_ms": mean,
                        "observed_ms": observed,
                        "p95_ms": observed * (1.5 + 0.6 * rho) * float(np.exp(rng.normal(0, 0.04))),
                        "requests_served": 100_000,
                        "instances": instances,
                        "cpu_utilization": rho,
                        "error_rate": 0.0,
                        "rtt_w_ms": rtt_w,
                        "demand_ms": demand,
                        "rho": rho,
                        "rho_max": min(1.0, rho * 1.2),
                        "q_hat_ms": queue,
                        "dep_rtt_ms": 0.0,
                        "dep_full_ms": 0.0,
                        "base_hat_ms": 0.0,
                        "phys_ms": mean,
                        "q_w95_ms": 3 * queue,
                        **_static(facts, service),
                        "n_regions": len(facts.active[service][day]),
                    }
                )
    table = pd.DataFrame(rows)
    key = ["service_id", "region_id", "placed_on"]
    mean = table.set_index(key)["mean_ms"].sort_index()
    tables = _feature_tables(facts, table.drop(columns="mean_ms"))
    return World(truth, tables, facts.base, mean)


def _static(facts: _Facts, service: str) -> dict[str, object]:
    layer = facts.layer[service]
    return {
        "cpu_cores": facts.cores[service],
        "memory_mb": 1024,
        "service_class": "entry" if layer == 3 else "leaf" if layer == 0 else "middle",
        "template": facts.template[service],
        "is_latency_critical": layer == 3,
        "is_entry": layer == 3,
        "depth": layer,
        "out_degree": 3 if layer else 0,
        "user_share": 1.0 if layer == 3 else 0.0,
        "layer": layer,
    }


def _feature_tables(facts: _Facts, rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    count, days = facts.rtt.shape[0], facts.rtt.shape[2]
    last_on = FIRST_ON + pd.Timedelta(days=days - 1)
    pairs = []
    for client in range(count):
        for region in range(count):
            ends = {"client_id": REGIONS[client], "region_id": REGIONS[region]}
            median = float(np.median(facts.rtt[client, region]))
            pairs.append({**ends, "client_is_region": True, "rtt_ms": median})
    placed = rows[["service_id", "region_id", "placed_on", "day_index"]]
    here = placed["region_id"].map(REGIONS.index).to_numpy()
    shares = [
        placed.drop(columns="day_index").assign(
            client_id=REGIONS[client],
            share=1.0 / count,
            is_user=False,
            rtt_ms=facts.rtt[client, here, placed["day_index"].to_numpy()],
        )
        for client in range(count)
    ]
    candidates = []
    for service in facts.ids:
        ever = {r for day in facts.active[service] for r in day}
        for region in range(count):
            candidates.append(
                {
                    "service_id": service,
                    "region_id": REGIONS[region],
                    "demand_ms": facts.demand[service],
                    "dep_rtt_ms": 0.0,
                    "dep_full_ms": 0.0,
                    "base_hat_ms": 0.0,
                    "n_regions_now": len(facts.active[service][-1]),
                    "rtt_w_ms": float(facts.rtt[:, region, -1].mean()),
                    "is_current": region in facts.active[service][-1],
                    "ever_ran_here": region in ever,
                    **_static(facts, service),
                }
            )
    window = {
        "dataset_kind": "synthetic",
        "is_synthetic": True,
        "seed": 7,
        "first_on": FIRST_ON,
        "last_on": last_on,
        "as_of_at": last_on,
        "days": days,
        "misroute_share": facts.truth.misroute,
    }
    return {
        "feat_window": pd.DataFrame([window]),
        "feat_latency__service_region_days": rows,
        "feat_latency__dependencies": facts.edges,
        "feat_latency__call_shares": pd.concat(shares, ignore_index=True),
        "feat_placement__region_pairs": pd.DataFrame(pairs),
        "feat_latency__candidates": pd.DataFrame(candidates),
        "feat_degradations": pd.DataFrame({"code": ["X"], "scope": ["fleet"], "detail": ["x"]}),
    }


@pytest.fixture(scope="session")
def world() -> World:
    """The tiny world, built once."""
    return make_world()


@pytest.fixture(scope="session")
def settings() -> LatencySettings:
    """Parameters as shipped."""
    return LatencySettings.load()


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    """A writer into a temporary folder."""
    return Writer(tmp_path / "predictions", tmp_path / "models")


@pytest.fixture(scope="session")
def build_world() -> Callable[..., World]:
    """Builds other tiny worlds."""
    return make_world
