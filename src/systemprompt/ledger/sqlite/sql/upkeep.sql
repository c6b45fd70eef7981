-- Upkeep of the file as a whole. The first part serves the application's database as well; it knows no table of ours.

-- name: schema_text
-- Names that begin with sqlite_ are SQLite's own: automatic indexes, statistics, sequences. A trigger or a view of such a name was
-- forged (PRAGMA writable_schema), and so was an index with a text.
SELECT type, name, tbl_name, sql FROM sqlite_master
WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\' OR (type <> 'table' AND sql IS NOT NULL)
ORDER BY type, name

-- name: integrity_check
PRAGMA integrity_check(20)

-- name: quick_check
-- Does not hold indexes against their tables: seconds instead of minutes for ten million rows.
PRAGMA quick_check(20)

-- name: foreign_key_check
PRAGMA foreign_key_check

-- name: free_bytes
SELECT f.freelist_count * s.page_size AS free FROM pragma_freelist_count f, pragma_page_size s

-- The rest is the ledger's own.

-- name: extent
SELECT (SELECT count(*) FROM job_runs) + (SELECT count(*) FROM open_runs) AS runs, high_water AS planned_through FROM ledger_state

-- name: last_run_given
-- Asked of the ledger that is replaced, which may be of any age or not be there.
SELECT last_run AS number FROM ledger_state

-- name: last_fence_given
-- As above.
SELECT fence AS number FROM ledger_state

-- name: names_in_a_copy
-- Asked of a copy that is to be restored.
SELECT job_name FROM jobs

-- name: raise_run_numbers
-- What is left out here is counted: the audit asks whether every other number is a run.
UPDATE ledger_state SET runs_left_out = runs_left_out + max(0, :above - last_run), last_run = max(last_run, :above)

-- name: raise_fence
UPDATE ledger_state SET fence = max(fence, :above) RETURNING fence

-- name: fold_log
-- Into the file, so that it is one file again.
PRAGMA wal_checkpoint(TRUNCATE)
