-- Rights that insert and undo need on other tables than by name of the step: $1 schemas, $2 tables, $3 rights.
-- One row for each that is missing: what and a hint.
SELECT format('the role `%s` has no right to %s on `%I.%I`', current_user, need.verb, need.schema, need.name),
       format('GRANT %s ON %I.%I TO %I', need.verb, need.schema, need.name, current_user)
FROM unnest($1::text[], $2::text[], $3::text[]) AS need(schema, name, verb)
JOIN pg_namespace n ON n.nspname = need.schema
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = need.name
WHERE NOT has_schema_privilege(n.oid, 'USAGE')
   OR NOT CASE need.verb WHEN 'UPDATE' THEN has_any_column_privilege(c.oid, 'UPDATE')
                         ELSE has_table_privilege(c.oid, need.verb) END
