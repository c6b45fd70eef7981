-- name: hold_catalogue
-- Whoever changes jobs and versions keeps out others who do, and who starts or asks for a run. Turns go on.
LOCK TABLE jobs IN EXCLUSIVE MODE

-- name: share_catalogue
-- Whoever starts or asks for a run.
LOCK TABLE jobs IN ROW SHARE MODE

-- name: hold_jobs
SELECT 1 FROM job_cursors c JOIN jobs j ON j.job_id = c.job_id WHERE j.job_name = ANY (:names::text[]) ORDER BY c.job_id FOR UPDATE OF c

-- name: hold_request
-- Until the transaction ends: nothing is kept in the session.
SELECT pg_advisory_xact_lock(hashtextextended(:request_id, 7310))

-- name: job_to_start
SELECT j.job_id, j.job_name, j.version, j.quarantine_error, v.policies,
       coalesce((SELECT min(o.run_id) FROM open_runs o WHERE o.job_id = j.job_id AND o.node_id IS NOT NULL),
                (SELECT min(a.run_id) FROM abandoned_runs a WHERE a.job_id = j.job_id)) AS running_run
FROM jobs j JOIN job_versions v ON v.job_id = j.job_id AND v.version = j.version
WHERE j.job_name = :name AND j.retired_at IS NULL

-- name: job_names
SELECT job_name FROM jobs WHERE retired_at IS NULL ORDER BY job_name COLLATE "C"

-- name: ask_to_stop
UPDATE open_runs SET stop_asked_at = instant(:now), stop_by = :actor, stop_why = :why
WHERE run_id = :run_id AND stop_asked_at IS NULL

-- name: find_request
SELECT digest, answer FROM requests WHERE request_id = :request_id AND until_at > instant(:now)

-- name: forget_request
DELETE FROM requests WHERE request_id = :request_id AND until_at <= instant(:now)

-- name: write_request
INSERT INTO requests (request_id, digest, answer, actor, asked_at, until_at)
VALUES (:request_id, :digest, :answer, :actor, instant(:now), instant(:until_at))
