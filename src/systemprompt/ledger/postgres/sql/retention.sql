-- name: hold_closed_days
SELECT hold_closed_days()

-- name: hold_pruning
SELECT 1 FROM ledger_state FOR UPDATE

-- name: write_seal
INSERT INTO ledger_seals (seal, format, day, from_at, until_at, runs, attempts, ranges, fire_times, counts, content, sealed_at, previous,
                          digest)
VALUES (:seal, :format, :day, instant(:from_at), instant(:until_at), :runs, :attempts, :ranges, :fire_times, :counts, :content,
        instant(:sealed_at), :previous, :digest)

-- name: count_seal
UPDATE ledger_state SET seals = :seal, sealed_until = instant(:until_at)

-- name: day_moved_on
-- Numbers of sequences are not given in the order of their commits: what came into the day is counted, not sought above a number.
SELECT (SELECT count(*) FROM job_runs WHERE due_at >= instant(:from) AND due_at < instant(:until)) <> :runs
    OR (SELECT count(*) FROM job_run_ranges WHERE last_at >= instant(:from) AND last_at < instant(:until)) <> :ranges
    OR (SELECT count(*) FROM job_attempts WHERE day_at >= instant(:from) AND day_at < instant(:until)) <> :attempts
    OR EXISTS (SELECT 1 FROM open_runs WHERE due_at < instant(:until))
    OR EXISTS (SELECT 1 FROM job_run_ranges WHERE range_id > :last_range AND first_at < instant(:until))
    OR (SELECT count(*) FROM job_versions WHERE valid_from < instant(:until)) <> :versions AS moved_on

-- name: last_sealed_before
SELECT max(until_at) AS until FROM ledger_seals WHERE until_at <= instant(:before)

-- name: mark_ledger_pruned
UPDATE ledger_state SET pruned_until = instant(:until) WHERE pruned_until < instant(:until)

-- name: mark_runs_pruned
UPDATE ledger_state SET pruned_run = :run_id WHERE pruned_run < :run_id

-- name: prune_batch
SELECT kind, id, at, job_id, owed, status, origin FROM (
    (SELECT 'run' AS kind, run_id AS id, due_at AS at, job_id, fire_at IS NOT NULL AS owed, status, origin
     FROM job_runs WHERE due_at < (SELECT pruned_until FROM ledger_state)
     ORDER BY due_at, run_id LIMIT :limit)
    UNION ALL
    (SELECT 'range', range_id, last_at, job_id, true, status, 'range'
     FROM job_run_ranges WHERE last_at < (SELECT pruned_until FROM ledger_state)
     ORDER BY last_at, range_id LIMIT :limit)
) oldest ORDER BY at, id LIMIT :limit

-- name: prune_runs
-- By a function of the owner's: a node's role may not delete accounts.
SELECT prune_runs(:run_id::bigint[])

-- name: prune_texts
DELETE FROM run_texts WHERE run_id = ANY (:run_id::bigint[])

-- name: prune_marks
DELETE FROM run_marks WHERE run_id = ANY (:run_id::bigint[])

-- name: prune_ranges
SELECT prune_ranges(:range_id::bigint[])

-- name: prune_attempts
SELECT prune_attempts(:limit)

-- name: drop_partitions
-- What is empty and pruned goes whole.
SELECT drop_partitions()

-- name: make_partitions
SELECT make_partitions(instant(:now)) AS are_there

-- name: mark_jobs_pruned
UPDATE jobs j SET pruned_through = instant(n.at) FROM unnest(:at::bigint[], :job_id::bigint[]) AS n (at, job_id)
WHERE j.job_id = n.job_id AND j.pruned_through < instant(n.at)

-- name: prune_requests
DELETE FROM requests WHERE until_at < instant(:before)

-- name: prune_nodes
DELETE FROM nodes WHERE node_id IN (
    SELECT n.node_id FROM nodes n
    WHERE n.stopped_at < instant(:before) AND NOT EXISTS (SELECT 1 FROM open_runs r WHERE r.node_id = n.node_id)
    LIMIT :limit)

-- name: fold_into_sums
-- In one statement: what is deleted is what is added, and two nodes that fold at once take different rows. By key, as with job_last.
WITH gone AS (
    DELETE FROM job_tallies WHERE ctid = ANY (ARRAY(SELECT ctid FROM job_tallies LIMIT :limit FOR UPDATE SKIP LOCKED))
    RETURNING job_id, hour, status, origin, n)
INSERT INTO job_tally_sums AS s (job_id, hour, status, origin, n)
SELECT job_id, hour, status, origin, sum(n)::bigint FROM gone GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
ON CONFLICT (job_id, hour, status, origin) DO UPDATE SET n = s.n + excluded.n

-- name: delete_sums_of_nothing
DELETE FROM job_tally_sums WHERE n = 0

-- name: tallies_to_fold
SELECT EXISTS (SELECT 1 FROM job_tallies) AS left
