with

found as (
    select * from {{ ref('int_placement__reasons_found') }}
),

reason_codes as (
    select * from {{ ref('reason_codes') }}
),

final as (
    select
        found.service_id,
        found.reason_code,
        reason_codes.reason_kind,
        reason_codes.is_for_change,
        reason_codes.metric_name,
        found.observed_value,
        found.threshold_value,
        found.worth_usd,
        reason_codes.unit,
        reason_codes.evidence_mart,
        reason_codes.text as reason_text,
        row_number() over (
            partition by found.service_id
            order by
                -- The rule that forces it, why it stays, why it goes, what speaks against, gaps.
                case
                    when reason_codes.reason_kind = 'rule' then 1
                    when reason_codes.reason_kind = 'keep' then 2
                    when reason_codes.reason_kind = 'data' then 5
                    -- A gain that lies elsewhere is said first: the effects below it look worse.
                    when found.reason_code = 'FLEET_GAIN' then 2
                    when reason_codes.is_for_change then 3
                    else 4
                end,
                abs(found.worth_usd) desc,
                found.reason_code
        ) as reason_rank
    from found
    inner join reason_codes
        on found.reason_code = reason_codes.reason_code
)

select * from final
