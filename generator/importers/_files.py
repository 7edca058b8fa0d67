"""Finds the one file of each contract table and checks it byte by byte before anyone parses it."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from generator import contract
from generator.contract import Finding

SUFFIXES = (".csv", ".csv.gz", ".parquet")
_CHUNK_BYTES = 1 << 20
# A header longer than this is not a header: the file is binary, or its first quote never closes.
_HEAD_BYTES = 1 << 20
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class SourceFile:
    """The one file that holds a contract table.

    Attributes:
        table: Name of the contract table.
        path: Where the file lies.
        suffix: One of ``.csv``, ``.csv.gz`` and ``.parquet``.
    """

    table: str
    path: Path
    suffix: str

    @property
    def name(self) -> str:
        """File name without folders, as findings and the ``_file`` column show it."""
        return self.path.name


@dataclass(frozen=True)
class ScannedFile:
    """What a full pass over the bytes of a file says.

    Attributes:
        sha256: Hash of the file as it lies on disk, hexadecimal.
        head: First bytes after decompression, without a byte-order mark; empty for Parquet.
    """

    sha256: str
    head: bytes


def find_sources(folder: Path) -> tuple[list[SourceFile], list[Finding], tuple[str, ...]]:
    """Return the file of every table, what is wrong with the choice, and the files left out.

    Args:
        folder: The user's folder; only the names of contract tables are looked for in it.
    """
    if not folder.is_dir():
        message = "not a folder; expected a folder of <table>.csv, .csv.gz or .parquet files"
        return [], [Finding(str(folder), None, None, "missing_folder", message)], ()
    present = sorted(entry.name for entry in folder.iterdir())
    sources: list[SourceFile] = []
    findings: list[Finding] = []
    used: set[str] = set()
    for table in contract.TABLES.values():
        forms = [suffix for suffix in SUFFIXES if table.name + suffix in present]
        used.update(table.name + suffix for suffix in forms)
        if len(forms) > 1:
            names = " and ".join(table.name + suffix for suffix in forms)
            message = f"{names} are both there; expected exactly one form of the table"
            findings.append(Finding(table.name, None, None, "two_forms", message))
        elif forms:
            source = SourceFile(table.name, folder / (table.name + forms[0]), forms[0])
            findings.extend(_unsafe(source, folder) or [])
            sources.append(source)
        elif not table.optional:
            findings.append(_missing_table(table.name, present))
    broken = {f.file for f in findings}
    kept = [s for s in sources if s.name not in broken]
    return kept, findings, tuple(name for name in present if name not in used)


def scan(source: SourceFile) -> ScannedFile:
    """Read every byte of ``source`` once: hash, checksum of gzip, UTF-8, no null bytes.

    DuckDB alone would not do: a gzip file cut at the end of a line reads as a shorter table.

    Raises:
        contract.ContractError: If the file is empty, truncated, or not UTF-8 text.
    """
    try:
        if source.path.stat().st_size == 0:
            raise _refusal(source, "empty_file", "0 bytes; expected at least a header line")
        with source.path.open("rb") as raw:
            digest = hashlib.file_digest(raw, "sha256").hexdigest()
        if source.suffix == ".parquet":
            return ScannedFile(digest, b"")
        if source.suffix == ".csv":
            with source.path.open("rb") as raw:
                return ScannedFile(digest, _scan_text(source, raw))
        with gzip.open(source.path, "rb") as text:
            return ScannedFile(digest, _scan_text(source, text))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        message = f"not a whole gzip file ({error}); expected gzip-compressed CSV: copy it again"
        raise _refusal(source, "unreadable_file", message) from error
    except OSError as error:
        message = f"cannot be read ({error.strerror or error})"
        raise _refusal(source, "unreadable_file", message) from error


def _scan_text(source: SourceFile, stream: IO[bytes] | gzip.GzipFile) -> bytes:
    """Return the first bytes of a text stream after checking all of it."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    head = b""
    lines = 0
    while chunk := stream.read(_CHUNK_BYTES):
        if not head and chunk.startswith(_UTF16_MARKS):
            raise _refusal(source, "not_utf8", "looks like UTF-16; expected UTF-8: save it again")
        if len(head) < _HEAD_BYTES:
            head += chunk[: _HEAD_BYTES - len(head)]
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError as error:
            # The decoder may hold bytes of the chunk before, so the line is the line or the next.
            line = lines + chunk[: max(error.start, 0)].count(b"\n") + 1
            message = f"bytes near line {line} are not UTF-8; expected UTF-8 text: save it again"
            raise _refusal(source, "not_utf8", message, row=max(line - 1, 1)) from error
        if b"\0" in chunk:
            line = lines + chunk[: chunk.index(b"\0")].count(b"\n") + 1
            message = f"null byte in line {line}; expected UTF-8 text (UTF-16 or binary file?)"
            raise _refusal(source, "not_utf8", message)
        lines += chunk.count(b"\n")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        message = "ends inside a character; expected whole UTF-8 text: the file is cut off"
        raise _refusal(source, "not_utf8", message) from error
    if not head:
        raise _refusal(source, "empty_file", "no bytes in it; expected at least a header line")
    return head.removeprefix(codecs.BOM_UTF8)


def _refusal(
    source: SourceFile, rule: str, message: str, row: int | None = None
) -> contract.ContractError:
    return contract.ContractError([Finding(source.name, row, None, rule, message)])


def _unsafe(source: SourceFile, folder: Path) -> list[Finding]:
    """Refuse what is not a plain file of the folder: links out of it, folders, pipes."""
    # Links inside the folder are fine: Kubernetes volumes and data versioning tools use them.
    if not source.path.resolve().is_relative_to(folder.resolve()):
        message = "is a link that leaves the folder; expected a file inside it"
        return [Finding(source.name, None, None, "path_escape", message)]
    if not source.path.is_file():
        message = "is not a regular file (or a dangling link); expected one file per table"
        return [Finding(source.name, None, None, "not_a_file", message)]
    return []


def _missing_table(table: str, present: list[str]) -> Finding:
    """Name the missing file, and a present one that looks like a misspelling of it."""
    stem = table.rstrip("s").replace("_", "")
    similar = [n for n in present if n.lower().replace("-", "").replace("_", "").startswith(stem)]
    hint = f" (there is {', '.join(similar)})" if similar else ""
    message = f"required table is missing; expected {table}.csv, .csv.gz or .parquet{hint}"
    return Finding(table, None, None, "missing_table", message)
