-- How many rows this transaction has changed so far, by table. What the session did before it shows here too, so one
-- looks twice and takes the difference.
SELECT relid, n_tup_ins + n_tup_upd + n_tup_del, schemaname || '.' || relname
FROM pg_stat_xact_user_tables WHERE n_tup_ins + n_tup_upd + n_tup_del > 0
