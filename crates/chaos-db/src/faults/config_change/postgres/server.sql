-- Everything about server, files and role that stands in the way of a change of settings: one row each, what and a hint.
SELECT format('the role `%s` may not use `%s`', current_user, needed.what), format('GRANT EXECUTE ON FUNCTION %s TO %I', needed.what, current_user)
FROM (VALUES ('pg_reload_conf()'), ('pg_show_all_file_settings()')) AS needed(what)
WHERE NOT has_function_privilege(needed.what, 'EXECUTE')
UNION ALL
SELECT format('the role `%s` may not read `pg_file_settings`', current_user), format('GRANT SELECT ON pg_file_settings TO %I', current_user)
WHERE NOT has_table_privilege('pg_file_settings', 'SELECT')
UNION ALL
SELECT '`allow_alter_system` is off: the configuration of this server is managed elsewhere', 'choose another server'
WHERE current_setting('allow_alter_system', true) = 'off'
