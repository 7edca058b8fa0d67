"""Raw tables about services: what they are, whom they call, who asks, where they ran."""

from __future__ import annotations

from generator.contract.model import Column, Table, may, must

TRAFFIC_SOURCES = ("measured", "entry")

_SERVICE = must("service_id", "text", "Service; case-sensitive after trimming.")
_REQUEST_KB = may("request_kb", "double", "Mean size of a request.", "kB", low=0, high=1e6)
_RESPONSE_KB = may("response_kb", "double", "Mean size of a response.", "kB", low=0, high=1e6)


def _milliseconds(name: str, description: str) -> Column:
    # An hour: no caller waits longer; such a value is a unit error.
    return may(name, "double", description, "ms", low=0, high=3_600_000)


SERVICES = Table(
    "services",
    ("service_id",),
    (
        _SERVICE,
        must("service_name", "text", "Name for people."),
        may("team", "text", "Who is asked before it moves."),
        must("cpu_cores", "double", "Cores of one instance.", "vCPU", low=0.01, high=1024),
        must("memory_mb", "integer", "Memory of one instance.", "MB", low=1, high=25_000_000),
        must("latency_critical", "boolean", "Selects the critical-service metrics."),
        may("tier", "integer", "1: losing it loses the product.", low=1, high=4),
        may("slo_p95_ms", "double", "Objective for the caller-observed p95.", "ms", low=0.1),
        may("traffic_volume_rps", "double", "Nominal load, only checked.", "1/s", low=0),
        may("dependencies", "integer", "Number of services it calls, only checked.", low=0),
        may("min_regions", "integer", "Redundancy; null: by tier.", low=1),
        may("max_regions", "integer", "Null: no limit.", low=1),
        may("residency", "text", "`;`-separated continents or countries; null: anywhere."),
        may("stateful", "boolean", "A move needs a data migration."),
        may("state_gb", "double", "Data that a move carries.", "GB", low=0),
        _REQUEST_KB,
        _RESPONSE_KB,
    ),
    optional=False,
    description="One row per service.",
)

SERVICE_DEPENDENCIES = Table(
    "service_dependencies",
    ("caller_service_id", "callee_service_id"),
    (
        must("caller_service_id", "text", "Service that calls."),
        must("callee_service_id", "text", "Service that is called."),
        must(
            "calls_per_request", "double", "Calls per request of the caller.", low=1e-12, high=1e5
        ),
        may("is_async", "boolean", "The caller does not wait; default false."),
        may("stage", "integer", "Stages run one after another, calls in one in parallel.", low=0),
        may("serial_calls", "double", "Sequential round trips per request, as traced.", low=0),
        _REQUEST_KB,
        _RESPONSE_KB,
    ),
    optional=True,
    description="The call graph: one row per caller and callee; cycles are allowed.",
)

TRAFFIC_PATTERNS = Table(
    "traffic_patterns",
    ("service_id", "origin_region", "hour_start"),
    (
        _SERVICE,
        must("origin_region", "text", "Region or origin where the users are."),
        must("hour_start", "timestamp", "Start of the hour, UTC."),
        must("requests", "integer", "Requests of users there that lead to this service.", low=0),
        may("source", "text", "How the users' place is known.", values=TRAFFIC_SOURCES),
    ),
    optional=False,
    description="One row per service, origin and hour; does not change when a service moves.",
)

SERVICE_PLACEMENT = Table(
    "service_placement",
    ("service_id", "region", "day"),
    (
        _SERVICE,
        must("region", "text", "Region it ran in."),
        must("day", "date", "UTC day."),
        must("instances", "integer", "Running copies.", low=1, high=1_000_000),
        must(
            "avg_latency_ms",
            "double",
            "Caller-observed mean; null only when nothing was served.",
            "ms",
            low=0,
            high=3_600_000,
            nullable=True,
        ),
        _milliseconds("p95_latency_ms", "Caller-observed p95; never averaged across rows."),
        _milliseconds("p99_latency_ms", "Caller-observed p99; never averaged across rows."),
        may("error_rate", "double", "Share of requests that failed.", low=0, high=1),
        may("requests_served", "integer", "Requests answered.", low=0),
        may("cpu_utilization", "double", "Request-weighted over the day.", low=0, high=1),
        may("cost_usd", "decimal", "Billed; null: computed from the price book.", "USD", low=0),
    ),
    optional=False,
    description="One row per service, region and day on which it ran there.",
)

SERVICE_LATENCY_HISTOGRAM = Table(
    "service_latency_histogram",
    ("service_id", "region", "day", "upper_bound_ms"),
    (
        _SERVICE,
        must("region", "text", "Region it ran in."),
        must("day", "date", "UTC day."),
        must(
            "upper_bound_ms",
            "double",
            "Upper edge of the bin; null in the one overflow row.",
            "ms",
            low=0,
            nullable=True,
        ),
        must("requests", "integer", "Requests in this bin alone, not cumulative.", low=0),
    ),
    optional=True,
    description="Latency counts by bin; preferred to quantiles, because histograms merge.",
)
