with

landed as (
    select * from {{ source('raw', 'region_egress') }}
),

spellings as (
    select * from {{ ref('stg_raw__place_spellings') }}
),

source_region_names as (
    {{ resolve_places('landed', 'source_region', 'spellings') }}
),

target_region_names as (
    {{ resolve_places('landed', 'target_region', 'spellings') }}
),

renamed as (
    select
        coalesce(source_region_names.place_id, nullif(trim(landed.source_region), ''))
            as source_region_id,
        coalesce(target_region_names.place_id, nullif(trim(landed.target_region), ''))
            as target_region_id,
        coalesce(source_region_names.is_region, false) as is_source_known,
        coalesce(target_region_names.is_region, false) as is_target_known,
        landed.usd_per_gb as egress_usd_per_gb,
        landed.source as facts_source,
        landed.observed_on as facts_observed_on,
        landed.source_region as raw_source_region,
        landed.target_region as raw_target_region,
        landed._file as file_name,
        landed._row as line_number,
        landed._unparsed as unparsed_values
    from landed
    left join source_region_names
        on landed.source_region = source_region_names.written_as
    left join target_region_names
        on landed.target_region = target_region_names.written_as
),

ruled as (
    select
        renamed.*,
        case
            when renamed.unparsed_values is not null then 'unparsed_value'
            when
                renamed.source_region_id is null or renamed.target_region_id is null
                or renamed.egress_usd_per_gb is null then 'missing_required'
            when not renamed.is_source_known or not renamed.is_target_known then 'unknown_region'
            when {{ is_outside('renamed.egress_usd_per_gb', 0, 2) }} then 'value_out_of_range'
        end as broken_rule
    from renamed
),

{{ settle_repeats(
    'ruled',
    keys=['source_region_id', 'target_region_id'],
    payload=[
        'egress_usd_per_gb',
        'facts_source',
        'facts_observed_on',
    ],
) }},

final as (
    select
        ruled.source_region_id,
        ruled.target_region_id,
        ruled.egress_usd_per_gb,
        ruled.facts_source,
        ruled.facts_observed_on,
        ruled.file_name,
        ruled.line_number,
        coalesce(ruled.broken_rule, settled.repeat_rule) as rejected_rule,
        case
            when coalesce(ruled.broken_rule, settled.repeat_rule) is not null
                then {{ json_of({
                    'source_region': 'ruled.raw_source_region',
                    'target_region': 'ruled.raw_target_region',
                    'usd_per_gb': 'ruled.egress_usd_per_gb',
                    'source': 'ruled.facts_source',
                    'observed_on': 'ruled.facts_observed_on',
                    'unparsed': 'ruled.unparsed_values',
                }) }}
        end as original_values
    from ruled
    left join settled
        on ruled.file_name = settled.file_name
        and ruled.line_number = settled.line_number
)

select * from final
