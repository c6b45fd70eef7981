-- name: find_open_runs
-- Of these ids, the open ones, held until the transaction ends, in the columns of systemprompt.ledger.rows.OpenRun. The ids come as
-- JSON on both engines; an array of PostgreSQL is written the same but for its brackets.
SELECT * FROM open_runs WHERE run_id = ANY (translate(:ids, '[]', '{}')::bigint[]) ORDER BY run_id FOR UPDATE

-- name: delete_untouched_runs
-- Many rows are one statement over arrays, one for each column. In the order of their ids, as everybody else locks them. Rows of
-- open_runs are always sought one by one (LATERAL): a plain join goes through their whole index, which seems to be empty and is full
-- of dead entries while somebody holds an old transaction open.
DELETE FROM open_runs o
USING (SELECT * FROM unnest(:run_id::bigint[], :fence::bigint[]) u (run_id, fence) ORDER BY run_id) n
CROSS JOIN LATERAL (SELECT h.ctid AS place FROM open_runs h WHERE h.run_id = n.run_id LIMIT 1) h
WHERE o.ctid = h.place AND o.fence = n.fence AND o.stop_asked_at IS NULL

-- name: delete_open_runs
DELETE FROM open_runs o USING unnest(:run_id::bigint[], :fence::bigint[]) n (run_id, fence)
CROSS JOIN LATERAL (SELECT h.ctid AS place FROM open_runs h WHERE h.run_id = n.run_id LIMIT 1) h
WHERE o.ctid = h.place AND o.fence IS NOT DISTINCT FROM n.fence

-- name: write_closed_runs
INSERT INTO job_runs (run_id, job_id, version, origin, fire_at, due_at, available_at, queued_at, node_id, attempt, fence, started_at,
                      actor, status, finished_at, duration_ms, message, items_processed, items_failed, why, parameters, enforce,
                      period_from, stands_for, retry_of, replaces, stop_asked_at, stop_by, stop_why, reason, blocked_by, error_hash,
                      output_hash, exit_code, abandoned, did_nothing, dry_run, lines_dropped)
SELECT run_id, job_id, version, origin, instant(fire_at), instant(due_at), instant(available_at), instant(queued_at), node_id, attempt,
       fence, instant(started_at), actor, status, instant(finished_at), duration_ms, message, items_processed, items_failed, why,
       parameters, enforce, instant(period_from), instant(stands_for), retry_of, replaces, instant(stop_asked_at), stop_by, stop_why,
       reason, blocked_by, error_hash, output_hash, exit_code, abandoned, did_nothing, dry_run, lines_dropped
FROM unnest(:run_id::bigint[], :job_id::bigint[], :version::bigint[], :origin::text[], :fire_at::bigint[], :due_at::bigint[],
            :available_at::bigint[], :queued_at::bigint[], :node_id::text[], :attempt::bigint[], :fence::bigint[],
            :started_at::bigint[], :actor::text[], :status::text[], :finished_at::bigint[], :duration_ms::bigint[], :message::text[],
            :items_processed::bigint[], :items_failed::bigint[], :why::text[], :parameters::text[], :enforce::boolean[],
            :period_from::bigint[], :stands_for::bigint[], :retry_of::bigint[], :replaces::bigint[], :stop_asked_at::bigint[],
            :stop_by::text[], :stop_why::text[], :reason::text[], :blocked_by::bigint[], :error_hash::text[], :output_hash::text[],
            :exit_code::bigint[], :abandoned::boolean[], :did_nothing::boolean[], :dry_run::boolean[], :lines_dropped::bigint[])
    AS n (run_id, job_id, version, origin, fire_at, due_at, available_at, queued_at, node_id, attempt, fence, started_at, actor, status,
          finished_at, duration_ms, message, items_processed, items_failed, why, parameters, enforce, period_from, stands_for, retry_of,
          replaces, stop_asked_at, stop_by, stop_why, reason, blocked_by, error_hash, output_hash, exit_code, abandoned, did_nothing,
          dry_run, lines_dropped)

-- name: write_told_closed_runs
-- Those that have nothing rare, but say what their job said: half the columns are half the work here too.
INSERT INTO job_runs (run_id, job_id, version, origin, fire_at, due_at, available_at, queued_at, node_id, attempt, fence, started_at,
                      actor, status, finished_at, duration_ms, message, items_processed, items_failed)
SELECT run_id, job_id, version, origin, instant(fire_at), instant(due_at), instant(available_at), instant(queued_at), node_id, attempt,
       fence, instant(started_at), actor, status, instant(finished_at), duration_ms, message, items_processed, items_failed
FROM unnest(:run_id::bigint[], :job_id::bigint[], :version::bigint[], :origin::text[], :fire_at::bigint[], :due_at::bigint[],
            :available_at::bigint[], :queued_at::bigint[], :node_id::text[], :attempt::bigint[], :fence::bigint[],
            :started_at::bigint[], :actor::text[], :status::text[], :finished_at::bigint[], :duration_ms::bigint[], :message::text[],
            :items_processed::bigint[], :items_failed::bigint[])
    AS n (run_id, job_id, version, origin, fire_at, due_at, available_at, queued_at, node_id, attempt, fence, started_at, actor, status,
          finished_at, duration_ms, message, items_processed, items_failed)

-- name: write_usual_closed_runs
-- Those of a job that said nothing.
INSERT INTO job_runs (run_id, job_id, version, origin, fire_at, due_at, available_at, queued_at, node_id, attempt, fence, started_at,
                      actor, status, finished_at, duration_ms)
SELECT run_id, job_id, version, origin, instant(fire_at), instant(due_at), instant(available_at), instant(queued_at), node_id, attempt,
       fence, instant(started_at), actor, status, instant(finished_at), duration_ms
FROM unnest(:run_id::bigint[], :job_id::bigint[], :version::bigint[], :origin::text[], :fire_at::bigint[], :due_at::bigint[],
            :available_at::bigint[], :queued_at::bigint[], :node_id::text[], :attempt::bigint[], :fence::bigint[],
            :started_at::bigint[], :actor::text[], :status::text[], :finished_at::bigint[], :duration_ms::bigint[])
    AS n (run_id, job_id, version, origin, fire_at, due_at, available_at, queued_at, node_id, attempt, fence, started_at, actor, status,
          finished_at, duration_ms)

-- name: write_texts
INSERT INTO run_texts (run_id, attempt, kind, text)
SELECT * FROM unnest(:run_id::bigint[], :attempt::bigint[], :kind::text[], :text::text[])

-- name: write_tallies
INSERT INTO job_tallies (job_id, hour, status, origin, n)
SELECT * FROM unnest(:job_id::bigint[], :hour::bigint[], :status::text[], :origin::text[], :n::bigint[])

-- name: show_last
-- By job, so that two nodes that end runs of the same jobs never wait for one another in a circle.
INSERT INTO job_last AS l (job_id, last_run_id, last_fence, last_run, last_status, last_error, run_count)
SELECT job_id, run_id, fence, instant(started_at), status, nullif(error, ''), n
FROM unnest(:job_id::bigint[], :run_id::bigint[], :fence::bigint[], :started_at::bigint[], :status::text[], :error::text[], :n::bigint[])
    AS t (job_id, run_id, fence, started_at, status, error, n)
ORDER BY job_id
ON CONFLICT (job_id) DO UPDATE SET
    run_count = l.run_count + excluded.run_count,
    last_run_id = CASE WHEN excluded.last_fence > l.last_fence THEN excluded.last_run_id ELSE l.last_run_id END,
    last_run = CASE WHEN excluded.last_fence > l.last_fence THEN excluded.last_run ELSE l.last_run END,
    last_status = CASE WHEN excluded.last_fence > l.last_fence THEN excluded.last_status ELSE l.last_status END,
    last_error = CASE WHEN excluded.last_fence > l.last_fence THEN excluded.last_error ELSE l.last_error END,
    last_fence = greatest(l.last_fence, excluded.last_fence)

-- name: write_abandoned
INSERT INTO abandoned_runs (run_id, job_id, fence, node_id, abandoned_at)
SELECT n.run_id, n.job_id, n.fence, n.node_id, instant(n.abandoned_at)
FROM unnest(:run_id::bigint[], :job_id::bigint[], :fence::bigint[], :node_id::text[], :abandoned_at::bigint[])
    AS n (run_id, job_id, fence, node_id, abandoned_at)
WHERE NOT EXISTS (SELECT 1 FROM nodes d WHERE d.node_id = n.node_id AND d.stopped_at IS NOT NULL)

-- name: end_abandoned
DELETE FROM abandoned_runs WHERE run_id = :run_id AND fence = :fence

-- name: end_abandoned_of_node
DELETE FROM abandoned_runs WHERE node_id = :node_id

-- name: write_attempts
INSERT INTO job_attempts (run_id, attempt, kind, job_id, fence, node_id, started_at, ended_at, day_at, result, reason, message,
                          error_hash, recovered)
SELECT run_id, attempt, kind, job_id, fence, node_id, instant(started_at), instant(ended_at), instant(day_at), result, reason, message,
       error_hash, recovered
FROM unnest(:run_id::bigint[], :attempt::bigint[], :kind::text[], :job_id::bigint[], :fence::bigint[], :node_id::text[],
            :started_at::bigint[], :ended_at::bigint[], :day_at::bigint[], :result::text[], :reason::text[], :message::text[],
            :error_hash::text[], :recovered::boolean[])
    AS n (run_id, attempt, kind, job_id, fence, node_id, started_at, ended_at, day_at, result, reason, message, error_hash, recovered)

-- name: keep_late_result
INSERT INTO job_attempts (run_id, attempt, kind, job_id, fence, node_id, started_at, ended_at, day_at, result, reason, message,
                          error_hash, recovered)
VALUES (?, ?, ?, ?, ?, ?, instant(?), instant(?), instant(?), ?, ?, ?, ?, ?::integer::boolean)
ON CONFLICT (run_id, attempt, kind) DO NOTHING

-- name: holder_of_fence
SELECT job_id, node_id, started_at, finished_at, status, reason, message, abandoned FROM job_runs
WHERE run_id = :run_id AND fence = :fence
UNION ALL
SELECT job_id, node_id, started_at, ended_at, result, reason, message, false FROM job_attempts
WHERE run_id = :run_id AND fence = :fence AND kind = 'ended'

-- name: last_attempt
SELECT fence, started_at FROM job_attempts WHERE run_id = :run_id AND kind = 'ended' ORDER BY attempt DESC LIMIT 1

-- name: hold_due_cursors
-- The first step of `due_jobs`: their cursors, in due order, held until the transaction ends; those that another node holds are left to
-- it. It does not wait, so it cannot be in anybody's way. With it goes what a turn closes, as one statement. Before `since` none is due:
-- what lies there are dead entries of the index, as many as cursors were moved since somebody holds an old transaction open.
SELECT ARRAY(SELECT c.job_id FROM job_cursors c
             WHERE c.next_due >= instant(:since) AND c.next_due <= instant(:now)
               AND c.job_id <> ALL (translate(:left_to_newer, '[]', '{}')::bigint[])
               AND (c.next_due <= instant(:overdue)
                    OR NOT EXISTS (SELECT 1 FROM jobs j WHERE j.job_id = c.job_id AND j.runs_on <> '[]'
                                   AND NOT j.runs_on::jsonb <@ :labels::jsonb))
             ORDER BY c.next_due, c.job_id
             LIMIT CASE WHEN EXISTS (SELECT 1 FROM job_cursors late
                                     WHERE late.next_due >= instant(:since) AND late.next_due <= instant(:overdue)
                                       AND late.job_id <> ALL (translate(:left_to_newer, '[]', '{}')::bigint[])) THEN :limit::bigint
                        ELSE :room::bigint END
             FOR UPDATE SKIP LOCKED) AS held,
       (SELECT min(f.next_due) FROM job_cursors f
        WHERE f.next_due >= instant(:since) AND f.job_id <> ALL (translate(:left_to_newer, '[]', '{}')::bigint[])) AS first,
       (SELECT min(later.next_due) FROM job_cursors later
        WHERE later.next_due > instant(:now) AND later.job_id <> ALL (translate(:left_to_newer, '[]', '{}')::bigint[])) AS following,
       EXISTS (SELECT 1 FROM open_runs o WHERE o.node_id IS NULL) AS waiting,
       EXISTS (SELECT 1 FROM jobs f JOIN job_cursors c ON c.job_id = f.job_id
               WHERE f.runs_on <> '[]' AND c.next_due > instant(:overdue) AND c.next_due <= instant(:now)
                 AND f.job_id <> ALL (translate(:left_to_newer, '[]', '{}')::bigint[])
                 AND NOT f.runs_on::jsonb <@ :labels::jsonb) AS left_out

-- name: due_jobs
-- The second step, in a view of its own: what others committed before the cursors were held is seen here. With a run id and a fence for
-- each, which is what most turns need; a number that nobody uses is a gap. They are found by when they are due, not by their ids
-- (hence the + 0), so that no dead entries are read: see `hold_due_cursors`.
SELECT p.*, nextval('run_ids') AS new_run_id, nextval('fences') AS new_fence,
       EXISTS (SELECT 1 FROM nodes n WHERE n.node_id = :node_id AND n.stopped_at IS NOT NULL) AS stopped,
       EXISTS (SELECT 1 FROM nodes n WHERE n.node_id = :node_id AND n.draining_at IS NOT NULL) AS draining
FROM jobs_to_plan p
WHERE coalesce((SELECT z.zone_data FROM zone_data_changes z
                WHERE z.change_id = (SELECT max(change_id) FROM zone_data_changes)) = :zone_data::text, true)
  AND p.job_id + 0 = ANY (:held::bigint[]) AND p.next_due >= instant(:since) AND p.next_due <= instant(:now)
ORDER BY p.next_due, p.job_id

-- name: terms_of_jobs
-- From the ids to the jobs: with = ANY, each row of a table without statistics would be held against each id.
SELECT j.job_id, j.version, v.schedule, v.time_zone, v.policies, v.enabled
FROM unnest(translate(:ids, '[]', '{}')::bigint[]) AS n (job_id)
JOIN jobs j ON j.job_id = n.job_id
JOIN job_versions v ON v.job_id = j.job_id AND v.version = j.version

-- name: policies_in_force
SELECT j.job_id, v.policies FROM jobs j JOIN job_versions v ON v.job_id = j.job_id AND v.version = j.version
WHERE j.job_id = ANY (translate(:ids, '[]', '{}')::bigint[]) AND j.retired_at IS NULL
UNION
SELECT r.job_id, v.policies FROM open_runs r JOIN job_versions v ON v.job_id = r.job_id AND v.version = r.version
WHERE r.job_id = ANY (translate(:ids, '[]', '{}')::bigint[]) AND r.node_id IS NULL

-- name: loaded_by_others
SELECT job_id FROM jobs
WHERE job_id = ANY (translate(:ids, '[]', '{}')::bigint[]) AND quarantine IS NULL
  AND (source IN (SELECT jsonb_array_elements_text(:sources::jsonb)) OR job_name IN (SELECT jsonb_array_elements_text(:names::jsonb)))

-- name: hold_cursors
SELECT 1 FROM job_cursors WHERE job_id BETWEEN :first AND :last ORDER BY job_id FOR UPDATE

-- name: jobs_by_id_to_plan
SELECT p.*, v.schedule, v.time_zone, v.policies, v.enabled
FROM jobs_to_plan p JOIN job_versions v ON v.job_id = p.job_id AND v.version = p.version
WHERE p.job_id BETWEEN :first AND :last ORDER BY p.job_id

-- name: hold_cursors_of_waiting
-- The first step of `waiting_runs`: whoever holds a job's cursor alone may begin a run of it.
SELECT c.job_id FROM job_cursors c
WHERE c.job_id IN (
    SELECT r.job_id
    FROM open_runs r JOIN jobs j ON j.job_id = r.job_id
    WHERE r.node_id IS NULL AND (r.available_at <= instant(:now) OR r.available_at <= r.queued_at) AND j.quarantine IS NULL
      AND r.job_id <> ALL (translate(:left_to_newer, '[]', '{}')::bigint[])
      AND (j.runs_on = '[]' OR j.runs_on::jsonb <@ :labels::jsonb)
      AND NOT EXISTS (SELECT 1 FROM open_runs e WHERE e.job_id = r.job_id
                      AND (e.node_id IS NOT NULL OR (e.available_at, e.run_id) < (r.available_at, r.run_id)))
      AND NOT EXISTS (SELECT 1 FROM abandoned_runs a WHERE a.job_id = r.job_id)
    ORDER BY r.available_at, r.run_id
    LIMIT :room)
FOR UPDATE SKIP LOCKED

-- name: waiting_runs
-- The second step, of the jobs whose cursors are held; the conditions are looked at once more.
SELECT r.*, j.job_name, v.policies,
       CASE WHEN j.version = r.version THEN v.policies
            ELSE (SELECT n.policies FROM job_versions n WHERE n.job_id = j.job_id AND n.version = j.version) END AS present_policies
FROM open_runs r JOIN jobs j ON j.job_id = r.job_id JOIN job_versions v ON v.job_id = r.job_id AND v.version = r.version
WHERE r.job_id = ANY (:held::bigint[])
  AND r.node_id IS NULL AND (r.available_at <= instant(:now) OR r.available_at <= r.queued_at) AND j.quarantine IS NULL
  AND (j.runs_on = '[]' OR j.runs_on::jsonb <@ :labels::jsonb)
  AND NOT EXISTS (SELECT 1 FROM open_runs e WHERE e.job_id = r.job_id
                  AND (e.node_id IS NOT NULL OR (e.available_at, e.run_id) < (r.available_at, r.run_id)))
  AND NOT EXISTS (SELECT 1 FROM abandoned_runs a WHERE a.job_id = r.job_id)
ORDER BY r.available_at, r.run_id
LIMIT :room
FOR UPDATE OF r SKIP LOCKED

-- name: first_later
SELECT min(available_at) AS at FROM open_runs WHERE node_id IS NULL AND available_at > instant(:now)

-- name: claim_runs
-- The predicate is repeated: PostgreSQL looks again after it has waited for a lock.
UPDATE open_runs o SET node_id = n.node_id, attempt = n.attempt, fence = n.fence, started_at = instant(n.started_at)
FROM unnest(:node_id::text[], :attempt::bigint[], :fence::bigint[], :started_at::bigint[], :run_id::bigint[])
    AS n (node_id, attempt, fence, started_at, run_id)
CROSS JOIN LATERAL (SELECT h.ctid AS place FROM open_runs h WHERE h.run_id = n.run_id LIMIT 1) h
WHERE o.ctid = h.place AND o.fence IS NULL

-- name: take_numbers
SELECT ARRAY(SELECT nextval('fences') FROM generate_series(1, :fences)) AS fences,
       ARRAY(SELECT nextval('run_ids') FROM generate_series(1, :runs)) AS run_ids,
       EXISTS (SELECT 1 FROM nodes n WHERE n.node_id = :node_id AND n.stopped_at IS NOT NULL) AS stopped,
       EXISTS (SELECT 1 FROM nodes n WHERE n.node_id = :node_id AND n.draining_at IS NOT NULL) AS draining

-- name: write_open_runs
INSERT INTO open_runs (run_id, job_id, version, origin, fire_at, due_at, available_at, queued_at, node_id, attempt, fence, started_at,
                       actor, why, parameters, enforce, period_from, stands_for, retry_of, replaces, stop_asked_at, stop_by, stop_why)
SELECT run_id, job_id, version, origin, instant(fire_at), instant(due_at), instant(available_at), instant(queued_at), node_id, attempt,
       fence, instant(started_at), actor, why, parameters, enforce, instant(period_from), instant(stands_for), retry_of, replaces,
       instant(stop_asked_at), stop_by, stop_why
FROM unnest(:run_id::bigint[], :job_id::bigint[], :version::bigint[], :origin::text[], :fire_at::bigint[], :due_at::bigint[],
            :available_at::bigint[], :queued_at::bigint[], :node_id::text[], :attempt::bigint[], :fence::bigint[],
            :started_at::bigint[], :actor::text[], :why::text[], :parameters::text[], :enforce::boolean[], :period_from::bigint[],
            :stands_for::bigint[], :retry_of::bigint[], :replaces::bigint[], :stop_asked_at::bigint[], :stop_by::text[],
            :stop_why::text[])
    AS n (run_id, job_id, version, origin, fire_at, due_at, available_at, queued_at, node_id, attempt, fence, started_at, actor, why,
          parameters, enforce, period_from, stands_for, retry_of, replaces, stop_asked_at, stop_by, stop_why)

-- name: write_usual_open_runs
INSERT INTO open_runs (run_id, job_id, version, origin, fire_at, due_at, available_at, queued_at, node_id, attempt, fence, started_at,
                       actor)
SELECT run_id, job_id, version, origin, instant(fire_at), instant(due_at), instant(available_at), instant(queued_at), node_id, attempt,
       fence, instant(started_at), actor
FROM unnest(:run_id::bigint[], :job_id::bigint[], :version::bigint[], :origin::text[], :fire_at::bigint[], :due_at::bigint[],
            :available_at::bigint[], :queued_at::bigint[], :node_id::text[], :attempt::bigint[], :fence::bigint[],
            :started_at::bigint[], :actor::text[])
    AS n (run_id, job_id, version, origin, fire_at, due_at, available_at, queued_at, node_id, attempt, fence, started_at, actor)

-- name: write_ranges
INSERT INTO job_run_ranges (job_id, version, first_at, last_at, count, status, reason, written_at)
SELECT job_id, version, instant(first_at), instant(last_at), count, status, reason, instant(written_at)
FROM unnest(:job_id::bigint[], :version::bigint[], :first_at::bigint[], :last_at::bigint[], :count::bigint[], :status::text[],
            :reason::text[], :written_at::bigint[])
    AS n (job_id, version, first_at, last_at, count, status, reason, written_at)

-- name: move_cursors
-- By the place of each row, which is found by its whole key and is held: see `hold_due_cursors`. What was open stays so, and what comes
-- new lies after what was planned before: no run of the job is open that was due before that.
UPDATE job_cursors c SET planned_through = instant(n.planned_through), next_due = instant(n.next_due), next_run = instant(n.next_run),
                         open_from = coalesce((SELECT min(r.fire_at) FROM open_runs r
                                               WHERE r.job_id = c.job_id AND r.fire_at >= c.open_from), c.planned_through)
FROM unnest(:planned_through::bigint[], :next_due::bigint[], :next_run::bigint[], :job_id::bigint[], :was::bigint[])
    AS n (planned_through, next_due, next_run, job_id, was)
CROSS JOIN LATERAL (SELECT h.ctid AS place FROM job_cursors h
                    WHERE h.job_id = n.job_id AND h.planned_through = instant(n.was) LIMIT 1) h
WHERE c.ctid = h.place

-- name: next_due
SELECT (SELECT min(next_due) FROM job_cursors
        WHERE next_due >= instant(:since) AND job_id <> ALL (translate(:left_to_newer, '[]', '{}')::bigint[])) AS next_due,
       (SELECT min(next_due) FROM job_cursors
        WHERE next_due > instant(:now) AND job_id <> ALL (translate(:left_to_newer, '[]', '{}')::bigint[])) AS following

-- name: quarantine_for_conflict
UPDATE jobs SET quarantine = 'ledger_conflict', quarantine_error = :error, updated_at = instant(:now) WHERE job_id = :job_id

-- name: open_run
SELECT r.*, j.job_name, j.retired_at FROM open_runs r JOIN jobs j ON j.job_id = r.job_id WHERE r.run_id = :run_id FOR UPDATE OF r
