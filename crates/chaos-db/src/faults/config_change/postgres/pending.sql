-- Files that were changed after the server last read them: one row each, what and a hint. Our reload would put changes
-- of somebody else into force, and no undo would take them back.
SELECT format('`%s` was changed after the server last read it, and our reload would put that into force', f.file),
       'reload the server first (SELECT pg_reload_conf())'
FROM (
    SELECT current_setting('config_file') AS file
    UNION SELECT current_setting('data_directory') || '/postgresql.auto.conf'
    UNION SELECT sourcefile FROM pg_file_settings
) AS f
WHERE (pg_stat_file(f.file, true)).modification > pg_conf_load_time()
