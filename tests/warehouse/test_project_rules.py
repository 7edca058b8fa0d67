"""Rules over dbt's manifest: one function per rule, its failure the list of offenders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

Node = dict[str, Any]
Manifest = dict[str, Any]

PROJECT = Path(__file__).resolve().parent.parent.parent / "dbt_project"
BASELINE = Path(__file__).with_name("rules_baseline.txt")
READS = {
    "staging": {"source", "seed", "staging"},
    "intermediate": {"staging", "intermediate", "features", "seed"},
    "features": {"staging", "intermediate", "features", "seed"},
    "marts": {"intermediate", "features", "seed", "marts", "staging_ml"},
}
PREFIXES = {
    "staging": ("stg_",),
    "intermediate": ("int_",),
    "features": ("feat_",),
    "marts": ("dim_", "fct_", "rpt_", "meta_", "mon_", "int_"),
}
# Facts about the files themselves: there is nothing to clean in them.
LANDING_FACTS = ("stg_raw__landed_tables", "stg_raw__landed_dataset")
# Words that only one engine understands. Staging of external files may use them.
NOT_PORTABLE = (
    r"::",
    r"\bqualify\b",
    r"\basof\b",
    r"\bexclude\b",
    r"\bread_parquet\b",
    r"\bquantile_cont\b",
    r"\bgenerate_series\b",
    r"\barg_max\b",
    r"\bepoch\(",
    r"\bstrftime\b",
    r"\bstruct_pack\b",
    r"\blist_\w+\(",
    r"\bnow\(\)",
    r"\bcurrent_date\b",
    r"\bcurrent_timestamp\b",
    r"\bhash\(",
    r"\brandom\(\)",
)
MAX_LINES = 200
MAX_JOINS = 7
MAX_XDB = 10


def _models(manifest: Manifest) -> list[Node]:
    nodes = [n for n in manifest["nodes"].values() if n["resource_type"] == "model"]
    return sorted(nodes, key=lambda node: node["name"])


def _tests(manifest: Manifest) -> list[Node]:
    return [n for n in manifest["nodes"].values() if n["resource_type"] == "test"]


def _layer(node: Node) -> str:
    """Return the layer of a node; steps that only marts read count as marts."""
    if node["resource_type"] in ("source", "seed"):
        return str(node["resource_type"])
    return str(Path(node["original_file_path"]).parts[1])


def _is_ml(node: Node) -> bool:
    """Say whether the node is a prediction, or the staging of one."""
    if node["resource_type"] == "source":
        return bool(node["source_name"] != "raw")
    return node["original_file_path"].startswith(("models/staging/ml", "models/staging/run"))


def _parents(manifest: Manifest, node: Node) -> Iterator[Node]:
    everything = manifest["nodes"] | manifest["sources"]
    for unique_id in node["depends_on"].get("nodes", []):
        yield everything[unique_id]


def _ancestors(manifest: Manifest, node: Node) -> Iterator[Node]:
    seen: set[str] = set()
    waiting = list(_parents(manifest, node))
    while waiting:
        parent = waiting.pop()
        if parent["unique_id"] in seen:
            continue
        seen.add(parent["unique_id"])
        yield parent
        if parent["resource_type"] != "source":
            waiting.extend(_parents(manifest, parent))


def _sql(node: Node) -> str:
    """Return the model's own SQL, without comments and without what macros write."""
    return re.sub(r"--[^\n]*|\{#.*?#\}|\{\{.*?\}\}", "", node["raw_code"], flags=re.S)


def _hold(rule: str, offenders: Iterable[str]) -> None:
    """Fail with the offenders that the baseline does not list, and with stale baseline lines."""
    lines = [line.split("\t") for line in BASELINE.read_text().splitlines() if line[:1] != "#"]
    known = {line[1] for line in lines if line[0] == rule}
    found = set(offenders)
    assert found - known == set(), f"{rule}: {sorted(found - known)}"
    assert known - found == set(), f"{rule}: no longer needed in the baseline: {known - found}"


def test_layer_order(manifest: Manifest) -> None:
    """A layer that reads from the right makes a loop, one that skips cleaning reads dirt."""

    def offends(node: Node, parent: Node) -> bool:
        if _layer(node) == "marts" and parent["name"] in LANDING_FACTS:
            return False
        layer = "staging_ml" if _is_ml(parent) and _layer(parent) == "staging" else _layer(parent)
        if _is_ml(node):
            return layer != "source"
        return layer not in READS[_layer(node)]

    _hold(
        "layer_order",
        (
            f"{node['name']} reads {parent['name']}"
            for node in _models(manifest)
            for parent in _parents(manifest, node)
            if offends(node, parent)
        ),
    )


def test_staging_reads_one_source_table(manifest: Manifest) -> None:
    """One model per source table: whoever wants raw rows knows where they are judged."""
    _hold(
        "staging_reads_one_source_table",
        (
            node["name"]
            for node in _models(manifest)
            if sum(p["resource_type"] == "source" for p in _parents(manifest, node)) > 1
        ),
    )


def test_no_feature_downstream_of_ml(manifest: Manifest) -> None:
    """A model fed its own last output would teach itself, and dbt cannot see that loop."""
    _hold(
        "no_feature_downstream_of_ml",
        (
            f"{node['name']} knows {parent['name']}"
            for node in _models(manifest)
            if _layer(node) in ("features", "intermediate")
            for parent in _ancestors(manifest, node)
            if _is_ml(parent)
        ),
    )


def test_nothing_reads_the_truth(manifest: Manifest) -> None:
    """The truth of the synthetic world is the answer: whoever reads it proves nothing."""
    places = [
        (source["name"], str(source.get("meta", {})) + str(source.get("config", {})))
        for source in manifest["sources"].values()
    ]
    places += [(node["name"], _sql(node)) for node in _models(manifest)]
    _hold("nothing_reads_the_truth", (name for name, text in places if "truth" in text))


def test_every_key_is_tested(manifest: Manifest) -> None:
    """A key that stands twice doubles everything that joins to it, without an error."""
    keyed = {
        test["attached_node"]
        for test in _tests(manifest)
        if (test.get("test_metadata") or {}).get("name")
        in ("unique", "is_key", "unique_combination_of_columns")
    }
    single_row = {
        unique_id
        for test in _tests(manifest)
        if test["name"].startswith("single_row_models")
        for unique_id in test["depends_on"]["nodes"]
    }
    _hold(
        "every_key_is_tested",
        (n["name"] for n in _models(manifest) if n["unique_id"] not in keyed | single_row),
    )


def test_everything_is_described(manifest: Manifest) -> None:
    """A column whose meaning only its author knows will be misread by everybody else."""
    described = [*_models(manifest), *manifest["sources"].values()]
    described += [n for n in manifest["nodes"].values() if n["resource_type"] == "seed"]
    nothing = [n["name"] for n in described if not n["description"].strip()]
    nothing += [
        f"{node['name']}.{column['name']}"
        for node in described
        for column in node["columns"].values()
        if not column["description"].strip()
    ]
    nothing += [n["name"] for n in _models(manifest) if not n["columns"]]
    _hold("everything_is_described", nothing)


def test_description_starts_with_the_grain(manifest: Manifest) -> None:
    """What one row is comes before anything one may do with it."""
    _hold(
        "description_starts_with_the_grain",
        (
            node["name"]
            for node in _models(manifest)
            if not node["description"].lstrip().startswith("**Grain:**")
        ),
    )


def test_public_means_contract(manifest: Manifest) -> None:
    """Public is a promise to strangers: names and types may not drift by accident."""
    _hold(
        "public_means_contract",
        (
            node["name"]
            for node in _models(manifest)
            if node["access"] == "public" and not node["contract"]["enforced"]
        ),
    )


def test_features_and_marts_have_contracts(manifest: Manifest) -> None:
    """Other rooms read these by name and type."""
    _hold(
        "features_and_marts_have_contracts",
        (
            node["name"]
            for node in _models(manifest)
            if _layer(node) in ("features", "marts")
            and not node["name"].startswith("int_")
            and not node["contract"]["enforced"]
        ),
    )


def test_only_marts_are_public(manifest: Manifest) -> None:
    """Whoever builds on a step of ours would hold us to it."""
    _hold(
        "only_marts_are_public",
        (
            node["name"]
            for node in _models(manifest)
            if (node["access"] == "public")
            != (_layer(node) == "marts" and not node["name"].startswith("int_"))
        ),
    )


def test_every_model_past_staging_has_an_owner(manifest: Manifest) -> None:
    """A number without an owner is repaired by nobody."""
    _hold(
        "every_model_past_staging_has_an_owner",
        (n["name"] for n in _models(manifest) if _layer(n) != "staging" and not n["group"]),
    )


def test_names_say_the_layer(manifest: Manifest) -> None:
    """The prefix tells a reader of SQL what kind of table this is."""
    _hold(
        "names_say_the_layer",
        (
            node["name"]
            for node in _models(manifest)
            if not node["name"].startswith(PREFIXES[_layer(node)])
        ),
    )


def test_one_yml_beside_each_sql(manifest: Manifest) -> None:
    """One diff shows logic, contract, tests and docs."""
    _hold(
        "one_yml_beside_each_sql",
        (
            node["name"]
            for node in _models(manifest)
            if not (PROJECT / node["original_file_path"]).with_suffix(".yml").exists()
        ),
    )


def test_exposures_read_the_right_layer(manifest: Manifest) -> None:
    """ml/ reads feature tables; everybody else reads public marts."""
    offenders = []
    for exposure in manifest["exposures"].values():
        is_ml = exposure["type"] == "ml"
        for parent in _parents(manifest, exposure):
            fits = _layer(parent) == "features" if is_ml else parent.get("access") == "public"
            if not fits:
                offenders.append(f"{exposure['name']} reads {parent['name']}")
    _hold("exposures_read_the_right_layer", offenders)


def test_exposures_name_owner_and_question(manifest: Manifest) -> None:
    """Before a mart changes, somebody has to be asked."""
    _hold(
        "exposures_name_owner_and_question",
        (
            exposure["name"]
            for exposure in manifest["exposures"].values()
            if not exposure["owner"].get("email") or not exposure["description"].strip()
        ),
    )


def test_models_stay_readable(manifest: Manifest) -> None:
    """One screen per idea: a longer model is two models."""
    offenders = []
    for node in _models(manifest):
        lines = node["raw_code"].count("\n") + 1
        joins = max(len(re.findall(r"\bjoin\b", part)) for part in _sql(node).split("\n),"))
        if lines > MAX_LINES or joins > MAX_JOINS:
            offenders.append(f"{node['name']}: {lines} lines, {joins} joins in one select")
    _hold("models_stay_readable", offenders)


@pytest.mark.parametrize("pattern", NOT_PORTABLE)
def test_sql_is_portable(manifest: Manifest, pattern: str) -> None:
    """What one engine alone understands belongs in macros/xdb."""
    _hold(
        "sql_is_portable",
        (
            f"{node['name']}: {pattern}"
            for node in _models(manifest)
            if _layer(node) != "staging" and re.search(pattern, _sql(node), flags=re.I)
        ),
    )


def test_engine_differences_are_few() -> None:
    """Each one has to be written again for the next engine."""
    files = sorted((PROJECT / "macros" / "xdb").glob("*.sql"))
    assert 0 < len(files) <= MAX_XDB
    for file in files:
        assert "adapter.dispatch" in file.read_text(), file.name


def test_no_source_is_unused(manifest: Manifest) -> None:
    """Data that is landed and not read is asked for in vain."""
    used = {parent["unique_id"] for n in _models(manifest) for parent in _parents(manifest, n)}
    _hold(
        "no_source_is_unused",
        (
            f"{source['source_name']}.{source['name']}"
            for source in manifest["sources"].values()
            if source["unique_id"] not in used
        ),
    )


def test_tests_say_what_breaks(manifest: Manifest) -> None:
    """A red test at night is read by somebody who did not write it."""
    singular = [t for t in _tests(manifest) if "test_metadata" not in t]
    generic = [t for t in _tests(manifest) if "test_metadata" in t]
    silent = [t["name"] for t in generic if not t["description"].strip()]
    for test in singular:
        header = test["raw_code"]
        if not all(
            word in header
            for word in ("What does it check?", "When does it matter?", "How is it resolved?")
        ):
            silent.append(test["name"])
    _hold("tests_say_what_breaks", silent)


def test_no_test_only_warns(manifest: Manifest) -> None:
    """A warning that nobody has to act on is noise."""
    _hold(
        "no_test_only_warns",
        (t["name"] for t in _tests(manifest) if t["config"]["severity"].lower() != "error"),
    )


def test_no_python_models_and_no_packages(manifest: Manifest) -> None:
    """Contracts and unit tests do not work on Python models; a package needs a hub to install."""
    _hold(
        "no_python_models_and_no_packages",
        (n["name"] for n in _models(manifest) if n["language"] != "sql"),
    )
    assert not (PROJECT / "packages.yml").exists()
    assert not (PROJECT / "dependencies.yml").exists()
