with

account as (
    select * from {{ ref('int_quality__row_account') }}
),

landed as (
    select * from {{ ref('stg_raw__landed_tables') }}
),

broken as (
    select
        table_name,
        rule_id,
        min(reason) as reason,
        count(*) as rows_quarantined
    from {{ ref('int_quality__quarantined_rows') }}
    group by table_name, rule_id
),

observation_window as (
    select * from {{ ref('feat_window') }}
),

combined as (
    select
        table_name,
        'all' as rule_id,
        'All rows of the table.' as reason,
        true as is_whole_table,
        rows_kept,
        rows_quarantined
    from account

    union all

    -- What was kept is kept by all rules together: it has no value for one of them.
    select
        table_name,
        rule_id,
        reason,
        false as is_whole_table,
        cast(null as bigint) as rows_kept,
        rows_quarantined
    from broken
),

final as (
    select
        combined.table_name,
        combined.rule_id,
        combined.is_whole_table,
        combined.reason,
        landed.file_name,
        coalesce(landed.is_present, false) as is_present,
        landed.absent_columns,
        landed.unknown_columns,
        cast(account.rows_read as bigint) as rows_read,
        cast(combined.rows_kept as bigint) as rows_kept,
        cast(combined.rows_quarantined as bigint) as rows_quarantined,
        cast(combined.rows_quarantined as double) / nullif(account.rows_read, 0)
            as quarantined_share,
        account.rows_read = account.rows_kept + account.rows_quarantined as is_account_closed,
        observation_window.as_of_at as as_of
    from combined
    inner join account
        on combined.table_name = account.table_name
    cross join observation_window
    left join landed
        on combined.table_name = landed.table_name
)

select * from final
