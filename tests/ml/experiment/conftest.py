"""A tiny world with knobs, and the folders an experiment reads: no other room is needed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml.contract import TABLES
from ml.experiment.config import ExperimentSettings, load_settings
from ml.io import Writer

EDGES = np.concatenate([[0.0], 0.5 * 1.02 ** np.arange(591), [np.inf]])
FIRST = date(2026, 6, 1)
TIMEOUT_US = 2_000_000
SPREAD = np.exp(0.45 * np.linspace(-2.2, 2.2, 25))
SPREAD_WEIGHTS = np.exp(-0.5 * np.linspace(-2.2, 2.2, 25) ** 2)
SPREAD_WEIGHTS /= SPREAD_WEIGHTS.sum()


@dataclass
class Outcomes:
    service_ids: list[str]
    origin_ids: list[str]
    region_ids: list[str]
    days: list[date]
    offered: np.ndarray
    served: np.ndarray
    errored: np.ndarray
    dropped: np.ndarray
    latency_sum_us: np.ndarray
    imputed_sum_us: np.ndarray
    slo_violations: np.ndarray
    compute_microusd: np.ndarray
    egress_microusd: np.ndarray
    storage_microusd: np.ndarray
    region_utilisation: np.ndarray
    histogram: np.ndarray | None
    histogram_after_warmup: np.ndarray | None
    bin_edges_ms: np.ndarray
    n1_served_share: np.ndarray


@dataclass
class Knobs:
    """What the treatment plan does in the world, beside what its regions do."""

    latency_factor: float = 1.0
    service_factors: dict[str, float] = field(default_factory=dict)
    cost_factor: float = 1.0
    shed_share: float = 0.0
    shed_is_free: bool = False
    error_share: float = 0.0
    slo_share: float = 0.0
    extra_demand: int = 0
    lost_requests: int = 0
    utilisation: float = 0.5
    n1_share: float = 1.0
    unstable: float = 0.0
    rtt_weight: float = 0.0
    day_noise: float = 0.04
    replication_noise: float = 0.001
    incident_factor: float = 1.0


class FakeWorld:
    """Latency = base x day noise (+ round trip), everything else from :class:`Knobs`."""

    def __init__(self, lab: Lab, knobs: Knobs) -> None:
        self.lab, self.knobs = lab, knobs
        self.history_first_on = FIRST
        self.first_future_on = FIRST + timedelta(days=lab.history_days)
        self.calls = 0

    def _noise(self, day: date, *parts: int) -> np.random.Generator:
        return np.random.default_rng([7, (day - FIRST).days, *parts])

    def run(self, plan, days, *, replication=0, inputs=None, detail=True):  # type: ignore[no-untyped-def]
        self.calls += 1
        lab, knobs = self.lab, self.knobs
        factors = dict(inputs or {})
        pairs = set(zip(plan["service_id"], plan["region_id"], strict=True))
        is_treatment = pairs == lab.pairs("recommended")
        knob = knobs if is_treatment else Knobs(rtt_weight=knobs.rtt_weight)
        S, H = len(lab.services), 24 * len(days)
        offered = np.concatenate([self._demand(day) for day in days], axis=2)
        offered = np.rint(offered * factors.get("demand_scale", 1.0)).astype(np.int64)
        if knob.extra_demand:
            offered[0, 0, 0] += knob.extra_demand
        ms = np.concatenate([self._latency(day, replication) for day in days], axis=2)
        ms = ms * factors.get("service_time_scale", 1.0) * knob.latency_factor
        middle = self.first_future_on + timedelta(days=14)
        if replication == 0 and middle in days and knob.incident_factor != 1.0:
            # The first service of the treatment, one day, in one replication only.
            ms[0, :, 24 * days.index(middle) : 24 * days.index(middle) + 24] *= knob.incident_factor
        for service, factor in knob.service_factors.items():
            ms[lab.services.index(service)] *= factor
        chosen = np.array([[(s, r) in pairs for r in lab.regions] for s in lab.services])
        nearest = np.where(chosen[:, None, :], lab.rtt[None], np.inf).min(axis=2)
        ms = ms + knob.rtt_weight * factors.get("rtt_scale", 1.0) * nearest[:, :, None]
        ms = ms * (1 + knob.unstable * self.calls)
        dropped = np.floor(offered * knob.shed_share).astype(np.int64)
        errored = np.floor(offered * (0.001 + knob.error_share)).astype(np.int64)
        served = offered - dropped - errored
        latency = np.rint(served * ms * 1000).astype(np.int64)
        imputed = latency + (0 if knob.shed_is_free else (dropped + errored) * TIMEOUT_US)
        if knob.lost_requests:
            served[0, 0, 0] -= knob.lost_requests
        instances = plan.groupby("service_id")["instances"].sum().reindex(lab.services).to_numpy()
        compute = np.rint(np.outer(instances * 2.4e6, np.ones(len(days))) * knob.cost_factor)
        histogram = warm = None
        if detail:
            histogram, warm = self._histograms(served, ms, len(days))
        loads = np.full((len(lab.regions), H), knob.utilisation)
        return Outcomes(
            list(lab.services),
            list(lab.origins),
            list(lab.regions),
            list(days),
            offered,
            served,
            errored,
            dropped,
            latency,
            imputed,
            np.floor(offered * (0.01 + knob.slo_share)).astype(np.int64),
            compute.astype(np.int64),
            np.full((S, len(days)), 50_000, dtype=np.int64),
            np.full((S, len(days)), 10_000, dtype=np.int64),
            loads,
            histogram,
            warm,
            EDGES,
            np.full(S, knob.n1_share),
        )

    def _demand(self, day: date) -> np.ndarray:
        shape = (len(self.lab.services), len(self.lab.origins), 24)
        profile = 1 + 0.4 * np.sin(np.arange(24) / 24 * 2 * math.pi)
        noise = self._noise(day, 1).lognormal(0, 0.1, shape)
        return np.rint(self.lab.traffic[:, None, None] * profile * noise)

    def _latency(self, day: date, replication: int) -> np.ndarray:
        shape = (len(self.lab.services), len(self.lab.origins), 24)
        fleet = math.exp(self.knobs.day_noise * self._noise(day, 2).standard_normal())
        base = self.lab.base_ms[:, None, None] * fleet
        extra = self._noise(day, 3, replication).normal(0, self.knobs.replication_noise, shape)
        return base * (1 + np.abs(extra))

    @staticmethod
    def _histograms(served: np.ndarray, ms: np.ndarray, days: int) -> tuple[Any, Any]:
        both = []
        for first_hour in (0, 4):
            rows = []
            for day in range(days):
                part = slice(day * 24 + first_hour, (day + 1) * 24)
                values = (ms[:, :, part, None] * SPREAD).ravel()
                weights = (served[:, :, part, None] * SPREAD_WEIGHTS).ravel()
                bins = np.searchsorted(EDGES, values, side="right") - 1
                rows.append(np.bincount(bins, weights=weights, minlength=len(EDGES) - 1))
            both.append(np.array(rows))
        return both[0], both[1]


class FakeFeatures:
    """Feature tables held in memory, with the reader's two methods."""

    def __init__(self, frames: dict[str, pd.DataFrame]) -> None:
        self._frames = frames

    def has(self, table: str) -> bool:
        return table in self._frames

    def read(self, table: str) -> pd.DataFrame:
        return self._frames[table].copy()


class Lab:
    """A fleet, its two plans, its features and folders."""

    def __init__(self, folder: Path, services: int = 12, history_days: int = 42) -> None:
        self.folder, self.history_days = folder, history_days
        rng = np.random.default_rng(11)
        self.services = [f"svc-{i:03d}" for i in range(services)]
        self.origins = [f"origin-{i}" for i in range(4)]
        self.regions = [f"region-{i}" for i in range(4)]
        self.traffic = rng.lognormal(6, 0.8, services)
        self.base_ms = rng.lognormal(math.log(60), 0.3, services)
        self.rtt = np.abs(np.subtract.outer(np.arange(4), np.arange(4))) * 40.0 + 2.0
        self.features = FakeFeatures(self._frames())
        self.writer = Writer(folder / "predictions", folder / "models")

    def placements(self, kind: str) -> pd.DataFrame:
        shift = {"current": 0, "recommended": 1}[kind]
        rows = [
            (s, self.regions[(i // 2 + j * 2 + (shift if i % 3 == 0 else 0)) % 4], 3 + i % 2)
            for i, s in enumerate(self.services)
            for j in range(2)
        ]
        return pd.DataFrame(rows, columns=["service_id", "region_id", "instances"])

    def pairs(self, kind: str) -> set[tuple[str, str]]:
        plan = self.placements(kind)
        return set(zip(plan["service_id"], plan["region_id"], strict=True))

    def world(self, **knobs: Any) -> FakeWorld:
        return FakeWorld(self, Knobs(**knobs))

    def write_placement(self, kinds: tuple[str, ...] = ("current", "recommended")) -> None:
        last = FIRST + timedelta(days=self.history_days - 1)
        runs, plans, services = [], [], []
        for kind in kinds:
            runs.append(
                {
                    "plan_id": f"plan-{kind}",
                    "plan_kind": kind,
                    "trained_through": last,
                    "end_state": "evaluated",
                    "stop_reason": "evaluated",
                    "checker_status": "ok",
                    "moves": 0,
                    "services_not_feasible": 0,
                    "candidate_plans": 1,
                    "input_hash": "0" * 64,
                    "config_hash": "0" * 64,
                }
            )
            plan = self.placements(kind)
            rows = plan.assign(plan_id=f"plan-{kind}", traffic_share=0.5, compute_usd_per_hour=0.1)
            plans.append(rows)
            services.append(self._accounts(f"plan-{kind}"))
        self.writer.write("placement_runs", pd.DataFrame(runs), "placement")
        self.writer.write("placement_plans", pd.concat(plans), "placement")
        accounts = pd.concat(services)
        # What the placement stage adds to its accounts is nothing to the experiment.
        table = next(t for t in TABLES if t.name == "placement_services")
        for column in table.columns:
            if column.required and column.name not in accounts:
                accounts[column.name] = 0.0
        self.writer.write("placement_services", accounts, "placement")

    def _accounts(self, plan_id: str) -> pd.DataFrame:
        rps = self.traffic / 900
        return pd.DataFrame(
            {
                "plan_id": plan_id,
                "service_id": self.services,
                "compute_usd_per_hour": 0.2,
                "egress_usd_per_hour": 0.1,
                "open_usd_per_hour": 0.0,
                "waiting_usd_per_hour": 3600 * rps * self.base_ms * 2e-9,
                "moving_usd_per_hour": 0.0,
                "mean_latency_ms": self.base_ms,
                "n1_served_share": 1.0,
                "is_n1_covered": True,
                "is_feasible": True,
                "mean_rps": rps,
                "migration_usd": 0.0,
                "interval_level": 0.8,
            }
        )

    def _frames(self) -> dict[str, pd.DataFrame]:
        services = pd.DataFrame(
            {
                "service_id": self.services,
                "service_name": [f"name {s}" for s in self.services],
                "tier": ["gold" if i % 3 == 0 else "silver" for i in range(len(self.services))],
                "is_latency_critical": [i % 3 == 0 for i in range(len(self.services))],
                "min_regions": [2 if i % 3 == 0 else 1 for i in range(len(self.services))],
                "cpu_cores": 2.0,
                "memory_gb": 4.0,
            }
        )
        regions = pd.DataFrame(
            {
                "region_id": self.regions,
                "vcpu_hour_usd": [0.04, 0.05, 0.06, 0.03],
                "memory_gb_hour_usd": 0.005,
                "capacity_vcpu": [None] * 4,
            }
        )
        hours = pd.DataFrame(
            [
                (s, o, h, t / 3600)
                for s, t in zip(self.services, self.traffic, strict=True)
                for o in self.origins
                for h in (0, 12)
            ],
            columns=["service_id", "origin_id", "hour_of_week", "mean_rps"],
        )
        pairs = pd.DataFrame(
            [
                (o, r, float(self.rtt[i, j]))
                for i, o in enumerate(self.origins)
                for j, r in enumerate(self.regions)
            ],
            columns=["client_id", "region_id", "rtt_ms"],
        )
        allowed = pd.DataFrame(
            [(s, r, True) for s in self.services for r in self.regions],
            columns=["service_id", "region_id", "is_allowed"],
        )
        window = pd.DataFrame(
            {"last_on": [pd.Timestamp(FIRST + timedelta(days=self.history_days - 1))]}
        )
        return {
            "feat_window": window,
            "feat_placement__services": services,
            "feat_placement__regions": regions,
            "feat_placement__service_origin_hours": hours,
            "feat_placement__region_pairs": pairs,
            "feat_placement__service_regions": allowed,
        }


QUICK: dict[str, Any] = {
    "baselines": {"random_matched": 20, "days": 1},
    "twin": {
        "replications": 6,
        "detail_replications": 4,
        "input_draws": 24,
        "input_detail_draws": 20,
    },
    "calibration": {"runs": 1000, "worlds": 100, "canary_runs": 300},
    "power": {"draws": 200},
    "switchback": {"coin_redraws": 50},
}


@pytest.fixture(scope="session")
def new_lab() -> Any:
    """Return a function that makes a lab, its placement written, in a folder."""

    def make(folder: Path) -> Lab:
        made = Lab(folder)
        made.write_placement()
        return made

    return make


@pytest.fixture
def lab(tmp_path: Path, new_lab: Any) -> Lab:
    made: Lab = new_lab(tmp_path)
    return made


@pytest.fixture
def settings() -> ExperimentSettings:
    """The packaged configuration with small passes: what is decided stays the same."""
    return load_settings(changes=QUICK)


@pytest.fixture(scope="session")
def make_settings() -> Any:
    """Return a function that lays changes over the small passes."""

    def make(**changes: Any) -> ExperimentSettings:
        merged = {k: dict(v) for k, v in QUICK.items()}
        for key, value in changes.items():
            merged[key] = {**merged.get(key, {}), **value} if isinstance(value, dict) else value
        return load_settings(changes=merged)

    return make
