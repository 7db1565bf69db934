-- The types that the columns of these tables ($1) are made of: domains down to their base, arrays and ranges down to
-- their elements.
WITH RECURSIVE used(oid) AS (
    SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = ANY($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT part.oid
    FROM used JOIN pg_type t ON t.oid = used.oid LEFT JOIN pg_range r ON r.rngtypid = t.oid
    CROSS JOIN LATERAL (VALUES (t.typbasetype), (CASE WHEN t.typcategory = 'A' THEN t.typelem END), (r.rngsubtype)) AS part(oid)
    WHERE part.oid <> 0
)
SELECT t.oid, t.typname::text, t.typnamespace = 'pg_catalog'::regnamespace, t.typtype::text, t.typcategory = 'A',
       t.typbasetype, t.typtypmod, t.typelem, coalesce(r.rngsubtype, 0::oid), t.typnotnull,
       ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder),
       ARRAY(SELECT c.conname::text FROM pg_constraint c WHERE c.contypid = t.oid AND c.contype = 'c' ORDER BY c.conname),
       ARRAY(SELECT pg_get_expr(c.conbin, 0) FROM pg_constraint c
             WHERE c.contypid = t.oid AND c.contype = 'c' ORDER BY c.conname)
FROM used JOIN pg_type t ON t.oid = used.oid LEFT JOIN pg_range r ON r.rngtypid = t.oid
