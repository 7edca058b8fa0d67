r"""SQL that reads text as a contract type, or as null where the text does not say one thing.

DuckDB's own casts are too kind for data of unknown origin: they read ``1.5`` as the integer 2,
``1_000`` as 1000, ``0x1F`` as 31, ``infinity`` as a date, and drop an offset when they read a
naive timestamp. So the shape of the text is checked first, and only then cast.
"""

from __future__ import annotations

from generator.contract import ColumnType

_NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
_WHOLE = r"[+-]?[0-9]+(\.0*)?"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_MIDNIGHT = _DATE + r"[ T]00:00(:00(\.0+)?)?(Z|[+]00(:?00)?)?"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?"
_OFFSET = r"( ?(Z|UTC|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?))?"
_TIMESTAMP = _DATE + "([ T]" + _CLOCK + _OFFSET + ")?"
_NO_SECONDS = r"^(.{10})[ T](.{5})( ?(Z|UTC|[+-].*))?$"
# Whole doubles are exact up to here, so `1.2e+06` may stand for an integer.
_EXACT_DOUBLE = 9_007_199_254_740_992

SQL_TYPES: dict[ColumnType, str] = {
    "text": "varchar",
    "double": "double",
    "integer": "bigint",
    "decimal": "decimal(18, 6)",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp",
}

# Parquet types that hold the contract type already; everything else takes the way through text.
_SAME: dict[ColumnType, tuple[str, ...]] = {
    "text": ("VARCHAR",),
    "double": ("DOUBLE", "TINYINT", "SMALLINT", "INTEGER", "BIGINT"),
    "integer": ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"),
    "decimal": ("DECIMAL(18,6)",),
    "boolean": ("BOOLEAN",),
    "date": ("DATE",),
    "timestamp": ("TIMESTAMP",),
}


def typed(column: str, type_: ColumnType, source_type: str = "VARCHAR") -> str:
    """Return SQL for ``column`` read as ``type_``; null where it cannot be read.

    Args:
        column: An SQL expression that is safe to repeat, such as a quoted alias.
        type_: Contract type wanted.
        source_type: DuckDB type of the expression.

    Example:
        >>> typed("c0", "double", "DOUBLE")
        'cast(c0 as double)'
    """
    if type_ == "text":
        # Parquet can hold an empty text; CSV cannot, and an empty field means unknown.
        return f"nullif(cast({column} as varchar), '')"
    if source_type in _SAME[type_]:
        return f"cast({column} as {SQL_TYPES[type_]})"
    return _READERS[type_](trimmed(column))


def trimmed(column: str) -> str:
    """Return SQL for the text of ``column`` without white space around it; empty is null."""
    return f"nullif(trim(cast({column} as varchar), ' ' || chr(9) || chr(10) || chr(13)), '')"


def _when(text: str, pattern: str, then: str) -> str:
    return f"case when regexp_full_match({text}, '{pattern}') then {then} end"


def _double(text: str) -> str:
    # Infinite and not-a-number are numbers here: judging values is the business of staging.
    words = "('inf', 'infinity', 'nan')"
    special = f"ltrim(lower({text}), '+-') in {words}"
    matches = f"regexp_full_match({text}, '{_NUMBER}')"
    return f"case when {matches} or {special} then try_cast({text} as double) end"


def _integer(text: str) -> str:
    number = f"try_cast({text} as double)"
    is_whole = f"{number} = trunc({number}) and abs({number}) <= {_EXACT_DOUBLE}"
    from_float = f"case when {is_whole} then try_cast({number} as bigint) end"
    digits = f"try_cast(split_part({text}, '.', 1) as bigint)"
    return (
        f"case when regexp_full_match({text}, '{_WHOLE}') then {digits} "
        f"when regexp_full_match({text}, '{_NUMBER}') then {from_float} end"
    )


def _decimal(text: str) -> str:
    return _when(text, _NUMBER, f"try_cast({text} as decimal(18, 6))")


def _boolean(text: str) -> str:
    return (
        f"case when lower({text}) in ('true', 't', 'yes', 'y', '1', '1.0') then true "
        f"when lower({text}) in ('false', 'f', 'no', 'n', '0', '0.0') then false end"
    )


def _date(text: str) -> str:
    return _when(text, f"{_DATE}|{_MIDNIGHT}", f"try_cast(left({text}, 10) as date)")


def _timestamp(text: str) -> str:
    whole = rf"regexp_replace({text}, '{_NO_SECONDS}', '\1 \2:00\3')"
    return _when(text, _TIMESTAMP, f"timezone('UTC', try_cast({whole} as timestamptz))")


_READERS = {
    "double": _double,
    "integer": _integer,
    "decimal": _decimal,
    "boolean": _boolean,
    "date": _date,
    "timestamp": _timestamp,
}
