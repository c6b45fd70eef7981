-- name: jobs
SELECT * FROM scheduled_jobs WHERE (:retired OR retired_at IS NULL) ORDER BY job_name

-- name: job
SELECT * FROM scheduled_jobs WHERE job_name = :name

-- name: versions
SELECT * FROM job_versions ORDER BY job_id, version

-- name: versions_of_job
SELECT * FROM job_versions WHERE job_id = :job_id ORDER BY version

-- name: run
SELECT r.*, j.job_name FROM job_runs r JOIN scheduled_jobs j ON j.id = r.job_id WHERE r.run_id = :run_id

-- name: open_runs
SELECT r.*, j.job_name FROM job_runs r INDEXED BY job_runs_open_of_job JOIN scheduled_jobs j ON j.id = r.job_id
WHERE r.finished_at IS NULL
ORDER BY r.due_at, r.run_id

-- name: attempts_of_run
SELECT * FROM job_attempts WHERE run_id = :run_id ORDER BY fence

-- name: attempts
SELECT * FROM job_attempts ORDER BY fence

-- name: fences_given_twice
SELECT fence, min(run_id) AS run_id, max(run_id) AS other FROM job_attempts GROUP BY fence HAVING count(*) > 1 ORDER BY fence

-- name: runs_between
-- Job by job through the index: the cost is that of the jobs and of what is found, and nothing is sorted.
SELECT r.*, j.job_name FROM scheduled_jobs j CROSS JOIN job_runs r INDEXED BY job_runs_by_job ON r.job_id = j.id
WHERE r.due_at > :start AND r.due_at <= :end
ORDER BY j.id, r.due_at, r.run_id

-- name: runs_of_job_between
SELECT r.*, j.job_name FROM job_runs r JOIN scheduled_jobs j ON j.id = r.job_id
WHERE r.job_id = :job_id AND r.due_at > :start AND r.due_at <= :end
ORDER BY r.due_at, r.run_id

-- name: tried_runs_between
-- Runs as above, one row for each attempt, and one for a run without any.
SELECT r.*, j.job_name, t.attempt AS tried, t.fence AS tried_fence, t.node_id AS tried_on, t.started_at AS tried_at, t.ended_at,
       t.result, t.late_result, t.late_at
FROM scheduled_jobs j CROSS JOIN job_runs r INDEXED BY job_runs_by_job ON r.job_id = j.id
LEFT JOIN job_attempts t ON t.run_id = r.run_id
WHERE r.due_at > :start AND r.due_at <= :end
ORDER BY j.id, r.due_at, r.run_id

-- name: tried_runs_of_job_between
SELECT r.*, j.job_name, t.attempt AS tried, t.fence AS tried_fence, t.node_id AS tried_on, t.started_at AS tried_at, t.ended_at,
       t.result, t.late_result, t.late_at
FROM scheduled_jobs j CROSS JOIN job_runs r INDEXED BY job_runs_by_job ON r.job_id = j.id
LEFT JOIN job_attempts t ON t.run_id = r.run_id
WHERE j.id = :job_id AND r.due_at > :start AND r.due_at <= :end
ORDER BY r.due_at, r.run_id

-- name: ranges_between
-- Those that end in the span, and of each job the first that ends after it: ranges of a job never overlap, so no later one reaches
-- back into it.
SELECT g.*, j.job_name FROM job_run_ranges g JOIN scheduled_jobs j ON j.id = g.job_id
WHERE g.range_id IN (
        SELECT inside.range_id FROM job_run_ranges inside INDEXED BY job_run_ranges_by_last
        WHERE inside.last_at > :start AND inside.last_at <= :end
        UNION ALL
        SELECT (SELECT beyond.range_id FROM job_run_ranges beyond INDEXED BY job_run_ranges_by_job
                WHERE beyond.job_id = k.id AND beyond.last_at > :end ORDER BY beyond.last_at LIMIT 1)
        FROM scheduled_jobs k)
  AND g.first_at <= :end
ORDER BY g.job_id, g.first_at

-- name: ranges_of_job_between
SELECT g.*, j.job_name FROM job_run_ranges g INDEXED BY job_run_ranges_by_job JOIN scheduled_jobs j ON j.id = g.job_id
WHERE g.job_id = :job_id AND g.last_at > :start
  AND g.last_at <= coalesce((SELECT min(beyond.last_at) FROM job_run_ranges beyond INDEXED BY job_run_ranges_by_job
                             WHERE beyond.job_id = :job_id AND beyond.last_at > :end), :end)
  AND g.first_at <= :end
ORDER BY g.first_at

-- name: counts_between
-- Of the hours from :first to before :stop, job by job.
SELECT c.job_id, c.hour, c.status, c.origin, c.n FROM scheduled_jobs j CROSS JOIN job_run_counts c ON c.job_id = j.id
WHERE c.hour >= :first AND c.hour < :stop
ORDER BY j.id

-- name: counts_of_job_between
-- Under '' of all jobs together.
SELECT job_id, hour, status, origin, n FROM job_run_counts WHERE job_id = :job_id AND hour >= :first AND hour < :stop

-- name: nodes
SELECT * FROM nodes ORDER BY started_at, node_id

-- name: data_version
-- A number that changes when another connection has committed.
PRAGMA data_version

-- name: clock_events
SELECT seen_at, kind, delta_us, action, node_id FROM clock_events ORDER BY event_id

-- name: state
SELECT fence, high_water FROM ledger_state

-- name: quarantined_sources
SELECT source, error FROM quarantined_sources ORDER BY source

-- name: living_nodes
SELECT * FROM nodes INDEXED BY nodes_living WHERE stopped_at IS NULL
UNION
SELECT * FROM nodes WHERE node_id IN (SELECT r.node_id FROM job_runs r INDEXED BY job_runs_of_node WHERE r.status = 'running')
ORDER BY node_id

-- name: seal_state
SELECT ledger_id, seals, sealed_until, pruned_until, pruned_unsealed,
       coalesce((SELECT max(run_id) FROM job_runs), 0) AS last_run,
       coalesce((SELECT max(range_id) FROM job_run_ranges), 0) AS last_range
FROM ledger_state

-- name: seals
SELECT * FROM ledger_seals ORDER BY seal

-- name: last_seal
SELECT * FROM ledger_seals ORDER BY seal DESC LIMIT 1

-- name: next_account
-- Which day after `at` is the next that holds anything.
SELECT min(at) AS at FROM (SELECT min(due_at) AS at FROM job_runs WHERE due_at >= :at
                           UNION ALL SELECT min(last_at) FROM job_run_ranges WHERE last_at >= :at)

-- name: versions_begun
SELECT count(*) AS versions FROM job_versions WHERE valid_from < :until

-- name: runs_to_seal
-- The columns of systemprompt.ledger.seals.RUN_COLUMNS, as they are hashed.
SELECT run_id, job_id, version, origin, fire_at, due_at, status, reason, blocked_by, attempt, fence, node_id, queued_at, started_at,
       finished_at, duration_ms, items_processed, items_failed, message, error, exit_code, output, actor, parameters, enforce
FROM job_runs INDEXED BY job_runs_by_due
WHERE due_at >= :from AND due_at < :until
ORDER BY due_at, run_id

-- name: attempts_to_seal
SELECT a.run_id, a.attempt, a.fence, a.node_id, a.started_at, a.ended_at, a.result
FROM job_runs r INDEXED BY job_runs_by_due CROSS JOIN job_attempts a ON a.run_id = r.run_id
WHERE r.due_at >= :from AND r.due_at < :until
ORDER BY r.due_at, r.run_id, a.attempt

-- name: ranges_to_seal
SELECT range_id, job_id, version, first_at, last_at, count, status, reason, written_at
FROM job_run_ranges INDEXED BY job_run_ranges_by_last
WHERE last_at >= :from AND last_at < :until
ORDER BY last_at, range_id
