-- Epochs: a server that lost what was committed, by a failover to a standby that had not got all of it, say, gives out the same numbers
-- again. So whoever writes first on a server that is not the one before (another system identifier, another timeline, a log that ends
-- before what was seen of it) begins an epoch, from which on fences and run ids lie above all that were ever given.

CREATE TABLE ledger_epochs (
    epoch     bigint PRIMARY KEY CHECK (epoch >= 0),
    system    text   NOT NULL,
    timeline  bigint NOT NULL,
    opened_at timestamptz NOT NULL
);

CREATE TRIGGER ledger_epochs_never_change
BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_epochs FOR EACH STATEMENT
EXECUTE FUNCTION refuse('ledger: an epoch never changes');

-- What nodes have told of the lost stretch and is still to be settled: empty but for moments.
CREATE TABLE lost_runs (
    fence  bigint PRIMARY KEY,
    job_id bigint NOT NULL,
    body   text   NOT NULL
);

-- The epoch up to which a node has told what it did: see `systemprompt.nodes.lost_tail`.
ALTER TABLE nodes ADD COLUMN epoch bigint NOT NULL DEFAULT 0;

-- Return the epoch that this server is in, and begin it where that is news. `over` is an epoch that is over for certain; -1 where none is.
-- 2^40 fences lie in each epoch, and a million run ids are left out, since nobody knows how many were lost.
CREATE FUNCTION enter_epoch(over bigint) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    last ledger_epochs;
    here ledger_epochs;
BEGIN
    LOCK TABLE ledger_epochs IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO last FROM ledger_epochs ORDER BY epoch DESC LIMIT 1;
    SELECT s.system_identifier::text, ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint
    INTO here.system, here.timeline FROM pg_control_system() s;
    IF last.epoch > over AND (last.system, last.timeline) = (here.system, here.timeline) THEN
        RETURN last.epoch;
    END IF;
    here.epoch := greatest(coalesce(last.epoch, -1), over) + 1;
    INSERT INTO ledger_epochs VALUES (here.epoch, here.system, here.timeline, clock_timestamp());
    IF here.epoch > 0 THEN
        PERFORM setval('fences', greatest(here.epoch << 40, (SELECT f.last_value FROM fences f)));
        PERFORM setval('run_ids', (SELECT r.last_value FROM run_ids r) + 1000000);
    END IF;
    RETURN here.epoch;
END $$;
REVOKE ALL ON FUNCTION enter_epoch FROM PUBLIC;

-- What a node's journal brought back is an attempt by itself, beside those that the ledger had.
CREATE OR REPLACE VIEW attempt_views AS
SELECT t.run_id, t.attempt, t.fence, t.node_id, t.started_at, t.ended_at, t.result, t.reason, t.message, l.result AS late_result,
       l.day_at AS late_at, t.recovered
FROM (SELECT a.run_id, a.attempt, a.fence, a.node_id, a.started_at, a.ended_at, a.result, a.reason, a.message, a.recovered
      FROM job_attempts a WHERE a.kind = 'ended' OR a.recovered
      UNION ALL
      SELECT r.run_id, r.attempt, r.fence, r.node_id, r.started_at, r.finished_at,
             CASE r.reason WHEN 'node_lost' THEN 'lost' ELSE r.status END, r.reason, r.message, false
      FROM job_runs r WHERE r.fence IS NOT NULL
      UNION ALL
      SELECT o.run_id, o.attempt, o.fence, o.node_id, o.started_at, NULL::timestamptz, NULL::text, NULL::text, NULL::text, false
      FROM open_runs o WHERE o.node_id IS NOT NULL) t
LEFT JOIN job_attempts l ON l.run_id = t.run_id AND l.attempt = t.attempt AND l.kind = 'late' AND NOT l.recovered AND NOT t.recovered;
