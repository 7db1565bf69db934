-- Everything about one table and its partitions that stands in the way of an exact undo: one row each, what and a hint.
-- $1 schema, $2 table, $3 'insert' or 'update', $4 the columns to be updated.
WITH RECURSIVE root AS (
    SELECT c.oid, c.relnamespace
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2
), tree AS (
    SELECT oid FROM root
    UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.oid
), part AS (
    SELECT c.*, c.oid::regclass::text AS label FROM tree JOIN pg_class c ON c.oid = tree.oid
), written AS (
    SELECT a.* FROM root JOIN pg_attribute a ON a.attrelid = root.oid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attname = ANY($4)
)
SELECT format('there is no table `%I.%I` any more', $1, $2), 'look again with `chaos discover`'
WHERE NOT EXISTS (SELECT FROM root)
UNION ALL
SELECT format('`%s` is %s, not a plain table', label, CASE relkind WHEN 'v' THEN 'a view' WHEN 'm' THEN 'a materialized view'
       WHEN 'f' THEN 'a foreign table' ELSE format('of kind `%s`', relkind) END), 'choose another table'
FROM part WHERE relkind NOT IN ('r', 'p')
UNION ALL
SELECT format('`%s` is %s: a server crash would lose its rows', label,
       CASE relpersistence WHEN 'u' THEN 'unlogged' ELSE 'temporary' END), 'choose another table'
FROM part WHERE relpersistence <> 'p'
UNION ALL
SELECT format('`%s` inherits from it without being a partition, so that a key is not unique', label), 'choose another table'
FROM part WHERE NOT relispartition AND oid <> (SELECT oid FROM root)
UNION ALL
SELECT format('row security of `%s` hides rows from the role `%s`', label, current_user), 'use a role with BYPASSRLS'
FROM part WHERE row_security_active(oid)
UNION ALL
SELECT format('trigger `%s` of `%s` would fire, and what it does cannot be undone', t.tgname, label),
       format('ALTER TABLE %s DISABLE TRIGGER %I for the time of the run, or choose another table', label, t.tgname)
FROM part JOIN pg_trigger t ON t.tgrelid = part.oid
WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'
  -- Bits of tgtype: 4 INSERT, 8 DELETE, 16 UPDATE. The undo of an insert deletes.
  AND CASE WHEN $3 = 'insert' THEN t.tgtype::int & 12 <> 0
           ELSE t.tgtype::int & 16 <> 0 AND (cardinality(t.tgattr::int2[]) = 0 OR EXISTS (
               SELECT FROM pg_attribute a WHERE a.attrelid = part.oid
               AND a.attnum = ANY(t.tgattr::int2[]) AND a.attname = ANY($4))) END
UNION ALL
SELECT format('rule `%s` of `%s` would rewrite our statements', r.rulename, label),
       format('ALTER TABLE %s DISABLE RULE %I for the time of the run, or choose another table', label, r.rulename)
FROM part JOIN pg_rewrite r ON r.ev_class = part.oid
WHERE r.rulename <> '_RETURN' AND r.ev_enabled <> 'D'
  -- ev_type: 2 UPDATE, 3 INSERT, 4 DELETE.
  AND r.ev_type = ANY(CASE WHEN $3 = 'insert' THEN ARRAY['3', '4'] ELSE ARRAY['2'] END::"char"[])
UNION ALL
SELECT format('the role `%s` has no right to %s on `%s`', current_user, needed.verb, part.label),
       format('GRANT %s ON %s TO %I', needed.verb, part.label, current_user)
FROM root JOIN part ON part.oid = root.oid
-- A right on some columns would be enough for the UPDATE itself, but not for the lock before it.
CROSS JOIN unnest(CASE WHEN $3 = 'insert' THEN ARRAY['SELECT', 'INSERT', 'DELETE'] ELSE ARRAY['SELECT', 'UPDATE'] END) AS needed(verb)
WHERE NOT has_table_privilege(part.oid, needed.verb)
UNION ALL
SELECT format('the role `%s` has no right to USAGE of schema `%s`', current_user, n.nspname),
       format('GRANT USAGE ON SCHEMA %I TO %I', n.nspname, current_user)
FROM root JOIN pg_namespace n ON n.oid = root.relnamespace
WHERE NOT has_schema_privilege(n.oid, 'USAGE')
UNION ALL
SELECT format('column `%s` is %s and cannot be set back', attname,
       CASE WHEN attgenerated <> '' THEN 'generated' ELSE 'an identity' END), 'choose other columns'
FROM written WHERE $3 = 'update' AND (attgenerated <> '' OR attidentity = 'a')
UNION ALL
SELECT format('`%s` is published and has REPLICA IDENTITY NOTHING, so that the server refuses an update', label),
       format('ALTER TABLE %s REPLICA IDENTITY DEFAULT', label)
FROM part
WHERE $3 = 'update' AND relkind = 'r' AND relreplident = 'n' AND EXISTS (
    SELECT FROM pg_publication_rel pr JOIN pg_publication p ON p.oid = pr.prpubid
    WHERE p.pubupdate AND pr.prrelid IN (SELECT oid FROM tree))
UNION ALL
-- What we need is ROW EXCLUSIVE. A request that waits counts too: we would queue behind it, and others behind us.
(SELECT DISTINCT format('%s %s %s on `%s`',
       CASE WHEN l.pid IS NULL THEN 'a prepared transaction'
            ELSE format('process %s (role `%s`, application `%s`)', l.pid, s.usename, s.application_name) END,
       CASE WHEN l.granted THEN 'holds' ELSE 'waits for' END, l.mode, part.label),
       'wait until that lock is gone, or end its session'
FROM part JOIN pg_locks l ON l.locktype = 'relation' AND l.relation = part.oid
     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
LEFT JOIN pg_stat_activity s ON s.pid = l.pid
WHERE l.pid IS DISTINCT FROM pg_backend_pid()
  -- A process without a role is autovacuum cutting off the empty end of a table: it lets go as soon as anybody waits.
  AND (s.pid IS NULL OR s.usesysid IS NOT NULL)
  AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
LIMIT 5)
