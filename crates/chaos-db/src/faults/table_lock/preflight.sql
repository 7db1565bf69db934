-- Everything about one table and its partitions that stands in the way of a lock: one row each, what and a hint.
-- $1 schema, $2 table, $3 rights (each element a list of which one is enough), $4 whether rows are read.
WITH RECURSIVE root AS (
    SELECT c.oid, c.relnamespace
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2
), tree AS (
    SELECT oid FROM root
    UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.oid
), part AS (
    SELECT c.*, c.oid::regclass::text AS label FROM tree JOIN pg_class c ON c.oid = tree.oid
)
SELECT 'the server is in recovery, where locks would stop the replay', 'connect to the primary' WHERE pg_is_in_recovery()
UNION ALL
SELECT format('there is no table `%I.%I` any more', $1, $2), 'look again with `chaos discover`'
WHERE NOT EXISTS (SELECT FROM root)
UNION ALL
SELECT format('`%s` is %s, not a plain table', label, CASE relkind WHEN 'v' THEN 'a view' WHEN 'm' THEN 'a materialized view'
       WHEN 'f' THEN 'a foreign table' ELSE format('of kind `%s`', relkind) END), 'choose another table'
FROM part WHERE relkind NOT IN ('r', 'p')
UNION ALL
SELECT format('`%s` is temporary and belongs to one session', label), 'choose another table'
FROM part WHERE relpersistence = 't'
UNION ALL
SELECT format('row security of `%s` hides rows from the role `%s`', label, current_user), 'use a role with BYPASSRLS'
FROM part WHERE $4 AND row_security_active(oid)
UNION ALL
SELECT format('the role `%s` needs one of the rights %s on `%s`', current_user, needed.any_of, part.label),
       format('GRANT %s ON %s TO %I', split_part(needed.any_of, ',', 1), part.label, current_user)
FROM root JOIN part ON part.oid = root.oid CROSS JOIN unnest($3::text[]) AS needed(any_of)
WHERE NOT has_table_privilege(part.oid, needed.any_of)
UNION ALL
SELECT format('the role `%s` has no right to USAGE of schema `%s`', current_user, n.nspname),
       format('GRANT USAGE ON SCHEMA %I TO %I', n.nspname, current_user)
FROM root JOIN pg_namespace n ON n.oid = root.relnamespace
WHERE NOT has_schema_privilege(n.oid, 'USAGE')
