-- name: all_jobs_for_sync
-- No more than is compared and built on: there may be a hundred thousand.
SELECT j.id, j.job_name, j.version, j.planned_through, j.enabled, j.retired_at, j.quarantine_error, j.declared_enabled,
       j.schedule, j.time_zone, v.policies, j.description, j.tags, j.owner, j.source
FROM scheduled_jobs j
LEFT JOIN job_versions v ON v.job_id = j.id AND v.version = j.version
ORDER BY j.job_name

-- name: add_job
INSERT INTO scheduled_jobs (id, job_name, schedule, enabled, created_at, updated_at, description, time_zone, tags, owner, source,
                            declared_enabled, version, planned_through, pruned_through, quarantine_error)
VALUES (:job_id, :name, :schedule, :enabled, :now, :now, :description, :time_zone, :tags, :owner, :source,
        :enabled, :version, :now, :now, :quarantine_error)

-- name: open_version
INSERT INTO job_versions (job_id, version, schedule, time_zone, policies, enabled, valid_from, actor, why)
VALUES (:job_id, :version, :schedule, :time_zone, :policies, :enabled, :valid_from, :actor, :why)

-- name: close_version
UPDATE job_versions SET valid_until = :valid_until WHERE job_id = :job_id AND valid_until IS NULL

-- name: update_job
UPDATE scheduled_jobs
SET schedule = :schedule, enabled = :enabled, updated_at = :now, description = :description, time_zone = :time_zone,
    tags = :tags, owner = :owner, source = :source, declared_enabled = :declared_enabled, version = :version,
    quarantine_error = NULL, retired_at = NULL
WHERE id = :job_id

-- name: set_job_enabled
UPDATE scheduled_jobs SET enabled = :enabled, version = :version, updated_at = :now WHERE id = :job_id

-- name: quarantine_job
UPDATE scheduled_jobs SET quarantine_error = :error, updated_at = :now WHERE id = :job_id

-- name: retire_job
-- Where the last run was lost and waited to run again, it was cancelled just now, and the job shows that.
UPDATE scheduled_jobs
SET retired_at = :now, updated_at = :now, next_due = NULL, next_run = NULL, quarantine_error = NULL,
    last_status = coalesce((SELECT r.status FROM job_runs r WHERE r.run_id = last_run_id AND r.reason = 'retired'), last_status),
    last_error = coalesce((SELECT r.reason FROM job_runs r WHERE r.run_id = last_run_id AND r.reason = 'retired'), last_error)
WHERE id = :job_id

-- name: cancel_queued_of_job
UPDATE job_runs INDEXED BY job_runs_open_of_job SET status = 'cancelled', reason = 'retired', finished_at = max(:now, queued_at)
WHERE job_id = :job_id AND finished_at IS NULL AND status = 'queued'

-- name: quarantine_source
INSERT INTO quarantined_sources (source, error, since_at) VALUES (:source, :error, :now)
ON CONFLICT (source) DO UPDATE SET error = excluded.error

-- name: release_source
DELETE FROM quarantined_sources WHERE source = :source
