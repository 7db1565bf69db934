-- Foreign keys that point to a table ($1 schema, $2 name) and whose check would read a whole other table for each of our $3
-- rows that the undo deletes: more than $4 rows read in all. One row each: what and a hint.
SELECT format('the undo would read `%s` once for each of %s rows, because its foreign key `%s` has no index', f.conrelid::regclass, $3::bigint, f.conname),
       format('CREATE INDEX ON %s (%s), insert fewer rows, or use a superuser', f.conrelid::regclass,
              (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place) FROM unnest(f.conkey) WITH ORDINALITY AS k(num, place)
               JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.num))
FROM pg_constraint f
JOIN pg_class t ON t.oid = f.confrelid JOIN pg_namespace n ON n.oid = t.relnamespace
JOIN pg_class c ON c.oid = f.conrelid
WHERE f.contype = 'f' AND f.conparentid = 0 AND n.nspname = $1 AND t.relname = $2
  AND greatest(c.reltuples, 0)::float8 * $3::bigint > $4::float8
  AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
  AND NOT EXISTS (SELECT FROM pg_index i
                  WHERE i.indrelid = f.conrelid AND i.indisvalid AND i.indpred IS NULL AND i.indkey[0] = ANY (f.conkey))
