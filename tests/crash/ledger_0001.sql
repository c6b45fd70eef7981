-- A ledger as the first release wrote it, of a node that died in mid-run. It must open under every later one.
BEGIN TRANSACTION;
CREATE TABLE clock_events (
    event_id INTEGER PRIMARY KEY AUTOINCREMENT,
    seen_at  INTEGER NOT NULL,
    kind     TEXT    NOT NULL CHECK (kind IN ('forward', 'backward')),
    delta_us INTEGER NOT NULL,
    action   TEXT    NOT NULL,
    node_id  TEXT    NOT NULL
) STRICT;
CREATE TABLE job_attempts (
    run_id      INTEGER NOT NULL REFERENCES job_runs (run_id) ON DELETE CASCADE,
    attempt     INTEGER NOT NULL,
    fence       INTEGER NOT NULL UNIQUE,
    node_id     TEXT    NOT NULL,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    result      TEXT    CHECK (result IN ('success', 'failed', 'cancelled', 'lost')),
    late_result TEXT,
    late_at     INTEGER,
    PRIMARY KEY (run_id, attempt),
    CHECK ((ended_at IS NULL) = (result IS NULL))
) STRICT, WITHOUT ROWID;
INSERT INTO "job_attempts" VALUES(1,1,2,'ghost',1767225610000000,1767225610000000,'success',NULL,NULL);
INSERT INTO "job_attempts" VALUES(2,1,1,'ghost',1767225610000000,1767225610000000,'success',NULL,NULL);
INSERT INTO "job_attempts" VALUES(3,1,6,'ghost',1767225610500000,1767225620000000,'lost',NULL,NULL);
INSERT INTO "job_attempts" VALUES(3,2,8,'2d6908ffab07',1767225620000000,1767225620000000,'success',NULL,NULL);
INSERT INTO "job_attempts" VALUES(4,1,3,'ghost',1767225610000000,1767225620000000,'lost',NULL,NULL);
INSERT INTO "job_attempts" VALUES(5,1,4,'ghost',1767225610000000,1767225620000000,'lost',NULL,NULL);
INSERT INTO "job_attempts" VALUES(5,2,9,'2d6908ffab07',1767225620000000,1767225620000000,'success',NULL,NULL);
INSERT INTO "job_attempts" VALUES(6,1,5,'ghost',1767225610000000,1767225610000000,'success',NULL,NULL);
INSERT INTO "job_attempts" VALUES(7,1,7,'2d6908ffab07',1767225615000000,1767225620000000,'success',NULL,NULL);
INSERT INTO "job_attempts" VALUES(12,1,10,'2d6908ffab07',1767225620000000,1767225620000000,'success',NULL,NULL);
INSERT INTO "job_attempts" VALUES(15,1,11,'2d6908ffab07',1767225620000000,NULL,NULL,NULL,NULL);
INSERT INTO "job_attempts" VALUES(16,1,12,'2d6908ffab07',1767225624000000,NULL,NULL,NULL,NULL);
INSERT INTO "job_attempts" VALUES(17,1,13,'2d6908ffab07',1767225630000000,NULL,NULL,NULL,NULL);
INSERT INTO "job_attempts" VALUES(22,1,14,'2d6908ffab07',1767225630000000,NULL,NULL,NULL,NULL);
INSERT INTO "job_attempts" VALUES(23,1,15,'2d6908ffab07',1767225630000000,NULL,NULL,NULL,NULL);
CREATE TABLE job_run_ranges (
    range_id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id   TEXT    NOT NULL REFERENCES scheduled_jobs (id),
    version  INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL CHECK (last_at >= first_at),
    count    INTEGER NOT NULL CHECK (count >= 1),
    status   TEXT    NOT NULL,
    reason   TEXT    NOT NULL,
    written_at INTEGER NOT NULL,
    CHECK ((status = 'skipped' AND reason IN ('overlap', 'disabled', 'quarantined'))
        OR (status = 'missed' AND reason IN ('down', 'superseded', 'clock_jump')))
) STRICT;
INSERT INTO "job_run_ranges" VALUES(1,'job_skips',1,1767225602000000,1767225608000000,4,'missed','down',1767225610000000);
INSERT INTO "job_run_ranges" VALUES(2,'job_skips',1,1767225612000000,1767225612000000,1,'missed','down',1767225615000000);
INSERT INTO "job_run_ranges" VALUES(3,'job_skips',1,1767225622000000,1767225622000000,1,'missed','down',1767225624000000);
CREATE TABLE job_runs (
    run_id          INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id          TEXT    NOT NULL REFERENCES scheduled_jobs (id),
    version         INTEGER NOT NULL,
    origin          TEXT    NOT NULL CHECK (origin IN ('schedule', 'catch_up', 'manual', 'backfill', 'bootstrap')),
    fire_at         INTEGER,
    due_at          INTEGER NOT NULL,
    status          TEXT    NOT NULL CHECK (status IN
                        ('queued', 'running', 'success', 'failed', 'skipped', 'missed', 'cancelled')),
    reason          TEXT,
    blocked_by      INTEGER,
    attempt         INTEGER NOT NULL DEFAULT 0,
    fence           INTEGER NOT NULL DEFAULT 0,
    node_id         TEXT,
    queued_at       INTEGER NOT NULL,
    started_at      INTEGER,
    finished_at     INTEGER,
    duration_ms     INTEGER,
    items_processed INTEGER NOT NULL DEFAULT 0,
    items_failed    INTEGER NOT NULL DEFAULT 0,
    message         TEXT,
    error           TEXT,
    exit_code       INTEGER,
    output          TEXT,
    actor           TEXT    NOT NULL DEFAULT 'schedule',
    parameters      TEXT,
    enforce         INTEGER CHECK (enforce IN (0, 1)),
    CHECK ((origin IN ('schedule', 'catch_up', 'backfill')) = (fire_at IS NOT NULL)),
    CHECK (fire_at IS NULL OR fire_at = due_at),
    CHECK ((status IN ('queued', 'running')) = (finished_at IS NULL)),
    CHECK (status <> 'running' OR (node_id IS NOT NULL AND started_at IS NOT NULL AND fence > 0 AND attempt > 0)),
    CHECK (CASE status
        WHEN 'queued'    THEN reason IS NULL
        WHEN 'running'   THEN reason IS NULL
        WHEN 'success'   THEN reason IS NULL
        WHEN 'failed'    THEN reason IN ('reported', 'exception', 'timeout', 'exit_nonzero', 'killed', 'spawn_error',
                                         'not_loaded', 'node_lost')
        WHEN 'skipped'   THEN reason IN ('overlap', 'disabled', 'quarantined')
        WHEN 'missed'    THEN reason IN ('down', 'superseded', 'clock_jump')
        WHEN 'cancelled' THEN reason IN ('shutdown', 'interrupted', 'requested', 'lease_lost', 'retired')
        END IS TRUE)
) STRICT;
INSERT INTO "job_runs" VALUES(1,'job_skips',1,'schedule',1767225610000000,1767225610000000,'success',NULL,NULL,1,2,'ghost',1767225610000000,1767225610000000,1767225610000000,NULL,0,0,NULL,NULL,NULL,NULL,'schedule',NULL,NULL);
INSERT INTO "job_runs" VALUES(2,'job_every',1,'schedule',1767225605000000,1767225605000000,'success',NULL,NULL,1,1,'ghost',1767225610000000,1767225610000000,1767225610000000,NULL,0,0,NULL,NULL,NULL,NULL,'schedule',NULL,NULL);
INSERT INTO "job_runs" VALUES(3,'job_every',1,'schedule',1767225610000000,1767225610000000,'success',NULL,NULL,2,8,'2d6908ffab07',1767225620000000,1767225620000000,1767225620000000,NULL,0,0,NULL,NULL,NULL,NULL,'schedule',NULL,NULL);
INSERT INTO "job_runs" VALUES(4,'job_fails',1,'schedule',1767225610000000,1767225610000000,'failed','node_lost',NULL,1,3,'ghost',1767225610000000,1767225610000000,1767225620000000,NULL,0,0,NULL,'node ghost was lost in mid-run',NULL,NULL,'schedule',NULL,NULL);
INSERT INTO "job_runs" VALUES(5,'job_reruns',1,'schedule',1767225610000000,1767225610000000,'success',NULL,NULL,2,9,'2d6908ffab07',1767225620000000,1767225620000000,1767225620000000,NULL,0,0,NULL,NULL,NULL,NULL,'schedule',NULL,NULL);
INSERT INTO "job_runs" VALUES(6,'job_long',1,'schedule',1767225610000000,1767225610000000,'success',NULL,NULL,1,5,'ghost',1767225610000000,1767225610000000,1767225610000000,NULL,0,0,NULL,NULL,NULL,NULL,'schedule',NULL,NULL);
INSERT INTO "job_runs" VALUES(7,'job_skips',1,'schedule',1767225614000000,1767225614000000,'success',NULL,NULL,1,7,'2d6908ffab07',1767225615000000,1767225615000000,1767225620000000,NULL,0,0,NULL,NULL,NULL,NULL,'schedule',NULL,NULL);
INSERT INTO "job_runs" VALUES(8,'job_every',1,'schedule',1767225615000000,1767225615000000,'skipped','overlap',3,0,0,NULL,1767225615000000,NULL,1767225615000000,NULL,0,0,NULL,NULL,NULL,NULL,'schedule',NULL,NULL);
INSERT INTO "job_runs" VALUES(9,'job_skips',1,'schedule',1767225616000000,1767225616000000,'skipped','overlap',7,0,0,NULL,1767225620000000,NULL,1767225620000000,NULL,0,0,NULL,NULL,NULL,NULL,'schedule',NULL,NULL);
INSERT INTO "job_runs" VALUES(10,'job_skips',1,'schedule',1767225618000000,1767225618000000,'skipped','overlap',7,0,0,NULL,1767225620000000,NULL,1767225620000000,NULL,0,0,NULL,NULL,NULL,NULL,'schedule',NULL,NULL);
INSERT INTO "job_runs" VALUES(11,'job_skips',1,'schedule',1767225620000000,1767225620000000,'skipped','overlap',7,0,0,NULL,1767225620000000,NULL,1767225620000000,NULL,0,0,NULL,NULL,NULL,NULL,'schedule',NULL,NULL);
INSERT INTO "job_runs" VALUES(12,'job_fails',1,'schedule',1767225620000000,1767225620000000,'success',NULL,NULL,1,10,'2d6908ffab07',1767225620000000,1767225620000000,1767225620000000,NULL,0,0,NULL,NULL,NULL,NULL,'schedule',NULL,NULL);
INSERT INTO "job_runs" VALUES(13,'job_reruns',1,'schedule',1767225620000000,1767225620000000,'skipped','overlap',5,0,0,NULL,1767225620000000,NULL,1767225620000000,NULL,0,0,NULL,NULL,NULL,NULL,'schedule',NULL,NULL);
INSERT INTO "job_runs" VALUES(14,'job_every',1,'schedule',1767225620000000,1767225620000000,'skipped','overlap',3,0,0,NULL,1767225620000000,NULL,1767225620000000,NULL,0,0,NULL,NULL,NULL,NULL,'schedule',NULL,NULL);
INSERT INTO "job_runs" VALUES(15,'job_long',1,'schedule',1767225620000000,1767225620000000,'running',NULL,NULL,1,11,'2d6908ffab07',1767225620000000,1767225620000000,NULL,NULL,0,0,NULL,NULL,NULL,NULL,'schedule',NULL,NULL);
INSERT INTO "job_runs" VALUES(16,'job_skips',1,'schedule',1767225624000000,1767225624000000,'running',NULL,NULL,1,12,'2d6908ffab07',1767225624000000,1767225624000000,NULL,NULL,0,0,NULL,NULL,NULL,NULL,'schedule',NULL,NULL);
INSERT INTO "job_runs" VALUES(17,'job_every',1,'schedule',1767225625000000,1767225625000000,'running',NULL,NULL,1,13,'2d6908ffab07',1767225630000000,1767225630000000,NULL,NULL,0,0,NULL,NULL,NULL,NULL,'schedule',NULL,NULL);
INSERT INTO "job_runs" VALUES(18,'job_every',1,'schedule',1767225630000000,1767225630000000,'queued',NULL,NULL,0,0,NULL,1767225630000000,NULL,NULL,NULL,0,0,NULL,NULL,NULL,NULL,'schedule',NULL,NULL);
INSERT INTO "job_runs" VALUES(19,'job_skips',1,'schedule',1767225626000000,1767225626000000,'skipped','overlap',16,0,0,NULL,1767225630000000,NULL,1767225630000000,NULL,0,0,NULL,NULL,NULL,NULL,'schedule',NULL,NULL);
INSERT INTO "job_runs" VALUES(20,'job_skips',1,'schedule',1767225628000000,1767225628000000,'skipped','overlap',16,0,0,NULL,1767225630000000,NULL,1767225630000000,NULL,0,0,NULL,NULL,NULL,NULL,'schedule',NULL,NULL);
INSERT INTO "job_runs" VALUES(21,'job_skips',1,'schedule',1767225630000000,1767225630000000,'skipped','overlap',16,0,0,NULL,1767225630000000,NULL,1767225630000000,NULL,0,0,NULL,NULL,NULL,NULL,'schedule',NULL,NULL);
INSERT INTO "job_runs" VALUES(22,'job_fails',1,'schedule',1767225630000000,1767225630000000,'running',NULL,NULL,1,14,'2d6908ffab07',1767225630000000,1767225630000000,NULL,NULL,0,0,NULL,NULL,NULL,NULL,'schedule',NULL,NULL);
INSERT INTO "job_runs" VALUES(23,'job_reruns',1,'schedule',1767225630000000,1767225630000000,'running',NULL,NULL,1,15,'2d6908ffab07',1767225630000000,1767225630000000,NULL,NULL,0,0,NULL,NULL,NULL,NULL,'schedule',NULL,NULL);
INSERT INTO "job_runs" VALUES(24,'job_long',1,'schedule',1767225630000000,1767225630000000,'skipped','overlap',15,0,0,NULL,1767225630000000,NULL,1767225630000000,NULL,0,0,NULL,NULL,NULL,NULL,'schedule',NULL,NULL);
CREATE TABLE job_versions (
    job_id      TEXT    NOT NULL REFERENCES scheduled_jobs (id),
    version     INTEGER NOT NULL,
    schedule    TEXT    NOT NULL,
    time_zone   TEXT    NOT NULL,
    policies    TEXT    NOT NULL,
    enabled     INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    valid_from  INTEGER NOT NULL,
    valid_until INTEGER CHECK (valid_until >= valid_from),
    actor       TEXT    NOT NULL,
    why         TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (job_id, version)
) STRICT, WITHOUT ROWID;
INSERT INTO "job_versions" VALUES('job_every',1,'*/5 * * * * *','UTC','{"catch_up": "all", "on_lost": "rerun"}',1,1767225600000000,NULL,'test','added');
INSERT INTO "job_versions" VALUES('job_fails',1,'*/10 * * * * *','UTC','{}',1,1767225600000000,NULL,'test','added');
INSERT INTO "job_versions" VALUES('job_long',1,'*/10 * * * * *','UTC','{}',1,1767225600000000,NULL,'test','added');
INSERT INTO "job_versions" VALUES('job_reruns',1,'*/10 * * * * *','UTC','{"on_lost": "rerun"}',1,1767225600000000,NULL,'test','added');
INSERT INTO "job_versions" VALUES('job_skips',1,'*/2 * * * * *','UTC','{"catch_up": "skip"}',1,1767225600000000,1767225630000000,'test','added');
INSERT INTO "job_versions" VALUES('job_skips',2,'*/2 * * * * *','UTC','{"catch_up": "skip"}',0,1767225630000000,NULL,'test','disabled');
CREATE TABLE "ledger_migrations" (number INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
INSERT INTO "ledger_migrations" VALUES(1,'0001_ledger.sql');
CREATE TABLE ledger_state (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    ledger_id  TEXT    NOT NULL,
    fence      INTEGER NOT NULL DEFAULT 0,
    high_water INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO "ledger_state" VALUES(1,'79774f0324e3241e14d3c652335a031b',15,1767225630000000);
CREATE TABLE nodes (
    node_id        TEXT    PRIMARY KEY,
    kind           TEXT    NOT NULL CHECK (kind IN ('serve', 'run')),
    host           TEXT    NOT NULL,
    machine        TEXT    NOT NULL,
    pid            INTEGER NOT NULL,
    pid_started_at INTEGER NOT NULL,
    program        TEXT    NOT NULL,
    lease_ms       INTEGER NOT NULL,
    capacity       INTEGER NOT NULL,
    started_at     INTEGER NOT NULL,
    beat           INTEGER NOT NULL DEFAULT 0,
    beat_at        INTEGER NOT NULL,
    stopped_at     INTEGER,
    fate           TEXT    CHECK (fate IN ('left', 'lost')),
    CHECK ((stopped_at IS NULL) = (fate IS NULL))
) STRICT, WITHOUT ROWID;
INSERT INTO "nodes" VALUES('2d6908ffab07','serve','vm','1688c823-71e9-47f2-8b45-d93933f2277d/pid:[4026531836]',32182,1177384,'test',9000,9,1767225610500000,4,1767225630000000,NULL,NULL);
INSERT INTO "nodes" VALUES('ghost','serve','vm','elsewhere',32181,1177354,'test',9000,9,1767225600000000,1,1767225610000000,1767225620000000,'lost');
CREATE TABLE quarantined_sources (
    source   TEXT PRIMARY KEY,
    error    TEXT NOT NULL,
    since_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE scheduled_jobs (
    id               TEXT    PRIMARY KEY,
    job_name         TEXT    NOT NULL UNIQUE,
    schedule         TEXT    NOT NULL,
    enabled          INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    last_run         INTEGER,
    next_run         INTEGER,
    last_status      TEXT    CHECK (last_status IN ('success', 'failed', 'running', 'cancelled')),
    last_error       TEXT,
    run_count        INTEGER NOT NULL DEFAULT 0,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    description      TEXT    NOT NULL DEFAULT '',
    time_zone        TEXT    NOT NULL DEFAULT 'UTC',
    tags             TEXT    NOT NULL DEFAULT '[]',
    owner            TEXT,
    source           TEXT    NOT NULL DEFAULT '',
    declared_enabled INTEGER NOT NULL DEFAULT 1 CHECK (declared_enabled IN (0, 1)),
    quarantine_error TEXT,
    retired_at       INTEGER,
    version          INTEGER NOT NULL,
    planned_through  INTEGER NOT NULL,
    next_due         INTEGER,
    running          INTEGER NOT NULL DEFAULT 0 CHECK (running >= 0),
    last_run_id      INTEGER,
    pruned_through   INTEGER NOT NULL
) STRICT;
INSERT INTO "scheduled_jobs" VALUES('job_fails','fails','*/10 * * * * *',1,1767225630000000,1767225640000000,'running',NULL,3,1767225600000000,1767225600000000,'','UTC','[]',NULL,'file:jobs.py',1,NULL,NULL,1,1767225630000000,1767225640000000,1,22,1767225600000000);
INSERT INTO "scheduled_jobs" VALUES('job_reruns','reruns','*/10 * * * * *',1,1767225630000000,1767225640000000,'running',NULL,3,1767225600000000,1767225600000000,'','UTC','[]',NULL,'file:jobs.py',1,NULL,NULL,1,1767225630000000,1767225640000000,1,23,1767225600000000);
INSERT INTO "scheduled_jobs" VALUES('job_every','every','*/5 * * * * *',1,1767225630000000,1767225635000000,'running',NULL,4,1767225600000000,1767225600000000,'','UTC','[]',NULL,'file:jobs.py',1,NULL,NULL,1,1767225630000000,1767225635000000,1,17,1767225600000000);
INSERT INTO "scheduled_jobs" VALUES('job_skips','skips','*/2 * * * * *',0,1767225624000000,NULL,'running',NULL,3,1767225600000000,1767225630000000,'','UTC','[]',NULL,'file:jobs.py',1,NULL,NULL,2,1767225630000000,1767312030000000,1,16,1767225600000000);
INSERT INTO "scheduled_jobs" VALUES('job_long','long','*/10 * * * * *',1,1767225620000000,1767225640000000,'running',NULL,2,1767225600000000,1767225600000000,'','UTC','[]',NULL,'file:jobs.py',1,NULL,NULL,1,1767225630000000,1767225640000000,1,15,1767225600000000);
CREATE INDEX scheduled_jobs_by_next_due ON scheduled_jobs (next_due) WHERE next_due IS NOT NULL;
CREATE TRIGGER scheduled_jobs_cursor_moves_forward
BEFORE UPDATE OF planned_through ON scheduled_jobs WHEN NEW.planned_through < OLD.planned_through
BEGIN SELECT RAISE(ABORT, 'ledger: a cursor never moves back'); END;
CREATE TRIGGER scheduled_jobs_raise_high_water
AFTER UPDATE OF planned_through ON scheduled_jobs WHEN NEW.planned_through > OLD.planned_through
BEGIN UPDATE ledger_state SET high_water = NEW.planned_through WHERE high_water < NEW.planned_through; END;
CREATE TRIGGER scheduled_jobs_stay
BEFORE DELETE ON scheduled_jobs
BEGIN SELECT RAISE(ABORT, 'ledger: a job is retired, never deleted'); END;
CREATE UNIQUE INDEX job_versions_open ON job_versions (job_id) WHERE valid_until IS NULL;
CREATE TRIGGER job_versions_never_overlap
BEFORE INSERT ON job_versions
WHEN EXISTS (SELECT 1 FROM job_versions v WHERE v.job_id = NEW.job_id
             AND (v.valid_until IS NULL OR v.valid_until > NEW.valid_from))
BEGIN SELECT RAISE(ABORT, 'ledger: versions of a job never overlap'); END;
CREATE TRIGGER job_versions_are_immutable
BEFORE UPDATE ON job_versions
WHEN OLD.valid_until IS NOT NULL OR NEW.valid_until IS NULL
  OR (OLD.job_id, OLD.version, OLD.schedule, OLD.time_zone, OLD.policies, OLD.enabled, OLD.valid_from, OLD.actor, OLD.why)
     IS NOT (NEW.job_id, NEW.version, NEW.schedule, NEW.time_zone, NEW.policies, NEW.enabled, NEW.valid_from, NEW.actor, NEW.why)
BEGIN SELECT RAISE(ABORT, 'ledger: a version never changes; it only ends'); END;
CREATE UNIQUE INDEX job_runs_one_account ON job_runs (job_id, fire_at) WHERE fire_at IS NOT NULL;
CREATE INDEX job_runs_queued ON job_runs (due_at, run_id) WHERE status = 'queued';
CREATE INDEX job_runs_open_of_job ON job_runs (job_id, due_at, run_id) WHERE finished_at IS NULL;
CREATE INDEX job_runs_of_node ON job_runs (node_id) WHERE status = 'running';
CREATE INDEX job_runs_by_due ON job_runs (due_at, run_id);
CREATE INDEX job_runs_by_job ON job_runs (job_id, due_at, run_id);
CREATE INDEX job_runs_by_status ON job_runs (status, due_at, run_id);
CREATE INDEX job_run_ranges_by_job ON job_run_ranges (job_id, last_at);
CREATE INDEX job_run_ranges_by_last ON job_run_ranges (last_at);
CREATE UNIQUE INDEX job_attempts_one_open ON job_attempts (run_id) WHERE ended_at IS NULL;
CREATE TRIGGER job_runs_closed_is_final
BEFORE UPDATE ON job_runs WHEN OLD.finished_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'ledger: a closed run never changes'); END;
CREATE TRIGGER job_runs_tokens_rise
BEFORE UPDATE ON job_runs
WHEN NEW.fence < OLD.fence OR NEW.attempt < OLD.attempt
  OR (OLD.status = 'queued' AND NEW.status = 'running' AND (NEW.fence <= OLD.fence OR NEW.attempt <> OLD.attempt + 1))
BEGIN SELECT RAISE(ABORT, 'ledger: fences and attempts only rise'); END;
CREATE TRIGGER job_runs_identity_is_fixed
BEFORE UPDATE ON job_runs
WHEN (OLD.run_id, OLD.job_id, OLD.version, OLD.origin, OLD.fire_at, OLD.due_at)
     IS NOT (NEW.run_id, NEW.job_id, NEW.version, NEW.origin, NEW.fire_at, NEW.due_at)
BEGIN SELECT RAISE(ABORT, 'ledger: what a run accounts for never changes'); END;
CREATE TRIGGER job_runs_open_ones_stay
BEFORE DELETE ON job_runs WHEN OLD.finished_at IS NULL
BEGIN SELECT RAISE(ABORT, 'ledger: an open run is closed, never deleted'); END;
CREATE TRIGGER job_runs_outside_ranges
BEFORE INSERT ON job_runs
WHEN NEW.fire_at IS NOT NULL AND EXISTS (
    SELECT 1 FROM job_run_ranges g WHERE g.job_id = NEW.job_id AND g.last_at >= NEW.fire_at AND g.first_at <= NEW.fire_at)
BEGIN SELECT RAISE(ABORT, 'ledger: a range accounts for this fire time already'); END;
CREATE TRIGGER job_run_ranges_never_overlap
BEFORE INSERT ON job_run_ranges
WHEN EXISTS (SELECT 1 FROM job_run_ranges g
             WHERE g.job_id = NEW.job_id AND g.last_at >= NEW.first_at AND g.first_at <= NEW.last_at)
  OR EXISTS (SELECT 1 FROM job_runs r
             WHERE r.job_id = NEW.job_id AND r.fire_at BETWEEN NEW.first_at AND NEW.last_at)
BEGIN SELECT RAISE(ABORT, 'ledger: these fire times are accounted for already'); END;
CREATE TRIGGER job_run_ranges_are_final
BEFORE UPDATE ON job_run_ranges
BEGIN SELECT RAISE(ABORT, 'ledger: a range never changes'); END;
CREATE TRIGGER job_runs_claimed
AFTER UPDATE OF status ON job_runs WHEN OLD.status = 'queued' AND NEW.status = 'running'
BEGIN
    INSERT INTO job_attempts (run_id, attempt, fence, node_id, started_at)
    VALUES (NEW.run_id, NEW.attempt, NEW.fence, NEW.node_id, NEW.started_at);
    UPDATE ledger_state SET fence = max(fence, NEW.fence);
    UPDATE scheduled_jobs
    SET running = running + 1, run_count = run_count + 1, last_run = NEW.started_at, last_run_id = NEW.run_id,
        last_status = 'running', last_error = NULL
    WHERE id = NEW.job_id;
END;
CREATE TRIGGER job_runs_released
AFTER UPDATE OF status ON job_runs WHEN OLD.status = 'running' AND NEW.status <> 'running'
BEGIN
    UPDATE job_attempts
    SET ended_at = coalesce(NEW.finished_at, max(OLD.started_at, NEW.queued_at)),
        result = CASE WHEN NEW.status = 'queued' OR NEW.reason = 'node_lost' THEN 'lost' ELSE NEW.status END
    WHERE run_id = NEW.run_id AND attempt = OLD.attempt;
    UPDATE scheduled_jobs SET running = running - 1 WHERE id = NEW.job_id;
    UPDATE scheduled_jobs
    SET last_status = CASE WHEN NEW.status = 'queued' THEN 'failed' ELSE NEW.status END,
        last_error = CASE NEW.status WHEN 'success' THEN NULL WHEN 'queued' THEN 'node lost; the run is queued again'
                     ELSE coalesce(NEW.message, NEW.error, NEW.reason) END
    WHERE id = NEW.job_id AND last_run_id = NEW.run_id;
END;
CREATE INDEX nodes_living ON nodes (node_id) WHERE stopped_at IS NULL;
CREATE TRIGGER nodes_lost_stay_lost
BEFORE UPDATE ON nodes WHEN OLD.stopped_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'ledger: a node that stopped never comes back; a process takes a fresh id'); END;
CREATE VIEW jobs_to_plan AS
SELECT j.id AS job_id, j.job_name, j.version, v.schedule, v.time_zone, v.policies, v.enabled,
       j.quarantine_error IS NOT NULL AS quarantined, j.planned_through, j.next_due,
       (SELECT min(o.run_id) FROM job_runs o INDEXED BY job_runs_open_of_job
        WHERE o.job_id = j.id AND o.finished_at IS NULL) AS open_run,
       (SELECT count(*) FROM job_runs o INDEXED BY job_runs_open_of_job
        WHERE o.job_id = j.id AND o.finished_at IS NULL) AS open_runs,
       EXISTS (SELECT 1 FROM job_runs o INDEXED BY job_runs_open_of_job
               WHERE o.job_id = j.id AND o.finished_at IS NULL AND o.origin = 'catch_up')
           AS catching_up
FROM scheduled_jobs j JOIN job_versions v ON v.job_id = j.id AND v.version = j.version;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('job_run_ranges',3);
INSERT INTO "sqlite_sequence" VALUES('job_runs',24);
COMMIT;
