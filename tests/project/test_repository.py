"""What must hold for the repository as a whole."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from regionwise.exits import Exit
from tests.helpers import ROOT

LOCKS = ("requirements.lock", "requirements-dev.lock")


def _pins(lock: str) -> dict[str, list[str]]:
    pins: dict[str, list[str]] = {}
    for name, rest in re.findall(r"^([a-z0-9._-]+)==(.+?) ?\\?$", (ROOT / lock).read_text(), re.M):
        pins.setdefault(name, []).append(rest.split(" ")[0])
    return pins


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_address(lock: str) -> None:
    assert re.findall(r"https?://|--index-url|--find-links", (ROOT / lock).read_text()) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    text = (ROOT / lock).read_text().replace("\\\n", " ")
    bare = [line for line in text.splitlines() if "==" in line and "--hash=sha256:" not in line]
    assert [line for line in bare if not line.strip().startswith("#")] == []


def test_runtime_and_dev_locks_agree() -> None:
    runtime, dev = _pins("requirements.lock"), _pins("requirements-dev.lock")
    assert runtime
    assert {name: v for name, v in runtime.items() if dev.get(name) != v} == {}


def test_one_version_for_every_interpreter() -> None:
    # Model numbers must not depend on the interpreter; type stubs do not compute anything.
    forked = {name for name, versions in _pins("requirements.lock").items() if len(versions) > 1}
    assert forked == set()


def test_the_readme_shows_the_exit_codes() -> None:
    readme = (ROOT / "README.md").read_text()
    section = readme.split("## Exit codes")[1].split("\n## ")[0]
    codes = [int(code) for code in re.findall(r"^\| (\d) \|", section, re.M)]
    assert codes == [int(code) for code in Exit]


def test_every_make_target_in_the_readme_exists_and_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text()
    explained = set(re.findall(r"^([a-z-]+):.*##", makefile, re.M))
    used = set(re.findall(r"(?:`|^)make ([a-z]+)", (ROOT / "README.md").read_text(), re.M))
    assert used - explained == set()


def test_make_alone_prints_help() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "make build" in done.stdout
    assert "DATA=folder" in done.stdout


def test_ci_runs_the_readmes_test_command() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert "make test" in (ROOT / "README.md").read_text()


def test_links_between_documents_lead_somewhere() -> None:
    documents = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")]
    broken = []
    for document in documents:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text()):
            if "://" not in target and not (document.parent / target).exists():
                broken.append(f"{document.relative_to(ROOT)} -> {target}")
    assert broken == []


def test_no_pickle_anywhere() -> None:
    files = [
        p
        for room in ("generator", "ml", "regionwise", "dashboards")
        for p in Path(ROOT / room).rglob("*.py")
    ]
    assert files
    guilty = [
        str(path)
        for path in files
        if re.search(r"^\s*(import|from) (pickle|joblib|cloudpickle)\b", path.read_text(), re.M)
    ]
    assert guilty == []
