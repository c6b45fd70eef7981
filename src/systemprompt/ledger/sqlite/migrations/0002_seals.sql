-- Seals. A closed UTC day whose audit found nothing gets one row that never changes: counts, a digest of what the day held, and a
-- digest chained to the seal before. Only what is sealed can be deleted, and nothing can be added to it.

-- One row a UTC day that held anything, numbered from 1. A seal covers the instants from the end of the one before it to the end of
-- its day, so that seals leave no gap. Runs belong to the day of due_at, ranges to that of last_at.
--   counts    canonical JSON: {"ranges": {"missed down": 60}, "runs": {"success": 24}}, fire times for ranges, rows for runs
--   content   SHA-256 of the rows, previous  the digest of the seal before (of the ledger's id for the first),
--   digest    SHA-256 of previous and everything else in the row: see systemprompt.ledger.seals
CREATE TABLE ledger_seals (
    seal       INTEGER PRIMARY KEY CHECK (seal >= 1),
    day        TEXT    NOT NULL CHECK (length(day) = 10),
    from_at    INTEGER NOT NULL,
    until_at   INTEGER NOT NULL CHECK (until_at > from_at AND until_at % 86400000000 = 0),
    runs       INTEGER NOT NULL CHECK (runs >= 0),
    attempts   INTEGER NOT NULL CHECK (attempts >= 0),
    ranges     INTEGER NOT NULL CHECK (ranges >= 0),
    fire_times INTEGER NOT NULL CHECK (fire_times >= 0),
    counts     TEXT    NOT NULL,
    content    TEXT    NOT NULL CHECK (length(content) = 64),
    sealed_at  INTEGER NOT NULL,
    previous   TEXT    NOT NULL CHECK (length(previous) = 64),
    digest     TEXT    NOT NULL CHECK (length(digest) = 64)
) STRICT;

-- How many seals there are and how far they reach; everything due before pruned_until may be gone. What releases without seals had
-- pruned no seal covers: it ends at pruned_unsealed.
ALTER TABLE ledger_state ADD COLUMN seals           INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger_state ADD COLUMN sealed_until    INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger_state ADD COLUMN pruned_until    INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger_state ADD COLUMN pruned_unsealed INTEGER NOT NULL DEFAULT 0;
UPDATE ledger_state SET pruned_unsealed = coalesce(
    (SELECT max(j.pruned_through) FROM scheduled_jobs j
     WHERE j.pruned_through > (SELECT min(v.valid_from) FROM job_versions v WHERE v.job_id = j.id)), 0);

CREATE TRIGGER ledger_seals_follow_one_another
BEFORE INSERT ON ledger_seals
WHEN NEW.seal <> (SELECT s.seals + 1 FROM ledger_state s)
  OR (NEW.seal > 1 AND (NEW.from_at, NEW.previous)
      IS NOT (SELECT l.until_at, l.digest FROM ledger_seals l WHERE l.seal = NEW.seal - 1))
BEGIN SELECT RAISE(ABORT, 'ledger: a seal follows the one before it'); END;

CREATE TRIGGER ledger_seals_cover_closed_runs
BEFORE INSERT ON ledger_seals
WHEN EXISTS (SELECT 1 FROM job_runs o INDEXED BY job_runs_open_of_job
             WHERE o.finished_at IS NULL AND o.due_at < NEW.until_at)
BEGIN SELECT RAISE(ABORT, 'ledger: a day with an open run is not sealed'); END;

CREATE TRIGGER ledger_seals_are_final
BEFORE UPDATE ON ledger_seals
BEGIN SELECT RAISE(ABORT, 'ledger: a seal never changes'); END;

CREATE TRIGGER ledger_seals_stay
BEFORE DELETE ON ledger_seals
BEGIN SELECT RAISE(ABORT, 'ledger: a seal is never deleted'); END;

CREATE TRIGGER ledger_seals_are_counted
AFTER INSERT ON ledger_seals
BEGIN UPDATE ledger_state SET seals = NEW.seal, sealed_until = NEW.until_at; END;

CREATE TRIGGER ledger_state_prunes_what_is_sealed
BEFORE UPDATE OF seals, sealed_until, pruned_until, pruned_unsealed ON ledger_state
WHEN NEW.seals < OLD.seals OR NEW.sealed_until < OLD.sealed_until OR NEW.pruned_until < OLD.pruned_until
  OR NEW.pruned_until > NEW.sealed_until OR NEW.pruned_unsealed <> OLD.pruned_unsealed
BEGIN SELECT RAISE(ABORT, 'ledger: only what is sealed is pruned'); END;

CREATE TRIGGER job_runs_stay_out_of_sealed_days
BEFORE INSERT ON job_runs WHEN NEW.due_at < (SELECT s.sealed_until FROM ledger_state s)
BEGIN SELECT RAISE(ABORT, 'ledger: this day is sealed'); END;

CREATE TRIGGER job_run_ranges_stay_out_of_sealed_days
BEFORE INSERT ON job_run_ranges WHEN NEW.first_at < (SELECT s.sealed_until FROM ledger_state s)
BEGIN SELECT RAISE(ABORT, 'ledger: this day is sealed'); END;

CREATE TRIGGER job_runs_go_when_pruned
BEFORE DELETE ON job_runs WHEN OLD.due_at >= (SELECT s.pruned_until FROM ledger_state s)
BEGIN SELECT RAISE(ABORT, 'ledger: only what is sealed is pruned'); END;

CREATE TRIGGER job_run_ranges_go_when_pruned
BEFORE DELETE ON job_run_ranges WHEN OLD.last_at >= (SELECT s.pruned_until FROM ledger_state s)
BEGIN SELECT RAISE(ABORT, 'ledger: only what is sealed is pruned'); END;

-- An attempt goes with its run; by then the run is gone. What a zombie brings may still be added, once.
CREATE TRIGGER job_attempts_go_with_their_run
BEFORE DELETE ON job_attempts WHEN EXISTS (SELECT 1 FROM job_runs r WHERE r.run_id = OLD.run_id)
BEGIN SELECT RAISE(ABORT, 'ledger: an attempt goes with its run'); END;

CREATE TRIGGER job_attempts_that_ended_are_final
BEFORE UPDATE ON job_attempts
WHEN OLD.ended_at IS NOT NULL
 AND (OLD.late_result IS NOT NULL
      OR (OLD.run_id, OLD.attempt, OLD.fence, OLD.node_id, OLD.started_at, OLD.ended_at, OLD.result)
         IS NOT (NEW.run_id, NEW.attempt, NEW.fence, NEW.node_id, NEW.started_at, NEW.ended_at, NEW.result))
BEGIN SELECT RAISE(ABORT, 'ledger: an attempt that ended never changes'); END;
