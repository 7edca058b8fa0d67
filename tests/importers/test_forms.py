"""The many ways in which a good folder may be written, all landed as the same tables."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from generator import contract
from generator.importers.folder import LandResult, land
from tests.importers import village as v

Tables = dict[str, pa.Table]


def _landed(raw: Path) -> Tables:
    return {
        name: pq.read_table(raw / f"{name}.parquet").drop_columns(["_file"])
        for name in contract.TABLES
    }


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """The good folder as plain CSV, landed."""
    folder = tmp_path_factory.mktemp("plain")
    land(v.write(v.village(), folder / "in"), folder / "raw")
    return _landed(folder / "raw")


def _each(change: Callable[[Path], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        for path in sorted(folder.glob("*.csv")):
            change(path)

    return apply


def _text(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return _each(lambda path: path.write_bytes(change(path.read_bytes())) and None)


def _gzip(path: Path) -> None:
    # Two members in one file, as `cat a.gz b.gz` and log rotation make them.
    data = path.read_bytes()
    half = len(data) // 2
    path.with_suffix(".csv.gz").write_bytes(gzip.compress(data[:half]) + gzip.compress(data[half:]))
    path.unlink()


def _parquet_of_text(path: Path) -> None:
    rows = v.village()[path.stem]
    pq.write_table(pa.Table.from_pylist(rows), path.with_suffix(".parquet"))
    path.unlink()


def _parquet_of_pandas(path: Path) -> None:
    # Integers with a gap become floats, days become timestamps: what pandas does to people.
    frame = pd.DataFrame(v.village()[path.stem]).replace("", None)
    for column in contract.TABLES[path.stem].columns:
        if column.name not in frame:
            continue
        if column.type in ("double", "integer", "decimal"):
            frame[column.name] = frame[column.name].astype("float64")
        elif column.type in ("date", "timestamp"):
            frame[column.name] = pd.to_datetime(frame[column.name], utc=True, format="ISO8601")
        elif column.type == "boolean":
            frame[column.name] = frame[column.name].map({"true": True, "false": False})
    frame.to_parquet(path.with_suffix(".parquet"), index=True)
    path.unlink()


def _parquet_typed(path: Path) -> None:
    table = contract.TABLES[path.stem]
    rows = v.village()[path.stem]
    text = io.StringIO(v.csv_text(rows))
    frame = pd.read_csv(text, dtype=str, keep_default_na=False, na_values=[""])
    arrays, names = [], []
    for column in table.columns:
        if column.name in frame:
            values = pa.array(frame[column.name], pa.string(), from_pandas=True)
            if column.type == "timestamp":
                values = pc.strptime(values, "%Y-%m-%dT%H:%M:%SZ", "us")
            arrays.append(values.cast(contract.arrow_type(column.type)))
            names.append(column.name)
    pq.write_table(pa.Table.from_arrays(arrays, names), path.with_suffix(".parquet"))
    path.unlink()


def _quote_all(path: Path) -> None:
    rows = v.village()[path.stem]
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, v.columns(rows), quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(rows)


def _reverse_columns(path: Path) -> None:
    rows = [dict(reversed(row.items())) for row in v.village()[path.stem]]
    path.write_text(v.csv_text(rows))


def _extra_columns(path: Path) -> None:
    rows = [
        row | {"note": "x", 'odd "name"; --': "y", "Region_ID": "z"}
        for row in v.village()[path.stem]
    ]
    path.write_text(v.csv_text(rows))


def _linked(folder: Path) -> None:
    # As Kubernetes mounts a volume: every file is a link into a hidden folder beside it.
    (folder / "..data").mkdir()
    for path in sorted(folder.glob("*.csv")):
        path.rename(folder / "..data" / path.name)
        path.symlink_to(Path("..data") / path.name)


def _strangers(folder: Path) -> None:
    (folder / "readme.txt").write_text("hello")
    (folder / "expected.csv").write_bytes(b"\xff\xfe")
    (folder / "old").mkdir()
    (folder / "old" / "services.csv").write_text("service_id\n")


FORMS: dict[str, Callable[[Path], None]] = {
    "byte_order_mark": _text(lambda b: b"\xef\xbb\xbf" + b),
    "windows_line_ends": _text(lambda b: b.replace(b"\n", b"\r\n")),
    "old_mac_line_ends": _text(lambda b: b.replace(b"\n", b"\r")),
    "no_last_line_end": _text(lambda b: b.rstrip(b"\n")),
    "blank_lines_at_the_end": _text(lambda b: b + b"\n\n"),
    "trailing_commas": _text(lambda b: b.replace(b"\n", b",\n")),
    "spaces_in_header": _text(lambda b: b.replace(b",", b" , ", b.split(b"\n")[0].count(b","))),
    "everything_quoted": _each(_quote_all),
    "columns_in_another_order": _each(_reverse_columns),
    "extra_columns": _each(_extra_columns),
    "gzip_of_two_members": _each(_gzip),
    "parquet_of_text": _each(_parquet_of_text),
    "parquet_of_contract_types": _each(_parquet_typed),
    "parquet_of_pandas": _each(_parquet_of_pandas),
    "links_inside_the_folder": _linked,
    "files_of_strangers": _strangers,
}


@pytest.mark.parametrize("name", sorted(FORMS))
def test_same_tables_whatever_the_form(name: str, plain: Tables, tmp_path: Path) -> None:
    source = v.write(v.village(), tmp_path / "in")
    FORMS[name](source)
    land(source, tmp_path / "raw")
    landed = _landed(tmp_path / "raw")
    for table, expected in plain.items():
        assert landed[table].equals(expected), table


@pytest.mark.parametrize(
    "name", ["it's; drop table x; --", "glob*[ab]?", "ünï çode 🚀", "a\nb", "%s{x}"]
)
def test_names_of_folders_are_only_names(name: str, plain: Tables, tmp_path: Path) -> None:
    # Beside the folder lies one that its name, read as a pattern, would match as well.
    v.write({"services": [v.service("intruder")]}, tmp_path / "globxa1")
    land(v.write(v.village(), tmp_path / name), tmp_path / f"raw {name}")
    assert _landed(tmp_path / f"raw {name}")["services"].equals(plain["services"])


def _land(tmp_path: Path, change: Callable[[Path], None]) -> LandResult:
    source = v.write(v.village(), tmp_path / "in")
    change(source)
    return land(source, tmp_path / "raw")


def test_unknown_and_absent_columns_are_named(tmp_path: Path) -> None:
    def change(folder: Path) -> None:
        path = folder / "services.csv"
        rows = [{k: x for k, x in row.items() if k != "team"} for row in v.village()["services"]]
        path.write_text(v.csv_text([row | {"owner": "me", "Tier ": "1"} for row in rows]))

    _land(tmp_path, change)
    rows = pq.read_table(tmp_path / "raw" / "landed_tables.parquet").to_pylist()
    services = next(row for row in rows if row["table_name"] == "services")
    assert services["absent_columns"] == "team;traffic_volume_rps;dependencies"
    assert services["unknown_columns"] == "Tier;owner"
    assert services["file_name"] == "services.csv"
    assert services["rows_read"] == len(v.SERVICES)
    landed = pq.read_table(tmp_path / "raw" / "services.parquet")
    assert landed["team"].null_count == landed.num_rows


@pytest.mark.parametrize("table", [t.name for t in contract.TABLES.values() if t.optional])
def test_an_optional_table_may_be_absent_or_have_only_a_header(table: str, tmp_path: Path) -> None:
    absent = _land(tmp_path / "absent", lambda folder: (folder / f"{table}.csv").unlink())
    header = ",".join(v.columns(v.village()[table])) + "\n"
    bare = _land(tmp_path / "bare", lambda f: (f / f"{table}.csv").write_text(header) and None)
    expected = contract.arrow_schema(contract.TABLES[table])
    for result, folder, is_present in ((absent, "absent", False), (bare, "bare", True)):
        entry = next(t for t in result.tables if t.table_name == table)
        assert (entry.is_present, entry.rows_read) == (is_present, 0)
        landed = pq.read_table(tmp_path / folder / "raw" / f"{table}.parquet")
        assert landed.num_rows == 0
        assert landed.schema.equals(expected)


def test_strangers_are_named(tmp_path: Path) -> None:
    assert _land(tmp_path, _strangers).ignored_files == ("expected.csv", "old", "readme.txt")


def test_the_record_of_the_data_set(tmp_path: Path) -> None:
    result = _land(tmp_path, lambda folder: None)
    (row,) = pq.read_table(tmp_path / "raw" / "landed_dataset.parquet").to_pylist()
    assert row == {
        "dataset_kind": "import",
        "description": "folder in",
        "seed": None,
        "dataset_hash": result.dataset_hash,
    }
    schema = pq.read_schema(tmp_path / "raw" / "landed_tables.parquet")
    assert schema.equals(contract.LANDED_TABLES_SCHEMA)


def test_the_hash_follows_the_data(tmp_path: Path) -> None:
    first = _land(tmp_path / "a", lambda folder: None).dataset_hash
    assert _land(tmp_path / "b", lambda folder: None).dataset_hash == first
    assert _land(tmp_path / "c", lambda f: (f / "origins.csv").unlink()).dataset_hash != first


@pytest.mark.parametrize("threads", ["1", "4"])
def test_same_bytes_for_any_number_of_threads(
    threads: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _land(tmp_path / "a", lambda folder: None)
    monkeypatch.setenv("REGIONWISE_THREADS", threads)
    _land(tmp_path / "b", lambda folder: None)
    for path in sorted((tmp_path / "a" / "raw").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / "raw" / path.name).read_bytes(), path.name


def test_a_new_set_replaces_the_old_one_whole(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "left_over.parquet").write_text("from another world")
    (tmp_path / ".raw.landing").mkdir()
    land(v.write(v.village(), tmp_path / "in"), raw)
    assert not (raw / "left_over.parquet").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "raw"]
