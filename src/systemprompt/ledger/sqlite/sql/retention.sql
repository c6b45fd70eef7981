-- name: write_seal
INSERT INTO ledger_seals (seal, format, day, from_at, until_at, runs, attempts, ranges, fire_times, counts, content, sealed_at, previous,
                          digest)
VALUES (:seal, :format, :day, :from_at, :until_at, :runs, :attempts, :ranges, :fire_times, :counts, :content, :sealed_at, :previous, :digest)

-- name: count_seal
UPDATE ledger_state SET seals = :seal, sealed_until = :until_at

-- name: day_moved_on
-- Whether anything came into a day since its draft was made: closed rows never change, so only a new one can. What is open there
-- counts too. A version that began in the day since (the wall clock was set back) may owe fire times there.
-- The plus signs: only the newest rows are walked, not all that was due before.
SELECT EXISTS (SELECT 1 FROM job_runs WHERE run_id > :last_run AND +due_at < :until)
    OR EXISTS (SELECT 1 FROM job_run_ranges WHERE range_id > :last_range AND +first_at < :until)
    OR EXISTS (SELECT 1 FROM job_attempts WHERE attempt_id > :last_attempt AND +day_at < :until)
    OR EXISTS (SELECT 1 FROM open_runs WHERE due_at < :until)
    OR (SELECT count(*) FROM job_versions WHERE valid_from < :until) <> :versions AS moved_on

-- name: last_sealed_before
SELECT max(until_at) AS until FROM ledger_seals WHERE until_at <= :before

-- name: mark_ledger_pruned
UPDATE ledger_state SET pruned_until = :until WHERE pruned_until < :until

-- name: mark_runs_pruned
UPDATE ledger_state SET pruned_run = :run_id WHERE pruned_run < :run_id

-- name: prune_batch
-- The oldest accounts of what may go, runs and ranges together in due order. Each half is limited by itself, so that its index is
-- walked no further: the sort is of twice the limit, not of all that may go.
SELECT kind, id, at, job_id, owed, status, origin FROM (
    SELECT * FROM (SELECT 'run' AS kind, run_id AS id, due_at AS at, job_id, fire_at IS NOT NULL AS owed, status, origin
                   FROM job_runs WHERE due_at < (SELECT pruned_until FROM ledger_state)
                   ORDER BY due_at, run_id LIMIT :limit)
    UNION ALL
    SELECT * FROM (SELECT 'range', range_id, last_at, job_id, 1, status, 'range'
                   FROM job_run_ranges WHERE last_at < (SELECT pruned_until FROM ledger_state)
                   ORDER BY last_at, range_id LIMIT :limit)
) ORDER BY at, id LIMIT :limit

-- name: prune_runs
DELETE FROM job_runs WHERE run_id = ?

-- name: prune_texts
DELETE FROM run_texts WHERE run_id = ?

-- name: prune_marks
DELETE FROM run_marks WHERE run_id = ?

-- name: prune_ranges
DELETE FROM job_run_ranges WHERE range_id = ?

-- name: prune_attempts
-- An attempt goes after its run, and not before the day it belongs to: a late result may have come in a later day.
DELETE FROM job_attempts WHERE attempt_id IN (
    SELECT a.attempt_id FROM job_attempts a
    WHERE a.day_at < (SELECT pruned_until FROM ledger_state)
      AND NOT EXISTS (SELECT 1 FROM job_runs r WHERE r.run_id = a.run_id)
      AND NOT EXISTS (SELECT 1 FROM open_runs o WHERE o.run_id = a.run_id)
    ORDER BY a.day_at, a.attempt_id LIMIT :limit)

-- name: mark_jobs_pruned
UPDATE jobs SET pruned_through = :at WHERE job_id = :job_id AND pruned_through < :at

-- name: prune_requests
DELETE FROM requests WHERE until_at < :before

-- name: fold_into_sums
-- Up to so many of the oldest rows. WHERE true: without it SQLite takes ON for a join.
INSERT INTO job_tally_sums (job_id, hour, status, origin, n)
SELECT job_id, hour, status, origin, sum(n) FROM job_tallies WHERE tally_id <= :through AND true GROUP BY 1, 2, 3, 4
ON CONFLICT (job_id, hour, status, origin) DO UPDATE SET n = n + excluded.n

-- name: delete_folded
DELETE FROM job_tallies WHERE tally_id <= :through

-- name: delete_sums_of_nothing
-- The index has these alone; without its name SQLite would go through all sums.
DELETE FROM job_tally_sums INDEXED BY job_tally_sums_of_nothing WHERE n = 0

-- name: tallies_to_fold
-- One subquery each: SQLite looks at an end of the table for a min or a max alone, and goes through it for both at once.
SELECT (SELECT min(tally_id) FROM job_tallies) AS first, (SELECT max(tally_id) FROM job_tallies) AS last

-- name: prune_nodes
DELETE FROM nodes WHERE node_id IN (
    SELECT n.node_id FROM nodes n
    WHERE n.stopped_at < :before AND n.node_id NOT IN (SELECT r.node_id FROM open_runs r WHERE r.node_id IS NOT NULL)
    LIMIT :limit)

-- name: free_pages
SELECT f.freelist_count AS free, v.auto_vacuum AS auto_vacuum FROM pragma_freelist_count f, pragma_auto_vacuum v

-- name: give_back_a_page
-- The pages at the end of the file change places with free ones; the file shrinks at the next checkpoint.
PRAGMA incremental_vacuum(1)

-- name: checkpoint
-- Busy is an answer here, not an error: then the next checkpoint does it.
PRAGMA wal_checkpoint(TRUNCATE)
