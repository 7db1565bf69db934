-- The base tables of an application: partitions stand below their parent, tables of extensions and helpers are left out.
-- $1 schemas to narrow to; empty: all but the system's own.
SELECT c.oid, n.nspname::text, c.relname::text, size.rows, size.bytes,
       ARRAY(SELECT DISTINCT t.tgname::text FROM pg_trigger t
             WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'
               AND (t.tgrelid = c.oid OR t.tgrelid IN (SELECT relid FROM pg_partition_tree(c.oid)))
             ORDER BY 1) AS triggers
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    -- The server counts a table when it is analysed; before, the number means nothing.
    SELECT sum(part.reltuples) FILTER (WHERE part.relkind = 'r' AND part.reltuples >= 0 AND part.relpages > 0)::bigint AS rows,
           -- Asking for the size waits for an exclusive lock; then the last known number of pages must do.
           coalesce(sum(CASE WHEN EXISTS (
               SELECT FROM pg_locks l WHERE l.relation = part.oid AND l.mode = 'AccessExclusiveLock')
               THEN part.relpages::bigint * current_setting('block_size')::bigint
               ELSE pg_total_relation_size(part.oid) END), 0)::bigint AS bytes
    FROM pg_class part
    WHERE part.oid = c.oid OR part.oid IN (SELECT relid FROM pg_partition_tree(c.oid))
) AS size
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND n.nspname !~ '^chaos_[0-9]{8}_[0-9]{6}_'
  AND (cardinality($1::text[]) = 0 OR n.nspname = ANY($1::text[]))
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname
