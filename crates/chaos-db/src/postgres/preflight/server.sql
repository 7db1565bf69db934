-- Everything about server, database and role that stands in the way of an exact undo: one row each, what and a hint.
SELECT 'the server is in recovery and takes no writes', 'connect to the primary' WHERE pg_is_in_recovery()
UNION ALL
-- reset_val, because a session of ours that only reads may be read-only by its own choice.
SELECT 'transactions are read-only by default for this role or database', 'use a role that may write'
FROM pg_settings WHERE name = 'default_transaction_read_only' AND reset_val = 'on'
UNION ALL
SELECT format('setting `%s` is off, so that %s', name, CASE name WHEN 'fsync' THEN 'nothing is certain after a crash'
       ELSE 'nobody can see which tables a statement wrote' END), format('set `%s` to `on`', name)
FROM pg_settings WHERE name IN ('fsync', 'track_counts') AND setting = 'off'
UNION ALL
SELECT format('the role `%s` may not create a schema in database `%s`, where the undo keeps its data', current_user, current_database()),
       format('GRANT CREATE ON DATABASE %I TO %I', current_database(), current_user)
WHERE NOT has_database_privilege(current_database(), 'CREATE')
UNION ALL
SELECT format('event trigger `%s` fires when the undo data is created and dropped', evtname),
       format('ALTER EVENT TRIGGER %I DISABLE for the time of the run', evtname)
FROM pg_event_trigger
WHERE evtenabled <> 'D' AND evtevent IN ('ddl_command_start', 'ddl_command_end', 'sql_drop')
UNION ALL
SELECT format('publication `%s` is FOR ALL TABLES: the undo data would stop its subscribers', pubname),
       'publish tables by name, or choose a database that is not published'
FROM pg_publication WHERE puballtables
UNION ALL
-- Roles without pg_read_all_stats see the standbys but not their state: then they get the benefit of the doubt.
SELECT format('`synchronous_standby_names` is `%s` and no such standby is connected: a commit would hang', setting),
       'connect the standby'
FROM pg_settings
WHERE name = 'synchronous_standby_names' AND setting <> '' AND NOT EXISTS (
    SELECT FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum') OR sync_state IS NULL)
