with

seen_in_features as (
    select
        code,
        scope,
        detail
    from {{ ref('feat_degradations') }}
),

seen_while_computing as (
    select
        code,
        scope,
        detail
    from {{ ref('stg_ml__run_degradations') }}
),

reason_codes as (
    select * from {{ ref('reason_codes') }}
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

-- Both halves may notice the same gap; the features' words win, as they name the data.
combined as (
    select
        code,
        scope,
        detail,
        'features' as noticed_by
    from seen_in_features
    union all
    select
        seen_while_computing.code,
        seen_while_computing.scope,
        seen_while_computing.detail,
        'computation' as noticed_by
    from seen_while_computing
    left join seen_in_features
        on seen_while_computing.code = seen_in_features.code
        and seen_while_computing.scope = seen_in_features.scope
    where seen_in_features.code is null
),

final as (
    select
        combined.code as reason_code,
        combined.scope,
        case
            when combined.scope like 'service:%' then 'service'
            when combined.scope like 'region:%' then 'region'
            else 'fleet'
        end as scope_kind,
        case when combined.scope like 'service:%' then substring(combined.scope, 9) end
            as service_id,
        case when combined.scope like 'region:%' then substring(combined.scope, 8) end
            as region_id,
        combined.detail,
        combined.noticed_by,
        coalesce(reason_codes.text, combined.detail) as effect,
        reason_codes.confidence_cap,
        observation_window.as_of_at as as_of
    from combined
    cross join observation_window
    left join reason_codes
        on combined.code = reason_codes.reason_code
)

select * from final
