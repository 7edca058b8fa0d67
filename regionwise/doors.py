"""The ways out of the house: dashboard, SQL shell, documentation, files, decisions."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb

from regionwise import dbt, decisions, publish
from regionwise.config import ROOT, Settings
from regionwise.exits import Exit, Stop
from regionwise.folders import Folders


def dashboard(settings: Settings, address: str, port: int, *, headless: bool) -> int:
    """Serve the pages, by default on this machine only, and return Streamlit's exit code.

    It starts without a published answer too: the pages then say which command makes one.
    """
    command = [
        *(sys.executable, "-m", "streamlit", "run", str(ROOT / "dashboards" / "app.py")),
        *("--server.address", address, "--server.port", str(port)),
        *("--server.headless", str(headless).lower(), "--browser.gatherUsageStats", "false"),
    ]
    # Streamlit reads its theme from .streamlit below the folder it is started in.
    where = ROOT / "dashboards"
    environment = dbt.environment(settings) | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=where, env=environment, check=False).returncode


def sql(settings: Settings) -> int:
    """Open DuckDB's shell, read-only, on what is published now."""
    shell = Path(sys.executable).with_name("duckdb")
    return subprocess.run([shell, "-readonly", publish.current(settings)], check=False).returncode


def docs(settings: Settings) -> Path:
    """Write dbt's documentation as one page that needs no network.

    Returns:
        The page.

    Raises:
        Stop: If nothing was built yet, or dbt refused.
    """
    folders = Folders(settings.data)
    if not folders.warehouse.exists():
        raise Stop(Exit.USAGE, "nothing was built yet", "run: make build")
    target = folders.build / "docs"
    command = [
        *(sys.executable, "-c", "from dbt.cli.main import cli; cli()", "docs", "generate"),
        *("--static", "--project-dir", str(dbt.PROJECT), "--profiles-dir", str(ROOT)),
        *("--target-path", str(target), "--log-path", str(target / "logs"), "--quiet"),
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=dbt.environment(settings),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Stop(
            Exit.UNEXPECTED, f"dbt could not write its documentation:\n{done.stdout[-2000:]}"
        )
    return target / "static_index.html"


def export(settings: Settings, out: Path) -> Path:
    """Write every published mart as CSV and Parquet, with a dictionary of every column.

    Returns:
        The folder written.
    """
    snapshot = publish.current(settings)
    manifest: dict[str, Any] = json.loads((snapshot.parent / "manifest.json").read_text())
    out.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(snapshot), read_only=True) as connection:
        for name in manifest["marts"]:
            for form, options in (("parquet", "compression zstd"), ("csv", "header")):
                file = str(out / f"{name}.{form}").replace("'", "''")
                connection.execute(
                    f"copy (select * from \"{name}\" order by all) to '{file}' "
                    f"(format {form}, {options})"
                )
    (out / "data_dictionary.json").write_text(json.dumps(manifest["marts"], indent=2) + "\n")
    (out / "data_dictionary.md").write_text(_dictionary(manifest["marts"]))
    return out


def _dictionary(marts: dict[str, Any]) -> str:
    parts = ["# Data dictionary\n"]
    for name, mart in marts.items():
        parts.append(f"\n## {name}\n\n{mart['description'].strip()}\n")
        parts.append("\n| column | type | meaning |\n|---|---|---|")
        for column, about in mart["columns"].items():
            meaning = " ".join(about["description"].split()).replace("|", "\\|")
            parts.append(f"| {column} | {about['type']} | {meaning} |")
    return "\n".join(parts) + "\n"


def decide(
    settings: Settings, service_id: str, status: str, reason: str, note: str, by: str
) -> str:
    """Record a decision about the current recommendation of one service.

    Raises:
        Stop: If the service has no recommendation, or the step is not allowed.
    """
    with duckdb.connect(str(publish.current(settings)), read_only=True) as connection:
        found = connection.execute(
            "select recommendation_id from fct_recommendations where service_id = ?", [service_id]
        ).fetchone()
    if found is None:
        raise Stop(Exit.USAGE, f"no service is called {service_id!r} in the published answer")
    try:
        done = decisions.record(settings.data, found[0], service_id, status, reason, note, by)
    except decisions.DecisionError as error:
        raise Stop(Exit.USAGE, str(error)) from error
    return f"{service_id}: {done.status} ({done.reason}), recorded as line {done.decision_id}"
