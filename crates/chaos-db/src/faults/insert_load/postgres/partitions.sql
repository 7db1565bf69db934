-- The oid of a table ($1 schema, $2 name), and for each of its partitions that hold rows the condition of those rows:
-- the newest partition first. A table that is not partitioned has one row without a condition.
SELECT c.oid, leaf.relid::regclass::text,
       -- Hashed rows fit somewhere, whatever they are.
       CASE WHEN leaf.condition ~ 'satisfies_hash_partition' THEN NULL ELSE leaf.condition END
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT p.relid, pg_get_partition_constraintdef(p.relid) AS condition
    FROM pg_partition_tree(c.oid) p WHERE p.isleaf AND c.relkind = 'p'
) AS leaf ON true
WHERE n.nspname = $1 AND c.relname = $2 AND (c.relkind <> 'p' OR leaf.relid IS NOT NULL)
ORDER BY leaf.relid DESC NULLS LAST
LIMIT 64
