{#-
What does it check?    Rows set aside by each rule add up to the rows set aside of the table.
When does it matter?   A row that is counted under no rule has no explanation.
How is it resolved?    Look for rows in int_quality__quarantined_rows whose table_name is not a contract table.
-#}
select
    table_name,
    sum(case when is_whole_table then rows_quarantined else 0 end) as whole_table,
    sum(case when is_whole_table then 0 else rows_quarantined end) as all_rules
from {{ ref('fct_data_quality') }}
group by table_name
having sum(case when is_whole_table then rows_quarantined else -rows_quarantined end) <> 0
