-- name: join_node
INSERT INTO nodes (node_id, kind, host, machine, pid, pid_started_at, program, labels, zone_data, lease_ms, capacity, epoch, started_at,
                   beat_at)
VALUES (:node_id, :kind, :host, :machine, :pid, :pid_started_at, :program, :labels, :zone_data, :lease_ms, :capacity, :epoch,
        instant(:started_at), instant(:started_at))

-- name: node_labels
SELECT labels, zone_data FROM nodes WHERE node_id = :node_id

-- name: beat
UPDATE nodes SET beat = beat + 1, beat_at = instant(:now), clock_offset_us = :clock_offset_us, degraded = :degraded
WHERE node_id = :node_id AND stopped_at IS NULL

-- name: drain_node
UPDATE nodes SET draining_at = instant(:now), draining_by = :actor, draining_why = :why
WHERE node_id = :node_id AND draining_at IS NULL AND stopped_at IS NULL

-- name: leave
UPDATE nodes SET stopped_at = instant(:now), fate = 'left' WHERE node_id = :node_id AND stopped_at IS NULL

-- name: declare_lost
UPDATE nodes SET stopped_at = instant(:now), fate = 'lost' WHERE node_id = :node_id AND beat = :beat AND stopped_at IS NULL

-- name: node_has_stopped
-- Held, so that of two who settle what it left the second finds it done.
SELECT stopped_at IS NOT NULL AS stopped FROM nodes WHERE node_id = :node_id FOR UPDATE

-- name: runs_to_rescue
SELECT r.*, j.job_name, v.policies,
       (SELECT count(*) FROM job_attempts a WHERE a.run_id = r.run_id AND a.kind = 'ended'
        AND a.result IN ('lost', 'interrupted')) AS interrupted
FROM open_runs r
JOIN jobs j ON j.job_id = r.job_id
JOIN job_versions v ON v.job_id = r.job_id AND v.version = r.version
WHERE r.node_id = :node_id
ORDER BY r.run_id
FOR UPDATE OF r

-- name: held_runs
SELECT r.*, j.job_name, v.policies
FROM open_runs r
JOIN jobs j ON j.job_id = r.job_id
JOIN job_versions v ON v.job_id = r.job_id AND v.version = r.version
WHERE r.node_id = :node_id
ORDER BY r.run_id

-- name: requeue_runs
UPDATE open_runs o SET queued_at = instant(n.queued_at), available_at = instant(n.available_at), node_id = NULL, fence = NULL,
                       started_at = NULL
FROM unnest(:queued_at::bigint[], :available_at::bigint[], :run_id::bigint[], :fence::bigint[])
    AS n (queued_at, available_at, run_id, fence)
CROSS JOIN LATERAL (SELECT h.ctid AS place FROM open_runs h WHERE h.run_id = n.run_id LIMIT 1) h
WHERE o.ctid = h.place AND o.fence = n.fence

-- name: record_clock_event
INSERT INTO clock_events (seen_at, kind, delta_us, action, node_id) VALUES (instant(:seen_at), :kind, :delta_us, :action, :node_id)

-- name: zone_data_of_nodes
SELECT node_id, zone_data,
       coalesce((SELECT z.zone_data FROM zone_data_changes z ORDER BY z.change_id DESC LIMIT 1), '') AS in_force
FROM nodes WHERE stopped_at IS NULL AND kind = 'serve' AND draining_at IS NULL

-- name: zone_data_in_force
SELECT zone_data FROM zone_data_changes WHERE change_id = (SELECT max(change_id) FROM zone_data_changes)

-- name: change_zone_data
INSERT INTO zone_data_changes (change_id, seen_at, zone_data, node_id)
SELECT coalesce(max(change_id), 0) + 1, instant(:now), :zone_data, :node_id FROM zone_data_changes

-- name: look_again_at_zones
UPDATE job_cursors c SET next_due = instant(:now)
FROM (SELECT h.job_id FROM job_cursors h
      JOIN jobs j ON j.job_id = h.job_id
      JOIN job_versions v ON v.job_id = j.job_id AND v.version = j.version
      WHERE v.time_zone <> 'UTC' AND h.next_due IS NOT NULL
      ORDER BY h.job_id
      FOR UPDATE OF h) held
WHERE c.job_id = held.job_id AND c.next_due > instant(:now)

-- name: runs_to_try_again
-- Of these runs, what says whether they are tried again: how often they failed before, and how often they were interrupted.
SELECT r.*, j.job_name, j.retired_at, v.schedule, v.time_zone, v.enabled, v.policies,
       (SELECT count(*) FROM job_attempts a WHERE a.run_id = r.run_id AND a.kind = 'ended' AND a.result = 'failed') AS failed,
       (SELECT count(*) FROM job_attempts a WHERE a.run_id = r.run_id AND a.kind = 'ended'
        AND a.result IN ('lost', 'interrupted')) AS interrupted
FROM open_runs r
JOIN jobs j ON j.job_id = r.job_id
JOIN job_versions v ON v.job_id = r.job_id AND v.version = r.version
WHERE r.run_id = ANY (translate(:ids, '[]', '{}')::bigint[]) AND r.fence IS NOT NULL
ORDER BY r.run_id FOR UPDATE OF r

-- name: failed_runs_that_wait
-- Runs of these jobs that wait for their next try, each with what its last attempt left.
SELECT r.*, v.policies, a.reason AS last_reason, a.message AS last_message, a.error_hash AS last_error_hash
FROM open_runs r
JOIN job_versions v ON v.job_id = r.job_id AND v.version = r.version
JOIN job_attempts a ON a.run_id = r.run_id AND a.attempt = r.attempt AND a.kind = 'ended' AND a.result = 'failed'
WHERE r.job_id = ANY (translate(:ids, '[]', '{}')::bigint[]) AND r.node_id IS NULL
ORDER BY r.run_id FOR UPDATE OF r
