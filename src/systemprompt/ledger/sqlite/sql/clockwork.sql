-- name: find_open_runs
-- Of these ids (a JSON array), the open ones, in the columns of systemprompt.ledger.rows.OpenRun. PostgreSQL deletes and returns them in
-- one statement; here the single writer makes two statements one step, and deleting row by row is a third faster.
SELECT * FROM open_runs WHERE run_id IN (SELECT value FROM json_each(:ids))

-- name: delete_untouched_runs
-- Of runs whose rows are remembered from when they began: only those whose stop nobody has asked for since, and nobody has taken.
DELETE FROM open_runs WHERE run_id = ? AND fence = ? AND stop_asked_at IS NULL

-- name: delete_open_runs
-- One row each. Only the holder of the current fence takes a run out of the table; the fence of a waiting run is NULL.
DELETE FROM open_runs WHERE run_id = ? AND fence IS ?

-- name: write_closed_runs
-- In the columns of systemprompt.ledger.rows.ClosedRun.
INSERT OR ROLLBACK INTO job_runs (run_id, job_id, version, origin, fire_at, due_at, available_at, queued_at, node_id, attempt,
                                  fence, started_at, actor, status, finished_at, duration_ms, message, items_processed,
                                  items_failed, why, parameters, enforce, period_from, stands_for, retry_of, replaces,
                                  stop_asked_at, stop_by, stop_why, reason, blocked_by, error_hash, output_hash, exit_code,
                                  abandoned, did_nothing, dry_run, lines_dropped)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: write_told_closed_runs
-- Those that have nothing rare, but say what their job said; see systemprompt.ledger.stored.inserting. PostgreSQL has no use for it.
INSERT OR ROLLBACK INTO job_runs (run_id, job_id, version, origin, fire_at, due_at, available_at, queued_at, node_id, attempt,
                                  fence, started_at, actor, status, finished_at, duration_ms, message, items_processed,
                                  items_failed)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: write_usual_closed_runs
-- Those of a job that said nothing.
INSERT OR ROLLBACK INTO job_runs (run_id, job_id, version, origin, fire_at, due_at, available_at, queued_at, node_id, attempt,
                                  fence, started_at, actor, status, finished_at, duration_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: write_texts
INSERT INTO run_texts (run_id, attempt, kind, text) VALUES (?, ?, ?, ?)

-- name: write_tallies
INSERT INTO job_tallies (job_id, hour, status, origin, n) VALUES (?, ?, ?, ?, ?)

-- name: show_last
-- What people read of a job. Of two runs the one with the higher fence is shown; both are counted. No error comes as '': see
-- systemprompt.ledger.stored.inserting on None.
INSERT INTO job_last (job_id, last_run_id, last_fence, last_run, last_status, last_error, run_count)
VALUES (?, ?, ?, ?, ?, nullif(?, ''), ?)
ON CONFLICT (job_id) DO UPDATE SET
    run_count = run_count + excluded.run_count,
    last_run_id = CASE WHEN excluded.last_fence > last_fence THEN excluded.last_run_id ELSE last_run_id END,
    last_run = CASE WHEN excluded.last_fence > last_fence THEN excluded.last_run ELSE last_run END,
    last_status = CASE WHEN excluded.last_fence > last_fence THEN excluded.last_status ELSE last_status END,
    last_error = CASE WHEN excluded.last_fence > last_fence THEN excluded.last_error ELSE last_error END,
    last_fence = max(last_fence, excluded.last_fence)

-- name: write_abandoned
-- Not of a node that has stopped: its threads are gone, and nobody would end the row.
INSERT INTO abandoned_runs (run_id, job_id, fence, node_id, abandoned_at)
SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM nodes n WHERE n.node_id = ?4 AND n.stopped_at IS NOT NULL)

-- name: end_abandoned
-- The code came back at last.
DELETE FROM abandoned_runs WHERE run_id = :run_id AND fence = :fence

-- name: end_abandoned_of_node
-- A process that is gone takes its threads with it.
DELETE FROM abandoned_runs WHERE node_id = :node_id

-- name: write_attempts
-- In the columns of systemprompt.ledger.rows.AttemptRow.
INSERT INTO job_attempts (run_id, attempt, kind, job_id, fence, node_id, started_at, ended_at, day_at, result, reason, message,
                          error_hash, recovered)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: keep_late_result
-- As above, once for each attempt.
INSERT INTO job_attempts (run_id, attempt, kind, job_id, fence, node_id, started_at, ended_at, day_at, result, reason, message,
                          error_hash, recovered)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (run_id, attempt, kind) DO NOTHING

-- name: holder_of_fence
-- Whose attempt this was, and how it ended.
SELECT job_id, node_id, started_at, finished_at, status, reason, message, abandoned FROM job_runs
WHERE run_id = :run_id AND fence = :fence
UNION ALL
SELECT job_id, node_id, started_at, ended_at, result, reason, message, 0 FROM job_attempts
WHERE run_id = :run_id AND fence = :fence AND kind = 'ended'

-- name: last_attempt
-- Of a run that waits to be tried again.
SELECT fence, started_at FROM job_attempts WHERE run_id = :run_id AND kind = 'ended' ORDER BY attempt DESC LIMIT 1

-- name: due_jobs
-- PostgreSQL locks the cursors with SKIP LOCKED. SQLite has one writer, so the transaction itself is the lock.
-- All of them once one is due since :overdue, else as many as there is room for. A job that a node with these labels (a JSON array) may
-- not run is left to others until it is due since :overdue: then somebody has to write that it waits.
-- `following` is when the first of the others is due, `waiting` whether any run waits, `left_out` whether a due job is left to others:
-- they spare the turn three statements. What is :left_to_newer nodes (a JSON array of ids) is as good as not there.
-- None where another release of zone data than :zone_data is in force.
SELECT p.*, (SELECT min(later.next_due) FROM job_cursors later
             WHERE later.next_due > :now AND later.job_id NOT IN (SELECT value FROM json_each(:left_to_newer))) AS following,
       EXISTS (SELECT 1 FROM open_runs o WHERE o.node_id IS NULL) AS waiting,
       EXISTS (SELECT 1 FROM jobs f INDEXED BY jobs_for_some_nodes CROSS JOIN job_cursors c ON c.job_id = f.job_id
               WHERE f.runs_on <> '[]' AND c.next_due > :overdue AND c.next_due <= :now
                 AND f.job_id NOT IN (SELECT value FROM json_each(:left_to_newer))
                 AND EXISTS (SELECT 1 FROM json_each(f.runs_on) w WHERE w.value NOT IN (SELECT value FROM json_each(:labels)))
              ) AS left_out
FROM jobs_to_plan p
WHERE p.next_due <= :now
  AND coalesce((SELECT z.zone_data FROM zone_data_changes z
                WHERE z.change_id = (SELECT max(change_id) FROM zone_data_changes)) = :zone_data, 1)
  AND p.job_id NOT IN (SELECT value FROM json_each(:left_to_newer))
  AND (p.runs_on = '[]' OR p.next_due <= :overdue
       OR NOT EXISTS (SELECT 1 FROM json_each(p.runs_on) w WHERE w.value NOT IN (SELECT value FROM json_each(:labels))))
ORDER BY p.next_due, p.job_id
LIMIT CASE WHEN EXISTS (SELECT 1 FROM job_cursors late
                        WHERE late.next_due <= :overdue AND late.job_id NOT IN (SELECT value FROM json_each(:left_to_newer)))
           THEN :limit ELSE :room END

-- name: terms_of_jobs
-- What the present versions of these jobs (a JSON array of ids) say, in the columns of systemprompt.ledger.stored.remembered.Terms.
SELECT j.job_id, j.version, v.schedule, v.time_zone, v.policies, v.enabled
FROM jobs j JOIN job_versions v ON v.job_id = j.job_id AND v.version = j.version
WHERE j.job_id IN (SELECT value FROM json_each(:ids))

-- name: policies_in_force
-- What these jobs (a JSON array of ids) say now, and what their runs that wait were planned by.
SELECT j.job_id, v.policies FROM jobs j JOIN job_versions v ON v.job_id = j.job_id AND v.version = j.version
WHERE j.job_id IN (SELECT value FROM json_each(:ids)) AND j.retired_at IS NULL
UNION
SELECT r.job_id, v.policies FROM open_runs r JOIN job_versions v ON v.job_id = r.job_id AND v.version = r.version
WHERE r.job_id IN (SELECT value FROM json_each(:ids)) AND r.node_id IS NULL

-- name: loaded_by_others
-- Of these jobs, those that this program could not load and that are not in quarantine. Lists come as JSON arrays.
SELECT job_id FROM jobs
WHERE job_id IN (SELECT value FROM json_each(:ids)) AND quarantine IS NULL
  AND (source IN (SELECT value FROM json_each(:sources)) OR job_name IN (SELECT value FROM json_each(:names)))

-- name: jobs_by_id_to_plan
-- Due or not: those that were just added, or one before its version ends. With what their version says.
SELECT p.*, v.schedule, v.time_zone, v.policies, v.enabled
FROM jobs_to_plan p JOIN job_versions v ON v.job_id = p.job_id AND v.version = p.version
WHERE p.job_id BETWEEN :first AND :last ORDER BY p.job_id

-- name: waiting_runs
-- What may start now, by the instant from which it may: at most one run of a job, and none of a job that is running, quarantined,
-- or has code that could not be stopped, or needs a label that is not among these (a JSON array). A run that was not put off starts at once, whatever the wall clock says since.
-- PostgreSQL adds FOR UPDATE SKIP LOCKED.
SELECT r.*, j.job_name, v.policies,
       CASE WHEN j.version = r.version THEN v.policies
            ELSE (SELECT n.policies FROM job_versions n WHERE n.job_id = j.job_id AND n.version = j.version) END AS present_policies
FROM open_runs r JOIN jobs j ON j.job_id = r.job_id JOIN job_versions v ON v.job_id = r.job_id AND v.version = r.version
WHERE r.node_id IS NULL AND (r.available_at <= :now OR r.available_at <= r.queued_at) AND j.quarantine IS NULL
  AND r.job_id NOT IN (SELECT value FROM json_each(:left_to_newer))
  AND (j.runs_on = '[]'
       OR NOT EXISTS (SELECT 1 FROM json_each(j.runs_on) w WHERE w.value NOT IN (SELECT value FROM json_each(:labels))))
  AND NOT EXISTS (SELECT 1 FROM open_runs e WHERE e.job_id = r.job_id
                  AND (e.node_id IS NOT NULL OR (e.available_at, e.run_id) < (r.available_at, r.run_id)))
  AND NOT EXISTS (SELECT 1 FROM abandoned_runs a WHERE a.job_id = r.job_id)
ORDER BY r.available_at, r.run_id
LIMIT :room

-- name: first_later
-- From when on the first run may begin that waits and may not yet.
SELECT min(available_at) AS at FROM open_runs WHERE node_id IS NULL AND available_at > :now

-- name: claim_runs
-- The predicate is repeated, so that the twins read alike: PostgreSQL must look again after it has waited for a lock.
UPDATE OR ROLLBACK open_runs SET node_id = ?, attempt = ?, fence = ?, started_at = ? WHERE run_id = ? AND fence IS NULL

-- name: take_numbers
-- Fences and run ids for a whole turn; PostgreSQL takes them from sequences. A node that was declared lost, or
-- is asked to take no more, claims nothing.
UPDATE ledger_state SET fence = fence + :fences, last_run = last_run + :runs, high_water = max(high_water, :through)
RETURNING fence, last_run, EXISTS (SELECT 1 FROM nodes n WHERE n.node_id = :node_id AND n.stopped_at IS NOT NULL) AS stopped,
          EXISTS (SELECT 1 FROM nodes n WHERE n.node_id = :node_id AND n.draining_at IS NOT NULL) AS draining

-- name: write_open_runs
-- In the columns of systemprompt.ledger.rows.OpenRun. PostgreSQL takes arrays and UNNEST.
INSERT OR ROLLBACK INTO open_runs (run_id, job_id, version, origin, fire_at, due_at, available_at, queued_at, node_id, attempt,
                                   fence, started_at, actor, why, parameters, enforce, period_from, stands_for, retry_of, replaces,
                                   stop_asked_at, stop_by, stop_why)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: write_usual_open_runs
-- As with closed runs.
INSERT OR ROLLBACK INTO open_runs (run_id, job_id, version, origin, fire_at, due_at, available_at, queued_at, node_id, attempt,
                                   fence, started_at, actor)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: write_ranges
INSERT INTO job_run_ranges (job_id, version, first_at, last_at, count, status, reason, written_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: move_cursors
-- Compare and swap: a cursor that somebody else moved is not touched, and the whole turn is undone.
UPDATE OR ROLLBACK job_cursors SET planned_through = ?, next_due = ?, next_run = ? WHERE job_id = ? AND planned_through = ?

-- name: next_due
-- The first of all, and the first that is still to come.
SELECT (SELECT min(next_due) FROM job_cursors
        WHERE next_due IS NOT NULL AND job_id NOT IN (SELECT value FROM json_each(:left_to_newer))) AS next_due,
       (SELECT min(next_due) FROM job_cursors
        WHERE next_due > :now AND job_id NOT IN (SELECT value FROM json_each(:left_to_newer))) AS following

-- name: quarantine_for_conflict
UPDATE jobs SET quarantine = 'ledger_conflict', quarantine_error = :error, updated_at = :now WHERE job_id = :job_id

-- name: open_run
SELECT r.*, j.job_name, j.retired_at FROM open_runs r JOIN jobs j ON j.job_id = r.job_id WHERE r.run_id = :run_id
