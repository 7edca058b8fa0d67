"""Bad and odd rows, each with where it has to end: kept in staging, or in quarantine with a rule.

All of them are appended to one good folder: their keys do not meet, so each is judged by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.importers import village as v

KEPT = ""


@dataclass(frozen=True)
class RowCase:
    """Rows appended to one table.

    Attributes:
        name: What is odd about them.
        table: Table they are appended to.
        rows: The rows, in order.
        rules: Rule that quarantines each row; ``KEPT`` when it stays.
        landed: Typed values the last row must have after landing (contract columns).
        unparsed: Original text of values of the last row that cannot be read.
        staged: Values that the last kept row must have in staging.
    """

    name: str
    table: str
    rows: tuple[v.Row, ...]
    rules: tuple[str, ...]
    landed: Mapping[str, object] = field(default_factory=dict)
    unparsed: Mapping[str, str] = field(default_factory=dict)
    staged: Mapping[str, object] = field(default_factory=dict)


def _one(
    name: str, table: str, row: v.Row, rule: str = KEPT, **more: Mapping[str, object]
) -> RowCase:
    return RowCase(name, table, (row,), (rule,), **more)  # type: ignore[arg-type]


def _unread(name: str, table: str, row: v.Row, column: str) -> RowCase:
    unparsed = {column: row[column]}
    return RowCase(name, table, (row,), ("unparsed_value",), {column: None}, unparsed)


def _named(name: str, service_id: str) -> RowCase:
    return _one(name, "services", v.service(service_id), landed={"service_id": service_id})


def _hour(name: str, service_id: str, text: str, landed: str, rule: str = KEPT) -> RowCase:
    row = v.traffic(service_id, "us-east-1", text, "7")
    return _one(name, "traffic_patterns", row, rule, landed={"hour_start": landed})


LONG_NAME = "n" * 10_000
SERVICES = "services"
NAMES = (
    _named("quotes_in_name", 'O\'Brien "quoted", inc'),
    _named("sql_in_name", "x'); drop table services; --"),
    _named("path_in_name", "../../etc/passwd"),
    _named("template_in_name", "{{ ref('secrets') }} {% raw %}"),
    _named("formula_in_name", "=cmd|' /C calc'!A0"),
    _named("backslashes_in_name", "C:\\temp\\*.parquet\\"),
    _named("case_differs", "CART"),
    _named("emoji_and_accents", "🚀-Überweisung-服务"),
    _named("very_long_name", LONG_NAME),
    _named("separator_in_name", "a;b\tc|d"),
    _named("word_null_as_name", "NULL"),
    _one(
        "line_break_in_name",
        SERVICES,
        v.service("line_break", service_name="two\nlines"),
        landed={"service_name": "two\nlines"},
    ),
    _one(
        "spaces_around_id",
        SERVICES,
        v.service("  padded  "),
        landed={"service_id": "  padded  "},
        staged={"service_id": "padded"},
    ),
    _one("blank_id", SERVICES, v.service("   "), "missing_required"),
    _one("no_id", SERVICES, v.service(""), "missing_required", landed={"service_id": None}),
)
NUMBERS = (
    _unread("word_for_number", SERVICES, v.service("s1", cpu_cores="four"), "cpu_cores"),
    _unread("fraction_for_integer", SERVICES, v.service("s2", memory_mb="512.5"), "memory_mb"),
    _unread("thousands_separator", SERVICES, v.service("s3", memory_mb="2,048"), "memory_mb"),
    _unread("decimal_comma", SERVICES, v.service("s4", cpu_cores="1,5"), "cpu_cores"),
    _unread("unit_in_number", SERVICES, v.service("s5", memory_mb="2 GB"), "memory_mb"),
    _unread("underscore_in_number", SERVICES, v.service("s6", cpu_cores="1_0"), "cpu_cores"),
    _unread("hexadecimal", SERVICES, v.service("s7", memory_mb="0x800"), "memory_mb"),
    _unread("too_large_integer", SERVICES, v.service("s8", memory_mb="9" * 25), "memory_mb"),
    _unread(
        "word_for_boolean", SERVICES, v.service("s9", latency_critical="maybe"), "latency_critical"
    ),
    _one(
        "float_spelling_of_integer",
        SERVICES,
        v.service("s10", memory_mb="2048.0", tier="1e0"),
        landed={"memory_mb": 2048, "tier": 1},
    ),
    _one(
        "spelled_boolean",
        SERVICES,
        v.service("s11", latency_critical="No", stateful="T"),
        landed={"latency_critical": False, "stateful": True},
    ),
    _one("negative_value", SERVICES, v.service("s12", cpu_cores="-2"), "value_out_of_range"),
    _one(
        "infinite_value",
        SERVICES,
        v.service("s13", cpu_cores="inf"),
        "value_out_of_range",
        landed={"cpu_cores": float("inf")},
    ),
    _one("not_a_number", SERVICES, v.service("s14", cpu_cores="NaN"), "value_out_of_range"),
    _one("absurd_value", SERVICES, v.service("s15", memory_mb="1e12"), "value_out_of_range"),
    _one("tier_of_nine", SERVICES, v.service("s16", tier="9"), "value_out_of_range"),
    _one("missing_value", SERVICES, v.service("s17", memory_mb=""), "missing_required"),
    _one("min_above_max", SERVICES, v.service("s18", min_regions="3", max_regions="2")),
    _one("residency_in_words", SERVICES, v.service("s19", residency="Europe only"), "invalid_code"),
    _one("residency_number", SERVICES, v.service("s20", residency="42"), "invalid_code"),
    _one(
        "residency_lower_case",
        SERVICES,
        v.service("s21", residency="eu; gb"),
        staged={"residency": "EU;GB"},
    ),
    _one("residency_nowhere", SERVICES, v.service("s22", residency="ZZ")),
    RowCase(
        "exact_duplicate", SERVICES, (v.service("s23"), v.service("s23")), (KEPT, "duplicate_row")
    ),
    RowCase(
        "conflicting_duplicate",
        SERVICES,
        (v.service("s24", memory_mb="1024"), v.service("s24", memory_mb="4096")),
        ("superseded_row", KEPT),
        staged={"memory_mb": 4096},
    ),
    RowCase(
        "bad_row_after_good_one",
        SERVICES,
        (v.service("s25"), v.service("s25", cpu_cores="-1")),
        (KEPT, "value_out_of_range"),
    ),
)
REGIONS = (
    _one(
        "continent_na",
        "regions",
        v.region("r1"),
        landed={"continent": "NA"},
        staged={"continent": "NA"},
    ),
    _one(
        "continent_lower_case",
        "regions",
        v.region("r2", continent="na"),
        staged={"continent": "NA"},
    ),
    _one("unknown_continent", "regions", v.region("r3", continent="XX"), "invalid_code"),
    _one("country_of_three_letters", "regions", v.region("r4", country_code="USA"), "invalid_code"),
    _one(
        "latitude_and_longitude_swapped",
        "regions",
        v.region("r5", latitude="-119.7", longitude="45.8"),
        "invalid_coordinates",
    ),
    _one("infinite_latitude", "regions", v.region("r6", latitude="-inf"), "invalid_coordinates"),
    _one("negative_price", "regions", v.region("r7", vcpu_hour_usd="-0.1"), "value_out_of_range"),
    _unread("currency_sign", "regions", v.region("r8", vcpu_hour_usd="$0.04"), "vcpu_hour_usd"),
    _unread(
        "price_beyond_decimal", "regions", v.region("r9", vcpu_hour_usd="1e15"), "vcpu_hour_usd"
    ),
    _one("no_price", "regions", v.region("r10", vcpu_hour_usd=""), "missing_required"),
    _one(
        "case_of_provider", "regions", v.region("r11", provider="AWS"), staged={"provider": "aws"}
    ),
    _one(
        "egress_of_unknown_region",
        "region_egress",
        {"source_region": "mars-1", "target_region": "us-east-1", "usd_per_gb": "0.02"},
        "unknown_region",
    ),
    _one(
        "origin_that_is_a_region",
        "origins",
        v.origin("eu-west-1", "IE", "EU", "53", "-6"),
        "origin_is_region",
    ),
    _one(
        "origin_off_the_globe",
        "origins",
        v.origin("city:nowhere", "NG", "AF", "95", "3"),
        "invalid_coordinates",
    ),
)
LATENCY = (
    _one(
        "faster_than_light",
        "regional_latency",
        v.latency("eu-west-1", "us-west-2", "0.9"),
        "faster_than_light",
    ),
    _one(
        "estimate_is_no_claim",
        "regional_latency",
        v.latency("eu-central-1", "us-west-2", "0.9", source="distance"),
    ),
    _one(
        "zero_round_trip",
        "regional_latency",
        v.latency("eu-west-1", "us-east-1", "0"),
        "zero_latency",
    ),
    _one(
        "negative_round_trip",
        "regional_latency",
        v.latency("eu-central-1", "us-east-1", "-5"),
        "value_out_of_range",
    ),
    _one(
        "round_trip_of_an_outage",
        "regional_latency",
        v.latency("ap-southeast-1", "us-east-1", "5001"),
        "value_out_of_range",
    ),
    _one(
        "latency_of_unknown_region",
        "regional_latency",
        v.latency("us-east-1", "mars-1", "80"),
        "unknown_region",
    ),
    _one(
        "origin_as_target",
        "regional_latency",
        v.latency("us-east-1", "country:BR", "118"),
        "unknown_region",
    ),
    _one(
        "unknown_source_word",
        "regional_latency",
        v.latency("us-west-2", "us-east-1", "68", source="guess"),
        "invalid_code",
    ),
    _one(
        "alias_of_region",
        "regional_latency",
        v.latency("US_WEST_2", "EU-Central-1", "142", observed_at="2026-06-02"),
        staged={"client_id": "us-west-2", "region_id": "eu-central-1"},
    ),
    _one(
        "billing_alias_of_region",
        "regional_latency",
        v.latency("USW2", "EUC1", "142", observed_at="2026-06-03"),
        staged={"client_id": "us-west-2"},
    ),
)
TIMES = (
    _hour("time_with_offset", "web", "2026-07-01T10:00:00+02:00", "2026-07-01 08:00:00"),
    _hour("time_with_compact_offset", "web", "2026-07-01 10:00:00-0500", "2026-07-01 15:00:00"),
    _hour(
        "hour_of_a_half_hour_zone",
        "web",
        "2026-07-01 10:00:00+0530",
        "2026-07-01 04:30:00",
        "not_on_the_hour",
    ),
    _hour("naive_time_is_utc", "web", "2026-07-01 01:00:00", "2026-07-01 01:00:00"),
    _hour("time_without_seconds", "web", "2026-07-01T02:00Z", "2026-07-01 02:00:00"),
    _hour("date_for_time", "web", "2026-07-02", "2026-07-02 00:00:00"),
    _hour("leap_day", "web", "2028-02-29T00:00:00Z", "2028-02-29 00:00:00"),
    _hour(
        "time_before_clouds",
        "web",
        "1970-01-01T00:00:00Z",
        "1970-01-01 00:00:00",
        "date_out_of_range",
    ),
    _hour(
        "time_in_the_far_future",
        "web",
        "9999-12-31T00:00:00Z",
        "9999-12-31 00:00:00",
        "date_out_of_range",
    ),
    _hour(
        "time_within_the_hour",
        "web",
        "2026-07-01T03:30:00Z",
        "2026-07-01 03:30:00",
        "not_on_the_hour",
    ),
    RowCase(
        "one_hour_in_two_zones",
        "traffic_patterns",
        (
            v.traffic("api", "us-east-1", "2026-07-01T10:00:00+02:00", "7"),
            v.traffic("api", "us-east-1", "2026-07-01T08:00:00Z", "7"),
        ),
        (KEPT, "duplicate_row"),
    ),
    *(
        _unread(name, "traffic_patterns", v.traffic("web", "us-east-1", text, "7"), "hour_start")
        for name, text in (
            ("thirtieth_of_february", "2026-02-30T00:00:00Z"),
            ("no_leap_year", "2027-02-29T00:00:00Z"),
            ("hour_twenty_four", "2026-07-01T24:00:00Z"),
            ("seconds_since_1970", "1780272000"),
            ("american_date", "07/01/2026 10:00"),
            ("absurd_offset", "2026-07-01T10:00:00+99:00"),
            ("word_for_time", "infinity"),
        )
    ),
    _unread(
        "thirty_first_of_june",
        "service_placement",
        v.placement("web", "us-east-1", "2026-06-31"),
        "day",
    ),
    _unread(
        "time_for_day",
        "service_placement",
        v.placement("web", "us-east-1", "2026-07-01 13:00:00"),
        "day",
    ),
    _one(
        "midnight_for_day",
        "service_placement",
        v.placement("web", "us-east-1", "2026-07-02 00:00:00"),
        landed={"day": "2026-07-02"},
    ),
)
_NEXT = "2026-07-03T{:02d}:00:00Z"
FACTS = (
    _one(
        "unknown_service",
        "traffic_patterns",
        v.traffic("ghost", "us-east-1", _NEXT.format(0), "7"),
        "unknown_service",
    ),
    _one(
        "unknown_origin",
        "traffic_patterns",
        v.traffic("web", "mars-1", _NEXT.format(1), "7"),
        "unknown_region",
    ),
    _one(
        "alias_of_origin",
        "traffic_patterns",
        v.traffic("web", "us_east_1", _NEXT.format(2), "7"),
        staged={"origin_id": "us-east-1"},
    ),
    _one(
        "negative_requests",
        "traffic_patterns",
        v.traffic("web", "us-east-1", _NEXT.format(3), "-7"),
        "value_out_of_range",
    ),
    _one(
        "no_requests_known",
        "traffic_patterns",
        v.traffic("web", "us-east-1", _NEXT.format(4), ""),
        "missing_required",
    ),
    _unread(
        "half_a_request",
        "traffic_patterns",
        v.traffic("web", "us-east-1", _NEXT.format(5), "1.5"),
        "requests",
    ),
    _unread(
        "word_null",
        "traffic_patterns",
        v.traffic("web", "us-east-1", _NEXT.format(6), "NULL"),
        "requests",
    ),
    _one(
        "unknown_traffic_source",
        "traffic_patterns",
        v.traffic("web", "us-east-1", _NEXT.format(7), "7", source="hearsay"),
        "invalid_code",
    ),
    _one(
        "zero_requests",
        "traffic_patterns",
        v.traffic("web", "us-east-1", _NEXT.format(8), "0"),
        landed={"requests": 0},
    ),
    RowCase(
        "conflicting_hours",
        "traffic_patterns",
        (
            v.traffic("web", "us-east-1", _NEXT.format(9), "7"),
            v.traffic("web", "us-east-1", _NEXT.format(9), "8"),
        ),
        ("superseded_row", KEPT),
        staged={"requests": 8},
    ),
    _one("self_call", "service_dependencies", v.call("web", "web", "1"), "self_call"),
    _one("zero_calls", "service_dependencies", v.call("web", "cart", "0"), "non_positive_calls"),
    _one(
        "negative_calls",
        "service_dependencies",
        v.call("web", "billing", "-1"),
        "non_positive_calls",
    ),
    _one(
        "infinite_calls",
        "service_dependencies",
        v.call("web", "catalog", "inf"),
        "value_out_of_range",
    ),
    _one(
        "call_of_unknown_service",
        "service_dependencies",
        v.call("web", "ghost", "1"),
        "unknown_service",
    ),
    RowCase(
        "cycle_of_calls",
        "service_dependencies",
        (v.call("catalog", "billing", "0.5"), v.call("billing", "api", "0.1")),
        (KEPT, KEPT),
    ),
    _one(
        "zero_latency",
        "service_placement",
        v.placement("web", "us-east-1", "2026-07-03", avg_latency_ms="0"),
        "zero_latency",
    ),
    _one(
        "negative_latency",
        "service_placement",
        v.placement("web", "us-east-1", "2026-07-04", avg_latency_ms="-3"),
        "absurd_latency",
    ),
    _one(
        "infinite_latency",
        "service_placement",
        v.placement("web", "us-east-1", "2026-07-05", avg_latency_ms="Infinity"),
        "absurd_latency",
    ),
    _one(
        "absurd_latency",
        "service_placement",
        v.placement("web", "us-east-1", "2026-07-06", avg_latency_ms="1e9"),
        "absurd_latency",
    ),
    _one(
        "no_latency_though_served",
        "service_placement",
        v.placement("web", "us-east-1", "2026-07-07", avg_latency_ms=""),
        "missing_latency",
    ),
    _one(
        "no_latency_nothing_served",
        "service_placement",
        v.placement("web", "us-east-1", "2026-07-08", avg_latency_ms="", requests_served="0"),
    ),
    _one(
        "no_instances",
        "service_placement",
        v.placement("web", "us-east-1", "2026-07-09", instances="0"),
        "value_out_of_range",
    ),
    _one(
        "percent_for_share",
        "service_placement",
        v.placement("web", "us-east-1", "2026-07-10", cpu_utilization="41"),
        "value_out_of_range",
    ),
    _one(
        "placed_in_unknown_region",
        "service_placement",
        v.placement("web", "mars-1", "2026-07-11"),
        "unknown_region",
    ),
    _one(
        "placed_in_origin",
        "service_placement",
        v.placement("web", "country:BR", "2026-07-12"),
        "unknown_region",
    ),
    _one(
        "placed_before_clouds",
        "service_placement",
        v.placement("web", "us-east-1", "0001-01-01"),
        "date_out_of_range",
    ),
    _one(
        "negative_bin", "service_latency_histogram", v.histogram("80", "-1"), "value_out_of_range"
    ),
    RowCase(
        "second_overflow_bin",
        "service_latency_histogram",
        (v.histogram("", "5", day="2026-06-02"), v.histogram("", "5", day="2026-06-02")),
        (KEPT, "duplicate_row"),
    ),
)
ROW_CASES: tuple[RowCase, ...] = NAMES + NUMBERS + REGIONS + LATENCY + TIMES + FACTS


def odd_village() -> v.Folder:
    """Return the good folder with every odd row at the end of its table."""
    folder = v.village()
    for case in ROW_CASES:
        folder[case.table].extend(case.rows)
    return folder


def first_rows() -> dict[str, int]:
    """Return the row number of the first row of every case, counted from 1."""
    lengths = {table: len(rows) for table, rows in v.village().items()}
    starts = {}
    for case in ROW_CASES:
        starts[case.name] = lengths[case.table] + 1
        lengths[case.table] += len(case.rows)
    return starts
