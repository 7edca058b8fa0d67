-- What does it check? That each table of the raw contract has a line in the row account.
-- When does it matter? A table without a line could lose rows and nobody would be told.
-- How is it resolved? Add the table to the lists in int_quality__row_account and
-- int_quality__quarantined_rows.
select
    landed.table_name
from {{ ref('stg_raw__landed_tables') }} as landed
left join {{ ref('int_quality__row_account') }} as account
    on landed.table_name = account.table_name
where account.table_name is null
