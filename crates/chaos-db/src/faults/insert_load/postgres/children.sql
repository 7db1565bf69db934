-- Foreign keys that point to a table ($1) or one of its partitions: the referring table, its columns, ours, and whether
-- an index begins with one of its columns.
SELECT f.conrelid::regclass::text,
       ARRAY(SELECT a.attname::text FROM unnest(f.conkey) WITH ORDINALITY AS k(num, place)
             JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.num ORDER BY k.place),
       ARRAY(SELECT a.attname::text FROM unnest(f.confkey) WITH ORDINALITY AS k(num, place)
             JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.num ORDER BY k.place),
       EXISTS (SELECT FROM pg_index i
               WHERE i.indrelid = f.conrelid AND i.indisvalid AND i.indpred IS NULL AND i.indkey[0] = ANY (f.conkey))
FROM pg_constraint f
WHERE f.contype = 'f' AND f.conparentid = 0
  AND (f.confrelid = $1 OR f.confrelid IN (SELECT relid FROM pg_partition_tree($1::oid::regclass)))
ORDER BY f.oid
