-- The ledger. Instants are whole microseconds since the epoch, UTC. Open work and closed accounts are two tables: what is queued or
-- running is small and changes; what is closed is large and never changes. Rules stand here as constraints and as triggers that
-- refuse, so that a defect above them ends in an error, never in a wrong account. Triggers keep no books.
--
-- What is refused undoes its whole transaction: RAISE(ROLLBACK), and OR ROLLBACK in the statements that a turn runs for each run. To
-- undo one statement alone (ABORT), SQLite copies every page that the statement is about to change: 0.3 us for each row and table.
-- Triggers on what a turn writes come after the row, which spares SQLite a copy of it.

-- One row of what belongs to the whole ledger. SQLite has one writer, so the numbers may stand in a row; PostgreSQL takes them from
-- sequences.
--   fence, last_run   the highest fence and run id ever given out
--   runs_left_out     how many run ids below it were never given to a run: a restored copy begins above what it replaces
--   high_water        the furthest instant any job was planned through
--   seals, sealed_until, pruned_until   how many seals there are, how far they reach, and before which instant accounts may be gone
--   pruned_run   the highest id of a run that was pruned: a run with a higher id that is gone was lost
CREATE TABLE ledger_state (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    ledger_id     TEXT    NOT NULL,
    fence         INTEGER NOT NULL DEFAULT 0,
    last_run      INTEGER NOT NULL DEFAULT 0,
    runs_left_out INTEGER NOT NULL DEFAULT 0,
    high_water    INTEGER NOT NULL DEFAULT 0,
    seals         INTEGER NOT NULL DEFAULT 0,
    sealed_until  INTEGER NOT NULL DEFAULT 0,
    pruned_until  INTEGER NOT NULL DEFAULT 0,
    pruned_run    INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO ledger_state (one, ledger_id) VALUES (1, lower(hex(randomblob(16))));

CREATE TRIGGER ledger_state_only_rises
BEFORE UPDATE ON ledger_state
WHEN NEW.ledger_id <> OLD.ledger_id OR NEW.fence < OLD.fence OR NEW.last_run < OLD.last_run OR NEW.high_water < OLD.high_water
  OR NEW.runs_left_out < OLD.runs_left_out
BEGIN SELECT RAISE(ROLLBACK, 'ledger: fences, run ids and the high-water mark only rise'); END;

CREATE TRIGGER ledger_state_prunes_what_is_sealed
BEFORE UPDATE OF seals, sealed_until, pruned_until, pruned_run ON ledger_state
WHEN NEW.seals < OLD.seals OR NEW.sealed_until < OLD.sealed_until OR NEW.pruned_until < OLD.pruned_until
  OR NEW.pruned_run < OLD.pruned_run OR NEW.pruned_until > NEW.sealed_until
BEGIN SELECT RAISE(ROLLBACK, 'ledger: only what is sealed is pruned'); END;

CREATE TRIGGER ledger_state_stays
BEFORE DELETE ON ledger_state
BEGIN SELECT RAISE(ROLLBACK, 'ledger: its state is never deleted'); END;

-- The closed list of reasons. A new reason is one INSERT in a later migration.
CREATE TABLE reasons (
    status   TEXT NOT NULL CHECK (status IN ('failed', 'skipped', 'missed', 'cancelled')),
    reason   TEXT NOT NULL,
    sentence TEXT NOT NULL,
    PRIMARY KEY (status, reason)
) STRICT, WITHOUT ROWID;
INSERT INTO reasons (status, reason, sentence) VALUES
    ('failed', 'reported', 'the job said so: it returned JobResult.failure'),
    ('failed', 'exception', 'the job raised; its traceback is kept'),
    ('failed', 'timeout', 'the job ran longer than its timeout'),
    ('failed', 'exit_nonzero', 'the command, or the job''s process, ended with an exit code other than 0'),
    ('failed', 'killed', 'a signal ended the job''s process'),
    ('failed', 'spawn_error', 'the job could not be started'),
    ('failed', 'not_loaded', 'the node that claimed the run could not load the job'),
    ('failed', 'loop_blocked', 'another async job blocked the event loop that it ran in'),
    ('failed', 'node_lost', 'the node died in mid-run; on_lost: fail'),
    ('skipped', 'overlap', 'an earlier run of the job was still open; blocked_by names it'),
    ('skipped', 'disabled', 'the job was disabled'),
    ('skipped', 'quarantined', 'the job could not be loaded'),
    ('missed', 'down', 'no node was there to start it in time, and catch_up is skip'),
    ('missed', 'superseded', 'no node was there to start it in time; a later fire time ran in its place'),
    ('missed', 'clock_jump', 'the wall clock jumped over it'),
    ('cancelled', 'shutdown', 'the node was stopping and its grace was over'),
    ('cancelled', 'interrupted', '`sp jobs run` was stopped by Ctrl-C or a signal'),
    ('cancelled', 'requested', 'somebody asked for it'),
    ('cancelled', 'lease_lost', 'the node could not renew its lease and stopped its own work'),
    ('cancelled', 'retired', 'the job left the installation before the run began');

-- One row a job: what code and profile say of it, and how far retention has gone. Its schedule stands in its version.
--   declared_enabled   what code and profile say; the version's `enabled` differs from it after `sp jobs enable|disable`
--   profile_sets       JSON list of the fields that the profile sets over the code
--   quarantine         why it cannot run: `load` or `ledger_conflict`; quarantine_error says more
--   version            the number of the present (of a retired job: the last) version
--   runs_on            JSON list of the labels that this version asks of a node: planning and claiming look at it, and read no policies
CREATE TABLE jobs (
    job_id           INTEGER PRIMARY KEY,
    job_name         TEXT    NOT NULL UNIQUE,
    description      TEXT    NOT NULL DEFAULT '',
    tags             TEXT    NOT NULL DEFAULT '[]',
    owner            TEXT,
    source           TEXT    NOT NULL DEFAULT '',
    declared_enabled INTEGER NOT NULL DEFAULT 1 CHECK (declared_enabled IN (0, 1)),
    profile_sets     TEXT    NOT NULL DEFAULT '[]',
    described        TEXT    NOT NULL DEFAULT '{}',
    quarantine       TEXT    CHECK (quarantine IN ('load', 'ledger_conflict')),
    quarantine_error TEXT,
    retired_at       INTEGER,
    version          INTEGER NOT NULL,
    runs_on          TEXT    NOT NULL DEFAULT '[]',
    pruned_through   INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    CONSTRAINT quarantine_has_an_error
    CHECK ((quarantine IS NULL) = (quarantine_error IS NULL))
) STRICT;

-- Planning: is a due job left to nodes that have its labels?
CREATE INDEX jobs_for_some_nodes ON jobs (job_id) WHERE runs_on <> '[]';

CREATE TRIGGER jobs_stay
BEFORE DELETE ON jobs
BEGIN SELECT RAISE(ROLLBACK, 'ledger: a job is retired, never deleted'); END;

-- Job modules that cannot be loaded, with the error. The jobs last seen there carry it too.
CREATE TABLE quarantined_sources (
    source   TEXT PRIMARY KEY,
    error    TEXT NOT NULL,
    since_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Every state a job's schedule and policies were ever in. A version names the fire times in (valid_from, valid_until].
--   cause        what opened it: a closed list
--   actor        who: a person (`cli:alice`), `profile`, `code`, or a program that embeds a node
--   noticed_by   the node or command that saw a change of profile or code; '' where a person acted
--   why          free text for people; nothing is read out of it
CREATE TABLE job_versions (
    job_id      INTEGER NOT NULL REFERENCES jobs (job_id),
    version     INTEGER NOT NULL CHECK (version >= 1),
    schedule    TEXT    NOT NULL,
    time_zone   TEXT    NOT NULL,
    policies    TEXT    NOT NULL,
    enabled     INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    valid_from  INTEGER NOT NULL,
    valid_until INTEGER CHECK (valid_until >= valid_from),
    cause       TEXT    NOT NULL CHECK (cause IN ('added', 'changed', 'returned', 'enabled', 'disabled', 'quarantined')),
    actor       TEXT    NOT NULL,
    noticed_by  TEXT    NOT NULL DEFAULT '',
    why         TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (job_id, version)
) STRICT, WITHOUT ROWID;

-- At most one version of a job is open.
CREATE UNIQUE INDEX job_versions_open ON job_versions (job_id) WHERE valid_until IS NULL;

CREATE TRIGGER job_versions_never_overlap
BEFORE INSERT ON job_versions
WHEN EXISTS (SELECT 1 FROM job_versions v WHERE v.job_id = NEW.job_id
             AND (v.valid_until IS NULL OR v.valid_until > NEW.valid_from))
BEGIN SELECT RAISE(ROLLBACK, 'ledger: versions of a job never overlap'); END;

CREATE TRIGGER job_versions_are_immutable
BEFORE UPDATE ON job_versions
WHEN OLD.valid_until IS NOT NULL OR NEW.valid_until IS NULL
  OR (OLD.job_id, OLD.version, OLD.schedule, OLD.time_zone, OLD.policies, OLD.enabled, OLD.valid_from, OLD.cause, OLD.actor,
      OLD.noticed_by, OLD.why)
     IS NOT (NEW.job_id, NEW.version, NEW.schedule, NEW.time_zone, NEW.policies, NEW.enabled, NEW.valid_from, NEW.cause, NEW.actor,
             NEW.noticed_by, NEW.why)
BEGIN SELECT RAISE(ROLLBACK, 'ledger: a version never changes; it only ends'); END;

CREATE TRIGGER job_versions_stay
BEFORE DELETE ON job_versions
BEGIN SELECT RAISE(ROLLBACK, 'ledger: a version is never deleted'); END;

-- How far a job is planned. Planning alone moves it.
--   next_due   when the planner must look again; next_run   the next fire time that will start, NULL where none will
CREATE TABLE job_cursors (
    job_id          INTEGER PRIMARY KEY REFERENCES jobs (job_id),
    planned_through INTEGER NOT NULL,
    next_due        INTEGER,
    next_run        INTEGER
) STRICT;

-- Planning: the jobs that are due, in due order.
CREATE INDEX job_cursors_by_next_due ON job_cursors (next_due) WHERE next_due IS NOT NULL;

CREATE TRIGGER job_cursors_move_forward
AFTER UPDATE OF planned_through ON job_cursors WHEN NEW.planned_through < OLD.planned_through
BEGIN SELECT RAISE(ROLLBACK, 'ledger: a cursor never moves back'); END;

-- What people read of a job: of its runs that have begun and are closed, the one with the highest fence. Closing alone moves it.
CREATE TABLE job_last (
    job_id      INTEGER PRIMARY KEY REFERENCES jobs (job_id),
    last_run_id INTEGER NOT NULL,
    last_fence  INTEGER NOT NULL,
    last_run    INTEGER NOT NULL,
    last_status TEXT    NOT NULL CHECK (last_status = 'success' OR last_status = 'failed' OR last_status = 'cancelled'),
    last_error  TEXT,
    run_count   INTEGER NOT NULL CHECK (run_count >= 1)
) STRICT;

-- Queued and running work. A row leaves in the transaction that closes the run. It is running while a node holds it. What a usual run
-- leaves NULL stands last, and is not named when it is inserted: see systemprompt.ledger.stored.inserting.
--   due_at         fire_at, or for a run without one the instant it was asked for
--   available_at   not before this instant; up to queued_at: at once
--   period_from    where the period that this run works for begins
--   stands_for     the instant for which a backfill or a retry stands; retry_of   the closed run that it tries again
--   replaces       the run that was stopped so that this one may start
--   stop_*         somebody asked for a stop: when, who and why
CREATE TABLE open_runs (
    run_id        INTEGER PRIMARY KEY,
    job_id        INTEGER NOT NULL,
    version       INTEGER NOT NULL,
    origin        TEXT    NOT NULL,
    fire_at       INTEGER,
    due_at        INTEGER NOT NULL,
    available_at  INTEGER NOT NULL,
    queued_at     INTEGER NOT NULL,
    node_id       TEXT,
    attempt       INTEGER NOT NULL DEFAULT 0,
    fence         INTEGER,
    started_at    INTEGER,
    actor         TEXT    NOT NULL,
    why           TEXT,
    parameters    TEXT,
    enforce       INTEGER,
    period_from   INTEGER,
    stands_for    INTEGER,
    retry_of      INTEGER,
    replaces      INTEGER,
    stop_asked_at INTEGER,
    stop_by       TEXT,
    stop_why      TEXT,
    CONSTRAINT fire_time_fits_origin
    CHECK (CASE WHEN origin = 'schedule' OR origin = 'catch_up' THEN fire_at IS due_at
                ELSE fire_at IS NULL AND (origin = 'manual' OR origin = 'backfill' OR origin = 'bootstrap') END),
    CONSTRAINT holder_fits_fence
    CHECK (CASE WHEN fence IS NULL THEN node_id IS NULL AND started_at IS NULL
                ELSE fence > 0 AND attempt > 0 AND node_id IS NOT NULL AND started_at IS NOT NULL END),
    CONSTRAINT stop_has_an_actor
    CHECK ((stop_asked_at IS NULL) = (stop_by IS NULL))
) STRICT;

-- One account a fire time, and the open runs of a job.
CREATE UNIQUE INDEX open_runs_one_account ON open_runs (job_id, fire_at);
-- Claiming: what waits, by the instant from which it may start.
CREATE INDEX open_runs_waiting ON open_runs (available_at) WHERE node_id IS NULL;
-- Stops that somebody asked for.
CREATE INDEX open_runs_to_stop ON open_runs (node_id) WHERE stop_asked_at IS NOT NULL;

-- One condition for all rules, and their sentences only where one is broken: half the cost of a SELECT for each.
CREATE TRIGGER open_runs_begin_new
AFTER INSERT ON open_runs
WHEN NEW.due_at < (SELECT s.sealed_until FROM ledger_state s)
  OR NOT EXISTS (SELECT 1 FROM jobs j WHERE j.job_id = NEW.job_id)
  OR EXISTS (SELECT 1 FROM job_runs r WHERE r.run_id = NEW.run_id)
  OR (NEW.fire_at IS NOT NULL
      AND (EXISTS (SELECT 1 FROM job_runs r
                   WHERE r.job_id = NEW.job_id AND r.due_at = NEW.fire_at AND r.fire_at IS NOT NULL)
           OR EXISTS (SELECT 1 FROM job_run_ranges g
                      WHERE g.job_id = NEW.job_id AND g.last_at >= NEW.fire_at AND g.first_at <= NEW.fire_at)))
BEGIN
    SELECT RAISE(ROLLBACK, 'ledger: this day is sealed') WHERE NEW.due_at < (SELECT s.sealed_until FROM ledger_state s);
    SELECT RAISE(ROLLBACK, 'ledger: nobody knows this job') WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.job_id = NEW.job_id);
    SELECT RAISE(ROLLBACK, 'ledger: this run is closed') WHERE EXISTS (SELECT 1 FROM job_runs r WHERE r.run_id = NEW.run_id);
    SELECT RAISE(ROLLBACK, 'ledger: this fire time is accounted for already');
END;

CREATE TRIGGER open_runs_keep_the_rules
AFTER UPDATE ON open_runs
BEGIN
    SELECT RAISE(ROLLBACK, 'ledger: attempts only rise, by one for each claim')
    WHERE NEW.attempt <> OLD.attempt + (OLD.fence IS NULL AND NEW.fence IS NOT NULL);
    SELECT RAISE(ROLLBACK, 'ledger: a run is queued again before another node takes it')
    WHERE OLD.fence IS NOT NULL AND NEW.fence IS NOT NULL AND OLD.fence <> NEW.fence;
    SELECT RAISE(ROLLBACK, 'ledger: what a run accounts for never changes')
    WHERE (OLD.run_id, OLD.job_id, OLD.version, OLD.origin, OLD.fire_at, OLD.due_at)
          IS NOT (NEW.run_id, NEW.job_id, NEW.version, NEW.origin, NEW.fire_at, NEW.due_at);
END;

-- Closed accounts, one row each. Insert only. As above, what is rare stands last; what a job says of itself comes before it.
--   reason       of any status but success: one of the table `reasons`
--   blocked_by   the run that was in the way
--   abandoned    its code was still running when the account was closed
--   did_nothing  it succeeded and had nothing to do
--   dry_run      its job only said what it would do
--   lines_dropped   lines of its log that were dropped until it ended
--   error_hash, output_hash   SHA-256 of the texts in run_texts, which may be deleted before the account
CREATE TABLE job_runs (
    run_id          INTEGER PRIMARY KEY,
    job_id          INTEGER NOT NULL,
    version         INTEGER NOT NULL,
    origin          TEXT    NOT NULL,
    fire_at         INTEGER,
    due_at          INTEGER NOT NULL,
    available_at    INTEGER NOT NULL,
    queued_at       INTEGER NOT NULL,
    node_id         TEXT,
    attempt         INTEGER NOT NULL,
    fence           INTEGER,
    started_at      INTEGER,
    actor           TEXT    NOT NULL,
    status          TEXT    NOT NULL,
    finished_at     INTEGER NOT NULL,
    duration_ms     INTEGER,
    message         TEXT,
    items_processed INTEGER NOT NULL DEFAULT 0,
    items_failed    INTEGER NOT NULL DEFAULT 0,
    why             TEXT,
    parameters      TEXT,
    enforce         INTEGER,
    period_from     INTEGER,
    stands_for      INTEGER,
    retry_of        INTEGER,
    replaces        INTEGER,
    stop_asked_at   INTEGER,
    stop_by         TEXT,
    stop_why        TEXT,
    reason          TEXT,
    blocked_by      INTEGER,
    error_hash      TEXT,
    output_hash     TEXT,
    exit_code       INTEGER,
    abandoned       INTEGER NOT NULL DEFAULT 0,
    did_nothing     INTEGER NOT NULL DEFAULT 0,
    dry_run         INTEGER NOT NULL DEFAULT 0,
    lines_dropped   INTEGER NOT NULL DEFAULT 0 CHECK (lines_dropped >= 0),
    CONSTRAINT fire_time_fits_origin
    CHECK (CASE WHEN origin = 'schedule' OR origin = 'catch_up' THEN fire_at IS due_at
                ELSE fire_at IS NULL AND (origin = 'manual' OR origin = 'backfill' OR origin = 'bootstrap') END),
    CONSTRAINT reason_fits_status
    CHECK (CASE status WHEN 'success'   THEN reason IS NULL AND attempt > 0
                       WHEN 'failed'    THEN reason IS NOT NULL AND attempt > 0
                       WHEN 'cancelled' THEN reason IS NOT NULL
                       WHEN 'skipped'   THEN reason IS NOT NULL AND fence IS NULL
                       WHEN 'missed'    THEN reason IS NOT NULL AND fence IS NULL
                       ELSE 0 END),
    CONSTRAINT holder_fits_fence
    CHECK (CASE WHEN fence IS NULL THEN node_id IS NULL AND started_at IS NULL
                ELSE node_id IS NOT NULL AND started_at IS NOT NULL END)
) STRICT;

-- One account a fire time, and the history of one job. A run of a fire time is due at it, so (job, due_at) is unique among them; any
-- other run stands beside it by its own number. One index serves both, where two cost each closing a tenth more.
CREATE UNIQUE INDEX job_runs_one_account ON job_runs (job_id, due_at, CASE WHEN fire_at IS NULL THEN run_id ELSE 0 END);
-- Reading: history over all jobs; what did not go well; what exists for another reason than its schedule. The last four are partial: a
-- scheduled run that goes well touches none of them. The conditions and checks of this table and of open_runs are no lists on purpose:
-- SQLite makes a table of a list, for every row that it writes. An index ends with the run id by itself, as it is the rowid.
CREATE INDEX job_runs_by_due ON job_runs (due_at);
CREATE INDEX job_runs_not_well ON job_runs (status, due_at) WHERE reason IS NOT NULL;
CREATE INDEX job_runs_not_well_of_job ON job_runs (job_id, status, due_at) WHERE reason IS NOT NULL;
CREATE INDEX job_runs_by_origin ON job_runs (origin, due_at) WHERE origin <> 'schedule';
CREATE INDEX job_runs_by_origin_of_job ON job_runs (job_id, origin, due_at) WHERE origin <> 'schedule';

-- A run that had begun was looked at when it came into open_runs; what closes without having begun is looked at here.
CREATE TRIGGER job_runs_account_once
AFTER INSERT ON job_runs
WHEN NEW.due_at < (SELECT s.sealed_until FROM ledger_state s)
  OR (NEW.reason IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM reasons k WHERE k.status = NEW.status AND k.reason = NEW.reason))
  OR EXISTS (SELECT 1 FROM open_runs o WHERE o.run_id = NEW.run_id)
  OR (NEW.attempt = 0 AND NEW.fire_at IS NOT NULL
      AND (EXISTS (SELECT 1 FROM open_runs o WHERE o.job_id = NEW.job_id AND o.fire_at = NEW.fire_at)
           OR EXISTS (SELECT 1 FROM job_run_ranges g
                      WHERE g.job_id = NEW.job_id AND g.last_at >= NEW.fire_at AND g.first_at <= NEW.fire_at)))
BEGIN
    SELECT RAISE(ROLLBACK, 'ledger: this day is sealed') WHERE NEW.due_at < (SELECT s.sealed_until FROM ledger_state s);
    SELECT RAISE(ROLLBACK, 'ledger: this is no reason for that status')
    WHERE NEW.reason IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM reasons k WHERE k.status = NEW.status AND k.reason = NEW.reason);
    SELECT RAISE(ROLLBACK, 'ledger: this run is still open')
    WHERE EXISTS (SELECT 1 FROM open_runs o WHERE o.run_id = NEW.run_id);
    SELECT RAISE(ROLLBACK, 'ledger: this fire time is accounted for already');
END;

CREATE TRIGGER job_runs_never_change
BEFORE UPDATE ON job_runs
BEGIN SELECT RAISE(ROLLBACK, 'ledger: a closed account never changes'); END;

CREATE TRIGGER job_runs_go_when_pruned
BEFORE DELETE ON job_runs WHEN OLD.due_at >= (SELECT s.pruned_until FROM ledger_state s)
BEGIN SELECT RAISE(ROLLBACK, 'ledger: only what is sealed is pruned'); END;

-- What a run or an attempt left in words: outside every digest, which holds the hash. It may be deleted before the account.
CREATE TABLE run_texts (
    run_id  INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    kind    TEXT    NOT NULL CHECK (kind IN ('error', 'output')),
    text    TEXT    NOT NULL,
    UNIQUE (run_id, attempt, kind)
) STRICT;

CREATE TRIGGER run_texts_never_change
BEFORE UPDATE ON run_texts
BEGIN SELECT RAISE(ROLLBACK, 'ledger: what a run left in words never changes'); END;

-- Many fire times with the same fate. A month of downtime of an every-second job is one row. Insert only.
CREATE TABLE job_run_ranges (
    range_id   INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id     INTEGER NOT NULL REFERENCES jobs (job_id),
    version    INTEGER NOT NULL,
    first_at   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL CHECK (last_at >= first_at),
    count      INTEGER NOT NULL CHECK (count >= 1),
    status     TEXT    NOT NULL CHECK (status IN ('skipped', 'missed')),
    reason     TEXT    NOT NULL,
    written_at INTEGER NOT NULL
) STRICT;
CREATE INDEX job_run_ranges_by_job ON job_run_ranges (job_id, last_at);
CREATE INDEX job_run_ranges_by_last ON job_run_ranges (last_at);

CREATE TRIGGER job_run_ranges_account_once
BEFORE INSERT ON job_run_ranges
BEGIN
    SELECT RAISE(ROLLBACK, 'ledger: this day is sealed') WHERE NEW.first_at < (SELECT s.sealed_until FROM ledger_state s);
    SELECT RAISE(ROLLBACK, 'ledger: this is no reason for that status')
    WHERE NOT EXISTS (SELECT 1 FROM reasons k WHERE k.status = NEW.status AND k.reason = NEW.reason);
    SELECT RAISE(ROLLBACK, 'ledger: these fire times are accounted for already')
    WHERE EXISTS (SELECT 1 FROM job_run_ranges g
                  WHERE g.job_id = NEW.job_id AND g.last_at >= NEW.first_at AND g.first_at <= NEW.last_at)
       OR EXISTS (SELECT 1 FROM job_runs r
                  WHERE r.job_id = NEW.job_id AND r.due_at BETWEEN NEW.first_at AND NEW.last_at AND r.fire_at IS NOT NULL)
       OR EXISTS (SELECT 1 FROM open_runs o WHERE o.job_id = NEW.job_id AND o.fire_at BETWEEN NEW.first_at AND NEW.last_at);
END;

CREATE TRIGGER job_run_ranges_never_change
BEFORE UPDATE ON job_run_ranges
BEGIN SELECT RAISE(ROLLBACK, 'ledger: a range never changes'); END;

CREATE TRIGGER job_run_ranges_go_when_pruned
BEFORE DELETE ON job_run_ranges WHEN OLD.last_at >= (SELECT s.pruned_until FROM ledger_state s)
BEGIN SELECT RAISE(ROLLBACK, 'ledger: only what is sealed is pruned'); END;

-- Attempts that did not close their run (`ended`), and results that came after their fence had passed on (`late`). The attempt that
-- closed a run is the run's own row. Insert only.
--   day_at      the instant to whose day and seal the row belongs: the run's due_at, or when a late result arrived
--   recovered   taken from a node's own journal after the database had lost it
CREATE TABLE job_attempts (
    attempt_id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id     INTEGER NOT NULL,
    attempt    INTEGER NOT NULL CHECK (attempt >= 1),
    kind       TEXT    NOT NULL CHECK (kind IN ('ended', 'late')),
    job_id     INTEGER NOT NULL,
    fence      INTEGER NOT NULL CHECK (fence > 0),
    node_id    TEXT,
    started_at INTEGER,
    ended_at   INTEGER NOT NULL,
    day_at     INTEGER NOT NULL,
    result     TEXT    NOT NULL CHECK (result IN ('success', 'failed', 'cancelled', 'lost', 'interrupted')),
    reason     TEXT,
    message    TEXT,
    error_hash TEXT,
    recovered  INTEGER NOT NULL DEFAULT 0 CHECK (recovered IN (0, 1)),
    UNIQUE (run_id, attempt, kind)
) STRICT;
CREATE INDEX job_attempts_by_day ON job_attempts (day_at, attempt_id);

CREATE TRIGGER job_attempts_stay_out_of_sealed_days
BEFORE INSERT ON job_attempts WHEN NEW.day_at < (SELECT s.sealed_until FROM ledger_state s)
BEGIN SELECT RAISE(ROLLBACK, 'ledger: this day is sealed'); END;

CREATE TRIGGER job_attempts_never_change
BEFORE UPDATE ON job_attempts
BEGIN SELECT RAISE(ROLLBACK, 'ledger: an attempt never changes'); END;

CREATE TRIGGER job_attempts_go_when_pruned
BEFORE DELETE ON job_attempts WHEN OLD.day_at >= (SELECT s.pruned_until FROM ledger_state s)
BEGIN SELECT RAISE(ROLLBACK, 'ledger: only what is sealed is pruned'); END;

-- Closed runs whose code still runs on a node, because a thread cannot be stopped. They stay in their job's way until the code ends,
-- or its node does.
CREATE TABLE abandoned_runs (
    run_id       INTEGER PRIMARY KEY,
    job_id       INTEGER NOT NULL,
    fence        INTEGER NOT NULL,
    node_id      TEXT    NOT NULL,
    abandoned_at INTEGER NOT NULL
) STRICT;

-- How many closed accounts there are: what each commit added or, in pruning, took away. Runs count in the hour of due_at, ranges
-- (origin 'range', one each) in that of last_at. job_id 0 stands for all jobs together. Insert only; upkeep folds rows into sums.
CREATE TABLE job_tallies (
    tally_id INTEGER PRIMARY KEY,
    job_id   INTEGER NOT NULL,
    hour     INTEGER NOT NULL,
    status   TEXT    NOT NULL,
    origin   TEXT    NOT NULL,
    n        INTEGER NOT NULL CHECK (n <> 0)
) STRICT;

CREATE TRIGGER job_tallies_never_change
BEFORE UPDATE ON job_tallies
BEGIN SELECT RAISE(ROLLBACK, 'ledger: a tally never changes'); END;

CREATE TABLE job_tally_sums (
    job_id INTEGER NOT NULL,
    hour   INTEGER NOT NULL,
    status TEXT    NOT NULL,
    origin TEXT    NOT NULL,
    n      INTEGER NOT NULL,
    PRIMARY KEY (job_id, hour, status, origin)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_tally_sums_of_nothing ON job_tally_sums (job_id) WHERE n = 0;

-- What a person declares of a closed run. The account stays as it is. Insert only.
CREATE TABLE run_marks (
    mark_id   INTEGER PRIMARY KEY,
    run_id    INTEGER NOT NULL,
    mark      TEXT    NOT NULL CHECK (mark IN ('done')),
    actor     TEXT    NOT NULL,
    why       TEXT    NOT NULL DEFAULT '',
    marked_at INTEGER NOT NULL,
    UNIQUE (run_id, mark)
) STRICT;

CREATE TRIGGER run_marks_never_change
BEFORE UPDATE ON run_marks
BEGIN SELECT RAISE(ROLLBACK, 'ledger: a mark never changes'); END;

-- Request ids of acts: the digest of what was asked, and the answer. The same id does the act once until `until_at`.
CREATE TABLE requests (
    request_id TEXT    PRIMARY KEY,
    digest     TEXT    NOT NULL,
    answer     TEXT    NOT NULL,
    actor      TEXT    NOT NULL,
    asked_at   INTEGER NOT NULL,
    until_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER requests_never_change
BEFORE UPDATE ON requests
BEGIN SELECT RAISE(ROLLBACK, 'ledger: a request never changes'); END;

-- One row a process that plans or runs. `beat` only counts: others watch it stand still on their own monotonic clock.
--   machine           names the boot and the process namespace, in which pid and pid_started_at mean something
--   labels            JSON list: which jobs it may take; zone_data   the release of its time zone data
--   clock_offset_us   how far its clock stands before the database's; degraded   JSON list of what does not work
--   draining_*        somebody asked it to take no more: when, who and why
CREATE TABLE nodes (
    node_id         TEXT    PRIMARY KEY,
    kind            TEXT    NOT NULL CHECK (kind IN ('serve', 'run')),
    host            TEXT    NOT NULL,
    machine         TEXT    NOT NULL,
    pid             INTEGER NOT NULL,
    pid_started_at  INTEGER NOT NULL,
    program         TEXT    NOT NULL,
    labels          TEXT    NOT NULL DEFAULT '[]',
    zone_data       TEXT    NOT NULL DEFAULT '',
    lease_ms        INTEGER NOT NULL,
    capacity        INTEGER NOT NULL,
    started_at      INTEGER NOT NULL,
    beat            INTEGER NOT NULL DEFAULT 0,
    beat_at         INTEGER NOT NULL,
    clock_offset_us INTEGER NOT NULL DEFAULT 0,
    degraded        TEXT    NOT NULL DEFAULT '[]',
    draining_at     INTEGER,
    draining_by     TEXT,
    draining_why    TEXT,
    stopped_at      INTEGER,
    fate            TEXT    CHECK (fate IN ('left', 'lost')),
    CONSTRAINT drain_has_an_actor
    CHECK ((draining_at IS NULL) = (draining_by IS NULL)),
    CONSTRAINT stopped_node_has_a_fate
    CHECK ((stopped_at IS NULL) = (fate IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX nodes_living ON nodes (node_id) WHERE stopped_at IS NULL;

CREATE TRIGGER nodes_lost_stay_lost
BEFORE UPDATE ON nodes WHEN OLD.stopped_at IS NOT NULL
BEGIN SELECT RAISE(ROLLBACK, 'ledger: a node that stopped never comes back; a process takes a fresh id'); END;

-- Jumps of the wall clock that a node saw, and what was done.
CREATE TABLE clock_events (
    event_id INTEGER PRIMARY KEY AUTOINCREMENT,
    seen_at  INTEGER NOT NULL,
    kind     TEXT    NOT NULL CHECK (kind IN ('forward', 'backward')),
    delta_us INTEGER NOT NULL,
    action   TEXT    NOT NULL,
    node_id  TEXT    NOT NULL
) STRICT;

-- Seals: one row a UTC day that held anything, numbered from 1. A seal covers the instants from the end of the one before it to the
-- end of its day, so that seals leave no gap. Runs belong to the day of due_at, ranges to that of last_at, attempts to that of day_at.
--   format     how content and digest are made: see systemprompt.ledger.seals
--   counts     canonical JSON: {"ranges": {"missed down": 60}, "runs": {"success": 24}}, fire times for ranges, rows for runs
--   content    SHA-256 of the rows, previous   the digest of the seal before (of the ledger's id for the first),
--   digest     SHA-256 of previous and everything else in the row
CREATE TABLE ledger_seals (
    seal       INTEGER PRIMARY KEY CHECK (seal >= 1),
    format     INTEGER NOT NULL CHECK (format >= 1),
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

CREATE TRIGGER ledger_seals_follow_one_another
BEFORE INSERT ON ledger_seals
WHEN NEW.seal <> (SELECT s.seals + 1 FROM ledger_state s)
  OR (NEW.seal > 1 AND (NEW.from_at, NEW.previous)
      IS NOT (SELECT l.until_at, l.digest FROM ledger_seals l WHERE l.seal = NEW.seal - 1))
BEGIN SELECT RAISE(ROLLBACK, 'ledger: a seal follows the one before it'); END;

CREATE TRIGGER ledger_seals_cover_closed_runs
BEFORE INSERT ON ledger_seals WHEN EXISTS (SELECT 1 FROM open_runs o WHERE o.due_at < NEW.until_at)
BEGIN SELECT RAISE(ROLLBACK, 'ledger: a day with an open run is not sealed'); END;

CREATE TRIGGER ledger_seals_are_final
BEFORE UPDATE ON ledger_seals
BEGIN SELECT RAISE(ROLLBACK, 'ledger: a seal never changes'); END;

CREATE TRIGGER ledger_seals_stay
BEFORE DELETE ON ledger_seals
BEGIN SELECT RAISE(ROLLBACK, 'ledger: a seal is never deleted'); END;

-- For people and their SQL: exactly the columns of the reference, instants as ISO text in UTC, booleans as 0 and 1. `last_status` is
-- one of 'success', 'failed', 'running', or NULL before the first run; a run that was cancelled shows as failed, with the reason.
CREATE VIEW scheduled_jobs (id, job_name, schedule, enabled, last_run, next_run, last_status, last_error, run_count, created_at,
                            updated_at) AS
SELECT 'job_' || j.job_name, j.job_name, v.schedule, v.enabled,
       strftime('%Y-%m-%dT%H:%M:%S', t.last_run / 1000000, 'unixepoch')
           || rtrim(rtrim(printf('.%06d', t.last_run % 1000000), '0'), '.') || 'Z',
       strftime('%Y-%m-%dT%H:%M:%SZ', c.next_run / 1000000, 'unixepoch'),
       t.last_status, t.last_error, t.run_count,
       strftime('%Y-%m-%dT%H:%M:%S', j.created_at / 1000000, 'unixepoch')
           || rtrim(rtrim(printf('.%06d', j.created_at % 1000000), '0'), '.') || 'Z',
       strftime('%Y-%m-%dT%H:%M:%S', j.updated_at / 1000000, 'unixepoch')
           || rtrim(rtrim(printf('.%06d', j.updated_at % 1000000), '0'), '.') || 'Z'
FROM jobs j
JOIN job_versions v ON v.job_id = j.job_id AND v.version = j.version
JOIN job_cursors c ON c.job_id = j.job_id
JOIN (SELECT k.job_id,
             coalesce((SELECT max(o.started_at) FROM open_runs o WHERE o.job_id = k.job_id), l.last_run) AS last_run,
             CASE WHEN EXISTS (SELECT 1 FROM open_runs o WHERE o.job_id = k.job_id AND o.node_id IS NOT NULL) THEN 'running'
                  WHEN l.last_status = 'cancelled' THEN 'failed' ELSE l.last_status END AS last_status,
             CASE WHEN EXISTS (SELECT 1 FROM open_runs o WHERE o.job_id = k.job_id AND o.node_id IS NOT NULL) THEN NULL
                  ELSE l.last_error END AS last_error,
             coalesce(l.run_count, 0) AS run_count
      FROM jobs k LEFT JOIN job_last l ON l.job_id = k.job_id) t ON t.job_id = j.job_id
WHERE j.retired_at IS NULL;

-- Jobs as they are read, in the columns of systemprompt.ledger.views.JobView.
CREATE VIEW job_views AS
SELECT j.job_id, j.job_name, j.description, v.schedule, v.time_zone, v.enabled, j.declared_enabled, j.tags, j.owner, j.source,
       j.profile_sets, j.quarantine, j.quarantine_error, j.retired_at, j.version, c.planned_through, j.pruned_through, c.next_due,
       c.next_run, (SELECT count(*) FROM open_runs o WHERE o.job_id = j.job_id AND o.node_id IS NOT NULL) AS running,
       (SELECT max(o.run_id) FROM open_runs o WHERE o.job_id = j.job_id AND o.node_id IS NOT NULL) AS running_run,
       (SELECT max(o.started_at) FROM open_runs o WHERE o.job_id = j.job_id) AS running_since,
       l.last_run, l.last_run_id, l.last_status, l.last_error, coalesce(l.run_count, 0) AS run_count, j.created_at, j.updated_at,
       j.runs_on
FROM jobs j
JOIN job_versions v ON v.job_id = j.job_id AND v.version = j.version
JOIN job_cursors c ON c.job_id = j.job_id
LEFT JOIN job_last l ON l.job_id = j.job_id;

-- A job as the planner sees it, but for what its version says. in_the_way: a run that is open, or closed while its code still runs.
CREATE VIEW jobs_to_plan AS
SELECT c.job_id, j.job_name, j.version, c.planned_through, j.quarantine IS NOT NULL AS quarantined,
       coalesce((SELECT min(o.run_id) FROM open_runs o WHERE o.job_id = c.job_id),
                CASE WHEN EXISTS (SELECT 1 FROM abandoned_runs)
                     THEN (SELECT min(a.run_id) FROM abandoned_runs a WHERE a.job_id = j.job_id) END) AS in_the_way,
       (SELECT count(*) FROM open_runs o WHERE o.job_id = j.job_id) AS open_runs,
       EXISTS (SELECT 1 FROM open_runs o WHERE o.job_id = j.job_id AND o.origin = 'catch_up') AS catching_up,
       c.next_due, j.runs_on
FROM job_cursors c
JOIN jobs j ON j.job_id = c.job_id;

-- Runs as they are read, open and closed, in the columns of systemprompt.ledger.views.RunView. Texts are looked up only where a hash
-- says that there was one.
CREATE VIEW open_run_views AS
SELECT r.run_id, r.job_id, (SELECT j.job_name FROM jobs j WHERE j.job_id = r.job_id) AS job_name, r.version, r.origin, r.fire_at,
       r.due_at, r.available_at, r.period_from, r.stands_for, r.retry_of, r.replaces,
       CASE WHEN r.node_id IS NULL THEN 'queued' ELSE 'running' END AS status, NULL AS reason, NULL AS blocked_by, r.attempt, r.fence,
       r.node_id, r.queued_at, r.started_at, NULL AS finished_at, NULL AS duration_ms, 0 AS items_processed, 0 AS items_failed,
       NULL AS message, NULL AS error, NULL AS exit_code, NULL AS output, r.actor, r.why, r.parameters, r.enforce, r.stop_asked_at,
       r.stop_by, r.stop_why, 0 AS abandoned, 0 AS did_nothing, 0 AS dry_run, 0 AS lines_dropped
FROM open_runs r;

CREATE VIEW closed_run_views AS
SELECT r.run_id, r.job_id, (SELECT j.job_name FROM jobs j WHERE j.job_id = r.job_id) AS job_name, r.version, r.origin, r.fire_at,
       r.due_at, r.available_at, r.period_from, r.stands_for, r.retry_of, r.replaces, r.status, r.reason, r.blocked_by, r.attempt,
       r.fence, r.node_id, r.queued_at, r.started_at, r.finished_at, r.duration_ms, r.items_processed, r.items_failed, r.message,
       CASE WHEN r.error_hash IS NOT NULL
            THEN (SELECT t.text FROM run_texts t WHERE t.run_id = r.run_id AND t.attempt = r.attempt AND t.kind = 'error') END AS error,
       r.exit_code,
       CASE WHEN r.output_hash IS NOT NULL
            THEN (SELECT t.text FROM run_texts t WHERE t.run_id = r.run_id AND t.attempt = r.attempt AND t.kind = 'output') END AS output,
       r.actor, r.why, r.parameters, r.enforce, r.stop_asked_at, r.stop_by, r.stop_why, r.abandoned, r.did_nothing, r.dry_run,
       r.lines_dropped
FROM job_runs r;

-- Each try at a run, in the columns of systemprompt.ledger.attempt_views.AttemptView: what ended without closing it, what closed it,
-- what is running. The late result of the same attempt stands beside it.
CREATE VIEW attempt_views AS
SELECT t.run_id, t.attempt, t.fence, t.node_id, t.started_at, t.ended_at, t.result, t.reason, t.message, l.result AS late_result,
       l.day_at AS late_at
FROM (SELECT a.run_id, a.attempt, a.fence, a.node_id, a.started_at, a.ended_at, a.result, a.reason, a.message
      FROM job_attempts a WHERE a.kind = 'ended'
      UNION ALL
      SELECT r.run_id, r.attempt, r.fence, r.node_id, r.started_at, r.finished_at,
             CASE r.reason WHEN 'node_lost' THEN 'lost' ELSE r.status END, r.reason, r.message
      FROM job_runs r WHERE r.fence IS NOT NULL
      UNION ALL
      SELECT o.run_id, o.attempt, o.fence, o.node_id, o.started_at, NULL, NULL, NULL, NULL
      FROM open_runs o WHERE o.node_id IS NOT NULL) t
LEFT JOIN job_attempts l ON l.run_id = t.run_id AND l.attempt = t.attempt AND l.kind = 'late';
