-- CHECK and EXCLUDE constraints of these tables ($1), and CHECKs that only one of their partitions has.
SELECT coalesce(pg_partition_root(k.conrelid)::oid, k.conrelid), k.conname::text,
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) AS num
             JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = num),
       -- The text of an exclusion is given whole: no generator takes it for a condition on one row.
       CASE k.contype WHEN 'c' THEN pg_get_expr(k.conbin, k.conrelid) ELSE pg_get_constraintdef(k.oid) END
FROM pg_constraint k
WHERE k.contype IN ('c', 'x') AND k.conparentid = 0 AND (k.conislocal OR k.conrelid = ANY($1::oid[]))
  AND (k.conrelid = ANY($1::oid[]) OR pg_partition_root(k.conrelid)::oid = ANY($1::oid[]))
ORDER BY k.conname, k.oid
