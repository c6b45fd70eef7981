-- name: write_seal
INSERT INTO ledger_seals (seal, day, from_at, until_at, runs, attempts, ranges, fire_times, counts, content, sealed_at, previous,
                          digest)
VALUES (:seal, :day, :from_at, :until_at, :runs, :attempts, :ranges, :fire_times, :counts, :content, :sealed_at, :previous, :digest)

-- name: day_moved_on
-- Whether anything came into a day since its draft was made: closed rows never change, so only a new one can. What is open there
-- counts too. A version that began in the day since (the wall clock was set back) may owe fire times there.
-- The plus signs: only the newest rows are walked, not all that was due before.
SELECT EXISTS (SELECT 1 FROM job_runs WHERE run_id > :last_run AND +due_at < :until)
    OR EXISTS (SELECT 1 FROM job_run_ranges WHERE range_id > :last_range AND +first_at < :until)
    OR EXISTS (SELECT 1 FROM job_runs INDEXED BY job_runs_open_of_job WHERE finished_at IS NULL AND due_at < :until)
    OR (SELECT count(*) FROM job_versions WHERE valid_from < :until) <> :versions AS moved_on

-- name: last_sealed_before
SELECT max(until_at) AS until FROM ledger_seals WHERE until_at <= :before

-- name: mark_ledger_pruned
UPDATE ledger_state SET pruned_until = :until WHERE pruned_until < :until

-- name: prune_batch
-- The oldest accounts of what may go, runs and ranges together in due order.
SELECT kind, id, at, job_id, owed FROM (
    SELECT 'run' AS kind, run_id AS id, due_at AS at, job_id, fire_at IS NOT NULL AS owed
    FROM job_runs WHERE due_at < (SELECT pruned_until FROM ledger_state)
    UNION ALL
    SELECT 'range', range_id, last_at, job_id, 1
    FROM job_run_ranges WHERE last_at < (SELECT pruned_until FROM ledger_state)
) ORDER BY at, id LIMIT :limit

-- name: prune_runs
DELETE FROM job_runs WHERE run_id IN (SELECT value FROM json_each(:ids))

-- name: prune_ranges
DELETE FROM job_run_ranges WHERE range_id IN (SELECT value FROM json_each(:ids))

-- name: mark_jobs_pruned
UPDATE scheduled_jobs SET pruned_through = gone.at
FROM (SELECT json_extract(value, '$[0]') AS job_id, json_extract(value, '$[1]') AS at FROM json_each(:rows)) AS gone
WHERE scheduled_jobs.id = gone.job_id AND scheduled_jobs.pruned_through < gone.at

-- name: prune_nodes
DELETE FROM nodes WHERE node_id IN (
    SELECT n.node_id FROM nodes n
    WHERE n.stopped_at < :before AND n.node_id NOT IN (SELECT r.node_id FROM job_runs r WHERE r.status = 'running')
    LIMIT :limit)

-- name: free_pages
SELECT f.freelist_count AS free, v.auto_vacuum AS auto_vacuum FROM pragma_freelist_count f, pragma_auto_vacuum v

-- name: give_back_a_page
-- The pages at the end of the file change places with free ones; the file shrinks at the next checkpoint.
PRAGMA incremental_vacuum(1)

-- name: checkpoint
-- Busy is an answer here, not an error: then the next checkpoint does it.
PRAGMA wal_checkpoint(TRUNCATE)
