-- Everything that stands in the way of reading these tables: one row each, what and a hint.
-- $1 schemas, $2 tables in the same order, $3 how many connections must be free.
WITH RECURSIVE root AS (
    SELECT c.oid, n.oid AS namespace, n.nspname, wanted.label
    FROM (SELECT s, t, format('%I.%I', s, t) AS label FROM unnest($1::text[], $2::text[]) AS u(s, t)) AS wanted
    LEFT JOIN pg_namespace n ON n.nspname = wanted.s
    LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.t
), tree AS (
    SELECT oid FROM root WHERE oid IS NOT NULL
    UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.oid
), part AS (
    SELECT c.*, c.oid::regclass::text AS label FROM tree JOIN pg_class c ON c.oid = tree.oid
)
SELECT format('there is no table `%s` any more', label), 'look again with `chaos discover`' FROM root WHERE oid IS NULL
UNION ALL
SELECT format('the role `%s` has no right to SELECT on `%s`', current_user, label),
       format('GRANT SELECT ON %s TO %I', label, current_user)
FROM root WHERE oid IS NOT NULL AND NOT has_table_privilege(oid, 'SELECT')
UNION ALL
SELECT DISTINCT format('the role `%s` has no right to USAGE of schema `%s`', current_user, nspname),
       format('GRANT USAGE ON SCHEMA %I TO %I', nspname, current_user)
FROM root WHERE namespace IS NOT NULL AND NOT has_schema_privilege(namespace, 'USAGE')
UNION ALL
SELECT format('row security of `%s` hides rows from the role `%s`', label, current_user), 'use a role with BYPASSRLS'
FROM part WHERE row_security_active(oid)
UNION ALL
SELECT format('`%s` is a foreign table: the load would reach another server', label), 'choose other tables'
FROM part WHERE relkind = 'f'
UNION ALL
SELECT format('%s connections are free, and the load with its undo needs %s', free.n, $3::bigint),
       'choose fewer `connections`, so that the application keeps its own'
FROM (
    -- A role or a database may have a limit of its own below the server's; -1 means none.
    SELECT least(
        current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint
            - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
        (SELECT nullif(r.rolconnlimit, -1) - (SELECT count(*) FROM pg_stat_activity WHERE usename = current_user)
         FROM pg_roles r WHERE r.rolname = current_user),
        (SELECT nullif(d.datconnlimit, -1) - (SELECT count(*) FROM pg_stat_activity a WHERE a.datname = d.datname)
         FROM pg_database d WHERE d.datname = current_database())
    ) AS n
) AS free
WHERE free.n < $3::bigint
