-- name: prune_floor
-- What may go of each job: older than asked, and older than its oldest open run. No fire time past the cursor has an account; a
-- start by hand may lie past it, for the cursor of a job without a schedule stands still.
SELECT j.id AS job_id, j.pruned_through,
       min(:before,
           coalesce((SELECT min(r.due_at) FROM job_runs r INDEXED BY job_runs_open_of_job
                     WHERE r.job_id = j.id AND r.finished_at IS NULL), :before)) AS floor
FROM scheduled_jobs j
WHERE EXISTS (SELECT 1 FROM job_runs r WHERE r.job_id = j.id AND r.due_at < :before)
   OR EXISTS (SELECT 1 FROM job_run_ranges g WHERE g.job_id = j.id AND g.last_at < :before)

-- name: prune_cut
-- The instant of the last account that this batch takes, oldest first, runs and ranges together.
SELECT max(at) AS cut, count(*) AS n FROM (
    SELECT at FROM (
        SELECT due_at AS at FROM job_runs WHERE job_id = :job_id AND due_at < :floor
        UNION ALL
        SELECT last_at AS at FROM job_run_ranges WHERE job_id = :job_id AND last_at < :floor
    ) ORDER BY at LIMIT :limit)

-- name: prune_runs
DELETE FROM job_runs WHERE job_id = :job_id AND due_at <= :cut

-- name: prune_ranges
DELETE FROM job_run_ranges WHERE job_id = :job_id AND last_at <= :cut

-- name: straddling_range
SELECT min(first_at) AS first_at FROM job_run_ranges WHERE job_id = :job_id AND first_at <= :cut AND last_at > :cut

-- name: mark_pruned
UPDATE scheduled_jobs SET pruned_through = max(pruned_through, min(:cut, planned_through)) WHERE id = :job_id

-- name: prune_nodes
DELETE FROM nodes WHERE stopped_at < :before AND node_id NOT IN (SELECT node_id FROM job_runs WHERE status = 'running')
