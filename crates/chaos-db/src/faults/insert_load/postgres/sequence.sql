-- The last number given out by a sequence that feeds a column: $1 schema, $2 table, $3 column.
SELECT max(CASE WHEN has_sequence_privilege(s.oid, 'USAGE') OR has_sequence_privilege(s.oid, 'SELECT')
                THEN pg_sequence_last_value(s.oid) END)
FROM pg_class t
JOIN pg_namespace n ON n.oid = t.relnamespace
JOIN pg_attribute a ON a.attrelid = t.oid
JOIN pg_class s ON s.relkind = 'S' AND s.oid IN (
    -- Owned by the column, or named in its default.
    SELECT d.objid FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
      AND d.refobjid = t.oid AND d.refobjsubid = a.attnum AND d.deptype IN ('a', 'i')
    UNION
    SELECT d.refobjid FROM pg_attrdef f JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
    WHERE f.adrelid = t.oid AND f.adnum = a.attnum AND d.refclassid = 'pg_class'::regclass)
WHERE n.nspname = $1 AND t.relname = $2 AND a.attname = $3
