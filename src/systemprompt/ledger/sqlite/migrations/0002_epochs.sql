-- What a server that lost commits makes necessary: see the twin on PostgreSQL. A file that this machine writes with `synchronous = FULL`
-- loses nothing, so here no epoch ever begins; the tables are the same, since a copy of either engine's ledger is a ledger of SQLite.

CREATE TABLE ledger_epochs (
    epoch     INTEGER PRIMARY KEY CHECK (epoch >= 0),
    system    TEXT    NOT NULL,
    timeline  INTEGER NOT NULL,
    opened_at INTEGER NOT NULL
) STRICT;

CREATE TRIGGER ledger_epochs_never_change
BEFORE UPDATE ON ledger_epochs
BEGIN SELECT RAISE(ROLLBACK, 'ledger: an epoch never changes'); END;

CREATE TRIGGER ledger_epochs_stay
BEFORE DELETE ON ledger_epochs
BEGIN SELECT RAISE(ROLLBACK, 'ledger: an epoch never changes'); END;

CREATE TABLE lost_runs (
    fence  INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL,
    body   TEXT    NOT NULL
) STRICT;

ALTER TABLE nodes ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;

-- What a node's journal brought back is an attempt by itself, beside those that the ledger had.
DROP VIEW attempt_views;
CREATE VIEW attempt_views AS
SELECT t.run_id, t.attempt, t.fence, t.node_id, t.started_at, t.ended_at, t.result, t.reason, t.message, l.result AS late_result,
       l.day_at AS late_at, t.recovered
FROM (SELECT a.run_id, a.attempt, a.fence, a.node_id, a.started_at, a.ended_at, a.result, a.reason, a.message, a.recovered
      FROM job_attempts a WHERE a.kind = 'ended' OR a.recovered
      UNION ALL
      SELECT r.run_id, r.attempt, r.fence, r.node_id, r.started_at, r.finished_at,
             CASE r.reason WHEN 'node_lost' THEN 'lost' ELSE r.status END, r.reason, r.message, 0
      FROM job_runs r WHERE r.fence IS NOT NULL
      UNION ALL
      SELECT o.run_id, o.attempt, o.fence, o.node_id, o.started_at, NULL, NULL, NULL, NULL, 0
      FROM open_runs o WHERE o.node_id IS NOT NULL) t
LEFT JOIN job_attempts l ON l.run_id = t.run_id AND l.attempt = t.attempt AND l.kind = 'late' AND NOT l.recovered AND NOT t.recovered;
