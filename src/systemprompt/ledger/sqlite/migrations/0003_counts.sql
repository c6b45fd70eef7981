-- Reading a long ledger costs what it shows: how many accounts there are is kept, not counted, and each filter of the history has an
-- index. Ending a run costs less than before: one index fewer moves with every status, and a guard is one trigger, not three.

-- How many closed accounts each hour has: runs by the hour of due_at, ranges (origin 'range', one each) by that of last_at.
-- job_id '' is all jobs together. Triggers keep it in the transaction that closes or deletes an account; the audit counts again.
CREATE TABLE job_run_counts (
    job_id TEXT    NOT NULL,
    hour   INTEGER NOT NULL,
    status TEXT    NOT NULL,
    origin TEXT    NOT NULL,
    n      INTEGER NOT NULL CHECK (n >= 0),
    PRIMARY KEY (job_id, hour, status, origin)
) STRICT, WITHOUT ROWID;

INSERT INTO job_run_counts (job_id, hour, status, origin, n)
SELECT job_id, due_at / 3600000000, status, origin, count(*) FROM job_runs WHERE finished_at IS NOT NULL GROUP BY 1, 2, 3, 4;
INSERT INTO job_run_counts (job_id, hour, status, origin, n)
SELECT job_id, last_at / 3600000000, status, 'range', count(*) FROM job_run_ranges GROUP BY 1, 2, 3;
INSERT INTO job_run_counts (job_id, hour, status, origin, n)
SELECT '', hour, status, origin, sum(n) FROM job_run_counts GROUP BY 2, 3, 4;

CREATE TRIGGER job_runs_closed_are_counted
AFTER UPDATE OF status ON job_runs WHEN OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL
BEGIN
    INSERT INTO job_run_counts (job_id, hour, status, origin, n)
    VALUES (NEW.job_id, NEW.due_at / 3600000000, NEW.status, NEW.origin, 1) ON CONFLICT DO UPDATE SET n = n + 1;
    INSERT INTO job_run_counts (job_id, hour, status, origin, n)
    VALUES ('', NEW.due_at / 3600000000, NEW.status, NEW.origin, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER job_runs_written_closed_are_counted
AFTER INSERT ON job_runs WHEN NEW.finished_at IS NOT NULL
BEGIN
    INSERT INTO job_run_counts (job_id, hour, status, origin, n)
    VALUES (NEW.job_id, NEW.due_at / 3600000000, NEW.status, NEW.origin, 1) ON CONFLICT DO UPDATE SET n = n + 1;
    INSERT INTO job_run_counts (job_id, hour, status, origin, n)
    VALUES ('', NEW.due_at / 3600000000, NEW.status, NEW.origin, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER job_runs_pruned_are_counted
AFTER DELETE ON job_runs WHEN OLD.finished_at IS NOT NULL
BEGIN
    UPDATE job_run_counts SET n = n - 1
    WHERE job_id IN (OLD.job_id, '') AND hour = OLD.due_at / 3600000000 AND status = OLD.status AND origin = OLD.origin;
END;

CREATE TRIGGER job_run_ranges_are_counted
AFTER INSERT ON job_run_ranges
BEGIN
    INSERT INTO job_run_counts (job_id, hour, status, origin, n)
    VALUES (NEW.job_id, NEW.last_at / 3600000000, NEW.status, 'range', 1) ON CONFLICT DO UPDATE SET n = n + 1;
    INSERT INTO job_run_counts (job_id, hour, status, origin, n)
    VALUES ('', NEW.last_at / 3600000000, NEW.status, 'range', 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER job_run_ranges_pruned_are_counted
AFTER DELETE ON job_run_ranges
BEGIN
    UPDATE job_run_counts SET n = n - 1
    WHERE job_id IN (OLD.job_id, '') AND hour = OLD.last_at / 3600000000 AND status = OLD.status AND origin = 'range';
END;

CREATE TRIGGER job_run_counts_of_nothing_go
AFTER UPDATE ON job_run_counts WHEN NEW.n = 0
BEGIN
    DELETE FROM job_run_counts
    WHERE job_id = NEW.job_id AND hour = NEW.hour AND status = NEW.status AND origin = NEW.origin;
END;

-- Reading: what did not go well (only that has a reason), and what exists for another reason than its schedule. A run that goes well
-- moves neither, where the index they replace moved three times for every run. What went well is found through the counts.
-- The conditions are not lists on purpose: SQLite makes a table of a list, for every row that it writes.
DROP INDEX job_runs_by_status;
CREATE INDEX job_runs_not_well ON job_runs (status, due_at) WHERE reason IS NOT NULL;
CREATE INDEX job_runs_not_well_of_job ON job_runs (job_id, status, due_at) WHERE reason IS NOT NULL;
CREATE INDEX job_runs_by_origin ON job_runs (origin, due_at) WHERE origin <> 'schedule';
CREATE INDEX job_runs_by_origin_of_job ON job_runs (job_id, origin, due_at) WHERE origin <> 'schedule';

-- The guards of an update in one trigger: each trigger costs a program of its own for every row.
DROP TRIGGER job_runs_closed_is_final;
DROP TRIGGER job_runs_tokens_rise;
DROP TRIGGER job_runs_identity_is_fixed;
CREATE TRIGGER job_runs_keep_the_rules
BEFORE UPDATE ON job_runs
BEGIN
    SELECT RAISE(ABORT, 'ledger: a closed run never changes') WHERE OLD.finished_at IS NOT NULL;
    SELECT RAISE(ABORT, 'ledger: fences and attempts only rise')
    WHERE NEW.fence < OLD.fence OR NEW.attempt < OLD.attempt
       OR (OLD.status = 'queued' AND NEW.status = 'running' AND (NEW.fence <= OLD.fence OR NEW.attempt <> OLD.attempt + 1));
    SELECT RAISE(ABORT, 'ledger: what a run accounts for never changes')
    WHERE (OLD.run_id, OLD.job_id, OLD.version, OLD.origin, OLD.fire_at, OLD.due_at)
          IS NOT (NEW.run_id, NEW.job_id, NEW.version, NEW.origin, NEW.fire_at, NEW.due_at);
END;

-- As in 0001, with one write of the job's row instead of two.
DROP TRIGGER job_runs_released;
CREATE TRIGGER job_runs_released
AFTER UPDATE OF status ON job_runs WHEN OLD.status = 'running' AND NEW.status <> 'running'
BEGIN
    UPDATE job_attempts
    SET ended_at = coalesce(NEW.finished_at, max(OLD.started_at, NEW.queued_at)),
        result = CASE WHEN NEW.status = 'queued' OR NEW.reason = 'node_lost' THEN 'lost' ELSE NEW.status END
    WHERE run_id = NEW.run_id AND attempt = OLD.attempt;
    UPDATE scheduled_jobs
    SET running = running - 1,
        last_status = CASE WHEN last_run_id IS NOT NEW.run_id THEN last_status
                           WHEN NEW.status = 'queued' THEN 'failed' ELSE NEW.status END,
        last_error = CASE WHEN last_run_id IS NOT NEW.run_id THEN last_error
                          ELSE CASE NEW.status WHEN 'success' THEN NULL WHEN 'queued' THEN 'node lost; the run is queued again'
                               ELSE coalesce(NEW.message, NEW.error, NEW.reason) END END
    WHERE id = NEW.job_id;
END;
