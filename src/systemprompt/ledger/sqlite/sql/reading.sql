-- name: jobs
SELECT d.*, v.policies FROM job_views d JOIN job_versions v ON v.job_id = d.job_id AND v.version = d.version
WHERE :retired OR d.retired_at IS NULL ORDER BY d.job_name

-- name: job
SELECT d.*, v.policies FROM job_views d JOIN job_versions v ON v.job_id = d.job_id AND v.version = d.version
WHERE d.job_name = :name

-- name: versions
SELECT job_id, version, schedule, time_zone, policies, enabled, valid_from, valid_until, cause, actor, noticed_by, why
FROM job_versions ORDER BY job_id, version

-- name: versions_of_job
SELECT job_id, version, schedule, time_zone, policies, enabled, valid_from, valid_until, cause, actor, noticed_by, why
FROM job_versions WHERE job_id = :job_id ORDER BY version

-- name: run
-- In one of the two tables, never in both.
SELECT * FROM open_run_views WHERE run_id = :run_id
UNION ALL
SELECT * FROM closed_run_views WHERE run_id = :run_id

-- name: open_runs
SELECT * FROM open_run_views ORDER BY due_at, run_id

-- name: stops_asked
-- What a node is asked to stop.
SELECT run_id, fence FROM open_runs INDEXED BY open_runs_to_stop WHERE node_id = :node_id AND stop_asked_at IS NOT NULL

-- name: abandoned_runs
SELECT run_id, job_id FROM abandoned_runs ORDER BY run_id

-- name: attempts_of_run
SELECT * FROM attempt_views WHERE run_id = :run_id ORDER BY fence

-- name: attempts
SELECT * FROM attempt_views ORDER BY fence

-- name: late_results
SELECT run_id, attempt, fence, ended_at, day_at AS arrived_at, result FROM job_attempts
WHERE kind = 'late' AND NOT recovered
ORDER BY run_id, attempt, attempt_id

-- name: texts_between
-- From the texts to the runs: there are fewer of them, and no more are looked at than lie between the first and the last run of that
-- time. What an attempt left that did not close its run has its hash there.
SELECT t.run_id, r.job_id, t.attempt, t.kind, t.text,
       CASE WHEN t.attempt <> r.attempt OR r.fence IS NULL
            THEN (SELECT a.error_hash FROM job_attempts a WHERE a.run_id = t.run_id AND a.attempt = t.attempt AND a.kind = 'ended')
            WHEN t.kind = 'error' THEN r.error_hash ELSE r.output_hash END AS hash
FROM run_texts t CROSS JOIN job_runs r ON r.run_id = t.run_id
WHERE t.run_id >= (SELECT min(f.run_id) FROM job_runs f WHERE f.due_at > :start AND f.due_at <= :end)
  AND t.run_id <= (SELECT max(l.run_id) FROM job_runs l WHERE l.due_at > :start AND l.due_at <= :end)
  AND r.due_at > :start AND r.due_at <= :end AND (:job_id IS NULL OR r.job_id = :job_id)

-- name: runs_in_both_tables
SELECT o.run_id FROM open_runs o WHERE EXISTS (SELECT 1 FROM job_runs r WHERE r.run_id = o.run_id) ORDER BY o.run_id

-- name: runs_in_neither_table
-- Named by what is kept of them, and gone from both tables without having been pruned. An attempt that ended says when its run was
-- due; of the others only those tell that name a run younger than all that were pruned.
SELECT DISTINCT n.run_id, n.named_by FROM (
    SELECT a.run_id, 'an attempt' AS named_by FROM job_attempts a
    WHERE a.kind = 'ended' AND a.day_at >= (SELECT pruned_until FROM ledger_state)
    UNION ALL
    SELECT t.run_id, 'a text' FROM run_texts t
    UNION ALL
    SELECT l.last_run_id, 'the last run of its job' FROM job_last l, ledger_state s WHERE l.last_run_id > s.pruned_run
    UNION ALL
    SELECT a.run_id, 'a late result' FROM job_attempts a, ledger_state s WHERE a.kind = 'late' AND NOT a.recovered AND a.run_id > s.pruned_run
    UNION ALL
    SELECT a.run_id, 'abandoned work' FROM abandoned_runs a, ledger_state s WHERE a.run_id > s.pruned_run) n
WHERE NOT EXISTS (SELECT 1 FROM job_runs r WHERE r.run_id = n.run_id)
  AND NOT EXISTS (SELECT 1 FROM open_runs o WHERE o.run_id = n.run_id)
ORDER BY n.run_id

-- name: open_runs_of_no_job
SELECT run_id, job_id FROM open_runs WHERE job_id NOT IN (SELECT job_id FROM jobs) ORDER BY run_id

-- name: closed_runs_of_no_job
-- From one job id to the next through the index: the cost is that of the jobs, not of their runs.
WITH RECURSIVE known (job_id) AS (
    SELECT min(job_id) FROM job_runs
    UNION ALL
    SELECT (SELECT min(r.job_id) FROM job_runs r WHERE r.job_id > known.job_id) FROM known WHERE known.job_id IS NOT NULL)
SELECT r.run_id, r.job_id FROM known k CROSS JOIN job_runs r ON r.job_id = k.job_id
WHERE k.job_id NOT IN (SELECT job_id FROM jobs)
ORDER BY r.run_id

-- name: fences_of_closed_runs
-- What must never be: a fence that stands in two closed runs. A sort of all of them: an index would cost every run that ends.
SELECT fence, min(run_id) AS run_id, max(run_id) AS other FROM job_runs WHERE fence IS NOT NULL GROUP BY fence HAVING count(*) > 1 ORDER BY fence

-- name: fences_of_others
-- Those of open runs and of attempts that ended, that stand elsewhere too: few, and sought among the closed ones in one pass.
WITH others AS (SELECT fence, run_id FROM open_runs WHERE fence IS NOT NULL
                UNION ALL SELECT fence, run_id FROM job_attempts WHERE kind = 'ended')
SELECT fence, min(run_id) AS run_id, max(other) AS other FROM (
    SELECT o.fence, o.run_id, r.run_id AS other FROM others o JOIN job_runs r ON r.fence = o.fence
    UNION ALL SELECT fence, min(run_id), max(run_id) FROM others GROUP BY fence HAVING count(*) > 1)
GROUP BY fence ORDER BY fence

-- name: closed_between
-- Job by job through the index: the cost is that of the jobs and of what is found, and nothing is sorted.
SELECT r.* FROM jobs j CROSS JOIN closed_run_views r ON r.job_id = j.job_id
WHERE r.due_at > :start AND r.due_at <= :end
ORDER BY j.job_id, r.due_at, r.run_id

-- name: closed_of_job_between
SELECT * FROM closed_run_views WHERE job_id = :job_id AND due_at > :start AND due_at <= :end ORDER BY due_at, run_id

-- name: open_between
SELECT * FROM open_run_views WHERE due_at > :start AND due_at <= :end ORDER BY job_id, due_at, run_id

-- name: open_of_job_between
SELECT * FROM open_run_views WHERE job_id = :job_id AND due_at > :start AND due_at <= :end ORDER BY due_at, run_id

-- name: kept_attempts
-- All that is kept beside the runs, by run.
SELECT run_id, attempt, kind, fence, node_id, started_at, ended_at, day_at, result, reason, message FROM job_attempts
WHERE NOT recovered
ORDER BY run_id, attempt, kind

-- name: ranges_between
-- Those that end in the span, and of each job the first that ends after it: ranges of a job never overlap, so no later one reaches
-- back into it.
SELECT g.range_id, g.job_id, g.version, g.first_at, g.last_at, g.count, g.status, g.reason, g.written_at, j.job_name
FROM job_run_ranges g JOIN jobs j ON j.job_id = g.job_id
WHERE g.range_id IN (
        SELECT inside.range_id FROM job_run_ranges inside INDEXED BY job_run_ranges_by_last
        WHERE inside.last_at > :start AND inside.last_at <= :end
        UNION ALL
        SELECT (SELECT beyond.range_id FROM job_run_ranges beyond INDEXED BY job_run_ranges_by_job
                WHERE beyond.job_id = k.job_id AND beyond.last_at > :end ORDER BY beyond.last_at LIMIT 1)
        FROM jobs k)
  AND g.first_at <= :end
ORDER BY g.job_id, g.first_at

-- name: ranges_of_job_between
SELECT g.range_id, g.job_id, g.version, g.first_at, g.last_at, g.count, g.status, g.reason, g.written_at, j.job_name
FROM job_run_ranges g INDEXED BY job_run_ranges_by_job JOIN jobs j ON j.job_id = g.job_id
WHERE g.job_id = :job_id AND g.last_at > :start
  AND g.last_at <= coalesce((SELECT min(beyond.last_at) FROM job_run_ranges beyond INDEXED BY job_run_ranges_by_job
                             WHERE beyond.job_id = :job_id AND beyond.last_at > :end), :end)
  AND g.first_at <= :end
ORDER BY g.first_at

-- name: sums_between
-- Of the hours from :first to before :stop, job by job.
SELECT job_id, hour, status, origin, n FROM job_tally_sums WHERE hour >= :first AND hour < :stop ORDER BY job_id

-- name: sums_of_job_between
SELECT job_id, hour, status, origin, n FROM job_tally_sums WHERE job_id = :job_id AND hour >= :first AND hour < :stop

-- name: tallies_between
-- What is not folded into the sums yet.
SELECT job_id, hour, status, origin, sum(n) AS n FROM job_tallies
WHERE hour >= :first AND hour < :stop AND (:job_id IS NULL OR job_id = :job_id)
GROUP BY job_id, hour, status, origin

-- name: node
SELECT node_id, kind, host, machine, pid, pid_started_at, program, lease_ms, capacity, started_at, labels, zone_data, epoch, beat,
       beat_at, clock_offset_us, degraded, draining_at, draining_by, draining_why, stopped_at, fate
FROM nodes WHERE node_id = :node_id

-- name: living_nodes
SELECT node_id, kind, host, machine, pid, pid_started_at, program, lease_ms, capacity, started_at, labels, zone_data, epoch, beat,
       beat_at, clock_offset_us, degraded, draining_at, draining_by, draining_why, stopped_at, fate
FROM nodes INDEXED BY nodes_living WHERE stopped_at IS NULL
UNION
SELECT node_id, kind, host, machine, pid, pid_started_at, program, lease_ms, capacity, started_at, labels, zone_data, epoch, beat,
       beat_at, clock_offset_us, degraded, draining_at, draining_by, draining_why, stopped_at, fate
FROM nodes WHERE node_id IN (SELECT r.node_id FROM open_runs r)
ORDER BY node_id

-- name: state
SELECT ledger_id, fence, last_run, runs_left_out, high_water FROM ledger_state

-- name: described
SELECT described FROM jobs WHERE job_id = :job_id

-- name: last_successes
SELECT duration_ms FROM job_runs INDEXED BY job_runs_one_account
WHERE job_id = :job_id AND status = 'success' AND duration_ms IS NOT NULL ORDER BY due_at DESC LIMIT 20

-- name: decided_up_to
SELECT max(high_water, coalesce((SELECT max(planned_through) FROM job_cursors), 0)) FROM ledger_state

-- name: last_ends
-- Newest first, along the index of a job's accounts: as many as a person wants to know of.
SELECT status FROM job_runs INDEXED BY job_runs_one_account
WHERE job_id = :job_id AND status IN ('success', 'failed') ORDER BY due_at DESC LIMIT 100

-- name: seal_state
SELECT ledger_id, seals, sealed_until, pruned_until, last_run,
       coalesce((SELECT max(range_id) FROM job_run_ranges), 0) AS last_range,
       coalesce((SELECT max(attempt_id) FROM job_attempts), 0) AS last_attempt
FROM ledger_state

-- name: next_account
-- Which day after `at` is the next that holds anything.
SELECT min(at) AS at FROM (SELECT min(due_at) AS at FROM job_runs WHERE due_at >= :at
                           UNION ALL SELECT min(due_at) FROM open_runs WHERE due_at >= :at
                           UNION ALL SELECT min(day_at) FROM job_attempts WHERE day_at >= :at
                           UNION ALL SELECT min(last_at) FROM job_run_ranges WHERE last_at >= :at)

-- name: runs_to_seal
-- The columns of systemprompt.ledger.rows.ClosedRun, as they are hashed.
SELECT r.run_id, r.job_id, r.version, r.origin, r.fire_at, r.due_at, r.available_at, r.queued_at, r.node_id, r.attempt, r.fence,
       r.started_at, r.actor, r.status, r.finished_at, r.duration_ms, r.message, r.items_processed, r.items_failed, r.why, r.parameters,
       r.enforce, r.period_from, r.stands_for, r.retry_of, r.replaces, r.stop_asked_at, r.stop_by, r.stop_why, r.reason, r.blocked_by,
       r.error_hash, r.output_hash, r.exit_code, r.abandoned, r.did_nothing, r.dry_run, r.lines_dropped
FROM job_runs r INDEXED BY job_runs_by_due
WHERE r.due_at >= :from AND r.due_at < :until
ORDER BY r.due_at, r.run_id

-- name: attempts_to_seal
-- The columns of systemprompt.ledger.rows.AttemptRow, as they are hashed.
SELECT a.run_id, a.attempt, a.kind, a.job_id, a.fence, a.node_id, a.started_at, a.ended_at, a.day_at, a.result, a.reason, a.message,
       a.error_hash, a.recovered
FROM job_attempts a INDEXED BY job_attempts_by_day
WHERE a.day_at >= :from AND a.day_at < :until
ORDER BY a.day_at, a.run_id, a.attempt, a.kind

-- name: ranges_to_seal
SELECT range_id, job_id, version, first_at, last_at, count, status, reason, written_at
FROM job_run_ranges INDEXED BY job_run_ranges_by_last
WHERE last_at >= :from AND last_at < :until
ORDER BY last_at, range_id

-- name: data_version
-- A number that changes when another connection has committed.
PRAGMA data_version

-- name: clock_events
SELECT seen_at, kind, delta_us, action, node_id FROM clock_events ORDER BY event_id

-- name: quarantined_sources
SELECT source, error FROM quarantined_sources ORDER BY source

-- name: seals
SELECT seal, format, day, from_at, until_at, runs, attempts, ranges, fire_times, counts, content, sealed_at, previous, digest
FROM ledger_seals ORDER BY seal

-- name: last_seal
SELECT seal, format, day, from_at, until_at, runs, attempts, ranges, fire_times, counts, content, sealed_at, previous, digest
FROM ledger_seals ORDER BY seal DESC LIMIT 1

-- name: versions_begun
SELECT count(*) AS versions FROM job_versions WHERE valid_from < :until

-- name: nodes
SELECT node_id, kind, host, machine, pid, pid_started_at, program, lease_ms, capacity, started_at, labels, zone_data, epoch, beat,
       beat_at, clock_offset_us, degraded, draining_at, draining_by, draining_why, stopped_at, fate
FROM nodes ORDER BY started_at, node_id

-- name: zone_data_changes
SELECT seen_at, zone_data, node_id FROM zone_data_changes ORDER BY change_id
