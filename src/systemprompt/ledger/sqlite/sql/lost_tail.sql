-- What nodes bring back of a stretch that the server has lost. A file loses nothing; the rules are the same and are held here too.

-- name: journaled_runs_open
SELECT fence, job_id FROM open_runs
WHERE run_id IN (SELECT value FROM json_each(:run_ids)) AND fence IN (SELECT value FROM json_each(:fences))

-- name: journaled_runs_over
-- Those that are closed, or kept as an attempt that did not close its run, or were brought back before.
SELECT fence FROM job_runs
WHERE run_id IN (SELECT value FROM json_each(:run_ids)) AND fence IN (SELECT value FROM json_each(:fences))
UNION ALL
SELECT a.fence FROM job_attempts a
WHERE a.fence IN (SELECT value FROM json_each(:fences))
  AND NOT EXISTS (SELECT 1 FROM open_runs o WHERE o.run_id = a.run_id AND o.fence = a.fence)

-- name: jobs_by_name
SELECT job_id, job_name FROM jobs WHERE job_name IN (SELECT value FROM json_each(:names))

-- name: tell_lost_run
INSERT INTO lost_runs (fence, job_id, body) VALUES (?, ?, ?) ON CONFLICT (fence) DO NOTHING

-- name: first_lost_job
SELECT min(job_id) AS job_id FROM lost_runs

-- name: lost_runs_of_job
SELECT body FROM lost_runs WHERE job_id = :job_id ORDER BY fence

-- name: delete_lost_runs_of_job
DELETE FROM lost_runs WHERE job_id = :job_id

-- name: planned_through
SELECT planned_through FROM job_cursors WHERE job_id = :job_id

-- name: account_of_run
-- A run by its number, else by its fire time.
SELECT run_id, fence, 1 AS is_open FROM open_runs WHERE run_id = :run_id
UNION ALL
SELECT run_id, fence, 0 FROM job_runs WHERE run_id = :run_id
UNION ALL
SELECT run_id, fence, 1 FROM open_runs WHERE job_id = :job_id AND fire_at = :fire_at
UNION ALL
SELECT run_id, fence, 0 FROM job_runs WHERE job_id = :job_id AND due_at = :fire_at AND fire_at = due_at
LIMIT 1

-- name: delete_waiting_run
DELETE FROM open_runs WHERE run_id = :run_id AND fence IS NULL

-- name: next_late_attempt
-- A run may have a late result of its own attempts, and what was brought back of other tries at its fire time.
SELECT max(coalesce(max(attempt) + 1, 1), :attempt) AS attempt FROM job_attempts WHERE run_id = :run_id AND kind = 'late'

-- name: enter_node
-- It has told what it did before this epoch.
UPDATE nodes SET epoch = :epoch WHERE node_id = :node_id AND stopped_at IS NULL
