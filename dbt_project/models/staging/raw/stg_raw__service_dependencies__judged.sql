with

landed as (
    select * from {{ source('raw', 'service_dependencies') }}
),

callers as (
    select * from {{ ref('stg_raw__services') }}
),

callees as (
    select * from {{ ref('stg_raw__services') }}
),

renamed as (
    select
        nullif(trim(landed.caller_service_id), '') as caller_service_id,
        nullif(trim(landed.callee_service_id), '') as callee_service_id,
        landed.calls_per_request,
        coalesce(landed.is_async, false) as is_async,
        landed.stage,
        landed.serial_calls,
        landed.request_kb,
        landed.response_kb,
        landed.caller_service_id as raw_caller_service_id,
        landed.callee_service_id as raw_callee_service_id,
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
                renamed.caller_service_id is null or renamed.callee_service_id is null
                or renamed.calls_per_request is null then 'missing_required'
            when callers.service_id is null or callees.service_id is null then 'unknown_service'
            when renamed.caller_service_id = renamed.callee_service_id then 'self_call'
            when renamed.calls_per_request <= 0 then 'non_positive_calls'
            when
                {{ is_outside('renamed.calls_per_request', 0, 1e5) }}
                or {{ is_outside('renamed.stage', 0, 1e6) }}
                or {{ is_outside('renamed.serial_calls', 0, 1e5) }}
                or {{ is_outside('renamed.request_kb', 0, 1e6) }}
                or {{ is_outside('renamed.response_kb', 0, 1e6) }} then 'value_out_of_range'
        end as broken_rule
    from renamed
    left join callers
        on renamed.caller_service_id = callers.service_id
    left join callees
        on renamed.callee_service_id = callees.service_id
),

{{ settle_repeats(
    'ruled',
    keys=['caller_service_id', 'callee_service_id'],
    payload=[
        'calls_per_request',
        'is_async',
        'stage',
        'serial_calls',
        'request_kb',
        'response_kb',
    ],
) }},

final as (
    select
        ruled.caller_service_id,
        ruled.callee_service_id,
        ruled.calls_per_request,
        ruled.is_async,
        ruled.stage,
        ruled.serial_calls,
        ruled.request_kb,
        ruled.response_kb,
        ruled.file_name,
        ruled.line_number,
        coalesce(ruled.broken_rule, settled.repeat_rule) as rejected_rule,
        case
            when coalesce(ruled.broken_rule, settled.repeat_rule) is not null
                then {{ json_of({
                    'caller_service_id': 'ruled.raw_caller_service_id',
                    'callee_service_id': 'ruled.raw_callee_service_id',
                    'calls_per_request': 'ruled.calls_per_request',
                    'is_async': 'ruled.is_async',
                    'stage': 'ruled.stage',
                    'serial_calls': 'ruled.serial_calls',
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
