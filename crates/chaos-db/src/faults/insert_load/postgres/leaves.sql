-- The tables that hold the rows of a table ($1), with their sizes in pages.
SELECT p.relid::regclass::text, pg_relation_size(p.relid) / current_setting('block_size')::bigint
FROM (SELECT relid::oid FROM pg_partition_tree($1::oid::regclass) WHERE isleaf
      UNION SELECT $1::oid) AS p(relid)
JOIN pg_class c ON c.oid = p.relid AND c.relkind = 'r'
ORDER BY p.relid
