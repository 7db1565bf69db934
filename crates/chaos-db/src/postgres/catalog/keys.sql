-- Primary keys and everything unique of these tables ($1): constraints and bare indexes alike, because both refuse rows.
-- A member that is no column is given as its expression. A partial index is given as if it were not partial.
SELECT i.indrelid, i.indisprimary,
       ARRAY(SELECT pg_get_indexdef(i.indexrelid, place, true) FROM generate_series(1, i.indnkeyatts) AS place
             ORDER BY place),
       ARRAY(SELECT a.attname::text FROM generate_series(1, i.indnkeyatts) AS place
             LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[place - 1]
             ORDER BY place)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = ANY($1::oid[]) AND i.indisunique AND i.indisready
ORDER BY i.indrelid, c.relname
