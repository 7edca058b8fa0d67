"""Raw tables about places: regions, origins and what lies between them."""

from __future__ import annotations

from generator.contract.model import Table, may, must

CONTINENTS = ("AF", "AN", "AS", "EU", "NA", "OC", "SA")
LATENCY_SOURCES = ("probe", "mesh", "published", "distance")

_SOURCE = may("source", "text", "Where the figures come from.")
_OBSERVED_ON = may("observed_on", "date", "Day the figures were observed on.")

REGIONS = Table(
    "regions",
    ("region_id",),
    (
        must("region_id", "text", "The provider's own id, unique over providers."),
        must("provider", "text", "`aws`, `gcp`, `azure`, or another lower-case word."),
        may("display_name", "text", "Name for people."),
        must("country_code", "text", "ISO 3166-1 alpha-2 code, for residency."),
        must("continent", "text", "Continent, for residency.", values=CONTINENTS),
        must("latitude", "double", "For maps and the distance fallback.", "deg", low=-90, high=90),
        must(
            "longitude", "double", "For maps and the distance fallback.", "deg", low=-180, high=180
        ),
        may(
            "utc_offset_hours", "double", "Local time of the users near it.", "h", low=-12, high=14
        ),
        # Bounds of 2026-11: the dearest published vCPU-hour of three providers is below 0.2.
        must("vcpu_hour_usd", "decimal", "One vCPU-hour, on demand.", "USD", low=0, high=5),
        must("memory_gb_hour_usd", "decimal", "One GB-hour, on demand.", "USD", low=0, high=1),
        may("egress_internet_usd_per_gb", "decimal", "Transfer to users.", "USD/GB", low=0, high=2),
        may("capacity_vcpu", "double", "vCPUs that may be used; null: no known limit.", low=0),
        may("carbon_g_per_kwh", "double", "Grid intensity.", "g/kWh", low=0, high=2000),
        _SOURCE,
        _OBSERVED_ON,
    ),
    optional=False,
    description="One row per region that may host services.",
)

REGION_EGRESS = Table(
    "region_egress",
    ("source_region", "target_region"),
    (
        must("source_region", "text", "Region the bytes leave."),
        must("target_region", "text", "Region the bytes reach."),
        must("usd_per_gb", "decimal", "Price of the transfer.", "USD/GB", low=0, high=2),
        _SOURCE,
        _OBSERVED_ON,
    ),
    optional=True,
    description="One row per ordered pair of regions; a missing pair uses a flagged default.",
)

ORIGINS = Table(
    "origins",
    ("origin_id",),
    (
        must("origin_id", "text", "Place that requests come from, such as `country:BR`."),
        may("country_code", "text", "ISO 3166-1 alpha-2 code."),
        may("continent", "text", "Continent.", values=CONTINENTS),
        may("latitude", "double", "For maps and the distance fallback.", "deg", low=-90, high=90),
        may(
            "longitude", "double", "For maps and the distance fallback.", "deg", low=-180, high=180
        ),
        may("utc_offset_hours", "double", "Local time of its users.", "h", low=-12, high=14),
        may("population", "double", "People who live there.", low=0),
    ),
    optional=True,
    description="One row per place of users that is not a region; absent: origins are the regions.",
)

REGIONAL_LATENCY = Table(
    "regional_latency",
    ("source_region", "target_region", "observed_at"),
    (
        must("source_region", "text", "Region or origin that asks."),
        must("target_region", "text", "Region that answers."),
        must("observed_at", "timestamp", "Start of the window of measurement, UTC."),
        # Below 0.01 ms no round trip leaves a host; above 5 s it is an outage, not a distance.
        must("latency_ms", "double", "Median round trip.", "ms", low=0.01, high=5000),
        may("p95_latency_ms", "double", "95th percentile round trip.", "ms", low=0.01, high=60000),
        may("samples", "integer", "Round trips in the window.", low=1),
        may("source", "text", "How it was measured.", values=LATENCY_SOURCES),
    ),
    optional=False,
    description="One row per origin-or-region pair and time of measurement.",
)
