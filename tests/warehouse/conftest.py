"""Data folders with a built features half, made once per run, and the project's manifest."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from filelock import FileLock

from generator.importers import folder
from generator.synthetic import generate

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = ROOT / "dbt_project"


def run_dbt(data: Path, *arguments: str, threads: int = 2) -> None:
    """Run dbt on one data folder, in its own process, since dbt keeps its database open."""
    (data / "build").mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "dbt.cli.main", "--quiet", *arguments]
    command += ["--project-dir", str(PROJECT), "--profiles-dir", str(ROOT)]
    command += ["--target-path", str(data / "target"), "--log-path", str(data / "logs")]
    environment = {"REGIONWISE_DATA": str(data), "REGIONWISE_THREADS": str(threads)}
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def build_features(data: Path, *arguments: str, threads: int = 2) -> None:
    """Build the features half without its data tests, which have runs of their own."""
    without = ["--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]
    run_dbt(data, "build", "--selector", "features", *without, *arguments, threads=threads)


def _once(builds: Path, name: str, make: Callable[[Path], None]) -> Path:
    """Make a data folder once, whichever worker comes first."""
    data = builds / name
    with FileLock(builds / f"{name}.lock"):
        if not (data / "made").exists():
            make(data)
            (data / "made").touch()
    return data


@pytest.fixture(scope="session")
def small_world(shared_builds: Path) -> Path:
    """A small synthetic world with its truth, features built."""

    def make(data: Path) -> None:
        generate(data / "raw", data / "truth", seed=7, services=50, regions=5, days=30)
        build_features(data)

    return _once(shared_builds, "features-small", make)


@pytest.fixture(scope="session")
def petshop_features(shared_builds: Path, shared_data: Path) -> Path:
    """The real application, features built and tested."""

    def make(data: Path) -> None:
        folder.land(shared_data / "petshop", data / "raw")
        run_dbt(data, "build", "--selector", "features", "--exclude-resource-type", "unit_test")

    return _once(shared_builds, "features-petshop", make)


@pytest.fixture(scope="session")
def multicloud_staging(shared_builds: Path, shared_data: Path) -> Path:
    """Geography of two clouds with impossible rows left in; services borrowed, staging built."""

    def make(data: Path) -> None:
        source = data / "source"
        source.mkdir(parents=True)
        for name in ("services.csv", "service_placement.csv.gz", "traffic_patterns.csv.gz"):
            shutil.copyfile(shared_data / "petshop" / name, source / name)
        for name in ("regions.csv", "region_egress.csv.gz", "regional_latency.csv.gz"):
            shutil.copyfile(shared_data / "multicloud" / name, source / name)
        folder.land(source, data / "raw")
        latency = "+stg_raw__regional_latency"
        run_dbt(data, "build", "-s", latency, "--exclude-resource-type", "test", "unit_test")

    return _once(shared_builds, "staging-multicloud", make)


@pytest.fixture(scope="session")
def manifest(shared_builds: Path) -> dict[str, Any]:
    """What dbt knows about the project after parsing it strictly."""

    def make(data: Path) -> None:
        data.mkdir(parents=True, exist_ok=True)
        run_dbt(data, "parse", "--no-partial-parse")

    data = _once(shared_builds, "manifest", make)
    parsed: dict[str, Any] = json.loads((data / "target" / "manifest.json").read_text())
    return parsed


def query(data: Path, sql: str) -> list[tuple[Any, ...]]:
    """Return all rows of a query on the warehouse of a data folder."""
    with duckdb.connect(str(data / "build" / "warehouse.duckdb"), read_only=True) as connection:
        return connection.sql(sql).fetchall()
