-- Facts about server, database and role, as one row of text.
SELECT version(), current_database(), pg_database_size(current_database())::text,
       pg_encoding_to_char(d.encoding), current_user,
       pg_is_in_recovery()::text, current_setting('transaction_read_only'), pg_postmaster_start_time()::text,
       r.rolsuper::text, r.rolcreatedb::text, r.rolcreaterole::text, r.rolreplication::text, r.rolbypassrls::text,
       has_database_privilege(current_database(), 'CREATE')::text,
       pg_has_role('pg_signal_backend', 'MEMBER')::text, pg_has_role('pg_read_all_settings', 'MEMBER')::text,
       (SELECT count(*) FROM pg_stat_replication)::text, (SELECT count(*) FROM pg_replication_slots)::text,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::text,
       current_setting('max_connections')
FROM pg_database d, pg_roles r
WHERE d.datname = current_database() AND r.rolname = current_user
