-- name: all_jobs_for_sync
SELECT j.job_id, j.job_name, j.version, c.planned_through, v.enabled, j.retired_at, j.quarantine, j.quarantine_error,
       j.declared_enabled, v.schedule, v.time_zone, v.policies, j.description, j.tags, j.owner, j.source, j.profile_sets, j.described
FROM jobs j
JOIN job_cursors c ON c.job_id = j.job_id
LEFT JOIN job_versions v ON v.job_id = j.job_id AND v.version = j.version
ORDER BY j.job_name COLLATE "C"

-- name: why_switched
SELECT CASE WHEN cause IN ('enabled', 'disabled') THEN why END AS why FROM job_versions WHERE job_id = :job_id AND version = :version

-- name: last_job_id
SELECT coalesce(max(job_id), 0) AS job_id FROM jobs

-- name: add_jobs
INSERT INTO jobs (job_id, job_name, created_at, updated_at, description, tags, owner, source, declared_enabled, profile_sets, described,
                  runs_on, version, pruned_through, quarantine, quarantine_error)
SELECT job_id, name, instant(now), instant(now), description, tags, owner, source, declared_enabled, profile_sets, described, runs_on, 1,
       instant(now), quarantine, quarantine_error
FROM unnest(:job_id::bigint[], :name::text[], :now::bigint[], :description::text[], :tags::text[], :owner::text[], :source::text[],
            :declared_enabled::boolean[], :profile_sets::text[], :described::text[], :runs_on::text[], :quarantine::text[], :quarantine_error::text[])
    AS n (job_id, name, now, description, tags, owner, source, declared_enabled, profile_sets, described, runs_on, quarantine,
          quarantine_error)

-- name: add_cursors
INSERT INTO job_cursors (job_id, planned_through)
SELECT job_id, instant(now) FROM unnest(:job_id::bigint[], :now::bigint[]) AS n (job_id, now)

-- name: open_version
INSERT INTO job_versions (job_id, version, schedule, time_zone, policies, enabled, valid_from, cause, actor, noticed_by, why)
SELECT job_id, version, schedule, time_zone, policies, enabled, instant(valid_from), cause, actor, noticed_by, why
FROM unnest(:job_id::bigint[], :version::bigint[], :schedule::text[], :time_zone::text[], :policies::text[], :enabled::boolean[],
            :valid_from::bigint[], :cause::text[], :actor::text[], :noticed_by::text[], :why::text[])
    AS n (job_id, version, schedule, time_zone, policies, enabled, valid_from, cause, actor, noticed_by, why)

-- name: close_version
UPDATE job_versions SET valid_until = instant(:valid_until) WHERE job_id = :job_id AND valid_until IS NULL

-- name: update_job
UPDATE jobs
SET updated_at = instant(:now), description = :description, tags = :tags, owner = :owner, source = :source,
    declared_enabled = :declared_enabled::integer::boolean, profile_sets = :profile_sets, described = :described,
    runs_on = :runs_on, version = :version, retired_at = NULL,
    quarantine_error = CASE WHEN quarantine = 'load' THEN NULL ELSE quarantine_error END,
    quarantine = CASE WHEN quarantine = 'load' THEN NULL ELSE quarantine END
WHERE job_id = :job_id

-- name: point_to_version
UPDATE jobs SET version = :version, updated_at = instant(:now) WHERE job_id = :job_id

-- name: quarantine_job
UPDATE jobs SET quarantine = 'load', quarantine_error = :error, updated_at = instant(:now) WHERE job_id = :job_id

-- name: release_job
UPDATE jobs SET quarantine = NULL, quarantine_error = NULL, updated_at = instant(:now) WHERE job_id = :job_id

-- name: retire_job
UPDATE jobs SET retired_at = instant(:now), updated_at = instant(:now), quarantine = NULL, quarantine_error = NULL
WHERE job_id = :job_id

-- name: stop_cursor
UPDATE job_cursors SET next_due = NULL, next_run = NULL WHERE job_id = :job_id

-- name: waiting_runs_of_job
SELECT * FROM open_runs WHERE job_id = :job_id AND node_id IS NULL ORDER BY run_id FOR UPDATE

-- name: quarantine_source
INSERT INTO quarantined_sources (source, error, since_at) VALUES (:source, :error, instant(:now))
ON CONFLICT (source) DO UPDATE SET error = excluded.error

-- name: release_source
DELETE FROM quarantined_sources WHERE source = :source
