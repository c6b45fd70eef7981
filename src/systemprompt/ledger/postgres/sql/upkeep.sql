-- Upkeep of the schema as a whole.

-- name: schema_objects
-- Everything in the first schema of the search_path, but for the months' partitions, each with a text that says what it is. Names of
-- that schema stand without it, since it comes first.
WITH ours AS (
    SELECT c.oid, c.relname, c.relkind, c.reloptions FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relname !~ '^job_runs_\d{4}_\d{2}')
SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind, c.relname AS name, c.relname AS of_table,
       concat_ws(E'\n', c.relkind, c.reloptions::text,
           (SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'NOT NULL' END,
                                        a.attidentity, pg_get_expr(d.adbin, d.adrelid)), E'\n' ORDER BY a.attnum)
            FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind <> 'S'),
           (SELECT string_agg(k.conname || ' ' || pg_get_constraintdef(k.oid), E'\n' ORDER BY k.conname)
            FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype <> 'n'),
           pg_get_partkeydef(c.oid)) AS text
FROM ours c WHERE c.relkind IN ('r', 'p', 'S')
UNION ALL
SELECT 'view', c.relname, c.relname, pg_get_viewdef(c.oid) FROM ours c WHERE c.relkind = 'v'
UNION ALL
SELECT 'index', c.relname, t.relname, pg_get_indexdef(c.oid)
FROM ours c JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_class t ON t.oid = i.indrelid
UNION ALL
-- A trigger is known by its name and its table: several tables have one of the same name.
SELECT 'trigger', g.tgname || CASE WHEN c.relname LIKE 'job\_runs%' THEN ' of ' || c.relname ELSE '' END, c.relname,
       pg_get_triggerdef(g.oid) || ' ' || g.tgenabled::text
FROM pg_trigger g JOIN ours c ON c.oid = g.tgrelid WHERE NOT g.tgisinternal
UNION ALL
SELECT 'function', p.oid::regprocedure::text, p.proname, pg_get_functiondef(p.oid)
FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace
ORDER BY 1, 2

-- name: schema_exists
SELECT EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = :schema AND c.relname = 'ledger_state') AS is_there

-- name: sessions
-- Who else has the ledger open.
SELECT count(*) AS number FROM pg_stat_activity
WHERE datname = current_database() AND application_name = :name AND pid <> pg_backend_pid()

-- name: extent
SELECT (SELECT count(*) FROM job_runs) + (SELECT count(*) FROM open_runs) AS runs,
       coalesce((SELECT max(planned_through) FROM job_cursors), 'epoch') AS planned_through

-- name: numbers_given
-- The row that SQLite has in `ledger_state`, as far as it is kept differently here. Numbers that no run got were left out.
SELECT s.ledger_id, (SELECT CASE WHEN f.is_called THEN f.last_value ELSE 0 END FROM fences f) AS fence,
       (SELECT CASE WHEN i.is_called THEN i.last_value ELSE 0 END FROM run_ids i) AS last_run,
       (SELECT count(*) FROM job_runs) + (SELECT count(*) FROM open_runs)
           + coalesce((SELECT sum(l.runs) FROM ledger_seals l WHERE l.until_at <= s.pruned_until), 0)::bigint
           - (SELECT count(*) FROM job_runs r WHERE r.due_at < s.pruned_until) AS runs_written,
       coalesce((SELECT max(planned_through) FROM job_cursors), 'epoch') AS high_water,
       s.seals, s.sealed_until, s.pruned_until, s.pruned_run
FROM ledger_state s

-- name: set_numbers
UPDATE ledger_state SET ledger_id = :ledger_id, runs_left_out = :runs_left_out, seals = :seals, sealed_until = instant(:sealed_until),
                        pruned_until = instant(:pruned_until), pruned_run = :pruned_run

-- name: set_sequences
-- A number that was never given is still to be given. Tables that number their rows are seen to one by one.
SELECT setval('fences', greatest(:fence, 1), :fence > 0), setval('run_ids', greatest(:last_run, 1), :last_run > 0)

-- name: grants
-- Who else may use the ledger that is replaced, each as a command that gives the same in the schema that comes first.
SELECT format('GRANT %s ON %s %I TO %s', a.privilege_type, CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.relname,
              CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END) AS command
FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
WHERE c.relnamespace = :schema::text::regnamespace AND a.grantee <> c.relowner AND c.relname !~ '^job_runs_\d{4}_\d{2}'
UNION ALL
SELECT format('GRANT EXECUTE ON FUNCTION %s(%s) TO %s', quote_ident(p.proname), pg_get_function_identity_arguments(p.oid),
              CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
FROM pg_proc p CROSS JOIN LATERAL aclexplode(p.proacl) a
WHERE p.pronamespace = :schema::text::regnamespace AND a.grantee <> p.proowner
UNION ALL
SELECT format('GRANT %s ON SCHEMA %I TO %s', a.privilege_type, current_schema(), a.grantee::regrole::text)
FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a
WHERE n.oid = :schema::text::regnamespace AND a.grantee <> n.nspowner AND a.grantee <> 0
