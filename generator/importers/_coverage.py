"""How much of the decision a landed folder carries, and what its gaps switch off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import duckdb

from generator.importers._table import LandedTable

# Two whole weeks: with less there is no second Monday to compare the first with.
_WEEKLY_PROFILE_DAYS = 14


@dataclass(frozen=True)
class Coverage:
    """One measured share or count; ``unit`` is empty for a share of 0 to 1."""

    name: str
    value: float
    unit: str

    def __str__(self) -> str:
        """Return the measure as one line."""
        shown = f"{self.value:,.0f} {self.unit}" if self.unit else f"{self.value:.1%}"
        return f"{self.name}: {shown}"


@dataclass(frozen=True)
class Degradation:
    """One thing that is weaker or off: a code, how much of the data it concerns, and the effect."""

    code: str
    concerned: str
    effect: str

    def __str__(self) -> str:
        """Return the degradation as one line."""
        return f"{self.code} ({self.concerned}): {self.effect}"


def measure(
    connection: duckdb.DuckDBPyConnection, landed: Mapping[str, LandedTable]
) -> tuple[tuple[Coverage, ...], tuple[Degradation, ...]]:
    """Return coverage and degradations over the tables that could be landed.

    Args:
        connection: Has a view of every table in ``landed``.
        landed: Landed tables by name; what needs a missing one is left out.
    """
    coverage: list[Coverage] = []
    degradations: list[Degradation] = []
    for needs, one_measure in (
        ({"services", "traffic_patterns"}, _traffic),
        ({"service_placement"}, _placement),
        ({"regions", "regional_latency"}, _network),
        ({"regions"}, _regions),
        ({"regions", "region_egress"}, _egress),
        ({"service_dependencies"}, _calls),
    ):
        if needs <= set(landed):
            for item in one_measure(connection):
                (coverage if isinstance(item, Coverage) else degradations).append(item)  # type: ignore[arg-type]
    return tuple(coverage), tuple(degradations)


def _one(connection: duckdb.DuckDBPyConnection, sql: str) -> list[float]:
    row = connection.execute(sql).fetchone() or ()
    return [float(value or 0) for value in row]


def _traffic(connection: duckdb.DuckDBPyConnection) -> Iterator[Coverage | Degradation]:
    services, with_traffic, hours, present, rows, entry = _one(
        connection,
        """
        select
            (select count(distinct trim(service_id)) from services),
            count(distinct trim(t.service_id)) filter (s.id is not null),
            date_diff('hour', min(hour_start), max(hour_start)) + 1,
            count(distinct date_trunc('hour', hour_start)),
            count(*), count(*) filter (t.source = 'entry')
        from traffic_patterns as t
        left join (select distinct trim(service_id) as id from services) as s
            on trim(t.service_id) = s.id
        """,
    )
    yield Coverage("traffic", hours, "hours")
    yield Coverage("hours with traffic rows", present / max(hours, 1), "")
    yield Coverage("services with traffic", with_traffic / max(services, 1), "")
    if hours < 24 * _WEEKLY_PROFILE_DAYS:
        effect = "no weekly profile: level and hour of day only; no capacity forecast"
        yield Degradation("SHORT_HISTORY", f"{hours:,.0f} hours of traffic", effect)
    if entry:
        effect = "today's placement shapes what is seen: confidence capped"
        yield Degradation("ENTRY_REGION_ONLY", f"{entry:,.0f} of {rows:,.0f} rows", effect)


def _placement(connection: duckdb.DuckDBPyConnection) -> Iterator[Coverage | Degradation]:
    rows, with_latency, with_cpu, with_cost = _one(
        connection,
        """
        select count(*), count(avg_latency_ms),
            count(*) filter (cpu_utilization is not null and requests_served is not null),
            count(cost_usd)
        from service_placement
        """,
    )
    placed, varied = _one(
        connection,
        """
        select count(*), count(*) filter (regions > 1) from (
            select count(distinct trim(region)) as regions
            from service_placement group by trim(service_id)
        )
        """,
    )
    yield Coverage("placement rows with a mean latency", with_latency / max(rows, 1), "")
    yield Coverage("placement rows with CPU and requests", with_cpu / max(rows, 1), "")
    yield Coverage("services seen in more than one region", varied / max(placed, 1), "")
    if with_cpu < rows:
        concerned = f"{rows - with_cpu:,.0f} of {rows:,.0f} placement rows"
        effect = "CPU time per request is not identifiable there; queueing uses class priors"
        yield Degradation("CPU_NOT_IDENTIFIABLE", concerned, effect)
    if varied < placed:
        concerned = f"{placed - varied:,.0f} of {placed:,.0f} services"
        effect = "region effects rest on network measurements alone: confidence capped"
        yield Degradation("NO_PLACEMENT_VARIATION", concerned, effect)
    if with_cost < rows:
        concerned = f"{rows - with_cost:,.0f} of {rows:,.0f} placement rows"
        yield Degradation("COST_FROM_PRICE_BOOK", concerned, "cost is computed, not billed")


def _network(connection: duckdb.DuckDBPyConnection) -> Iterator[Coverage | Degradation]:
    pairs, measured = _one(
        connection,
        """
        with r as (select distinct trim(region_id) as id from regions where region_id is not null),
        m as (
            select trim(source_region) as a, trim(target_region) as b from regional_latency
            where latency_ms is not null and coalesce(source, '') <> 'distance'
        ),
        known as (select a, b from m union select b, a from m)
        select count(*), count(known.a)
        from r cross join r as s left join known on r.id = known.a and s.id = known.b
        where r.id <> s.id
        """,
    )
    yield Coverage(
        "pairs of regions measured in one direction at least", _share(measured, pairs), ""
    )
    if measured < pairs:
        concerned = f"{pairs - measured:,.0f} of {pairs:,.0f} pairs"
        effect = "round trips from distance: confidence capped"
        yield Degradation("DISTANCE_FALLBACK", concerned, effect)


def _regions(connection: duckdb.DuckDBPyConnection) -> Iterator[Coverage | Degradation]:
    regions, capacity, carbon = _one(
        connection, "select count(*), count(capacity_vcpu), count(carbon_g_per_kwh) from regions"
    )
    yield Coverage("regions", regions, "regions")
    if capacity < regions:
        concerned = f"{regions - capacity:,.0f} of {regions:,.0f} regions"
        yield Degradation("CAPACITY_OFF", concerned, "no capacity constraint there")
    if carbon < regions:
        concerned = f"{regions - carbon:,.0f} of {regions:,.0f} regions"
        yield Degradation("CARBON_OFF", concerned, "no carbon figures")


def _egress(connection: duckdb.DuckDBPyConnection) -> Iterator[Coverage | Degradation]:
    pairs, priced = _one(
        connection,
        """
        with r as (select distinct trim(region_id) as id from regions where region_id is not null),
        e as (
            select distinct trim(source_region) as a, trim(target_region) as b
            from region_egress where usd_per_gb is not null
        )
        select count(*), count(e.a)
        from r cross join r as s left join e on r.id = e.a and s.id = e.b where r.id <> s.id
        """,
    )
    yield Coverage("pairs of regions with a transfer price", _share(priced, pairs), "")
    if priced < pairs:
        concerned = f"{pairs - priced:,.0f} of {pairs:,.0f} ordered pairs"
        yield Degradation("EGRESS_DEFAULT", concerned, "the provider's default transfer price")


def _calls(connection: duckdb.DuckDBPyConnection) -> Iterator[Coverage | Degradation]:
    (calls,) = _one(connection, "select count(*) from service_dependencies")
    yield Coverage("calls between services", calls, "calls")
    if not calls:
        effect = "services are independent: no call-graph latency or transfer cost"
        yield Degradation("NO_CALL_GRAPH", "fleet", effect)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 1.0
