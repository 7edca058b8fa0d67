with

landed as (
    select * from {{ source('raw', 'services') }}
),

renamed as (
    select
        nullif(trim(landed.service_id), '') as service_id,
        nullif(trim(landed.service_name), '') as service_name,
        nullif(trim(landed.team), '') as team,
        landed.cpu_cores,
        landed.memory_mb,
        landed.latency_critical as is_latency_critical,
        landed.tier,
        landed.slo_p95_ms,
        landed.traffic_volume_rps as nominal_rps,
        landed.dependencies as nominal_dependencies,
        landed.min_regions,
        landed.max_regions,
        nullif(upper(replace(landed.residency, ' ', '')), '') as residency,
        landed.stateful as is_stateful,
        landed.state_gb,
        landed.request_kb,
        landed.response_kb,
        landed.service_id as raw_service_id,
        landed.residency as raw_residency,
        landed._file as file_name,
        landed._row as line_number,
        landed._unparsed as unparsed_values
    from landed
),

ruled as (
    select
        renamed.*,
        case
            when renamed.unparsed_values is not null then 'unparsed_value'
            when
                renamed.service_id is null or renamed.service_name is null or renamed.cpu_cores is null
                or renamed.memory_mb is null or renamed.is_latency_critical is null then 'missing_required'
            when -- A residency nobody can read must never become a recommendation.
                {{ is_invalid_residency('renamed.residency') }} then 'invalid_code'
            when
                {{ is_outside('renamed.cpu_cores', 0.01, 1024) }}
                or {{ is_outside('renamed.memory_mb', 1, 25000000) }}
                or {{ is_outside('renamed.tier', 1, 4) }}
                or {{ is_outside('renamed.slo_p95_ms', 0.1, 1e9) }}
                or {{ is_outside('renamed.min_regions', 1, 1e6) }}
                or {{ is_outside('renamed.max_regions', 1, 1e6) }}
                or {{ is_outside('renamed.state_gb', 0, 1e12) }}
                or {{ is_outside('renamed.request_kb', 0, 1e6) }}
                or {{ is_outside('renamed.response_kb', 0, 1e6) }}
                or {{ is_outside('renamed.nominal_rps', 0, 1e12) }}
                or {{ is_outside('renamed.nominal_dependencies', 0, 1e6) }} then 'value_out_of_range'
        end as broken_rule
    from renamed
),

{{ settle_repeats(
    'ruled',
    keys=['service_id'],
    payload=[
        'service_name',
        'team',
        'cpu_cores',
        'memory_mb',
        'is_latency_critical',
        'tier',
        'slo_p95_ms',
        'nominal_rps',
        'nominal_dependencies',
        'min_regions',
        'max_regions',
        'residency',
        'is_stateful',
        'state_gb',
        'request_kb',
        'response_kb',
    ],
) }},

final as (
    select
        ruled.service_id,
        ruled.service_name,
        ruled.team,
        ruled.cpu_cores,
        ruled.memory_mb,
        ruled.is_latency_critical,
        ruled.tier,
        ruled.slo_p95_ms,
        ruled.nominal_rps,
        ruled.nominal_dependencies,
        ruled.min_regions,
        ruled.max_regions,
        ruled.residency,
        ruled.is_stateful,
        ruled.state_gb,
        ruled.request_kb,
        ruled.response_kb,
        ruled.file_name,
        ruled.line_number,
        coalesce(ruled.broken_rule, settled.repeat_rule) as rejected_rule,
        case
            when coalesce(ruled.broken_rule, settled.repeat_rule) is not null
                then {{ json_of({
                    'service_id': 'ruled.raw_service_id',
                    'service_name': 'ruled.service_name',
                    'team': 'ruled.team',
                    'cpu_cores': 'ruled.cpu_cores',
                    'memory_mb': 'ruled.memory_mb',
                    'latency_critical': 'ruled.is_latency_critical',
                    'tier': 'ruled.tier',
                    'slo_p95_ms': 'ruled.slo_p95_ms',
                    'traffic_volume_rps': 'ruled.nominal_rps',
                    'dependencies': 'ruled.nominal_dependencies',
                    'min_regions': 'ruled.min_regions',
                    'max_regions': 'ruled.max_regions',
                    'residency': 'ruled.raw_residency',
                    'stateful': 'ruled.is_stateful',
                    'state_gb': 'ruled.state_gb',
                    'request_kb': 'ruled.request_kb',
                    'response_kb': 'ruled.response_kb',
                    'unparsed': 'ruled.unparsed_values',
                }) }}
        end as original_values
    from ruled
    left join settled
        on ruled.file_name = settled.file_name
        and ruled.line_number = settled.line_number
)

select * from final
