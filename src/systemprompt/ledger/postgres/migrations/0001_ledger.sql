-- The ledger on PostgreSQL, in a schema of its own: the twin of ledger/sqlite/migrations/0001_ledger.sql, which explains what each
-- table holds. Here stands what differs. Instants are `timestamptz` and never finer than a microsecond; yes and no are `boolean`.
--
-- Rules are constraints, row triggers whose condition needs no look-up (their WHEN costs next to nothing), and statement triggers that
-- look at all new rows at once. They only refuse. A refusal is an integrity error, and undoes the transaction.
--
-- No statement of a turn updates a row that nodes share: run ids and fences come from sequences, whose numbers rise and have gaps.
-- Conditions of triggers, and what views select, are written as the server says them again: so a schema that was dumped and loaded is
-- still, word for word, what this file makes. Functions name the schema they were made in, so that they mean the same whoever calls them, with whatever search_path.

CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = TG_ARGV[0];
END $$;

-- Microseconds since the epoch, as the program counts them, to an instant. In whole seconds and the rest, because an interval is
-- multiplied as a double. What lies beyond the years that a calendar names stands for "ever" and "never".
CREATE FUNCTION instant(us bigint) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN us > 253402300799999999 THEN timestamptz 'infinity'
                WHEN us < -62135596800000000 THEN timestamptz '-infinity'
                ELSE timestamptz 'epoch' + (us / 1000000) * interval '1 second' + (us % 1000000) * interval '1 microsecond' END
$$;

-- One row of what belongs to the whole ledger; a turn only reads it. How far jobs were planned is read from their cursors, which never
-- move back and are never deleted.
CREATE TABLE ledger_state (
    one           integer PRIMARY KEY CHECK (one = 1),
    ledger_id     text    NOT NULL,
    runs_left_out bigint  NOT NULL DEFAULT 0,
    seals         bigint  NOT NULL DEFAULT 0,
    sealed_until  timestamptz NOT NULL DEFAULT 'epoch',
    pruned_until  timestamptz NOT NULL DEFAULT 'epoch',
    pruned_run    bigint  NOT NULL DEFAULT 0
);
INSERT INTO ledger_state (one, ledger_id) VALUES (1, replace(gen_random_uuid()::text, '-', ''));

CREATE SEQUENCE run_ids;
CREATE SEQUENCE fences;
-- Rises after each commit that others should look at: a hint for who cannot LISTEN.
CREATE SEQUENCE changes;

CREATE TRIGGER ledger_state_only_rises
BEFORE UPDATE ON ledger_state FOR EACH ROW
WHEN (NEW.ledger_id <> OLD.ledger_id OR NEW.runs_left_out < OLD.runs_left_out)
EXECUTE FUNCTION refuse('ledger: fences, run ids and the high-water mark only rise');

CREATE TRIGGER ledger_state_prunes_what_is_sealed
BEFORE UPDATE ON ledger_state FOR EACH ROW
WHEN (NEW.seals < OLD.seals OR NEW.sealed_until < OLD.sealed_until OR NEW.pruned_until < OLD.pruned_until
      OR NEW.pruned_run < OLD.pruned_run OR NEW.pruned_until > NEW.sealed_until)
EXECUTE FUNCTION refuse('ledger: only what is sealed is pruned');

CREATE TRIGGER ledger_state_stays
BEFORE DELETE OR TRUNCATE ON ledger_state FOR EACH STATEMENT
EXECUTE FUNCTION refuse('ledger: its state is never deleted');

CREATE TABLE reasons (
    status   text NOT NULL CHECK (status IN ('failed', 'skipped', 'missed', 'cancelled')),
    reason   text NOT NULL,
    sentence text NOT NULL,
    PRIMARY KEY (status, reason)
);
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

CREATE TABLE jobs (
    job_id           bigint  PRIMARY KEY,
    job_name         text    NOT NULL UNIQUE,
    description      text    NOT NULL DEFAULT '',
    tags             text    NOT NULL DEFAULT '[]',
    owner            text,
    source           text    NOT NULL DEFAULT '',
    declared_enabled boolean NOT NULL DEFAULT true,
    profile_sets     text    NOT NULL DEFAULT '[]',
    described        text    NOT NULL DEFAULT '{}',
    quarantine       text    CHECK (quarantine IN ('load', 'ledger_conflict')),
    quarantine_error text,
    retired_at       timestamptz,
    version          bigint  NOT NULL,
    runs_on          text    NOT NULL DEFAULT '[]',
    pruned_through   timestamptz NOT NULL,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    CONSTRAINT quarantine_has_an_error CHECK ((quarantine IS NULL) = (quarantine_error IS NULL))
);

CREATE INDEX jobs_for_some_nodes ON jobs (job_id) WHERE runs_on <> '[]';

CREATE TRIGGER jobs_stay
BEFORE DELETE OR TRUNCATE ON jobs FOR EACH STATEMENT
EXECUTE FUNCTION refuse('ledger: a job is retired, never deleted');

CREATE TABLE quarantined_sources (
    source   text PRIMARY KEY,
    error    text NOT NULL,
    since_at timestamptz NOT NULL
);

CREATE TABLE job_versions (
    job_id      bigint  NOT NULL REFERENCES jobs (job_id),
    version     bigint  NOT NULL CHECK (version >= 1),
    schedule    text    NOT NULL,
    time_zone   text    NOT NULL,
    policies    text    NOT NULL,
    enabled     boolean NOT NULL,
    valid_from  timestamptz NOT NULL,
    valid_until timestamptz CHECK (valid_until >= valid_from),
    cause       text    NOT NULL CHECK (cause IN ('added', 'changed', 'returned', 'enabled', 'disabled', 'quarantined')),
    actor       text    NOT NULL,
    noticed_by  text    NOT NULL DEFAULT '',
    why         text    NOT NULL DEFAULT '',
    PRIMARY KEY (job_id, version)
);

CREATE UNIQUE INDEX job_versions_open ON job_versions (job_id) WHERE valid_until IS NULL;

-- Two processes never add versions of one job at once: whoever changes the catalogue holds the table `jobs`.
CREATE FUNCTION job_versions_never_overlap() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM fresh n JOIN job_versions v ON v.job_id = n.job_id AND v.version <> n.version
               WHERE v.valid_until IS NULL OR v.valid_until > n.valid_from) THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = 'ledger: versions of a job never overlap';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER job_versions_never_overlap
AFTER INSERT ON job_versions REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT
EXECUTE FUNCTION job_versions_never_overlap();

CREATE TRIGGER job_versions_are_immutable
BEFORE UPDATE ON job_versions FOR EACH ROW
WHEN (OLD.valid_until IS NOT NULL
      OR NEW.valid_until IS NULL
      OR OLD.job_id IS DISTINCT FROM NEW.job_id
      OR OLD.version IS DISTINCT FROM NEW.version
      OR OLD.schedule IS DISTINCT FROM NEW.schedule
      OR OLD.time_zone IS DISTINCT FROM NEW.time_zone
      OR OLD.policies IS DISTINCT FROM NEW.policies
      OR OLD.enabled IS DISTINCT FROM NEW.enabled
      OR OLD.valid_from IS DISTINCT FROM NEW.valid_from
      OR OLD.cause IS DISTINCT FROM NEW.cause
      OR OLD.actor IS DISTINCT FROM NEW.actor
      OR OLD.noticed_by IS DISTINCT FROM NEW.noticed_by
      OR OLD.why IS DISTINCT FROM NEW.why)
EXECUTE FUNCTION refuse('ledger: a version never changes; it only ends');

CREATE TRIGGER job_versions_stay
BEFORE DELETE OR TRUNCATE ON job_versions FOR EACH STATEMENT
EXECUTE FUNCTION refuse('ledger: a version is never deleted');

-- One cursor a job. Each move leaves a dead row and dead index entries behind, which nobody can clear away while somebody, anywhere in
-- the cluster, holds an old transaction open. So whatever a turn looks up is found without passing them by:
-- the key has planned_through in it, which a move names, and of which the living one is the highest; a look for due cursors begins where
-- the last one ended (see PostgresStore); and open_from says from which fire time on a job may have open runs.
CREATE TABLE job_cursors (
    job_id          bigint NOT NULL REFERENCES jobs (job_id),
    planned_through timestamptz NOT NULL,
    next_due        timestamptz,
    next_run        timestamptz,
    open_from       timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (job_id, planned_through)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

CREATE INDEX job_cursors_by_next_due ON job_cursors (next_due, job_id) WHERE next_due IS NOT NULL;

CREATE TRIGGER job_cursors_move_forward
BEFORE UPDATE ON job_cursors FOR EACH ROW WHEN (NEW.planned_through < OLD.planned_through)
EXECUTE FUNCTION refuse('ledger: a cursor never moves back');

CREATE FUNCTION job_cursors_are_one_a_job() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM fresh n JOIN job_cursors c ON c.job_id = n.job_id AND c.planned_through <> n.planned_through) THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = 'ledger: a job has one cursor';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER job_cursors_are_one_a_job
AFTER INSERT ON job_cursors REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION job_cursors_are_one_a_job();

CREATE TRIGGER job_cursors_stay
BEFORE DELETE OR TRUNCATE ON job_cursors FOR EACH STATEMENT
EXECUTE FUNCTION refuse('ledger: a cursor is never deleted');

CREATE TABLE job_last (
    job_id      bigint PRIMARY KEY REFERENCES jobs (job_id),
    last_run_id bigint NOT NULL,
    last_fence  bigint NOT NULL,
    last_run    timestamptz NOT NULL,
    last_status text   NOT NULL CHECK (last_status IN ('success', 'failed', 'cancelled')),
    last_error  text,
    run_count   bigint NOT NULL CHECK (run_count >= 1)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

-- Small, and new all the time: every row comes, is held and goes. Vacuum as above.
CREATE TABLE open_runs (
    run_id        bigint PRIMARY KEY,
    job_id        bigint NOT NULL,
    version       bigint NOT NULL,
    origin        text   NOT NULL,
    fire_at       timestamptz,
    due_at        timestamptz NOT NULL,
    available_at  timestamptz NOT NULL,
    queued_at     timestamptz NOT NULL,
    node_id       text,
    attempt       bigint NOT NULL DEFAULT 0,
    fence         bigint,
    started_at    timestamptz,
    actor         text   NOT NULL,
    why           text,
    parameters    text,
    enforce       boolean,
    period_from   timestamptz,
    stands_for    timestamptz,
    retry_of      bigint,
    replaces      bigint,
    stop_asked_at timestamptz,
    stop_by       text,
    stop_why      text,
    CONSTRAINT fire_time_fits_origin
    CHECK (CASE WHEN origin IN ('schedule', 'catch_up') THEN fire_at IS NOT DISTINCT FROM due_at
                ELSE fire_at IS NULL AND origin IN ('manual', 'backfill', 'bootstrap') END),
    CONSTRAINT holder_fits_fence
    CHECK (CASE WHEN fence IS NULL THEN node_id IS NULL AND started_at IS NULL
                ELSE fence > 0 AND attempt > 0 AND node_id IS NOT NULL AND started_at IS NOT NULL END),
    CONSTRAINT stop_has_an_actor CHECK ((stop_asked_at IS NULL) = (stop_by IS NULL))
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000);

CREATE UNIQUE INDEX open_runs_one_account ON open_runs (job_id, fire_at);
CREATE INDEX open_runs_waiting ON open_runs (available_at, run_id) WHERE node_id IS NULL;
CREATE INDEX open_runs_to_stop ON open_runs (node_id) WHERE stop_asked_at IS NOT NULL;
-- What a node holds: rescue must not go through what others hold.
CREATE INDEX open_runs_held ON open_runs (node_id) WHERE node_id IS NOT NULL;

-- Closed accounts, in a partition a month by due_at, so that the key of every unique index has it. What fits none goes to the default
-- one: a late catch-up or a wrong clock must not stop the scheduler. `run_id` is unique by its sequence. A row is written once and never
-- changes, so vacuum has only to freeze it, and does that early, while the pages are warm.
CREATE TABLE job_runs (
    run_id          bigint NOT NULL,
    job_id          bigint NOT NULL,
    version         bigint NOT NULL,
    origin          text   NOT NULL,
    fire_at         timestamptz,
    due_at          timestamptz NOT NULL,
    available_at    timestamptz NOT NULL,
    queued_at       timestamptz NOT NULL,
    node_id         text,
    attempt         bigint NOT NULL,
    fence           bigint,
    started_at      timestamptz,
    actor           text   NOT NULL,
    status          text   NOT NULL,
    finished_at     timestamptz NOT NULL,
    duration_ms     bigint,
    message         text,
    items_processed bigint NOT NULL DEFAULT 0,
    items_failed    bigint NOT NULL DEFAULT 0,
    why             text,
    parameters      text,
    enforce         boolean,
    period_from     timestamptz,
    stands_for      timestamptz,
    retry_of        bigint,
    replaces        bigint,
    stop_asked_at   timestamptz,
    stop_by         text,
    stop_why        text,
    reason          text,
    blocked_by      bigint,
    error_hash      text,
    output_hash     text,
    exit_code       bigint,
    abandoned       boolean NOT NULL DEFAULT false,
    did_nothing     boolean NOT NULL DEFAULT false,
    dry_run         boolean NOT NULL DEFAULT false,
    lines_dropped   bigint NOT NULL DEFAULT 0 CHECK (lines_dropped >= 0),
    CONSTRAINT fire_time_fits_origin
    CHECK (CASE WHEN origin IN ('schedule', 'catch_up') THEN fire_at IS NOT DISTINCT FROM due_at
                ELSE fire_at IS NULL AND origin IN ('manual', 'backfill', 'bootstrap') END),
    CONSTRAINT reason_fits_status
    CHECK (CASE status WHEN 'success'   THEN reason IS NULL AND attempt > 0
                       WHEN 'failed'    THEN reason IS NOT NULL AND attempt > 0
                       WHEN 'cancelled' THEN reason IS NOT NULL
                       WHEN 'skipped'   THEN reason IS NOT NULL AND fence IS NULL
                       WHEN 'missed'    THEN reason IS NOT NULL AND fence IS NULL
                       ELSE false END),
    CONSTRAINT holder_fits_fence
    CHECK (CASE WHEN fence IS NULL THEN node_id IS NULL AND started_at IS NULL
                ELSE node_id IS NOT NULL AND started_at IS NOT NULL END)
) PARTITION BY RANGE (due_at);

CREATE UNIQUE INDEX job_runs_by_id ON job_runs (run_id, due_at);
-- One account a fire time, and the history of one job: fire_at is due_at or NULL, and two NULLs are not the same.
CREATE UNIQUE INDEX job_runs_one_account ON job_runs (job_id, due_at, fire_at);
CREATE INDEX job_runs_by_due ON job_runs (due_at, run_id);
CREATE INDEX job_runs_not_well ON job_runs (status, due_at, run_id) WHERE reason IS NOT NULL;
CREATE INDEX job_runs_not_well_of_job ON job_runs (job_id, status, due_at, run_id) WHERE reason IS NOT NULL;
CREATE INDEX job_runs_by_origin ON job_runs (origin, due_at, run_id) WHERE origin <> 'schedule';
CREATE INDEX job_runs_by_origin_of_job ON job_runs (job_id, origin, due_at, run_id) WHERE origin <> 'schedule';

CREATE TABLE run_texts (
    run_id  bigint NOT NULL,
    attempt bigint NOT NULL,
    kind    text   NOT NULL CHECK (kind IN ('error', 'output')),
    text    text   NOT NULL,
    UNIQUE (run_id, attempt, kind)
);

CREATE TRIGGER run_texts_never_change
BEFORE UPDATE ON run_texts FOR EACH STATEMENT
EXECUTE FUNCTION refuse('ledger: what a run left in words never changes');

CREATE TABLE job_run_ranges (
    range_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id     bigint NOT NULL,
    version    bigint NOT NULL,
    first_at   timestamptz NOT NULL,
    last_at    timestamptz NOT NULL CHECK (last_at >= first_at),
    count      bigint NOT NULL CHECK (count >= 1),
    status     text   NOT NULL CHECK (status IN ('skipped', 'missed')),
    reason     text   NOT NULL,
    written_at timestamptz NOT NULL
);
CREATE INDEX job_run_ranges_by_job ON job_run_ranges (job_id, last_at);
CREATE INDEX job_run_ranges_by_last ON job_run_ranges (last_at, range_id);

CREATE TABLE job_attempts (
    attempt_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id     bigint NOT NULL,
    attempt    bigint NOT NULL CHECK (attempt >= 1),
    kind       text   NOT NULL CHECK (kind IN ('ended', 'late')),
    job_id     bigint NOT NULL,
    fence      bigint NOT NULL CHECK (fence > 0),
    node_id    text,
    started_at timestamptz,
    ended_at   timestamptz NOT NULL,
    day_at     timestamptz NOT NULL,
    result     text   NOT NULL CHECK (result IN ('success', 'failed', 'cancelled', 'lost', 'interrupted')),
    reason     text,
    message    text,
    error_hash text,
    recovered  boolean NOT NULL DEFAULT false,
    UNIQUE (run_id, attempt, kind)
);
CREATE INDEX job_attempts_by_day ON job_attempts (day_at, attempt_id);

CREATE TABLE abandoned_runs (
    run_id       bigint PRIMARY KEY,
    job_id       bigint NOT NULL,
    fence        bigint NOT NULL,
    node_id      text   NOT NULL,
    abandoned_at timestamptz NOT NULL
);

-- Folded away all the time.
CREATE TABLE job_tallies (
    tally_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id   bigint NOT NULL,
    hour     bigint NOT NULL,
    status   text   NOT NULL,
    origin   text   NOT NULL,
    n        bigint NOT NULL CHECK (n <> 0)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

CREATE TRIGGER job_tallies_never_change
BEFORE UPDATE ON job_tallies FOR EACH STATEMENT
EXECUTE FUNCTION refuse('ledger: a tally never changes');

CREATE TABLE job_tally_sums (
    job_id bigint NOT NULL,
    hour   bigint NOT NULL,
    status text   NOT NULL,
    origin text   NOT NULL,
    n      bigint NOT NULL,
    PRIMARY KEY (job_id, hour, status, origin)
);
CREATE INDEX job_tally_sums_of_nothing ON job_tally_sums (job_id) WHERE n = 0;

CREATE TABLE run_marks (
    mark_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id    bigint NOT NULL,
    mark      text   NOT NULL CHECK (mark IN ('done')),
    actor     text   NOT NULL,
    why       text   NOT NULL DEFAULT '',
    marked_at timestamptz NOT NULL,
    UNIQUE (run_id, mark)
);

CREATE TRIGGER run_marks_never_change
BEFORE UPDATE ON run_marks FOR EACH STATEMENT
EXECUTE FUNCTION refuse('ledger: a mark never changes');

CREATE TABLE requests (
    request_id text PRIMARY KEY,
    digest     text NOT NULL,
    answer     text NOT NULL,
    actor      text NOT NULL,
    asked_at   timestamptz NOT NULL,
    until_at   timestamptz NOT NULL
);

CREATE TRIGGER requests_never_change
BEFORE UPDATE ON requests FOR EACH STATEMENT
EXECUTE FUNCTION refuse('ledger: a request never changes');

CREATE TABLE nodes (
    node_id         text   PRIMARY KEY,
    kind            text   NOT NULL CHECK (kind IN ('serve', 'run')),
    host            text   NOT NULL,
    machine         text   NOT NULL,
    pid             bigint NOT NULL,
    pid_started_at  bigint NOT NULL,
    program         text   NOT NULL,
    labels          text   NOT NULL DEFAULT '[]',
    zone_data       text   NOT NULL DEFAULT '',
    lease_ms        bigint NOT NULL,
    capacity        bigint NOT NULL,
    started_at      timestamptz NOT NULL,
    beat            bigint NOT NULL DEFAULT 0,
    beat_at         timestamptz NOT NULL,
    clock_offset_us bigint NOT NULL DEFAULT 0,
    degraded        text   NOT NULL DEFAULT '[]',
    draining_at     timestamptz,
    draining_by     text,
    draining_why    text,
    stopped_at      timestamptz,
    fate            text   CHECK (fate IN ('left', 'lost')),
    CONSTRAINT drain_has_an_actor CHECK ((draining_at IS NULL) = (draining_by IS NULL)),
    CONSTRAINT stopped_node_has_a_fate CHECK ((stopped_at IS NULL) = (fate IS NULL))
) WITH (fillfactor = 50);
CREATE INDEX nodes_living ON nodes (node_id) WHERE stopped_at IS NULL;

CREATE TRIGGER nodes_lost_stay_lost
BEFORE UPDATE ON nodes FOR EACH ROW WHEN (OLD.stopped_at IS NOT NULL)
EXECUTE FUNCTION refuse('ledger: a node that stopped never comes back; a process takes a fresh id');

CREATE TABLE clock_events (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    seen_at  timestamptz NOT NULL,
    kind     text   NOT NULL CHECK (kind IN ('forward', 'backward')),
    delta_us bigint NOT NULL,
    action   text   NOT NULL,
    node_id  text   NOT NULL
);

CREATE TABLE ledger_seals (
    seal       bigint PRIMARY KEY CHECK (seal >= 1),
    format     bigint NOT NULL CHECK (format >= 1),
    day        text   NOT NULL CHECK (length(day) = 10),
    from_at    timestamptz NOT NULL,
    until_at   timestamptz NOT NULL CHECK (until_at > from_at AND extract(epoch FROM until_at) % 86400 = 0),
    runs       bigint NOT NULL CHECK (runs >= 0),
    attempts   bigint NOT NULL CHECK (attempts >= 0),
    ranges     bigint NOT NULL CHECK (ranges >= 0),
    fire_times bigint NOT NULL CHECK (fire_times >= 0),
    counts     text   NOT NULL,
    content    text   NOT NULL CHECK (length(content) = 64),
    sealed_at  timestamptz NOT NULL,
    previous   text   NOT NULL CHECK (length(previous) = 64),
    digest     text   NOT NULL CHECK (length(digest) = 64)
);

CREATE FUNCTION ledger_seals_follow_one_another() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.seal <> (SELECT s.seals + 1 FROM ledger_state s)
       OR (NEW.seal > 1 AND NOT EXISTS (SELECT 1 FROM ledger_seals l WHERE l.seal = NEW.seal - 1 AND l.until_at = NEW.from_at
                                        AND l.digest = NEW.previous)) THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = 'ledger: a seal follows the one before it';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_seals_follow_one_another
BEFORE INSERT ON ledger_seals FOR EACH ROW EXECUTE FUNCTION ledger_seals_follow_one_another();

-- A role that runs a node writes to the state, so a day is sealed by its seal and by nothing else: what is pruned was sealed.
CREATE FUNCTION ledger_state_tells_of_seals() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM ledger_seals l WHERE l.seal = NEW.seals AND l.until_at = NEW.sealed_until) THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = 'ledger: a day is sealed by its seal';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_state_tells_of_seals
BEFORE UPDATE ON ledger_state FOR EACH ROW
WHEN ((NEW.seals, NEW.sealed_until) IS DISTINCT FROM (OLD.seals, OLD.sealed_until))
EXECUTE FUNCTION ledger_state_tells_of_seals();

CREATE FUNCTION ledger_seals_cover_closed_runs() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM open_runs o WHERE o.due_at < NEW.until_at) THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = 'ledger: a day with an open run is not sealed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_seals_cover_closed_runs
BEFORE INSERT ON ledger_seals FOR EACH ROW EXECUTE FUNCTION ledger_seals_cover_closed_runs();

CREATE TRIGGER ledger_seals_are_final
BEFORE UPDATE ON ledger_seals FOR EACH STATEMENT
EXECUTE FUNCTION refuse('ledger: a seal never changes');

CREATE TRIGGER ledger_seals_stay
BEFORE DELETE OR TRUNCATE ON ledger_seals FOR EACH STATEMENT
EXECUTE FUNCTION refuse('ledger: a seal is never deleted');

-- -- what may come into the ledger -------------------------------------------------------------------------------------------

-- The functions below look up a few keys in tables of any size. Their plans are kept by each session, and one that was made while a
-- table was small would go through all of it later: so they look along indexes, whatever the table looked like, and from each new row
-- to what it may collide with (LATERAL with LIMIT), never the other way round.
CREATE FUNCTION open_runs_begin_new() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    refused text;
BEGIN
    IF EXISTS (SELECT 1 FROM fresh n, ledger_state s WHERE n.due_at < s.sealed_until) THEN
        refused := 'ledger: this day is sealed';
    ELSIF EXISTS (SELECT 1 FROM fresh n LEFT JOIN jobs j ON j.job_id = n.job_id WHERE j.job_id IS NULL) THEN
        refused := 'ledger: nobody knows this job';
    ELSIF EXISTS (SELECT 1 FROM fresh n
                  CROSS JOIN LATERAL (SELECT 1 FROM job_runs r WHERE r.run_id = n.run_id AND r.due_at = n.due_at LIMIT 1) r) THEN
        refused := 'ledger: this run is closed';
    ELSIF EXISTS (SELECT 1 FROM fresh n
                  CROSS JOIN LATERAL (SELECT 1 FROM job_runs r WHERE r.job_id = n.job_id AND r.due_at = n.fire_at
                                      AND r.fire_at = n.fire_at LIMIT 1) r)
       OR EXISTS (SELECT 1 FROM fresh n
                  CROSS JOIN LATERAL (SELECT g.first_at FROM job_run_ranges g WHERE g.job_id = n.job_id AND g.last_at >= n.fire_at
                                      ORDER BY g.last_at LIMIT 1) g
                  WHERE g.first_at <= n.fire_at) THEN
        refused := 'ledger: this fire time is accounted for already';
    END IF;
    IF refused IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = refused;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER open_runs_begin_new
AFTER INSERT ON open_runs REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION open_runs_begin_new();

CREATE TRIGGER open_runs_attempts_rise
BEFORE UPDATE ON open_runs FOR EACH ROW
WHEN (NEW.attempt <> OLD.attempt + CASE WHEN OLD.fence IS NULL AND NEW.fence IS NOT NULL THEN 1 ELSE 0 END)
EXECUTE FUNCTION refuse('ledger: attempts only rise, by one for each claim');

CREATE TRIGGER open_runs_are_queued_between_nodes
BEFORE UPDATE ON open_runs FOR EACH ROW
WHEN (OLD.fence <> NEW.fence)
EXECUTE FUNCTION refuse('ledger: a run is queued again before another node takes it');

CREATE TRIGGER open_runs_stay_what_they_are
BEFORE UPDATE ON open_runs FOR EACH ROW
WHEN (OLD.run_id IS DISTINCT FROM NEW.run_id
      OR OLD.job_id IS DISTINCT FROM NEW.job_id
      OR OLD.version IS DISTINCT FROM NEW.version
      OR OLD.origin IS DISTINCT FROM NEW.origin
      OR OLD.fire_at IS DISTINCT FROM NEW.fire_at
      OR OLD.due_at IS DISTINCT FROM NEW.due_at)
EXECUTE FUNCTION refuse('ledger: what a run accounts for never changes');

CREATE FUNCTION job_runs_account_once() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    refused text;
BEGIN
    IF EXISTS (SELECT 1 FROM fresh n, ledger_state s WHERE n.due_at < s.sealed_until) THEN
        refused := 'ledger: this day is sealed';
    ELSIF EXISTS (SELECT 1 FROM fresh n LEFT JOIN reasons k ON k.status = n.status AND k.reason = n.reason
                  WHERE n.reason IS NOT NULL AND k.reason IS NULL) THEN
        refused := 'ledger: this is no reason for that status';
    ELSIF EXISTS (SELECT 1 FROM fresh n
                  CROSS JOIN LATERAL (SELECT 1 FROM open_runs o WHERE o.run_id = n.run_id LIMIT 1) o) THEN
        refused := 'ledger: this run is still open';
    ELSIF EXISTS (SELECT 1 FROM fresh n WHERE n.attempt = 0 AND n.fire_at IS NOT NULL) THEN
        -- A run that had begun was looked at when it came into open_runs; what closes without having begun is looked at here.
        IF EXISTS (SELECT 1 FROM fresh n
                   CROSS JOIN LATERAL (SELECT 1 FROM open_runs o WHERE o.job_id = n.job_id AND o.fire_at = n.fire_at LIMIT 1) o
                   WHERE n.attempt = 0)
           OR EXISTS (SELECT 1 FROM fresh n
                      CROSS JOIN LATERAL (SELECT g.first_at FROM job_run_ranges g WHERE g.job_id = n.job_id
                                          AND g.last_at >= n.fire_at ORDER BY g.last_at LIMIT 1) g
                      WHERE n.attempt = 0 AND g.first_at <= n.fire_at) THEN
            refused := 'ledger: this fire time is accounted for already';
        END IF;
    END IF;
    IF refused IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = refused;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION job_run_ranges_account_once() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    refused text;
BEGIN
    IF EXISTS (SELECT 1 FROM fresh n, ledger_state s WHERE n.first_at < s.sealed_until) THEN
        refused := 'ledger: this day is sealed';
    ELSIF EXISTS (SELECT 1 FROM fresh n LEFT JOIN reasons k ON k.status = n.status AND k.reason = n.reason WHERE k.reason IS NULL) THEN
        refused := 'ledger: this is no reason for that status';
    ELSIF EXISTS (SELECT 1 FROM fresh n LEFT JOIN jobs j ON j.job_id = n.job_id WHERE j.job_id IS NULL) THEN
        refused := 'ledger: nobody knows this job';
    -- Of the ranges that end in the new one or after it the first tells, but for the new one itself: two, and one is it.
    ELSIF EXISTS (SELECT 1 FROM fresh n
                  CROSS JOIN LATERAL (SELECT g.range_id, g.first_at FROM job_run_ranges g WHERE g.job_id = n.job_id
                                      AND g.last_at >= n.first_at ORDER BY g.last_at LIMIT 2) g
                  WHERE g.range_id <> n.range_id AND g.first_at <= n.last_at)
       OR EXISTS (SELECT 1 FROM fresh n
                  CROSS JOIN LATERAL (SELECT 1 FROM job_runs r WHERE r.job_id = n.job_id
                                      AND r.due_at BETWEEN n.first_at AND n.last_at AND r.fire_at IS NOT NULL LIMIT 1) r)
       OR EXISTS (SELECT 1 FROM fresh n
                  CROSS JOIN LATERAL (SELECT 1 FROM open_runs o WHERE o.job_id = n.job_id
                                      AND o.fire_at BETWEEN n.first_at AND n.last_at LIMIT 1) o) THEN
        refused := 'ledger: these fire times are accounted for already';
    END IF;
    IF refused IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = refused;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER job_run_ranges_account_once
AFTER INSERT ON job_run_ranges REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION job_run_ranges_account_once();

CREATE FUNCTION job_attempts_stay_out_of_sealed_days() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM fresh n, ledger_state s WHERE n.day_at < s.sealed_until) THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = 'ledger: this day is sealed';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER job_attempts_stay_out_of_sealed_days
AFTER INSERT ON job_attempts REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT
EXECUTE FUNCTION job_attempts_stay_out_of_sealed_days();

-- -- closed accounts never change, and go only when they are pruned ----------------------------------------------------------

CREATE TRIGGER job_run_ranges_never_change
BEFORE UPDATE OR TRUNCATE ON job_run_ranges FOR EACH STATEMENT
EXECUTE FUNCTION refuse('ledger: a range never changes');

CREATE TRIGGER job_attempts_never_change
BEFORE UPDATE OR TRUNCATE ON job_attempts FOR EACH STATEMENT
EXECUTE FUNCTION refuse('ledger: an attempt never changes');

CREATE FUNCTION goes_when_pruned() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    latest timestamptz;
BEGIN
    IF TG_ARGV[0] = 'due_at' THEN
        SELECT max(due_at) INTO latest FROM gone;
    ELSIF TG_ARGV[0] = 'last_at' THEN
        SELECT max(last_at) INTO latest FROM gone;
    ELSE
        SELECT max(day_at) INTO latest FROM gone;
    END IF;
    IF latest >= (SELECT s.pruned_until FROM ledger_state s) THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = 'ledger: only what is sealed is pruned';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER job_run_ranges_go_when_pruned
AFTER DELETE ON job_run_ranges REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION goes_when_pruned('last_at');
CREATE TRIGGER job_attempts_go_when_pruned
AFTER DELETE ON job_attempts REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION goes_when_pruned('day_at');

-- A statement trigger hears only of statements that name its own table, so the partitioned table and each partition have theirs.
CREATE FUNCTION guard_closed_runs(place regclass) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER job_runs_account_once AFTER INSERT ON %s REFERENCING NEW TABLE AS fresh '
                   'FOR EACH STATEMENT EXECUTE FUNCTION job_runs_account_once()', place);
    EXECUTE format('CREATE TRIGGER job_runs_never_change BEFORE UPDATE OR TRUNCATE ON %s '
                   'FOR EACH STATEMENT EXECUTE FUNCTION refuse(''ledger: a closed account never changes'')', place);
    EXECUTE format('CREATE TRIGGER job_runs_go_when_pruned AFTER DELETE ON %s REFERENCING OLD TABLE AS gone '
                   'FOR EACH STATEMENT EXECUTE FUNCTION goes_when_pruned(''due_at'')', place);
END $$;

CREATE TABLE job_runs_default (LIKE job_runs INCLUDING ALL)
WITH (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_freeze_min_age = 0);
ALTER TABLE job_runs ATTACH PARTITION job_runs_default DEFAULT;
SELECT guard_closed_runs('job_runs'), guard_closed_runs('job_runs_default');

-- -- what only the owner may do, for a role that may only insert -----------------------------------------------------------------

-- Make the partition of a month and of the one after it. A month of which the default partition already holds something stays there.
-- It hardly waits: where somebody uses the tables just now it says false, and a later call makes what is missing.
CREATE FUNCTION make_partitions(at timestamptz) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET lock_timeout = '200ms' AS $$
DECLARE
    month timestamp;
    name text;
    first timestamptz;
    next timestamptz;
BEGIN
    FOR ahead IN 0..1 LOOP
        month := date_trunc('month', at AT TIME ZONE 'UTC') + ahead * interval '1 month';
        name := 'job_runs_' || to_char(month, 'YYYY_MM');
        first := month AT TIME ZONE 'UTC';
        next := (month + interval '1 month') AT TIME ZONE 'UTC';
        BEGIN
            CONTINUE WHEN to_regclass(name) IS NOT NULL
                       OR EXISTS (SELECT 1 FROM job_runs_default d WHERE d.due_at >= first AND d.due_at < next);
            EXECUTE format('CREATE TABLE %I (LIKE job_runs INCLUDING ALL) '
                           'WITH (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_freeze_min_age = 0)', name);
            EXECUTE format('ALTER TABLE job_runs ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, first, next);
            PERFORM guard_closed_runs(name::regclass);
        EXCEPTION WHEN lock_not_available OR duplicate_table OR unique_violation OR invalid_object_definition THEN
            RETURN false;  -- somebody else makes it, or uses the tables
        END;
    END LOOP;
    RETURN true;
END $$;

-- Drop the partitions whose months are pruned and that hold nothing any more; return their names.
CREATE FUNCTION drop_partitions() RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET lock_timeout = '200ms' AS $$
DECLARE
    name text;
    is_empty boolean;
BEGIN
    FOR name IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent = 'job_runs'::regclass
                  -- In this order: other names are no months.
                  AND CASE WHEN c.relname ~ '^job_runs_\d{4}_\d{2}$'
                           THEN (to_date(right(c.relname, 7), 'YYYY_MM')::timestamp + interval '1 month') AT TIME ZONE 'UTC'
                                <= (SELECT s.pruned_until FROM ledger_state s)
                           ELSE false END LOOP
        BEGIN
            EXECUTE format('SELECT NOT EXISTS (SELECT 1 FROM %I)', name) INTO is_empty;
            CONTINUE WHEN NOT is_empty;
            EXECUTE format('DROP TABLE %I', name);
            RETURN NEXT name;
        EXCEPTION WHEN lock_not_available OR undefined_table THEN
            RETURN;  -- somebody reads it, or drops it: later
        END;
    END LOOP;
END $$;

-- Wait for every account that is on its way, and let no other come before the transaction ends.
CREATE FUNCTION hold_closed_days() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    LOCK TABLE open_runs, job_runs, job_run_ranges, job_attempts, job_versions IN SHARE ROW EXCLUSIVE MODE;
END $$;

-- Delete these accounts. The condition on due_at spares the partitions of later months; an account that it leaves is refused here, as the
-- tables refuse the rest. One that is gone already was pruned by somebody else meanwhile.
CREATE FUNCTION prune_runs(ids bigint[]) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    gone bigint;
BEGIN
    DELETE FROM job_runs WHERE run_id = ANY (ids) AND due_at < (SELECT s.pruned_until FROM ledger_state s);
    GET DIAGNOSTICS gone = ROW_COUNT;
    IF gone < cardinality(ids) AND EXISTS (SELECT 1 FROM job_runs r WHERE r.run_id = ANY (ids)) THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = 'ledger: only what is sealed is pruned';
    END IF;
    RETURN gone;
END $$;
CREATE FUNCTION prune_ranges(ids bigint[]) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    gone bigint;
BEGIN
    DELETE FROM job_run_ranges WHERE range_id = ANY (ids);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END $$;
CREATE FUNCTION prune_attempts(most bigint) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    gone bigint;
BEGIN
    DELETE FROM job_attempts WHERE attempt_id IN (
        SELECT a.attempt_id FROM job_attempts a
        WHERE a.day_at < (SELECT s.pruned_until FROM ledger_state s)
          AND NOT EXISTS (SELECT 1 FROM job_runs r WHERE r.run_id = a.run_id)
          AND NOT EXISTS (SELECT 1 FROM open_runs o WHERE o.run_id = a.run_id)
        ORDER BY a.day_at, a.attempt_id LIMIT most);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END $$;

-- What runs as its owner is for whoever may use the schema, and for nobody else.
REVOKE ALL ON FUNCTION make_partitions, drop_partitions, hold_closed_days, prune_runs, prune_ranges, prune_attempts FROM PUBLIC;

-- -- what people and programs read ----------------------------------------------------------------------------------------------

-- Exactly the columns and the types of the reference.
CREATE VIEW scheduled_jobs (id, job_name, schedule, enabled, last_run, next_run, last_status, last_error, run_count, created_at,
                            updated_at) AS
SELECT 'job_' || j.job_name, j.job_name, v.schedule, v.enabled, coalesce(o.since, l.last_run), c.next_run,
       CASE WHEN o.running THEN 'running' WHEN l.last_status = 'cancelled' THEN 'failed' ELSE l.last_status END,
       CASE WHEN o.running THEN NULL ELSE l.last_error END,
       coalesce(l.run_count, 0)::integer, j.created_at, j.updated_at
FROM jobs j
JOIN job_versions v ON v.job_id = j.job_id AND v.version = j.version
JOIN job_cursors c ON c.job_id = j.job_id
LEFT JOIN job_last l ON l.job_id = j.job_id
CROSS JOIN LATERAL (SELECT max(r.started_at) AS since, coalesce(bool_or(r.node_id IS NOT NULL), false) AS running
                    FROM open_runs r WHERE r.job_id = j.job_id) o
WHERE j.retired_at IS NULL;

CREATE VIEW job_views AS
SELECT j.job_id, j.job_name, j.description, v.schedule, v.time_zone, v.enabled, j.declared_enabled, j.tags, j.owner, j.source,
       j.profile_sets, j.quarantine, j.quarantine_error, j.retired_at, j.version, c.planned_through, j.pruned_through, c.next_due,
       c.next_run, o.running, o.running_run, o.running_since, l.last_run, l.last_run_id, l.last_status, l.last_error,
       coalesce(l.run_count, 0) AS run_count, j.created_at, j.updated_at, j.runs_on
FROM jobs j
JOIN job_versions v ON v.job_id = j.job_id AND v.version = j.version
JOIN job_cursors c ON c.job_id = j.job_id
LEFT JOIN job_last l ON l.job_id = j.job_id
CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE r.node_id IS NOT NULL) AS running,
                           max(r.run_id) FILTER (WHERE r.node_id IS NOT NULL) AS running_run, max(r.started_at) AS running_since
                    FROM open_runs r WHERE r.job_id = j.job_id) o;

CREATE VIEW jobs_to_plan AS
SELECT c.job_id, j.job_name, j.version, c.planned_through, j.quarantine IS NOT NULL AS quarantined,
       coalesce(o.first, (SELECT min(a.run_id) FROM abandoned_runs a WHERE a.job_id = j.job_id)) AS in_the_way,
       o.open_runs, o.catching_up, c.next_due, j.runs_on
FROM job_cursors c
JOIN jobs j ON j.job_id = c.job_id
CROSS JOIN LATERAL (SELECT min(r.run_id) AS first, count(*) AS open_runs, coalesce(bool_or(r.origin = 'catch_up'), false) AS catching_up
                    FROM (SELECT w.run_id, w.origin FROM open_runs w WHERE w.job_id = c.job_id AND w.fire_at >= c.open_from
                          UNION ALL
                          SELECT w.run_id, w.origin FROM open_runs w WHERE w.job_id = c.job_id AND w.fire_at IS NULL) r) o;

CREATE VIEW open_run_views AS
SELECT r.run_id, r.job_id, (SELECT j.job_name FROM jobs j WHERE j.job_id = r.job_id) AS job_name, r.version, r.origin, r.fire_at,
       r.due_at, r.available_at, r.period_from, r.stands_for, r.retry_of, r.replaces,
       CASE WHEN r.node_id IS NULL THEN 'queued' ELSE 'running' END AS status, NULL::text AS reason, NULL::bigint AS blocked_by,
       r.attempt, r.fence, r.node_id, r.queued_at, r.started_at, NULL::timestamptz AS finished_at, NULL::bigint AS duration_ms,
       0::bigint AS items_processed, 0::bigint AS items_failed, NULL::text AS message, NULL::text AS error, NULL::bigint AS exit_code,
       NULL::text AS output, r.actor, r.why, r.parameters, r.enforce, r.stop_asked_at, r.stop_by, r.stop_why, false AS abandoned,
       false AS did_nothing, false AS dry_run, 0::bigint AS lines_dropped
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
      SELECT o.run_id, o.attempt, o.fence, o.node_id, o.started_at, NULL::timestamptz, NULL::text, NULL::text, NULL::text
      FROM open_runs o WHERE o.node_id IS NOT NULL) t
LEFT JOIN job_attempts l ON l.run_id = t.run_id AND l.attempt = t.attempt AND l.kind = 'late';
