-- name: join_node
INSERT INTO nodes (node_id, kind, host, machine, pid, pid_started_at, program, labels, zone_data, lease_ms, capacity, epoch, started_at,
                   beat_at)
VALUES (:node_id, :kind, :host, :machine, :pid, :pid_started_at, :program, :labels, :zone_data, :lease_ms, :capacity, :epoch, :started_at,
        :started_at)

-- name: node_labels
SELECT labels, zone_data FROM nodes WHERE node_id = :node_id

-- name: beat
UPDATE nodes SET beat = beat + 1, beat_at = :now, degraded = :degraded WHERE node_id = :node_id AND stopped_at IS NULL

-- name: drain_node
-- The first request stands. The node looks for it.
UPDATE nodes SET draining_at = :now, draining_by = :actor, draining_why = :why
WHERE node_id = :node_id AND draining_at IS NULL AND stopped_at IS NULL

-- name: leave
UPDATE nodes SET stopped_at = :now, fate = 'left' WHERE node_id = :node_id AND stopped_at IS NULL

-- name: declare_lost
-- Only where the node has not beaten since it was observed.
UPDATE nodes SET stopped_at = :now, fate = 'lost' WHERE node_id = :node_id AND beat = :beat AND stopped_at IS NULL

-- name: node_has_stopped
SELECT stopped_at IS NOT NULL AS stopped FROM nodes WHERE node_id = :node_id

-- name: runs_to_rescue
SELECT r.*, j.job_name, v.policies,
       (SELECT count(*) FROM job_attempts a WHERE a.run_id = r.run_id AND a.kind = 'ended'
        AND a.result IN ('lost', 'interrupted')) AS interrupted
FROM open_runs r
JOIN jobs j ON j.job_id = r.job_id
JOIN job_versions v ON v.job_id = r.job_id AND v.version = r.version
WHERE r.node_id = :node_id
ORDER BY r.run_id

-- name: held_runs
SELECT r.*, j.job_name, v.policies
FROM open_runs r
JOIN jobs j ON j.job_id = r.job_id
JOIN job_versions v ON v.job_id = r.job_id AND v.version = r.version
WHERE r.node_id = :node_id
ORDER BY r.run_id

-- name: requeue_runs
-- Without node and fence: whatever its former holder brings finds nothing to close.
UPDATE open_runs SET queued_at = ?, available_at = ?, node_id = NULL, fence = NULL, started_at = NULL
WHERE run_id = ? AND fence = ?

-- name: record_clock_event
INSERT INTO clock_events (seen_at, kind, delta_us, action, node_id) VALUES (:seen_at, :kind, :delta_us, :action, :node_id)

-- name: zone_data_of_nodes
-- Of the nodes that plan, each with the one that is in force.
SELECT node_id, zone_data,
       coalesce((SELECT z.zone_data FROM zone_data_changes z ORDER BY z.change_id DESC LIMIT 1), '') AS in_force
FROM nodes INDEXED BY nodes_living WHERE stopped_at IS NULL AND kind = 'serve' AND draining_at IS NULL

-- name: zone_data_in_force
SELECT zone_data FROM zone_data_changes WHERE change_id = (SELECT max(change_id) FROM zone_data_changes)

-- name: change_zone_data
INSERT INTO zone_data_changes (change_id, seen_at, zone_data, node_id)
SELECT coalesce(max(change_id), 0) + 1, :now, :zone_data, :node_id FROM zone_data_changes

-- name: look_again_at_zones
-- At every job whose fire times depend on zone data. PostgreSQL holds the cursors first, in the order in which all do.
UPDATE job_cursors SET next_due = :now
WHERE next_due > :now
  AND job_id IN (SELECT j.job_id FROM jobs j JOIN job_versions v ON v.job_id = j.job_id AND v.version = j.version
                 WHERE v.time_zone <> 'UTC')

-- name: runs_to_try_again
-- Of these runs, what says whether they are tried again: how often they failed before, and how often they were interrupted.
SELECT r.*, j.job_name, j.retired_at, v.schedule, v.time_zone, v.enabled, v.policies,
       (SELECT count(*) FROM job_attempts a WHERE a.run_id = r.run_id AND a.kind = 'ended' AND a.result = 'failed') AS failed,
       (SELECT count(*) FROM job_attempts a WHERE a.run_id = r.run_id AND a.kind = 'ended'
        AND a.result IN ('lost', 'interrupted')) AS interrupted
FROM open_runs r
JOIN jobs j ON j.job_id = r.job_id
JOIN job_versions v ON v.job_id = r.job_id AND v.version = r.version
WHERE r.run_id IN (SELECT value FROM json_each(:ids)) AND r.fence IS NOT NULL
ORDER BY r.run_id

-- name: failed_runs_that_wait
-- Runs of these jobs that wait for their next try, each with what its last attempt left.
SELECT r.*, v.policies, a.reason AS last_reason, a.message AS last_message, a.error_hash AS last_error_hash
FROM open_runs r
JOIN job_versions v ON v.job_id = r.job_id AND v.version = r.version
JOIN job_attempts a ON a.run_id = r.run_id AND a.attempt = r.attempt AND a.kind = 'ended' AND a.result = 'failed'
WHERE r.job_id IN (SELECT value FROM json_each(:ids)) AND r.node_id IS NULL
ORDER BY r.run_id
