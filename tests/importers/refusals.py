"""Ways to break a good folder so badly that nothing may be built from it."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.importers import village as v


@dataclass(frozen=True)
class Refusal:
    """One way to break a folder, and what the refusal has to name.

    Attributes:
        name: What is broken.
        spoil: Breaks a good folder in place.
        rule: Rule of the finding.
        file: File (or table) of the finding.
        column: Column of the finding, when one is at fault.
        row: Row of the finding, when it is known.
        says: Words that its message must hold.
    """

    name: str
    spoil: Callable[[Path], None]
    rule: str
    file: str
    column: str | None = None
    row: int | None = None
    says: str = "expected"


def _remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _rename(old: str, new: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / old).rename(folder / new)

    return spoil


def _bytes(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / name
        path.write_bytes(change(path.read_bytes()))

    return spoil


def _replace(name: str, old: str, new: str, count: int = -1) -> Callable[[Path], None]:
    def change(text: bytes) -> bytes:
        assert old.encode() in text, f"{name} has no {old!r} to break"
        return text.replace(old.encode(), new.encode(), count)

    return _bytes(name, change)


def _rows(table: str, change: Callable[[list[v.Row]], list[v.Row]]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        rows = change(v.village()[table])
        (folder / f"{table}.csv").write_text(v.csv_text(rows))

    return spoil


def _every(table: str, column: str, value: str) -> Callable[[Path], None]:
    return _rows(table, lambda rows: [row | {column: value} for row in rows])


def _without(table: str, column: str) -> Callable[[Path], None]:
    def change(rows: list[v.Row]) -> list[v.Row]:
        return [{name: row[name] for name in row if name != column} for row in rows]

    return _rows(table, change)


def _gzipped(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / "traffic_patterns.csv"
        (folder / "traffic_patterns.csv.gz").write_bytes(change(gzip.compress(path.read_bytes())))
        path.unlink()

    return spoil


def _cut_at_line_end(folder: Path) -> None:
    # The text before the cut is a well-formed table: only the missing checksum tells.
    path = folder / "services.csv"
    lines = path.read_bytes().splitlines(keepends=True)
    whole = gzip.compress(b"".join(lines[:3]))
    (folder / "services.csv.gz").write_bytes(whole[:-8])
    path.unlink()


def _parquet(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        rows = v.village()["service_placement"]
        pq.write_table(pa.Table.from_pylist(rows), folder / "service_placement.parquet")
        (folder / "service_placement.csv").unlink()
        _bytes("service_placement.parquet", change)(folder)

    return spoil


def _nested_parquet(folder: Path) -> None:
    rows = [row | {"cpu_cores": [1.0, 2.0]} for row in v.village()["services"]]
    pq.write_table(pa.Table.from_pylist(rows), folder / "services.parquet")
    (folder / "services.csv").unlink()


def _both_forms(folder: Path) -> None:
    rows = v.village()["services"]
    pq.write_table(pa.Table.from_pylist(rows), folder / "services.parquet")


def _link_out(folder: Path) -> None:
    outside = folder.parent / "outside.csv"
    (folder / "services.csv").rename(outside)
    (folder / "services.csv").symlink_to(outside)


def _link_to_nothing(folder: Path) -> None:
    (folder / "services.csv").unlink()
    (folder / "services.csv").symlink_to(folder / "gone.csv")


def _folder_for_file(folder: Path) -> None:
    (folder / "services.csv").unlink()
    (folder / "services.csv").mkdir()


def _pipe(folder: Path) -> None:
    # Reading a pipe that nobody writes to would hang the build for ever.
    (folder / "services.csv").unlink()
    os.mkfifo(folder / "services.csv")


def _whole_folder(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


REFUSALS: tuple[Refusal, ...] = (
    Refusal("no_folder", _whole_folder, "missing_folder", "in"),
    Refusal("missing_table", _remove("services.csv"), "missing_table", "services"),
    Refusal("missing_facts", _remove("traffic_patterns.csv"), "missing_table", "traffic_patterns"),
    Refusal(
        "misspelled_file",
        _rename("services.csv", "Service.csv"),
        "missing_table",
        "services",
        says="Service.csv",
    ),
    Refusal(
        "missing_column",
        _without("services", "cpu_cores"),
        "missing_column",
        "services.csv",
        "cpu_cores",
    ),
    Refusal(
        "missing_nullable_column",
        _without("service_placement", "avg_latency_ms"),
        "missing_column",
        "service_placement.csv",
        "avg_latency_ms",
    ),
    Refusal(
        "misspelled_column",
        _replace("services.csv", "memory_mb", "Memory MB", 1),
        "missing_column",
        "services.csv",
        "memory_mb",
        says="Memory MB",
    ),
    Refusal(
        "duplicate_header",
        _replace("services.csv", "service_name", "service_id", 1),
        "duplicate_column",
        "services.csv",
        "service_id",
    ),
    Refusal(
        "no_header",
        _bytes("services.csv", lambda b: b.split(b"\n", 1)[1]),
        "missing_column",
        "services.csv",
        "service_id",
    ),
    Refusal("zero_bytes", _bytes("services.csv", lambda b: b""), "empty_file", "services.csv"),
    Refusal(
        "zero_bytes_of_optional_table",
        _bytes("region_egress.csv", lambda b: b""),
        "empty_file",
        "region_egress.csv",
    ),
    Refusal(
        "only_line_breaks", _bytes("services.csv", lambda b: b"\n\n\n"), "no_header", "services.csv"
    ),
    Refusal(
        "header_only",
        _bytes("services.csv", lambda b: b.split(b"\n", 1)[0] + b"\n"),
        "no_usable_row",
        "services.csv",
    ),
    Refusal(
        "no_usable_row",
        _every("services", "memory_mb", ""),
        "no_usable_row",
        "services.csv",
        says="memory_mb",
    ),
    Refusal(
        "words_for_numbers",
        _every("services", "cpu_cores", "two"),
        "wrong_type",
        "services.csv",
        "cpu_cores",
        1,
        "'two'; expected double",
    ),
    Refusal(
        "wrong_type_in_most_rows",
        _rows(
            "services",
            lambda rows: [r | ({"memory_mb": "2 GB"} if i > 1 else {}) for i, r in enumerate(rows)],
        ),
        "wrong_type",
        "services.csv",
        "memory_mb",
        3,
        "4 of 6 values",
    ),
    Refusal(
        "wrong_type_in_optional_column",
        _every("regions", "carbon_g_per_kwh", "low"),
        "wrong_type",
        "regions.csv",
        "carbon_g_per_kwh",
        1,
    ),
    Refusal(
        "american_dates",
        _every("service_placement", "day", "06/01/2026"),
        "wrong_type",
        "service_placement.csv",
        "day",
        1,
        "2026-06-01",
    ),
    Refusal(
        "thousands_separators_unquoted",
        _replace("traffic_patterns.csv", "00Z,", "00Z,1,"),
        "malformed_row",
        "traffic_patterns.csv",
        None,
        1,
        "6 values; expected 5",
    ),
    Refusal(
        "decimal_commas_unquoted",
        _replace("regional_latency.csv", ",68,probe", ",68,4,probe", 1),
        "malformed_row",
        "regional_latency.csv",
        None,
        1,
        "decimal comma",
    ),
    Refusal(
        "short_row",
        _replace("services.csv", "cart,The cart,shop,2,2048,true", "cart,The cart,shop", 1),
        "malformed_row",
        "services.csv",
        None,
        4,
    ),
    Refusal(
        "open_quote",
        _replace("services.csv", "The cart", '"The cart', 1),
        "malformed_row",
        "services.csv",
        says="quote",
    ),
    Refusal(
        "cut_off",
        _bytes("services.csv", lambda b: b[: len(b) - 40]),
        "malformed_row",
        "services.csv",
        None,
        6,
    ),
    Refusal(
        "semicolons",
        _bytes("services.csv", lambda b: b.replace(b",", b";")),
        "separator",
        "services.csv",
        says="semicolon",
    ),
    Refusal(
        "tabs",
        _bytes("services.csv", lambda b: b.replace(b",", b"\t")),
        "separator",
        "services.csv",
        says="tab",
    ),
    Refusal(
        "mixed_line_ends",
        _replace("services.csv", "\ncart", "\r\ncart", 1),
        "unreadable_file",
        "services.csv",
    ),
    Refusal(
        "utf16",
        _bytes("services.csv", lambda b: b.decode().encode("utf-16")),
        "not_utf8",
        "services.csv",
        says="UTF-16",
    ),
    Refusal(
        "utf16_without_mark",
        _bytes("services.csv", lambda b: b.decode().encode("utf-16-le")),
        "not_utf8",
        "services.csv",
        says="UTF-16",
    ),
    Refusal(
        "latin_1",
        _bytes("services.csv", lambda b: b.replace(b"The cart", "Größe".encode("latin-1"))),
        "not_utf8",
        "services.csv",
        None,
        4,
    ),
    Refusal(
        "cut_inside_a_character",
        _bytes("services.csv", lambda b: b + "é".encode()[:1]),
        "not_utf8",
        "services.csv",
        says="cut off",
    ),
    Refusal(
        "null_byte",
        _replace("services.csv", "The cart", "The\0cart", 1),
        "not_utf8",
        "services.csv",
        says="null byte in line 5",
    ),
    Refusal(
        "truncated_gzip",
        _gzipped(lambda b: b[: len(b) // 2]),
        "unreadable_file",
        "traffic_patterns.csv.gz",
        says="whole gzip",
    ),
    Refusal(
        "gzip_cut_at_a_line_end",
        _cut_at_line_end,
        "unreadable_file",
        "services.csv.gz",
        says="whole gzip",
    ),
    Refusal(
        "corrupt_gzip",
        _gzipped(lambda b: b[:2000] + bytes(x ^ 0xFF for x in b[2000:2100]) + b[2100:]),
        "unreadable_file",
        "traffic_patterns.csv.gz",
        says="whole gzip",
    ),
    Refusal(
        "gzip_in_name_only",
        _rename("services.csv", "services.csv.gz"),
        "unreadable_file",
        "services.csv.gz",
        says="whole gzip",
    ),
    Refusal(
        "truncated_parquet",
        _parquet(lambda b: b[: len(b) // 2]),
        "unreadable_file",
        "service_placement.parquet",
        says="whole Parquet",
    ),
    Refusal(
        "corrupt_parquet",
        _parquet(lambda b: b[:4] + b"\xff" * 400 + b[404:]),
        "unreadable_file",
        "service_placement.parquet",
    ),
    Refusal(
        "parquet_in_name_only",
        _rename("services.csv", "services.parquet"),
        "unreadable_file",
        "services.parquet",
    ),
    Refusal(
        "nested_column",
        _nested_parquet,
        "wrong_type",
        "services.parquet",
        "cpu_cores",
        says="DOUBLE[]; expected double",
    ),
    Refusal("two_forms", _both_forms, "two_forms", "services", says="services.parquet"),
    Refusal("link_out_of_the_folder", _link_out, "path_escape", "services.csv"),
    Refusal("dangling_link", _link_to_nothing, "not_a_file", "services.csv"),
    Refusal("folder_for_file", _folder_for_file, "not_a_file", "services.csv"),
    Refusal("pipe_for_file", _pipe, "not_a_file", "services.csv"),
)
