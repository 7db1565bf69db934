-- The columns of one table that something leans on, so that a change of theirs could be refused or reach further: column
-- and why. Partitions have constraints and indexes of their own, so the whole tree is asked. The partition key needs no
-- line of its own: a table with a primary key has it in there.
-- $1 schema, $2 table.
WITH RECURSIVE root AS (
    SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2
), tree AS (
    SELECT oid FROM root
    UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.oid
), attribute AS (
    SELECT a.* FROM tree JOIN pg_attribute a ON a.attrelid = tree.oid WHERE a.attnum > 0 AND NOT a.attisdropped
), domain AS (
    -- The domains that a column is made of, and those of the elements of an array.
    SELECT a.attrelid, a.attnum, a.atttypid AS type FROM attribute a
    UNION
    SELECT d.attrelid, d.attnum, t.inner_type FROM domain d JOIN (
        SELECT oid, unnest(ARRAY[typbasetype, typelem]) AS inner_type FROM pg_type
    ) AS t ON t.oid = d.type WHERE t.inner_type <> 0
), leaning AS (
    SELECT k.conrelid AS relation, unnest(k.conkey) AS attnum, CASE k.contype
        WHEN 'p' THEN 'is part of the primary key' WHEN 'u' THEN 'must be unique' WHEN 'f' THEN 'is a foreign key'
        WHEN 'x' THEN 'stands in an exclusion constraint'
        ELSE format('is checked by constraint `%s`', k.conname) END AS why
    FROM tree JOIN pg_constraint k ON k.conrelid = tree.oid WHERE k.contype IN ('p', 'u', 'f', 'x', 'c')
    UNION ALL
    -- A check of the whole row names no column.
    SELECT a.attrelid, a.attnum, format('is checked by constraint `%s`', k.conname)
    FROM attribute a JOIN pg_constraint k ON k.conrelid = a.attrelid
    WHERE k.contype = 'c' AND coalesce(cardinality(k.conkey), 0) = 0
    UNION ALL
    SELECT k.confrelid, unnest(k.confkey), format('is referred to by `%s`', k.conrelid::regclass)
    FROM tree JOIN pg_constraint k ON k.confrelid = tree.oid WHERE k.contype = 'f'
    UNION ALL
    -- Columns in keys, expressions and conditions of unique indexes that no constraint owns.
    SELECT d.refobjid, d.refobjsubid, format('must be unique by index `%s`', i.indexrelid::regclass)
    FROM tree JOIN pg_index i ON i.indrelid = tree.oid AND (i.indisunique OR i.indisexclusion)
    JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
         AND d.refclassid = 'pg_class'::regclass AND d.refobjid = tree.oid AND d.refobjsubid > 0
    UNION ALL
    SELECT attrelid, attnum, 'is generated' FROM attribute WHERE attgenerated <> ''
    UNION ALL
    SELECT attrelid, attnum, 'is an identity' FROM attribute WHERE attidentity <> ''
    UNION ALL
    SELECT domain.attrelid, domain.attnum, format('is checked by its domain `%s`', domain.type::regtype)
    FROM domain JOIN pg_constraint k ON k.contypid = domain.type AND k.contype = 'c'
), computed AS (
    -- Which generated column is computed from which. Up to version 14 the column itself has the dependency, since then
    -- its expression.
    SELECT a.attrelid AS relation, a.attnum, d.refobjsubid AS source
    FROM attribute a LEFT JOIN pg_attrdef e ON e.adrelid = a.attrelid AND e.adnum = a.attnum
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid > 0
         AND ((d.classid = 'pg_class'::regclass AND d.objid = a.attrelid AND d.objsubid = a.attnum)
           OR (d.classid = 'pg_attrdef'::regclass AND d.objid = e.oid))
    WHERE a.attgenerated <> '' AND d.refobjsubid <> a.attnum
)
SELECT DISTINCT a.attname::text, leaning.why
FROM leaning JOIN attribute a ON a.attrelid = leaning.relation AND a.attnum = leaning.attnum
UNION
SELECT DISTINCT a.attname::text, format('computes column `%s`, which %s', g.attname, leaning.why)
FROM computed
JOIN leaning ON leaning.relation = computed.relation AND leaning.attnum = computed.attnum AND leaning.why <> 'is generated'
JOIN attribute a ON a.attrelid = computed.relation AND a.attnum = computed.source
JOIN attribute g ON g.attrelid = computed.relation AND g.attnum = computed.attnum
UNION
-- An index that is not unique is only more work: such columns are taken last, so it gets a mark of its own.
SELECT DISTINCT a.attname::text, 'indexed'
FROM tree JOIN pg_index i ON i.indrelid = tree.oid AND NOT i.indisunique AND NOT i.indisexclusion
JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
     AND d.refclassid = 'pg_class'::regclass AND d.refobjid = tree.oid AND d.refobjsubid > 0
JOIN attribute a ON a.attrelid = tree.oid AND a.attnum = d.refobjsubid
ORDER BY 1, 2
