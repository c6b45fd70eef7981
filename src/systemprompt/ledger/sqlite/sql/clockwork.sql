-- name: close_runs
-- All ends of a turn in one statement: :rows is a JSON array of arrays. Only the holder of the current fence can close a run; for a
-- zombie this changes no row. A run never starts before its claim nor ends before its start, though the wall clock may have gone back
-- in between.
UPDATE job_runs
SET status = e.status, reason = e.reason, started_at = max(job_runs.started_at, coalesce(e.started_at, job_runs.started_at)),
    finished_at = max(e.finished_at, job_runs.started_at, coalesce(e.started_at, job_runs.started_at)),
    duration_ms = e.duration_ms, items_processed = e.items_processed, items_failed = e.items_failed,
    message = e.message, error = e.error, exit_code = e.exit_code, output = e.output
FROM (
    SELECT json_extract(value, '$[0]') AS run_id, json_extract(value, '$[1]') AS fence, json_extract(value, '$[2]') AS status,
           json_extract(value, '$[3]') AS reason, json_extract(value, '$[4]') AS started_at,
           json_extract(value, '$[5]') AS finished_at, json_extract(value, '$[6]') AS duration_ms,
           json_extract(value, '$[7]') AS items_processed, json_extract(value, '$[8]') AS items_failed,
           json_extract(value, '$[9]') AS message, json_extract(value, '$[10]') AS error,
           json_extract(value, '$[11]') AS exit_code, json_extract(value, '$[12]') AS output
    FROM json_each(:rows)
) AS e
WHERE job_runs.run_id = e.run_id AND job_runs.fence = e.fence AND job_runs.status = 'running'
RETURNING run_id, fence

-- name: keep_late_result
-- What a zombie brings is kept with its own attempt, once.
UPDATE job_attempts SET late_result = :status, late_at = :finished_at
WHERE run_id = :run_id AND fence = :fence AND late_result IS NULL

-- name: due_jobs
-- PostgreSQL locks the rows with SKIP LOCKED. SQLite has one writer, so the transaction itself is the lock.
-- `following` is when the first of the others is due: it spares the turn a statement.
SELECT p.*, (SELECT min(later.next_due) FROM scheduled_jobs later WHERE later.next_due > :now) AS following
FROM jobs_to_plan p
WHERE p.next_due <= :now
ORDER BY p.next_due
LIMIT :limit

-- name: one_job_to_plan
-- Due or not: before its version ends.
SELECT * FROM jobs_to_plan WHERE job_id = :job_id

-- name: new_jobs_to_plan
-- Those that were just added: :ids is a JSON array.
SELECT p.* FROM json_each(:ids) CROSS JOIN jobs_to_plan p ON p.job_id = value ORDER BY key

-- name: write_runs
-- All rows of a turn in one statement, in order: :rows is a JSON array of arrays. PostgreSQL takes arrays and UNNEST.
INSERT INTO job_runs (job_id, version, origin, fire_at, due_at, status, reason, blocked_by, queued_at, finished_at)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]'),
       json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'), json_extract(value, '$[6]'),
       :now, CASE json_extract(value, '$[4]') WHEN 'queued' THEN NULL ELSE :now END
FROM json_each(:rows) ORDER BY key

-- name: write_ranges
INSERT INTO job_run_ranges (job_id, version, first_at, last_at, count, status, reason, written_at)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]'),
       json_extract(value, '$[4]'), json_extract(value, '$[5]'), json_extract(value, '$[6]'), :now
FROM json_each(:rows) ORDER BY key

-- name: move_cursors
-- Compare and swap: a cursor that somebody else moved is not touched, and the whole turn is undone.
UPDATE scheduled_jobs
SET planned_through = moved.planned_through, next_due = moved.next_due, next_run = moved.next_run
FROM (
    SELECT json_extract(value, '$[0]') AS job_id, json_extract(value, '$[1]') AS planned_through,
           json_extract(value, '$[2]') AS next_due, json_extract(value, '$[3]') AS next_run, json_extract(value, '$[4]') AS old
    FROM json_each(:rows)
) AS moved
WHERE scheduled_jobs.id = moved.job_id AND scheduled_jobs.planned_through = moved.old

-- name: claim_queued_runs
-- Queued runs in due order, at most one a job and none of a job that is running. PostgreSQL wraps the choice in a
-- MATERIALIZED CTE with SKIP LOCKED; here the single writer makes the choice and the update one step. The predicate is
-- repeated outside all the same, so that the twins read alike. A node that was declared lost takes nothing more.
-- CAST: in RETURNING a column has lost its type, and the look-up would go through every job.
UPDATE job_runs
SET status = 'running', node_id = :node_id, started_at = max(:now, queued_at), attempt = attempt + 1, fence = pick.fence
FROM (
    SELECT ready.run_id, (SELECT s.fence FROM ledger_state s) + row_number() OVER (ORDER BY ready.due_at, ready.run_id) AS fence
    FROM (
        SELECT r.run_id, r.due_at
        FROM job_runs r JOIN scheduled_jobs j ON j.id = r.job_id
        WHERE r.status = 'queued' AND j.running = 0 AND j.quarantine_error IS NULL
          AND NOT EXISTS (SELECT 1 FROM job_runs e WHERE e.job_id = r.job_id AND e.finished_at IS NULL
                          AND (e.due_at, e.run_id) < (r.due_at, r.run_id))
        ORDER BY r.due_at, r.run_id
        LIMIT :room
    ) ready
) AS pick
WHERE job_runs.run_id = pick.run_id AND job_runs.status = 'queued'
  AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.node_id = :node_id AND n.stopped_at IS NOT NULL)
RETURNING run_id, (SELECT j.job_name FROM scheduled_jobs j WHERE j.id = CAST(job_id AS TEXT)) AS job_name, version, origin, fire_at,
          attempt, fence, started_at, actor, parameters, enforce

-- name: next_due
SELECT min(next_due) AS next_due FROM scheduled_jobs WHERE next_due IS NOT NULL

-- name: write_manual_run
INSERT INTO job_runs (job_id, version, origin, due_at, status, reason, blocked_by, queued_at, finished_at, actor, parameters,
                      enforce)
VALUES (:job_id, :version, :origin, :now, :status, :reason, :blocked_by, :now,
        CASE :status WHEN 'queued' THEN NULL ELSE :now END, :actor, :parameters, :enforce)
RETURNING run_id

-- name: claim_one_run
UPDATE job_runs
SET status = 'running', node_id = :node_id, started_at = max(:now, queued_at), attempt = attempt + 1,
    fence = (SELECT s.fence FROM ledger_state s) + 1
WHERE run_id = :run_id AND status = 'queued'
  AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.node_id = :node_id AND n.stopped_at IS NOT NULL)
RETURNING run_id, (SELECT j.job_name FROM scheduled_jobs j WHERE j.id = CAST(job_id AS TEXT)) AS job_name, version, origin, fire_at,
          attempt, fence, started_at, actor, parameters, enforce

-- name: job_for_manual_start
SELECT j.id AS job_id, j.version, j.running, j.quarantine_error,
       (SELECT min(o.run_id) FROM job_runs o INDEXED BY job_runs_open_of_job
        WHERE o.job_id = j.id AND o.finished_at IS NULL AND o.status = 'running') AS running_run
FROM scheduled_jobs j WHERE j.job_name = :name AND j.retired_at IS NULL

-- name: job_names
SELECT job_name FROM scheduled_jobs WHERE retired_at IS NULL ORDER BY job_name

-- name: join_node
INSERT INTO nodes (node_id, kind, host, machine, pid, pid_started_at, program, lease_ms, capacity, started_at, beat_at)
VALUES (:node_id, :kind, :host, :machine, :pid, :pid_started_at, :program, :lease_ms, :capacity, :started_at, :started_at)

-- name: beat
UPDATE nodes SET beat = beat + 1, beat_at = :now WHERE node_id = :node_id AND stopped_at IS NULL

-- name: leave
UPDATE nodes SET stopped_at = :now, fate = 'left' WHERE node_id = :node_id AND stopped_at IS NULL

-- name: declare_lost
-- Only where the node has not beaten since it was observed.
UPDATE nodes SET stopped_at = :now, fate = 'lost' WHERE node_id = :node_id AND beat = :beat AND stopped_at IS NULL

-- name: node_has_stopped
SELECT stopped_at IS NOT NULL AS stopped FROM nodes WHERE node_id = :node_id

-- name: runs_to_rescue
SELECT r.run_id, j.job_name, r.attempt, json_extract(v.policies, '$.on_lost') AS on_lost
FROM job_runs r
JOIN scheduled_jobs j ON j.id = r.job_id
JOIN job_versions v ON v.job_id = r.job_id AND v.version = r.version
WHERE r.node_id = :node_id AND r.status = 'running'
ORDER BY r.run_id

-- name: requeue_run
UPDATE job_runs SET status = 'queued', node_id = NULL, started_at = NULL, queued_at = max(:now, started_at)
WHERE run_id = :run_id AND status = 'running' AND node_id = :node_id

-- name: fail_lost_run
UPDATE job_runs SET status = 'failed', reason = 'node_lost', finished_at = max(:now, started_at), error = :error
WHERE run_id = :run_id AND status = 'running' AND node_id = :node_id

-- name: record_clock_event
INSERT INTO clock_events (seen_at, kind, delta_us, action, node_id) VALUES (:seen_at, :kind, :delta_us, :action, :node_id)
