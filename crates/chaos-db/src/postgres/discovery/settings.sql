-- Settings that differ from what the server was built with, those of our own session left out.
SELECT name, coalesce(reset_val, setting) || coalesce(unit, ''), source, context, pending_restart::text
FROM pg_settings
WHERE source NOT IN ('default', 'client', 'session', 'override') AND name NOT LIKE 'chaos.%'
ORDER BY name
