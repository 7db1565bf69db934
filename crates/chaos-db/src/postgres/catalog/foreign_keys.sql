-- Foreign keys that leave from or point to these tables ($1). Those that belong to a partition are given for its parent,
-- and the copies that the server makes for partitions are left out.
SELECT ends.child, ends.parent, f.conname::text, cn.nspname::text, c.relname::text, pn.nspname::text, p.relname::text,
       ARRAY(SELECT a.attname::text FROM unnest(f.conkey) WITH ORDINALITY AS k(num, place)
             JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.num ORDER BY k.place),
       ARRAY(SELECT a.attname::text FROM unnest(f.confkey) WITH ORDINALITY AS k(num, place)
             JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.num ORDER BY k.place),
       CASE f.confdeltype WHEN 'a' THEN 'NO ACTION' WHEN 'r' THEN 'RESTRICT' WHEN 'c' THEN 'CASCADE'
                          WHEN 'n' THEN 'SET NULL' ELSE 'SET DEFAULT' END
FROM pg_constraint f
CROSS JOIN LATERAL (
    SELECT coalesce(pg_partition_root(f.conrelid)::oid, f.conrelid) AS child,
           coalesce(pg_partition_root(f.confrelid)::oid, f.confrelid) AS parent
) AS ends
JOIN pg_class c ON c.oid = ends.child JOIN pg_namespace cn ON cn.oid = c.relnamespace
JOIN pg_class p ON p.oid = ends.parent JOIN pg_namespace pn ON pn.oid = p.relnamespace
WHERE f.contype = 'f' AND f.conparentid = 0 AND (ends.child = ANY($1::oid[]) OR ends.parent = ANY($1::oid[]))
ORDER BY f.conname, f.oid
