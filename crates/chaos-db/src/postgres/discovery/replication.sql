-- Everything that copies this database elsewhere.
SELECT 'standby', application_name, coalesce(sync_state, 'unknown') FROM pg_stat_replication
UNION ALL SELECT 'slot', slot_name::text, CASE WHEN active THEN 'active' ELSE 'idle' END FROM pg_replication_slots
UNION ALL SELECT 'publication', pubname::text, CASE WHEN puballtables THEN 'all tables' ELSE 'some tables' END FROM pg_publication
ORDER BY 1, 2
