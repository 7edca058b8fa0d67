select
    table_name,
    file_name,
    is_present,
    rows_read,
    absent_columns,
    unknown_columns,
    file_sha256
from {{ source('raw', 'landed_tables') }}
