-- now: 1773284400000000
--
-- PostgreSQL database dump
--


-- Dumped from database version 16.14
-- Dumped by pg_dump version 16.14

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: systemprompt; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA systemprompt;


--
-- Name: drop_partitions(); Type: FUNCTION; Schema: systemprompt; Owner: -
--

CREATE FUNCTION systemprompt.drop_partitions() RETURNS SETOF text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'systemprompt', 'pg_temp'
    SET lock_timeout TO '200ms'
    AS $_$
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
END $_$;


--
-- Name: enter_epoch(bigint); Type: FUNCTION; Schema: systemprompt; Owner: -
--

CREATE FUNCTION systemprompt.enter_epoch(over bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'systemprompt', 'pg_temp'
    AS $$
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


--
-- Name: goes_when_pruned(); Type: FUNCTION; Schema: systemprompt; Owner: -
--

CREATE FUNCTION systemprompt.goes_when_pruned() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'systemprompt', 'pg_temp'
    AS $$
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


--
-- Name: guard_closed_runs(regclass); Type: FUNCTION; Schema: systemprompt; Owner: -
--

CREATE FUNCTION systemprompt.guard_closed_runs(place regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'systemprompt', 'pg_temp'
    AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER job_runs_account_once AFTER INSERT ON %s REFERENCING NEW TABLE AS fresh '
                   'FOR EACH STATEMENT EXECUTE FUNCTION job_runs_account_once()', place);
    EXECUTE format('CREATE TRIGGER job_runs_never_change BEFORE UPDATE OR TRUNCATE ON %s '
                   'FOR EACH STATEMENT EXECUTE FUNCTION refuse(''ledger: a closed account never changes'')', place);
    EXECUTE format('CREATE TRIGGER job_runs_go_when_pruned AFTER DELETE ON %s REFERENCING OLD TABLE AS gone '
                   'FOR EACH STATEMENT EXECUTE FUNCTION goes_when_pruned(''due_at'')', place);
END $$;


--
-- Name: hold_closed_days(); Type: FUNCTION; Schema: systemprompt; Owner: -
--

CREATE FUNCTION systemprompt.hold_closed_days() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'systemprompt', 'pg_temp'
    AS $$
BEGIN
    LOCK TABLE open_runs, job_runs, job_run_ranges, job_attempts, job_versions IN SHARE ROW EXCLUSIVE MODE;
END $$;


--
-- Name: instant(bigint); Type: FUNCTION; Schema: systemprompt; Owner: -
--

CREATE FUNCTION systemprompt.instant(us bigint) RETURNS timestamp with time zone
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN us > 253402300799999999 THEN timestamptz 'infinity'
                WHEN us < -62135596800000000 THEN timestamptz '-infinity'
                ELSE timestamptz 'epoch' + (us / 1000000) * interval '1 second' + (us % 1000000) * interval '1 microsecond' END
$$;


--
-- Name: job_attempts_stay_out_of_sealed_days(); Type: FUNCTION; Schema: systemprompt; Owner: -
--

CREATE FUNCTION systemprompt.job_attempts_stay_out_of_sealed_days() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'systemprompt', 'pg_temp'
    AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM fresh n, ledger_state s WHERE n.day_at < s.sealed_until) THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = 'ledger: this day is sealed';
    END IF;
    RETURN NULL;
END $$;


--
-- Name: job_cursors_are_one_a_job(); Type: FUNCTION; Schema: systemprompt; Owner: -
--

CREATE FUNCTION systemprompt.job_cursors_are_one_a_job() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'systemprompt', 'pg_temp'
    AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM fresh n JOIN job_cursors c ON c.job_id = n.job_id AND c.planned_through <> n.planned_through) THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = 'ledger: a job has one cursor';
    END IF;
    RETURN NULL;
END $$;


--
-- Name: job_run_ranges_account_once(); Type: FUNCTION; Schema: systemprompt; Owner: -
--

CREATE FUNCTION systemprompt.job_run_ranges_account_once() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'systemprompt', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
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


--
-- Name: job_runs_account_once(); Type: FUNCTION; Schema: systemprompt; Owner: -
--

CREATE FUNCTION systemprompt.job_runs_account_once() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'systemprompt', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
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


--
-- Name: job_versions_never_overlap(); Type: FUNCTION; Schema: systemprompt; Owner: -
--

CREATE FUNCTION systemprompt.job_versions_never_overlap() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'systemprompt', 'pg_temp'
    AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM fresh n JOIN job_versions v ON v.job_id = n.job_id AND v.version <> n.version
               WHERE v.valid_until IS NULL OR v.valid_until > n.valid_from) THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = 'ledger: versions of a job never overlap';
    END IF;
    RETURN NULL;
END $$;


--
-- Name: ledger_seals_cover_closed_runs(); Type: FUNCTION; Schema: systemprompt; Owner: -
--

CREATE FUNCTION systemprompt.ledger_seals_cover_closed_runs() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'systemprompt', 'pg_temp'
    AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM open_runs o WHERE o.due_at < NEW.until_at) THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = 'ledger: a day with an open run is not sealed';
    END IF;
    RETURN NEW;
END $$;


--
-- Name: ledger_seals_follow_one_another(); Type: FUNCTION; Schema: systemprompt; Owner: -
--

CREATE FUNCTION systemprompt.ledger_seals_follow_one_another() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'systemprompt', 'pg_temp'
    AS $$
BEGIN
    IF NEW.seal <> (SELECT s.seals + 1 FROM ledger_state s)
       OR (NEW.seal > 1 AND NOT EXISTS (SELECT 1 FROM ledger_seals l WHERE l.seal = NEW.seal - 1 AND l.until_at = NEW.from_at
                                        AND l.digest = NEW.previous)) THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = 'ledger: a seal follows the one before it';
    END IF;
    RETURN NEW;
END $$;


--
-- Name: ledger_state_tells_of_seals(); Type: FUNCTION; Schema: systemprompt; Owner: -
--

CREATE FUNCTION systemprompt.ledger_state_tells_of_seals() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'systemprompt', 'pg_temp'
    AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM ledger_seals l WHERE l.seal = NEW.seals AND l.until_at = NEW.sealed_until) THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = 'ledger: a day is sealed by its seal';
    END IF;
    RETURN NEW;
END $$;


--
-- Name: make_partitions(timestamp with time zone); Type: FUNCTION; Schema: systemprompt; Owner: -
--

CREATE FUNCTION systemprompt.make_partitions(at timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'systemprompt', 'pg_temp'
    SET lock_timeout TO '200ms'
    AS $$
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


--
-- Name: open_runs_begin_new(); Type: FUNCTION; Schema: systemprompt; Owner: -
--

CREATE FUNCTION systemprompt.open_runs_begin_new() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'systemprompt', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
DECLARE
    refused text;
BEGIN
    IF EXISTS (SELECT 1 FROM fresh n, ledger_state s WHERE n.due_at < s.sealed_until) THEN
        refused := 'ledger: this day is sealed';
    ELSIF EXISTS (SELECT 1 FROM fresh n LEFT JOIN jobs j ON j.job_id = n.job_id WHERE j.job_id IS NULL) THEN
        refused := 'ledger: nobody knows this job';
    ELSIF EXISTS (SELECT 1 FROM fresh n
                  CROSS JOIN LATERAL (SELECT g.first_at FROM job_run_ranges g WHERE g.job_id = n.job_id AND g.last_at >= n.fire_at
                                      ORDER BY g.last_at LIMIT 1) g
                  WHERE g.first_at <= n.fire_at) THEN
        refused := 'ledger: this fire time is accounted for already';
    ELSE
        EXECUTE 'SELECT CASE
            WHEN EXISTS (SELECT 1 FROM fresh n CROSS JOIN LATERAL
                         (SELECT 1 FROM job_runs r WHERE r.run_id = n.run_id AND r.due_at = n.due_at LIMIT 1) r)
            THEN ''ledger: this run is closed''
            WHEN EXISTS (SELECT 1 FROM fresh n CROSS JOIN LATERAL
                         (SELECT 1 FROM job_runs r WHERE r.job_id = n.job_id AND r.due_at = n.fire_at AND r.fire_at = n.fire_at LIMIT 1) r)
            THEN ''ledger: this fire time is accounted for already'' END' INTO refused;
    END IF;
    IF refused IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = refused;
    END IF;
    RETURN NULL;
END $$;


--
-- Name: prune_attempts(bigint); Type: FUNCTION; Schema: systemprompt; Owner: -
--

CREATE FUNCTION systemprompt.prune_attempts(most bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'systemprompt', 'pg_temp'
    AS $$
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


--
-- Name: prune_ranges(bigint[]); Type: FUNCTION; Schema: systemprompt; Owner: -
--

CREATE FUNCTION systemprompt.prune_ranges(ids bigint[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'systemprompt', 'pg_temp'
    AS $$
DECLARE
    gone bigint;
BEGIN
    DELETE FROM job_run_ranges WHERE range_id = ANY (ids);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END $$;


--
-- Name: prune_runs(bigint[]); Type: FUNCTION; Schema: systemprompt; Owner: -
--

CREATE FUNCTION systemprompt.prune_runs(ids bigint[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'systemprompt', 'pg_temp'
    AS $$
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


--
-- Name: refuse(); Type: FUNCTION; Schema: systemprompt; Owner: -
--

CREATE FUNCTION systemprompt.refuse() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = TG_ARGV[0];
END $$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: abandoned_runs; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.abandoned_runs (
    run_id bigint NOT NULL,
    job_id bigint NOT NULL,
    fence bigint NOT NULL,
    node_id text NOT NULL,
    abandoned_at timestamp with time zone NOT NULL
);


--
-- Name: job_attempts; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.job_attempts (
    attempt_id bigint NOT NULL,
    run_id bigint NOT NULL,
    attempt bigint NOT NULL,
    kind text NOT NULL,
    job_id bigint NOT NULL,
    fence bigint NOT NULL,
    node_id text,
    started_at timestamp with time zone,
    ended_at timestamp with time zone NOT NULL,
    day_at timestamp with time zone NOT NULL,
    result text NOT NULL,
    reason text,
    message text,
    error_hash text,
    recovered boolean DEFAULT false NOT NULL,
    CONSTRAINT job_attempts_attempt_check CHECK ((attempt >= 1)),
    CONSTRAINT job_attempts_fence_check CHECK ((fence > 0)),
    CONSTRAINT job_attempts_kind_check CHECK ((kind = ANY (ARRAY['ended'::text, 'late'::text]))),
    CONSTRAINT job_attempts_result_check CHECK ((result = ANY (ARRAY['success'::text, 'failed'::text, 'cancelled'::text, 'lost'::text, 'interrupted'::text])))
);


--
-- Name: job_runs; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.job_runs (
    run_id bigint NOT NULL,
    job_id bigint NOT NULL,
    version bigint NOT NULL,
    origin text NOT NULL,
    fire_at timestamp with time zone,
    due_at timestamp with time zone NOT NULL,
    available_at timestamp with time zone NOT NULL,
    queued_at timestamp with time zone NOT NULL,
    node_id text,
    attempt bigint NOT NULL,
    fence bigint,
    started_at timestamp with time zone,
    actor text NOT NULL,
    status text NOT NULL,
    finished_at timestamp with time zone NOT NULL,
    duration_ms bigint,
    message text,
    items_processed bigint DEFAULT 0 NOT NULL,
    items_failed bigint DEFAULT 0 NOT NULL,
    why text,
    parameters text,
    enforce boolean,
    period_from timestamp with time zone,
    stands_for timestamp with time zone,
    retry_of bigint,
    replaces bigint,
    stop_asked_at timestamp with time zone,
    stop_by text,
    stop_why text,
    reason text,
    blocked_by bigint,
    error_hash text,
    output_hash text,
    exit_code bigint,
    abandoned boolean DEFAULT false NOT NULL,
    did_nothing boolean DEFAULT false NOT NULL,
    dry_run boolean DEFAULT false NOT NULL,
    lines_dropped bigint DEFAULT 0 NOT NULL,
    CONSTRAINT fire_time_fits_origin CHECK (
CASE
    WHEN (origin = ANY (ARRAY['schedule'::text, 'catch_up'::text])) THEN (NOT (fire_at IS DISTINCT FROM due_at))
    ELSE ((fire_at IS NULL) AND (origin = ANY (ARRAY['manual'::text, 'backfill'::text, 'bootstrap'::text])))
END),
    CONSTRAINT holder_fits_fence CHECK (
CASE
    WHEN (fence IS NULL) THEN ((node_id IS NULL) AND (started_at IS NULL))
    ELSE ((node_id IS NOT NULL) AND (started_at IS NOT NULL))
END),
    CONSTRAINT job_runs_lines_dropped_check CHECK ((lines_dropped >= 0)),
    CONSTRAINT reason_fits_status CHECK (
CASE status
    WHEN 'success'::text THEN ((reason IS NULL) AND (attempt > 0))
    WHEN 'failed'::text THEN ((reason IS NOT NULL) AND (attempt > 0))
    WHEN 'cancelled'::text THEN (reason IS NOT NULL)
    WHEN 'skipped'::text THEN ((reason IS NOT NULL) AND (fence IS NULL))
    WHEN 'missed'::text THEN ((reason IS NOT NULL) AND (fence IS NULL))
    ELSE false
END)
)
PARTITION BY RANGE (due_at);


--
-- Name: open_runs; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.open_runs (
    run_id bigint NOT NULL,
    job_id bigint NOT NULL,
    version bigint NOT NULL,
    origin text NOT NULL,
    fire_at timestamp with time zone,
    due_at timestamp with time zone NOT NULL,
    available_at timestamp with time zone NOT NULL,
    queued_at timestamp with time zone NOT NULL,
    node_id text,
    attempt bigint DEFAULT 0 NOT NULL,
    fence bigint,
    started_at timestamp with time zone,
    actor text NOT NULL,
    why text,
    parameters text,
    enforce boolean,
    period_from timestamp with time zone,
    stands_for timestamp with time zone,
    retry_of bigint,
    replaces bigint,
    stop_asked_at timestamp with time zone,
    stop_by text,
    stop_why text,
    CONSTRAINT fire_time_fits_origin CHECK (
CASE
    WHEN (origin = ANY (ARRAY['schedule'::text, 'catch_up'::text])) THEN (NOT (fire_at IS DISTINCT FROM due_at))
    ELSE ((fire_at IS NULL) AND (origin = ANY (ARRAY['manual'::text, 'backfill'::text, 'bootstrap'::text])))
END),
    CONSTRAINT holder_fits_fence CHECK (
CASE
    WHEN (fence IS NULL) THEN ((node_id IS NULL) AND (started_at IS NULL))
    ELSE ((fence > 0) AND (attempt > 0) AND (node_id IS NOT NULL) AND (started_at IS NOT NULL))
END),
    CONSTRAINT stop_has_an_actor CHECK (((stop_asked_at IS NULL) = (stop_by IS NULL)))
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='2000', autovacuum_vacuum_cost_delay='0', autovacuum_analyze_scale_factor='0', autovacuum_analyze_threshold='100000');


--
-- Name: attempt_views; Type: VIEW; Schema: systemprompt; Owner: -
--

CREATE VIEW systemprompt.attempt_views AS
 SELECT t.run_id,
    t.attempt,
    t.fence,
    t.node_id,
    t.started_at,
    t.ended_at,
    t.result,
    t.reason,
    t.message,
    l.result AS late_result,
    l.day_at AS late_at,
    t.recovered
   FROM (( SELECT a.run_id,
            a.attempt,
            a.fence,
            a.node_id,
            a.started_at,
            a.ended_at,
            a.result,
            a.reason,
            a.message,
            a.recovered
           FROM systemprompt.job_attempts a
          WHERE ((a.kind = 'ended'::text) OR a.recovered)
        UNION ALL
         SELECT r.run_id,
            r.attempt,
            r.fence,
            r.node_id,
            r.started_at,
            r.finished_at,
                CASE r.reason
                    WHEN 'node_lost'::text THEN 'lost'::text
                    ELSE r.status
                END AS status,
            r.reason,
            r.message,
            false
           FROM systemprompt.job_runs r
          WHERE (r.fence IS NOT NULL)
        UNION ALL
         SELECT o.run_id,
            o.attempt,
            o.fence,
            o.node_id,
            o.started_at,
            NULL::timestamp with time zone AS timestamptz,
            NULL::text AS text,
            NULL::text AS text,
            NULL::text AS text,
            false
           FROM systemprompt.open_runs o
          WHERE (o.node_id IS NOT NULL)) t
     LEFT JOIN systemprompt.job_attempts l ON (((l.run_id = t.run_id) AND (l.attempt = t.attempt) AND (l.kind = 'late'::text) AND (NOT l.recovered) AND (NOT t.recovered))));


--
-- Name: changes; Type: SEQUENCE; Schema: systemprompt; Owner: -
--

CREATE SEQUENCE systemprompt.changes
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: clock_events; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.clock_events (
    event_id bigint NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    kind text NOT NULL,
    delta_us bigint NOT NULL,
    action text NOT NULL,
    node_id text NOT NULL,
    CONSTRAINT clock_events_kind_check CHECK ((kind = ANY (ARRAY['forward'::text, 'backward'::text])))
);


--
-- Name: clock_events_event_id_seq; Type: SEQUENCE; Schema: systemprompt; Owner: -
--

ALTER TABLE systemprompt.clock_events ALTER COLUMN event_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME systemprompt.clock_events_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: jobs; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.jobs (
    job_id bigint NOT NULL,
    job_name text NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    tags text DEFAULT '[]'::text NOT NULL,
    owner text,
    source text DEFAULT ''::text NOT NULL,
    declared_enabled boolean DEFAULT true NOT NULL,
    profile_sets text DEFAULT '[]'::text NOT NULL,
    described text DEFAULT '{}'::text NOT NULL,
    quarantine text,
    quarantine_error text,
    retired_at timestamp with time zone,
    version bigint NOT NULL,
    runs_on text DEFAULT '[]'::text NOT NULL,
    pruned_through timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT jobs_quarantine_check CHECK ((quarantine = ANY (ARRAY['load'::text, 'ledger_conflict'::text]))),
    CONSTRAINT quarantine_has_an_error CHECK (((quarantine IS NULL) = (quarantine_error IS NULL)))
);


--
-- Name: run_texts; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.run_texts (
    run_id bigint NOT NULL,
    attempt bigint NOT NULL,
    kind text NOT NULL,
    text text NOT NULL,
    CONSTRAINT run_texts_kind_check CHECK ((kind = ANY (ARRAY['error'::text, 'output'::text])))
);


--
-- Name: closed_run_views; Type: VIEW; Schema: systemprompt; Owner: -
--

CREATE VIEW systemprompt.closed_run_views AS
 SELECT run_id,
    job_id,
    ( SELECT j.job_name
           FROM systemprompt.jobs j
          WHERE (j.job_id = r.job_id)) AS job_name,
    version,
    origin,
    fire_at,
    due_at,
    available_at,
    period_from,
    stands_for,
    retry_of,
    replaces,
    status,
    reason,
    blocked_by,
    attempt,
    fence,
    node_id,
    queued_at,
    started_at,
    finished_at,
    duration_ms,
    items_processed,
    items_failed,
    message,
        CASE
            WHEN (error_hash IS NOT NULL) THEN ( SELECT t.text
               FROM systemprompt.run_texts t
              WHERE ((t.run_id = r.run_id) AND (t.attempt = r.attempt) AND (t.kind = 'error'::text)))
            ELSE NULL::text
        END AS error,
    exit_code,
        CASE
            WHEN (output_hash IS NOT NULL) THEN ( SELECT t.text
               FROM systemprompt.run_texts t
              WHERE ((t.run_id = r.run_id) AND (t.attempt = r.attempt) AND (t.kind = 'output'::text)))
            ELSE NULL::text
        END AS output,
    actor,
    why,
    parameters,
    enforce,
    stop_asked_at,
    stop_by,
    stop_why,
    abandoned,
    did_nothing,
    dry_run,
    lines_dropped
   FROM systemprompt.job_runs r;


--
-- Name: fences; Type: SEQUENCE; Schema: systemprompt; Owner: -
--

CREATE SEQUENCE systemprompt.fences
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: job_attempts_attempt_id_seq; Type: SEQUENCE; Schema: systemprompt; Owner: -
--

ALTER TABLE systemprompt.job_attempts ALTER COLUMN attempt_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME systemprompt.job_attempts_attempt_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: job_cursors; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.job_cursors (
    job_id bigint NOT NULL,
    planned_through timestamp with time zone NOT NULL,
    next_due timestamp with time zone,
    next_run timestamp with time zone,
    open_from timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='2000', autovacuum_vacuum_cost_delay='0');


--
-- Name: job_last; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.job_last (
    job_id bigint NOT NULL,
    last_run_id bigint NOT NULL,
    last_fence bigint NOT NULL,
    last_run timestamp with time zone NOT NULL,
    last_status text NOT NULL,
    last_error text,
    run_count bigint NOT NULL,
    CONSTRAINT job_last_last_status_check CHECK ((last_status = ANY (ARRAY['success'::text, 'failed'::text, 'cancelled'::text]))),
    CONSTRAINT job_last_run_count_check CHECK ((run_count >= 1))
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='2000', autovacuum_vacuum_cost_delay='0');


--
-- Name: job_run_ranges; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.job_run_ranges (
    range_id bigint NOT NULL,
    job_id bigint NOT NULL,
    version bigint NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    count bigint NOT NULL,
    status text NOT NULL,
    reason text NOT NULL,
    written_at timestamp with time zone NOT NULL,
    CONSTRAINT job_run_ranges_check CHECK ((last_at >= first_at)),
    CONSTRAINT job_run_ranges_count_check CHECK ((count >= 1)),
    CONSTRAINT job_run_ranges_status_check CHECK ((status = ANY (ARRAY['skipped'::text, 'missed'::text])))
);


--
-- Name: job_run_ranges_range_id_seq; Type: SEQUENCE; Schema: systemprompt; Owner: -
--

ALTER TABLE systemprompt.job_run_ranges ALTER COLUMN range_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME systemprompt.job_run_ranges_range_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: job_runs_2026_03; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.job_runs_2026_03 (
    run_id bigint NOT NULL,
    job_id bigint NOT NULL,
    version bigint NOT NULL,
    origin text NOT NULL,
    fire_at timestamp with time zone,
    due_at timestamp with time zone NOT NULL,
    available_at timestamp with time zone NOT NULL,
    queued_at timestamp with time zone NOT NULL,
    node_id text,
    attempt bigint NOT NULL,
    fence bigint,
    started_at timestamp with time zone,
    actor text NOT NULL,
    status text NOT NULL,
    finished_at timestamp with time zone NOT NULL,
    duration_ms bigint,
    message text,
    items_processed bigint DEFAULT 0 NOT NULL,
    items_failed bigint DEFAULT 0 NOT NULL,
    why text,
    parameters text,
    enforce boolean,
    period_from timestamp with time zone,
    stands_for timestamp with time zone,
    retry_of bigint,
    replaces bigint,
    stop_asked_at timestamp with time zone,
    stop_by text,
    stop_why text,
    reason text,
    blocked_by bigint,
    error_hash text,
    output_hash text,
    exit_code bigint,
    abandoned boolean DEFAULT false NOT NULL,
    did_nothing boolean DEFAULT false NOT NULL,
    dry_run boolean DEFAULT false NOT NULL,
    lines_dropped bigint DEFAULT 0 NOT NULL,
    CONSTRAINT fire_time_fits_origin CHECK (
CASE
    WHEN (origin = ANY (ARRAY['schedule'::text, 'catch_up'::text])) THEN (NOT (fire_at IS DISTINCT FROM due_at))
    ELSE ((fire_at IS NULL) AND (origin = ANY (ARRAY['manual'::text, 'backfill'::text, 'bootstrap'::text])))
END),
    CONSTRAINT holder_fits_fence CHECK (
CASE
    WHEN (fence IS NULL) THEN ((node_id IS NULL) AND (started_at IS NULL))
    ELSE ((node_id IS NOT NULL) AND (started_at IS NOT NULL))
END),
    CONSTRAINT job_runs_lines_dropped_check CHECK ((lines_dropped >= 0)),
    CONSTRAINT reason_fits_status CHECK (
CASE status
    WHEN 'success'::text THEN ((reason IS NULL) AND (attempt > 0))
    WHEN 'failed'::text THEN ((reason IS NOT NULL) AND (attempt > 0))
    WHEN 'cancelled'::text THEN (reason IS NOT NULL)
    WHEN 'skipped'::text THEN ((reason IS NOT NULL) AND (fence IS NULL))
    WHEN 'missed'::text THEN ((reason IS NOT NULL) AND (fence IS NULL))
    ELSE false
END)
)
WITH (autovacuum_vacuum_insert_scale_factor='0.02', autovacuum_freeze_min_age='0');


--
-- Name: job_runs_2026_04; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.job_runs_2026_04 (
    run_id bigint NOT NULL,
    job_id bigint NOT NULL,
    version bigint NOT NULL,
    origin text NOT NULL,
    fire_at timestamp with time zone,
    due_at timestamp with time zone NOT NULL,
    available_at timestamp with time zone NOT NULL,
    queued_at timestamp with time zone NOT NULL,
    node_id text,
    attempt bigint NOT NULL,
    fence bigint,
    started_at timestamp with time zone,
    actor text NOT NULL,
    status text NOT NULL,
    finished_at timestamp with time zone NOT NULL,
    duration_ms bigint,
    message text,
    items_processed bigint DEFAULT 0 NOT NULL,
    items_failed bigint DEFAULT 0 NOT NULL,
    why text,
    parameters text,
    enforce boolean,
    period_from timestamp with time zone,
    stands_for timestamp with time zone,
    retry_of bigint,
    replaces bigint,
    stop_asked_at timestamp with time zone,
    stop_by text,
    stop_why text,
    reason text,
    blocked_by bigint,
    error_hash text,
    output_hash text,
    exit_code bigint,
    abandoned boolean DEFAULT false NOT NULL,
    did_nothing boolean DEFAULT false NOT NULL,
    dry_run boolean DEFAULT false NOT NULL,
    lines_dropped bigint DEFAULT 0 NOT NULL,
    CONSTRAINT fire_time_fits_origin CHECK (
CASE
    WHEN (origin = ANY (ARRAY['schedule'::text, 'catch_up'::text])) THEN (NOT (fire_at IS DISTINCT FROM due_at))
    ELSE ((fire_at IS NULL) AND (origin = ANY (ARRAY['manual'::text, 'backfill'::text, 'bootstrap'::text])))
END),
    CONSTRAINT holder_fits_fence CHECK (
CASE
    WHEN (fence IS NULL) THEN ((node_id IS NULL) AND (started_at IS NULL))
    ELSE ((node_id IS NOT NULL) AND (started_at IS NOT NULL))
END),
    CONSTRAINT job_runs_lines_dropped_check CHECK ((lines_dropped >= 0)),
    CONSTRAINT reason_fits_status CHECK (
CASE status
    WHEN 'success'::text THEN ((reason IS NULL) AND (attempt > 0))
    WHEN 'failed'::text THEN ((reason IS NOT NULL) AND (attempt > 0))
    WHEN 'cancelled'::text THEN (reason IS NOT NULL)
    WHEN 'skipped'::text THEN ((reason IS NOT NULL) AND (fence IS NULL))
    WHEN 'missed'::text THEN ((reason IS NOT NULL) AND (fence IS NULL))
    ELSE false
END)
)
WITH (autovacuum_vacuum_insert_scale_factor='0.02', autovacuum_freeze_min_age='0');


--
-- Name: job_runs_default; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.job_runs_default (
    run_id bigint NOT NULL,
    job_id bigint NOT NULL,
    version bigint NOT NULL,
    origin text NOT NULL,
    fire_at timestamp with time zone,
    due_at timestamp with time zone NOT NULL,
    available_at timestamp with time zone NOT NULL,
    queued_at timestamp with time zone NOT NULL,
    node_id text,
    attempt bigint NOT NULL,
    fence bigint,
    started_at timestamp with time zone,
    actor text NOT NULL,
    status text NOT NULL,
    finished_at timestamp with time zone NOT NULL,
    duration_ms bigint,
    message text,
    items_processed bigint DEFAULT 0 NOT NULL,
    items_failed bigint DEFAULT 0 NOT NULL,
    why text,
    parameters text,
    enforce boolean,
    period_from timestamp with time zone,
    stands_for timestamp with time zone,
    retry_of bigint,
    replaces bigint,
    stop_asked_at timestamp with time zone,
    stop_by text,
    stop_why text,
    reason text,
    blocked_by bigint,
    error_hash text,
    output_hash text,
    exit_code bigint,
    abandoned boolean DEFAULT false NOT NULL,
    did_nothing boolean DEFAULT false NOT NULL,
    dry_run boolean DEFAULT false NOT NULL,
    lines_dropped bigint DEFAULT 0 NOT NULL,
    CONSTRAINT fire_time_fits_origin CHECK (
CASE
    WHEN (origin = ANY (ARRAY['schedule'::text, 'catch_up'::text])) THEN (NOT (fire_at IS DISTINCT FROM due_at))
    ELSE ((fire_at IS NULL) AND (origin = ANY (ARRAY['manual'::text, 'backfill'::text, 'bootstrap'::text])))
END),
    CONSTRAINT holder_fits_fence CHECK (
CASE
    WHEN (fence IS NULL) THEN ((node_id IS NULL) AND (started_at IS NULL))
    ELSE ((node_id IS NOT NULL) AND (started_at IS NOT NULL))
END),
    CONSTRAINT job_runs_lines_dropped_check CHECK ((lines_dropped >= 0)),
    CONSTRAINT reason_fits_status CHECK (
CASE status
    WHEN 'success'::text THEN ((reason IS NULL) AND (attempt > 0))
    WHEN 'failed'::text THEN ((reason IS NOT NULL) AND (attempt > 0))
    WHEN 'cancelled'::text THEN (reason IS NOT NULL)
    WHEN 'skipped'::text THEN ((reason IS NOT NULL) AND (fence IS NULL))
    WHEN 'missed'::text THEN ((reason IS NOT NULL) AND (fence IS NULL))
    ELSE false
END)
)
WITH (autovacuum_vacuum_insert_scale_factor='0.02', autovacuum_freeze_min_age='0');


--
-- Name: job_tallies; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.job_tallies (
    tally_id bigint NOT NULL,
    job_id bigint NOT NULL,
    hour bigint NOT NULL,
    status text NOT NULL,
    origin text NOT NULL,
    n bigint NOT NULL,
    CONSTRAINT job_tallies_n_check CHECK ((n <> 0))
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000', autovacuum_vacuum_cost_delay='0');


--
-- Name: job_tallies_tally_id_seq; Type: SEQUENCE; Schema: systemprompt; Owner: -
--

ALTER TABLE systemprompt.job_tallies ALTER COLUMN tally_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME systemprompt.job_tallies_tally_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: job_tally_sums; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.job_tally_sums (
    job_id bigint NOT NULL,
    hour bigint NOT NULL,
    status text NOT NULL,
    origin text NOT NULL,
    n bigint NOT NULL
);


--
-- Name: job_versions; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.job_versions (
    job_id bigint NOT NULL,
    version bigint NOT NULL,
    schedule text NOT NULL,
    time_zone text NOT NULL,
    policies text NOT NULL,
    enabled boolean NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    valid_until timestamp with time zone,
    cause text NOT NULL,
    actor text NOT NULL,
    noticed_by text DEFAULT ''::text NOT NULL,
    why text DEFAULT ''::text NOT NULL,
    CONSTRAINT job_versions_cause_check CHECK ((cause = ANY (ARRAY['added'::text, 'changed'::text, 'returned'::text, 'enabled'::text, 'disabled'::text, 'quarantined'::text]))),
    CONSTRAINT job_versions_check CHECK ((valid_until >= valid_from)),
    CONSTRAINT job_versions_version_check CHECK ((version >= 1))
);


--
-- Name: job_views; Type: VIEW; Schema: systemprompt; Owner: -
--

CREATE VIEW systemprompt.job_views AS
 SELECT j.job_id,
    j.job_name,
    j.description,
    v.schedule,
    v.time_zone,
    v.enabled,
    j.declared_enabled,
    j.tags,
    j.owner,
    j.source,
    j.profile_sets,
    j.quarantine,
    j.quarantine_error,
    j.retired_at,
    j.version,
    c.planned_through,
    j.pruned_through,
    c.next_due,
    c.next_run,
    o.running,
    o.running_run,
    o.running_since,
    l.last_run,
    l.last_run_id,
    l.last_status,
    l.last_error,
    COALESCE(l.run_count, (0)::bigint) AS run_count,
    j.created_at,
    j.updated_at,
    j.runs_on
   FROM ((((systemprompt.jobs j
     JOIN systemprompt.job_versions v ON (((v.job_id = j.job_id) AND (v.version = j.version))))
     JOIN systemprompt.job_cursors c ON ((c.job_id = j.job_id)))
     LEFT JOIN systemprompt.job_last l ON ((l.job_id = j.job_id)))
     CROSS JOIN LATERAL ( SELECT count(*) FILTER (WHERE (r.node_id IS NOT NULL)) AS running,
            max(r.run_id) FILTER (WHERE (r.node_id IS NOT NULL)) AS running_run,
            max(r.started_at) AS running_since
           FROM systemprompt.open_runs r
          WHERE (r.job_id = j.job_id)) o);


--
-- Name: jobs_to_plan; Type: VIEW; Schema: systemprompt; Owner: -
--

CREATE VIEW systemprompt.jobs_to_plan AS
 SELECT c.job_id,
    j.job_name,
    j.version,
    c.planned_through,
    (j.quarantine IS NOT NULL) AS quarantined,
    COALESCE(o.first, ( SELECT min(a.run_id) AS min
           FROM systemprompt.abandoned_runs a
          WHERE (a.job_id = j.job_id))) AS in_the_way,
    o.open_runs,
    o.catching_up,
    c.next_due,
    j.runs_on
   FROM ((systemprompt.job_cursors c
     JOIN systemprompt.jobs j ON ((j.job_id = c.job_id)))
     CROSS JOIN LATERAL ( SELECT min(r.run_id) AS first,
            count(*) AS open_runs,
            COALESCE(bool_or((r.origin = 'catch_up'::text)), false) AS catching_up
           FROM ( SELECT w.run_id,
                    w.origin
                   FROM systemprompt.open_runs w
                  WHERE ((w.job_id = c.job_id) AND (w.fire_at >= c.open_from))
                UNION ALL
                 SELECT w.run_id,
                    w.origin
                   FROM systemprompt.open_runs w
                  WHERE ((w.job_id = c.job_id) AND (w.fire_at IS NULL))) r) o);


--
-- Name: ledger_epochs; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.ledger_epochs (
    epoch bigint NOT NULL,
    system text NOT NULL,
    timeline bigint NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    CONSTRAINT ledger_epochs_epoch_check CHECK ((epoch >= 0))
);


--
-- Name: ledger_migrations; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.ledger_migrations (
    number integer NOT NULL,
    name text NOT NULL,
    checksum bigint NOT NULL
);


--
-- Name: ledger_seals; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.ledger_seals (
    seal bigint NOT NULL,
    format bigint NOT NULL,
    day text NOT NULL,
    from_at timestamp with time zone NOT NULL,
    until_at timestamp with time zone NOT NULL,
    runs bigint NOT NULL,
    attempts bigint NOT NULL,
    ranges bigint NOT NULL,
    fire_times bigint NOT NULL,
    counts text NOT NULL,
    content text NOT NULL,
    sealed_at timestamp with time zone NOT NULL,
    previous text NOT NULL,
    digest text NOT NULL,
    CONSTRAINT ledger_seals_attempts_check CHECK ((attempts >= 0)),
    CONSTRAINT ledger_seals_check CHECK (((until_at > from_at) AND ((EXTRACT(epoch FROM until_at) % (86400)::numeric) = (0)::numeric))),
    CONSTRAINT ledger_seals_content_check CHECK ((length(content) = 64)),
    CONSTRAINT ledger_seals_day_check CHECK ((length(day) = 10)),
    CONSTRAINT ledger_seals_digest_check CHECK ((length(digest) = 64)),
    CONSTRAINT ledger_seals_fire_times_check CHECK ((fire_times >= 0)),
    CONSTRAINT ledger_seals_format_check CHECK ((format >= 1)),
    CONSTRAINT ledger_seals_previous_check CHECK ((length(previous) = 64)),
    CONSTRAINT ledger_seals_ranges_check CHECK ((ranges >= 0)),
    CONSTRAINT ledger_seals_runs_check CHECK ((runs >= 0)),
    CONSTRAINT ledger_seals_seal_check CHECK ((seal >= 1))
);


--
-- Name: ledger_state; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.ledger_state (
    one integer NOT NULL,
    ledger_id text NOT NULL,
    runs_left_out bigint DEFAULT 0 NOT NULL,
    seals bigint DEFAULT 0 NOT NULL,
    sealed_until timestamp with time zone DEFAULT '1970-01-01 00:00:00+00'::timestamp with time zone NOT NULL,
    pruned_until timestamp with time zone DEFAULT '1970-01-01 00:00:00+00'::timestamp with time zone NOT NULL,
    pruned_run bigint DEFAULT 0 NOT NULL,
    CONSTRAINT ledger_state_one_check CHECK ((one = 1))
);


--
-- Name: lost_runs; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.lost_runs (
    fence bigint NOT NULL,
    job_id bigint NOT NULL,
    body text NOT NULL
);


--
-- Name: nodes; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.nodes (
    node_id text NOT NULL,
    kind text NOT NULL,
    host text NOT NULL,
    machine text NOT NULL,
    pid bigint NOT NULL,
    pid_started_at bigint NOT NULL,
    program text NOT NULL,
    labels text DEFAULT '[]'::text NOT NULL,
    zone_data text DEFAULT ''::text NOT NULL,
    lease_ms bigint NOT NULL,
    capacity bigint NOT NULL,
    started_at timestamp with time zone NOT NULL,
    beat bigint DEFAULT 0 NOT NULL,
    beat_at timestamp with time zone NOT NULL,
    clock_offset_us bigint DEFAULT 0 NOT NULL,
    degraded text DEFAULT '[]'::text NOT NULL,
    draining_at timestamp with time zone,
    draining_by text,
    draining_why text,
    stopped_at timestamp with time zone,
    fate text,
    epoch bigint DEFAULT 0 NOT NULL,
    CONSTRAINT drain_has_an_actor CHECK (((draining_at IS NULL) = (draining_by IS NULL))),
    CONSTRAINT nodes_fate_check CHECK ((fate = ANY (ARRAY['left'::text, 'lost'::text]))),
    CONSTRAINT nodes_kind_check CHECK ((kind = ANY (ARRAY['serve'::text, 'run'::text]))),
    CONSTRAINT stopped_node_has_a_fate CHECK (((stopped_at IS NULL) = (fate IS NULL)))
)
WITH (fillfactor='50');


--
-- Name: open_run_views; Type: VIEW; Schema: systemprompt; Owner: -
--

CREATE VIEW systemprompt.open_run_views AS
 SELECT run_id,
    job_id,
    ( SELECT j.job_name
           FROM systemprompt.jobs j
          WHERE (j.job_id = r.job_id)) AS job_name,
    version,
    origin,
    fire_at,
    due_at,
    available_at,
    period_from,
    stands_for,
    retry_of,
    replaces,
        CASE
            WHEN (node_id IS NULL) THEN 'queued'::text
            ELSE 'running'::text
        END AS status,
    NULL::text AS reason,
    NULL::bigint AS blocked_by,
    attempt,
    fence,
    node_id,
    queued_at,
    started_at,
    NULL::timestamp with time zone AS finished_at,
    NULL::bigint AS duration_ms,
    (0)::bigint AS items_processed,
    (0)::bigint AS items_failed,
    NULL::text AS message,
    NULL::text AS error,
    NULL::bigint AS exit_code,
    NULL::text AS output,
    actor,
    why,
    parameters,
    enforce,
    stop_asked_at,
    stop_by,
    stop_why,
    false AS abandoned,
    false AS did_nothing,
    false AS dry_run,
    (0)::bigint AS lines_dropped
   FROM systemprompt.open_runs r;


--
-- Name: quarantined_sources; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.quarantined_sources (
    source text NOT NULL,
    error text NOT NULL,
    since_at timestamp with time zone NOT NULL
);


--
-- Name: reasons; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.reasons (
    status text NOT NULL,
    reason text NOT NULL,
    sentence text NOT NULL,
    CONSTRAINT reasons_status_check CHECK ((status = ANY (ARRAY['failed'::text, 'skipped'::text, 'missed'::text, 'cancelled'::text])))
);


--
-- Name: requests; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.requests (
    request_id text NOT NULL,
    digest text NOT NULL,
    answer text NOT NULL,
    actor text NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    until_at timestamp with time zone NOT NULL
);


--
-- Name: run_ids; Type: SEQUENCE; Schema: systemprompt; Owner: -
--

CREATE SEQUENCE systemprompt.run_ids
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: run_marks; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.run_marks (
    mark_id bigint NOT NULL,
    run_id bigint NOT NULL,
    mark text NOT NULL,
    actor text NOT NULL,
    why text DEFAULT ''::text NOT NULL,
    marked_at timestamp with time zone NOT NULL,
    CONSTRAINT run_marks_mark_check CHECK ((mark = 'done'::text))
);


--
-- Name: run_marks_mark_id_seq; Type: SEQUENCE; Schema: systemprompt; Owner: -
--

ALTER TABLE systemprompt.run_marks ALTER COLUMN mark_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME systemprompt.run_marks_mark_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: scheduled_jobs; Type: VIEW; Schema: systemprompt; Owner: -
--

CREATE VIEW systemprompt.scheduled_jobs AS
 SELECT ('job_'::text || j.job_name) AS id,
    j.job_name,
    v.schedule,
    v.enabled,
    COALESCE(o.since, l.last_run) AS last_run,
    c.next_run,
        CASE
            WHEN o.running THEN 'running'::text
            WHEN (l.last_status = 'cancelled'::text) THEN 'failed'::text
            ELSE l.last_status
        END AS last_status,
        CASE
            WHEN o.running THEN NULL::text
            ELSE l.last_error
        END AS last_error,
    (COALESCE(l.run_count, (0)::bigint))::integer AS run_count,
    j.created_at,
    j.updated_at
   FROM ((((systemprompt.jobs j
     JOIN systemprompt.job_versions v ON (((v.job_id = j.job_id) AND (v.version = j.version))))
     JOIN systemprompt.job_cursors c ON ((c.job_id = j.job_id)))
     LEFT JOIN systemprompt.job_last l ON ((l.job_id = j.job_id)))
     CROSS JOIN LATERAL ( SELECT max(r.started_at) AS since,
            COALESCE(bool_or((r.node_id IS NOT NULL)), false) AS running
           FROM systemprompt.open_runs r
          WHERE (r.job_id = j.job_id)) o)
  WHERE (j.retired_at IS NULL);


--
-- Name: zone_data_changes; Type: TABLE; Schema: systemprompt; Owner: -
--

CREATE TABLE systemprompt.zone_data_changes (
    change_id bigint NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    zone_data text NOT NULL,
    node_id text NOT NULL
);


--
-- Name: job_runs_2026_03; Type: TABLE ATTACH; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.job_runs ATTACH PARTITION systemprompt.job_runs_2026_03 FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00');


--
-- Name: job_runs_2026_04; Type: TABLE ATTACH; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.job_runs ATTACH PARTITION systemprompt.job_runs_2026_04 FOR VALUES FROM ('2026-04-01 00:00:00+00') TO ('2026-05-01 00:00:00+00');


--
-- Name: job_runs_default; Type: TABLE ATTACH; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.job_runs ATTACH PARTITION systemprompt.job_runs_default DEFAULT;


--
-- Data for Name: abandoned_runs; Type: TABLE DATA; Schema: systemprompt; Owner: -
--



--
-- Data for Name: clock_events; Type: TABLE DATA; Schema: systemprompt; Owner: -
--

INSERT INTO systemprompt.clock_events OVERRIDING SYSTEM VALUE VALUES (1, '2026-01-01 00:00:00+00', 'forward', 1, '', 'a');


--
-- Data for Name: job_attempts; Type: TABLE DATA; Schema: systemprompt; Owner: -
--



--
-- Data for Name: job_cursors; Type: TABLE DATA; Schema: systemprompt; Owner: -
--

INSERT INTO systemprompt.job_cursors VALUES (3, '2026-01-01 00:00:00+00', NULL, NULL, '2026-01-01 00:00:00+00');
INSERT INTO systemprompt.job_cursors VALUES (1, '2026-03-12 03:00:00+00', '2026-03-12 04:00:00+00', '2026-03-12 04:00:00+00', '2026-03-05 03:00:00+00');
INSERT INTO systemprompt.job_cursors VALUES (2, '2026-03-12 03:00:00+00', '2026-03-12 04:00:00+00', '2026-03-12 04:00:00+00', '2026-03-05 03:00:00+00');


--
-- Data for Name: job_last; Type: TABLE DATA; Schema: systemprompt; Owner: -
--

INSERT INTO systemprompt.job_last VALUES (3, 6, 6, '2026-01-01 03:00:00+00', 'failed', 'timeout', 1);
INSERT INTO systemprompt.job_last VALUES (1, 25, 25, '2026-03-12 03:00:00+00', 'success', NULL, 12);
INSERT INTO systemprompt.job_last VALUES (2, 26, 26, '2026-03-12 03:00:00+00', 'success', NULL, 12);


--
-- Data for Name: job_run_ranges; Type: TABLE DATA; Schema: systemprompt; Owner: -
--

INSERT INTO systemprompt.job_run_ranges OVERRIDING SYSTEM VALUE VALUES (21, 1, 3, '2026-03-05 04:00:00+00', '2026-03-12 02:00:00+00', 167, 'missed', 'superseded', '2026-03-12 03:00:00+00');
INSERT INTO systemprompt.job_run_ranges OVERRIDING SYSTEM VALUE VALUES (22, 2, 1, '2026-03-05 04:00:00+00', '2026-03-12 02:00:00+00', 167, 'missed', 'superseded', '2026-03-12 03:00:00+00');


--
-- Data for Name: job_runs_2026_03; Type: TABLE DATA; Schema: systemprompt; Owner: -
--

INSERT INTO systemprompt.job_runs_2026_03 VALUES (25, 1, 3, 'schedule', '2026-03-12 03:00:00+00', '2026-03-12 03:00:00+00', '2026-03-12 03:00:00+00', '2026-03-12 03:00:00+00', 'a', 1, 25, '2026-03-12 03:00:00+00', 'schedule', 'success', '2026-03-12 03:00:00+00', NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, false, false, 0);
INSERT INTO systemprompt.job_runs_2026_03 VALUES (26, 2, 1, 'schedule', '2026-03-12 03:00:00+00', '2026-03-12 03:00:00+00', '2026-03-12 03:00:00+00', '2026-03-12 03:00:00+00', 'a', 1, 26, '2026-03-12 03:00:00+00', 'schedule', 'success', '2026-03-12 03:00:00+00', NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, false, false, 0);


--
-- Data for Name: job_runs_2026_04; Type: TABLE DATA; Schema: systemprompt; Owner: -
--



--
-- Data for Name: job_runs_default; Type: TABLE DATA; Schema: systemprompt; Owner: -
--



--
-- Data for Name: job_tallies; Type: TABLE DATA; Schema: systemprompt; Owner: -
--

INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (76, 1, 490897, 'failed', 'schedule', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (77, 2, 490897, 'failed', 'schedule', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (78, 1, 490898, 'skipped', 'range', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (79, 2, 490898, 'missed', 'range', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (80, 2, 490899, 'success', 'schedule', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (81, 1, 490899, 'failed', 'schedule', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (82, 3, 490899, 'cancelled', 'manual', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (83, 3, 490899, 'failed', 'manual', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (84, 1, 491066, 'missed', 'range', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (85, 2, 491066, 'missed', 'range', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (86, 1, 491067, 'success', 'schedule', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (87, 2, 491067, 'success', 'schedule', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (88, 1, 491234, 'missed', 'range', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (89, 2, 491234, 'missed', 'range', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (90, 1, 491235, 'success', 'schedule', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (91, 2, 491235, 'success', 'schedule', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (92, 1, 491402, 'missed', 'range', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (93, 2, 491402, 'missed', 'range', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (94, 1, 491403, 'success', 'schedule', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (95, 2, 491403, 'success', 'schedule', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (96, 1, 491570, 'missed', 'range', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (97, 2, 491570, 'missed', 'range', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (98, 1, 491571, 'success', 'schedule', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (99, 2, 491571, 'success', 'schedule', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (100, 1, 491738, 'missed', 'range', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (101, 2, 491738, 'missed', 'range', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (102, 1, 491739, 'success', 'schedule', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (103, 2, 491739, 'success', 'schedule', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (104, 1, 491906, 'missed', 'range', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (105, 2, 491906, 'missed', 'range', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (106, 1, 491907, 'success', 'schedule', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (107, 2, 491907, 'success', 'schedule', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (108, 1, 492074, 'missed', 'range', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (109, 2, 492074, 'missed', 'range', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (110, 1, 492075, 'success', 'schedule', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (111, 2, 492075, 'success', 'schedule', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (112, 1, 492242, 'missed', 'range', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (113, 2, 492242, 'missed', 'range', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (114, 1, 492243, 'success', 'schedule', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (115, 2, 492243, 'success', 'schedule', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (116, 1, 492410, 'missed', 'range', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (117, 2, 492410, 'missed', 'range', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (118, 1, 492411, 'success', 'schedule', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (119, 2, 492411, 'success', 'schedule', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (120, 0, 490897, 'failed', 'schedule', -2);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (121, 0, 490898, 'skipped', 'range', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (122, 0, 490898, 'missed', 'range', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (123, 0, 490899, 'success', 'schedule', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (124, 0, 490899, 'failed', 'schedule', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (125, 0, 490899, 'cancelled', 'manual', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (126, 0, 490899, 'failed', 'manual', -1);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (127, 0, 491066, 'missed', 'range', -2);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (128, 0, 491067, 'success', 'schedule', -2);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (129, 0, 491234, 'missed', 'range', -2);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (130, 0, 491235, 'success', 'schedule', -2);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (131, 0, 491402, 'missed', 'range', -2);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (132, 0, 491403, 'success', 'schedule', -2);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (133, 0, 491570, 'missed', 'range', -2);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (134, 0, 491571, 'success', 'schedule', -2);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (135, 0, 491738, 'missed', 'range', -2);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (136, 0, 491739, 'success', 'schedule', -2);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (137, 0, 491906, 'missed', 'range', -2);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (138, 0, 491907, 'success', 'schedule', -2);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (139, 0, 492074, 'missed', 'range', -2);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (140, 0, 492075, 'success', 'schedule', -2);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (141, 0, 492242, 'missed', 'range', -2);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (142, 0, 492243, 'success', 'schedule', -2);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (143, 0, 492410, 'missed', 'range', -2);
INSERT INTO systemprompt.job_tallies OVERRIDING SYSTEM VALUE VALUES (144, 0, 492411, 'success', 'schedule', -2);


--
-- Data for Name: job_tally_sums; Type: TABLE DATA; Schema: systemprompt; Owner: -
--

INSERT INTO systemprompt.job_tally_sums VALUES (0, 490897, 'failed', 'schedule', 2);
INSERT INTO systemprompt.job_tally_sums VALUES (1, 490897, 'failed', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (2, 490897, 'failed', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 490898, 'skipped', 'range', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (1, 490898, 'skipped', 'range', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (2, 490898, 'missed', 'range', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 490898, 'missed', 'range', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 490899, 'failed', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (1, 490899, 'failed', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 490899, 'success', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (2, 490899, 'success', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (3, 490899, 'cancelled', 'manual', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 490899, 'cancelled', 'manual', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 490899, 'failed', 'manual', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (3, 490899, 'failed', 'manual', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 491066, 'missed', 'range', 2);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 491067, 'success', 'schedule', 2);
INSERT INTO systemprompt.job_tally_sums VALUES (1, 491066, 'missed', 'range', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (1, 491067, 'success', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (2, 491066, 'missed', 'range', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (2, 491067, 'success', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 491234, 'missed', 'range', 2);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 491235, 'success', 'schedule', 2);
INSERT INTO systemprompt.job_tally_sums VALUES (1, 491234, 'missed', 'range', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (1, 491235, 'success', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (2, 491234, 'missed', 'range', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (2, 491235, 'success', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 491402, 'missed', 'range', 2);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 491403, 'success', 'schedule', 2);
INSERT INTO systemprompt.job_tally_sums VALUES (1, 491402, 'missed', 'range', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (1, 491403, 'success', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (2, 491402, 'missed', 'range', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (2, 491403, 'success', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 491570, 'missed', 'range', 2);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 491571, 'success', 'schedule', 2);
INSERT INTO systemprompt.job_tally_sums VALUES (1, 491570, 'missed', 'range', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (1, 491571, 'success', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (2, 491570, 'missed', 'range', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (2, 491571, 'success', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 491738, 'missed', 'range', 2);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 491739, 'success', 'schedule', 2);
INSERT INTO systemprompt.job_tally_sums VALUES (1, 491738, 'missed', 'range', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (1, 491739, 'success', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (2, 491738, 'missed', 'range', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (2, 491739, 'success', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 491906, 'missed', 'range', 2);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 491907, 'success', 'schedule', 2);
INSERT INTO systemprompt.job_tally_sums VALUES (1, 491906, 'missed', 'range', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (1, 491907, 'success', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (2, 491906, 'missed', 'range', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (2, 491907, 'success', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 492074, 'missed', 'range', 2);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 492075, 'success', 'schedule', 2);
INSERT INTO systemprompt.job_tally_sums VALUES (1, 492074, 'missed', 'range', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (1, 492075, 'success', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (2, 492074, 'missed', 'range', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (2, 492075, 'success', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 492242, 'missed', 'range', 2);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 492243, 'success', 'schedule', 2);
INSERT INTO systemprompt.job_tally_sums VALUES (1, 492242, 'missed', 'range', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (1, 492243, 'success', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (2, 492242, 'missed', 'range', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (2, 492243, 'success', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 492410, 'missed', 'range', 2);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 492411, 'success', 'schedule', 2);
INSERT INTO systemprompt.job_tally_sums VALUES (1, 492410, 'missed', 'range', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (1, 492411, 'success', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (2, 492410, 'missed', 'range', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (2, 492411, 'success', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 492578, 'missed', 'range', 2);
INSERT INTO systemprompt.job_tally_sums VALUES (0, 492579, 'success', 'schedule', 2);
INSERT INTO systemprompt.job_tally_sums VALUES (1, 492578, 'missed', 'range', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (1, 492579, 'success', 'schedule', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (2, 492578, 'missed', 'range', 1);
INSERT INTO systemprompt.job_tally_sums VALUES (2, 492579, 'success', 'schedule', 1);


--
-- Data for Name: job_versions; Type: TABLE DATA; Schema: systemprompt; Owner: -
--

INSERT INTO systemprompt.job_versions VALUES (2, 1, '0 0 * * * *', 'UTC', '{"catch_up": "latest", "dst_fold": "first", "dst_gap": "run", "isolation": "thread", "on_lost": "rerun", "overlap": "skip", "runs_on": [], "timeout_s": null}', true, '2026-01-01 00:00:00+00', NULL, 'added', 'code', 'a test', '');
INSERT INTO systemprompt.job_versions VALUES (3, 1, '', 'UTC', '{"catch_up": "latest", "dst_fold": "first", "dst_gap": "run", "isolation": "thread", "on_lost": "fail", "overlap": "skip", "runs_on": [], "timeout_s": null}', true, '2026-01-01 00:00:00+00', NULL, 'added', 'code', 'a test', '');
INSERT INTO systemprompt.job_versions VALUES (1, 1, '0 0 * * * *', 'UTC', '{"catch_up": "latest", "dst_fold": "first", "dst_gap": "run", "isolation": "thread", "on_lost": "fail", "overlap": "skip", "runs_on": [], "timeout_s": null}', true, '2026-01-01 00:00:00+00', '2026-01-01 01:00:00+00', 'added', 'code', 'a test', '');
INSERT INTO systemprompt.job_versions VALUES (1, 2, '0 0 * * * *', 'UTC', '{"catch_up": "latest", "dst_fold": "first", "dst_gap": "run", "isolation": "thread", "on_lost": "fail", "overlap": "skip", "runs_on": [], "timeout_s": null}', false, '2026-01-01 01:00:00+00', '2026-01-01 02:00:00+00', 'disabled', 'me', '', '');
INSERT INTO systemprompt.job_versions VALUES (1, 3, '0 0 * * * *', 'UTC', '{"catch_up": "latest", "dst_fold": "first", "dst_gap": "run", "isolation": "thread", "on_lost": "fail", "overlap": "skip", "runs_on": [], "timeout_s": null}', true, '2026-01-01 02:00:00+00', NULL, 'enabled', 'me', '', '');


--
-- Data for Name: jobs; Type: TABLE DATA; Schema: systemprompt; Owner: -
--

INSERT INTO systemprompt.jobs VALUES (3, 'hand', '', '[]', NULL, 'file:jobs.py', true, '[]', '{}', NULL, NULL, NULL, 1, '[]', '2026-01-01 00:00:00+00', '2026-01-01 00:00:00+00', '2026-01-01 00:00:00+00');
INSERT INTO systemprompt.jobs VALUES (2, 'again', '', '[]', NULL, 'file:jobs.py', true, '[]', '{}', NULL, NULL, NULL, 1, '[]', '2026-03-05 03:00:00+00', '2026-01-01 00:00:00+00', '2026-01-01 00:00:00+00');
INSERT INTO systemprompt.jobs VALUES (1, 'hourly', '', '[]', NULL, 'file:jobs.py', true, '[]', '{}', NULL, NULL, NULL, 3, '[]', '2026-03-05 03:00:00+00', '2026-01-01 00:00:00+00', '2026-01-01 02:00:00+00');


--
-- Data for Name: ledger_epochs; Type: TABLE DATA; Schema: systemprompt; Owner: -
--

INSERT INTO systemprompt.ledger_epochs VALUES (0, '7713326396784634260', 1, '2026-11-28 20:45:50.475719+00');


--
-- Data for Name: ledger_migrations; Type: TABLE DATA; Schema: systemprompt; Owner: -
--

INSERT INTO systemprompt.ledger_migrations VALUES (1, '0001_ledger.sql', 629223464);
INSERT INTO systemprompt.ledger_migrations VALUES (2, '0002_epochs.sql', 825795619);
INSERT INTO systemprompt.ledger_migrations VALUES (3, '0003_zone_data.beside.sql', 3689102977);
INSERT INTO systemprompt.ledger_migrations VALUES (4, '0004_fresh_plans.beside.sql', 731830067);
INSERT INTO systemprompt.ledger_migrations VALUES (5, '0005_lean_writes.beside.sql', 1915722945);
INSERT INTO systemprompt.ledger_migrations VALUES (6, '0006_start_deadline.beside.sql', 3449855839);


--
-- Data for Name: ledger_seals; Type: TABLE DATA; Schema: systemprompt; Owner: -
--

INSERT INTO systemprompt.ledger_seals VALUES (1, 1, '2026-01-01', '2026-01-01 00:00:00+00', '2026-01-02 00:00:00+00', 6, 3, 2, 6, '{"ranges":{"missed superseded":1,"skipped disabled":1},"runs":{"cancelled requested":1,"failed exception":2,"failed node_lost":1,"failed timeout":1,"success":1}}', '7a2fffbce2dea03efe27c9e744a8e4cbc07b7bed7ea14183798fe315af538b3b', '2026-03-12 03:00:00+00', '68be4d3c8a62df10ab5a128eacbcb7e6b0fc6c671a18fb8049d7768b97351eed', '19ca9e531b54a2e3adf4b1c1bcc4c15920dcd247a13f52e84ced810eda506fcb');
INSERT INTO systemprompt.ledger_seals VALUES (2, 1, '2026-01-08', '2026-01-02 00:00:00+00', '2026-01-09 00:00:00+00', 2, 0, 2, 336, '{"ranges":{"missed superseded":334},"runs":{"success":2}}', 'abacd3a07a39057852383fb388fcabaef205828d7160384ea540103e377e0dcf', '2026-03-12 03:00:00+00', '19ca9e531b54a2e3adf4b1c1bcc4c15920dcd247a13f52e84ced810eda506fcb', '5515426e3a265a3547604e6378e16ae62ccf0c20d3ce3fef2ebf2158006fa30a');
INSERT INTO systemprompt.ledger_seals VALUES (3, 1, '2026-01-15', '2026-01-09 00:00:00+00', '2026-01-16 00:00:00+00', 2, 0, 2, 336, '{"ranges":{"missed superseded":334},"runs":{"success":2}}', '8c104a6b0075d609098688881d4fbc8490cca2a26855245961af9dfa0532432e', '2026-03-12 03:00:00+00', '5515426e3a265a3547604e6378e16ae62ccf0c20d3ce3fef2ebf2158006fa30a', '82c3377347c849e7019ca964d14f21dea82e582e58d30cbd5a0b80ba7a9016f9');
INSERT INTO systemprompt.ledger_seals VALUES (4, 1, '2026-01-22', '2026-01-16 00:00:00+00', '2026-01-23 00:00:00+00', 2, 0, 2, 336, '{"ranges":{"missed superseded":334},"runs":{"success":2}}', 'd837861519e10f9a0e177b337b3311a572fa95ecd5cdf55795757235e3ec9532', '2026-03-12 03:00:00+00', '82c3377347c849e7019ca964d14f21dea82e582e58d30cbd5a0b80ba7a9016f9', '26529321dafc80ea4756d830bf23d939e41a8f23fcee5ddc94f04fae921d6cf4');
INSERT INTO systemprompt.ledger_seals VALUES (5, 1, '2026-01-29', '2026-01-23 00:00:00+00', '2026-01-30 00:00:00+00', 2, 0, 2, 336, '{"ranges":{"missed superseded":334},"runs":{"success":2}}', '2d247da5e06788b63146fed4939c3d291ab5b69628924fa2f40987d2ac971b1a', '2026-03-12 03:00:00+00', '26529321dafc80ea4756d830bf23d939e41a8f23fcee5ddc94f04fae921d6cf4', '06eaac7e913fd0587b6ef74c4d6eba2462ed005335696972bde422895bcb2a78');
INSERT INTO systemprompt.ledger_seals VALUES (6, 1, '2026-02-05', '2026-01-30 00:00:00+00', '2026-02-06 00:00:00+00', 2, 0, 2, 336, '{"ranges":{"missed superseded":334},"runs":{"success":2}}', '416258c56d431b855624924a93d1167b4cbb0141b99d8deaff5fd697643b0968', '2026-03-12 03:00:00+00', '06eaac7e913fd0587b6ef74c4d6eba2462ed005335696972bde422895bcb2a78', '139310435bbb59755e7cf4a4eeb4a5f6b412cd93a545af524f31388270f55530');
INSERT INTO systemprompt.ledger_seals VALUES (7, 1, '2026-02-12', '2026-02-06 00:00:00+00', '2026-02-13 00:00:00+00', 2, 0, 2, 336, '{"ranges":{"missed superseded":334},"runs":{"success":2}}', '4e8ad7c47b7c94b0ea0d21ba4dcfb46f7eb60597cb2e7961e77207e0254d810a', '2026-03-12 03:00:00+00', '139310435bbb59755e7cf4a4eeb4a5f6b412cd93a545af524f31388270f55530', '028003eb4b8e71e3df93b8d71294160424f5a82258f1f9ee6f4a738f7c8c8c2f');
INSERT INTO systemprompt.ledger_seals VALUES (8, 1, '2026-02-19', '2026-02-13 00:00:00+00', '2026-02-20 00:00:00+00', 2, 0, 2, 336, '{"ranges":{"missed superseded":334},"runs":{"success":2}}', 'f967a8d44495ff87af8fe9fc2f0998603fb3d595fe17cd82c35d60eae34d8ff9', '2026-03-12 03:00:00+00', '028003eb4b8e71e3df93b8d71294160424f5a82258f1f9ee6f4a738f7c8c8c2f', '153fbab1ce34bf114e224dcb91e715178ef454269be4fd6b914f1e4dddd4ad99');
INSERT INTO systemprompt.ledger_seals VALUES (9, 1, '2026-02-26', '2026-02-20 00:00:00+00', '2026-02-27 00:00:00+00', 2, 0, 2, 336, '{"ranges":{"missed superseded":334},"runs":{"success":2}}', 'c371efb246d8f32b4e8636eca82c327fbbd74c501c161f7df3317d1e1ca571bf', '2026-03-12 03:00:00+00', '153fbab1ce34bf114e224dcb91e715178ef454269be4fd6b914f1e4dddd4ad99', 'ab34d3c33df8f9e4144986282335093ffb82b047a176acf820a45d7942c446f0');
INSERT INTO systemprompt.ledger_seals VALUES (10, 1, '2026-03-05', '2026-02-27 00:00:00+00', '2026-03-06 00:00:00+00', 2, 0, 2, 336, '{"ranges":{"missed superseded":334},"runs":{"success":2}}', 'fb3ccc4e6ac9b232e5813a346bcbf49f05629cebcac6f860d207396688668fea', '2026-03-12 03:00:00+00', 'ab34d3c33df8f9e4144986282335093ffb82b047a176acf820a45d7942c446f0', '2f5b1c74451200b680c3b96a62a87b378694bd0998f85fa1c807dbd3b492451a');


--
-- Data for Name: ledger_state; Type: TABLE DATA; Schema: systemprompt; Owner: -
--

INSERT INTO systemprompt.ledger_state VALUES (1, '9e0a86030ef84c4a8e706cda6b88efce', 0, 10, '2026-03-06 00:00:00+00', '2026-03-06 00:00:00+00', 24);


--
-- Data for Name: lost_runs; Type: TABLE DATA; Schema: systemprompt; Owner: -
--



--
-- Data for Name: nodes; Type: TABLE DATA; Schema: systemprompt; Owner: -
--

INSERT INTO systemprompt.nodes VALUES ('a', 'serve', 'here', 'boot/pid', 1, 1, 'test', '[]', '', 1, 4, '2026-01-01 00:00:00+00', 11, '2026-03-12 03:00:00+00', -22, '[]', NULL, NULL, NULL, '2026-03-12 03:00:00+00', 'left', 0);
INSERT INTO systemprompt.nodes VALUES ('c', 'serve', 'here', 'boot/pid', 1, 1, 'test', '[]', '', 1, 4, '2026-03-12 03:00:00+00', 0, '2026-03-12 03:00:00+00', 0, '[]', NULL, NULL, NULL, NULL, NULL, 0);
INSERT INTO systemprompt.nodes VALUES ('d', 'serve', 'here', 'boot/pid', 1, 1, 'test', '[]', '2026b', 1, 4, '2026-03-12 03:00:00+00', 0, '2026-03-12 03:00:00+00', 0, '[]', NULL, NULL, NULL, NULL, NULL, 0);


--
-- Data for Name: open_runs; Type: TABLE DATA; Schema: systemprompt; Owner: -
--



--
-- Data for Name: quarantined_sources; Type: TABLE DATA; Schema: systemprompt; Owner: -
--



--
-- Data for Name: reasons; Type: TABLE DATA; Schema: systemprompt; Owner: -
--

INSERT INTO systemprompt.reasons VALUES ('failed', 'reported', 'the job said so: it returned JobResult.failure');
INSERT INTO systemprompt.reasons VALUES ('failed', 'exception', 'the job raised; its traceback is kept');
INSERT INTO systemprompt.reasons VALUES ('failed', 'timeout', 'the job ran longer than its timeout');
INSERT INTO systemprompt.reasons VALUES ('failed', 'exit_nonzero', 'the command, or the job''s process, ended with an exit code other than 0');
INSERT INTO systemprompt.reasons VALUES ('failed', 'killed', 'a signal ended the job''s process');
INSERT INTO systemprompt.reasons VALUES ('failed', 'spawn_error', 'the job could not be started');
INSERT INTO systemprompt.reasons VALUES ('failed', 'not_loaded', 'the node that claimed the run could not load the job');
INSERT INTO systemprompt.reasons VALUES ('failed', 'loop_blocked', 'another async job blocked the event loop that it ran in');
INSERT INTO systemprompt.reasons VALUES ('failed', 'node_lost', 'the node died in mid-run; on_lost: fail');
INSERT INTO systemprompt.reasons VALUES ('skipped', 'overlap', 'an earlier run of the job was still open; blocked_by names it');
INSERT INTO systemprompt.reasons VALUES ('skipped', 'disabled', 'the job was disabled');
INSERT INTO systemprompt.reasons VALUES ('skipped', 'quarantined', 'the job could not be loaded');
INSERT INTO systemprompt.reasons VALUES ('missed', 'down', 'no node was there to start it in time, and catch_up is skip');
INSERT INTO systemprompt.reasons VALUES ('missed', 'superseded', 'no node was there to start it in time; a later fire time ran in its place');
INSERT INTO systemprompt.reasons VALUES ('missed', 'clock_jump', 'the wall clock jumped over it');
INSERT INTO systemprompt.reasons VALUES ('cancelled', 'shutdown', 'the node was stopping and its grace was over');
INSERT INTO systemprompt.reasons VALUES ('cancelled', 'interrupted', '`sp jobs run` was stopped by Ctrl-C or a signal');
INSERT INTO systemprompt.reasons VALUES ('cancelled', 'requested', 'somebody asked for it');
INSERT INTO systemprompt.reasons VALUES ('cancelled', 'lease_lost', 'the node could not renew its lease and stopped its own work');
INSERT INTO systemprompt.reasons VALUES ('cancelled', 'retired', 'the job left the installation before the run began');
INSERT INTO systemprompt.reasons VALUES ('missed', 'start_deadline', 'it could not begin within the job''s start_deadline');


--
-- Data for Name: requests; Type: TABLE DATA; Schema: systemprompt; Owner: -
--



--
-- Data for Name: run_marks; Type: TABLE DATA; Schema: systemprompt; Owner: -
--



--
-- Data for Name: run_texts; Type: TABLE DATA; Schema: systemprompt; Owner: -
--



--
-- Data for Name: zone_data_changes; Type: TABLE DATA; Schema: systemprompt; Owner: -
--

INSERT INTO systemprompt.zone_data_changes VALUES (1, '2026-03-12 03:00:00+00', '2026b', 'd');


--
-- Name: changes; Type: SEQUENCE SET; Schema: systemprompt; Owner: -
--

SELECT pg_catalog.setval('systemprompt.changes', 8, true);


--
-- Name: clock_events_event_id_seq; Type: SEQUENCE SET; Schema: systemprompt; Owner: -
--

SELECT pg_catalog.setval('systemprompt.clock_events_event_id_seq', 1, true);


--
-- Name: fences; Type: SEQUENCE SET; Schema: systemprompt; Owner: -
--

SELECT pg_catalog.setval('systemprompt.fences', 26, true);


--
-- Name: job_attempts_attempt_id_seq; Type: SEQUENCE SET; Schema: systemprompt; Owner: -
--

SELECT pg_catalog.setval('systemprompt.job_attempts_attempt_id_seq', 3, true);


--
-- Name: job_run_ranges_range_id_seq; Type: SEQUENCE SET; Schema: systemprompt; Owner: -
--

SELECT pg_catalog.setval('systemprompt.job_run_ranges_range_id_seq', 22, true);


--
-- Name: job_tallies_tally_id_seq; Type: SEQUENCE SET; Schema: systemprompt; Owner: -
--

SELECT pg_catalog.setval('systemprompt.job_tallies_tally_id_seq', 144, true);


--
-- Name: run_ids; Type: SEQUENCE SET; Schema: systemprompt; Owner: -
--

SELECT pg_catalog.setval('systemprompt.run_ids', 26, true);


--
-- Name: run_marks_mark_id_seq; Type: SEQUENCE SET; Schema: systemprompt; Owner: -
--

SELECT pg_catalog.setval('systemprompt.run_marks_mark_id_seq', 1, false);


--
-- Name: abandoned_runs abandoned_runs_pkey; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.abandoned_runs
    ADD CONSTRAINT abandoned_runs_pkey PRIMARY KEY (run_id);


--
-- Name: clock_events clock_events_pkey; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.clock_events
    ADD CONSTRAINT clock_events_pkey PRIMARY KEY (event_id);


--
-- Name: job_attempts job_attempts_pkey; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.job_attempts
    ADD CONSTRAINT job_attempts_pkey PRIMARY KEY (attempt_id);


--
-- Name: job_attempts job_attempts_run_id_attempt_kind_key; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.job_attempts
    ADD CONSTRAINT job_attempts_run_id_attempt_kind_key UNIQUE (run_id, attempt, kind);


--
-- Name: job_cursors job_cursors_pkey; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.job_cursors
    ADD CONSTRAINT job_cursors_pkey PRIMARY KEY (job_id, planned_through);


--
-- Name: job_last job_last_pkey; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.job_last
    ADD CONSTRAINT job_last_pkey PRIMARY KEY (job_id);


--
-- Name: job_run_ranges job_run_ranges_pkey; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.job_run_ranges
    ADD CONSTRAINT job_run_ranges_pkey PRIMARY KEY (range_id);


--
-- Name: job_tally_sums job_tally_sums_pkey; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.job_tally_sums
    ADD CONSTRAINT job_tally_sums_pkey PRIMARY KEY (job_id, hour, status, origin);


--
-- Name: job_versions job_versions_pkey; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.job_versions
    ADD CONSTRAINT job_versions_pkey PRIMARY KEY (job_id, version);


--
-- Name: jobs jobs_job_name_key; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.jobs
    ADD CONSTRAINT jobs_job_name_key UNIQUE (job_name);


--
-- Name: jobs jobs_pkey; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (job_id);


--
-- Name: ledger_epochs ledger_epochs_pkey; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.ledger_epochs
    ADD CONSTRAINT ledger_epochs_pkey PRIMARY KEY (epoch);


--
-- Name: ledger_migrations ledger_migrations_pkey; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.ledger_migrations
    ADD CONSTRAINT ledger_migrations_pkey PRIMARY KEY (number);


--
-- Name: ledger_seals ledger_seals_pkey; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.ledger_seals
    ADD CONSTRAINT ledger_seals_pkey PRIMARY KEY (seal);


--
-- Name: ledger_state ledger_state_pkey; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.ledger_state
    ADD CONSTRAINT ledger_state_pkey PRIMARY KEY (one);


--
-- Name: lost_runs lost_runs_pkey; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.lost_runs
    ADD CONSTRAINT lost_runs_pkey PRIMARY KEY (fence);


--
-- Name: nodes nodes_pkey; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.nodes
    ADD CONSTRAINT nodes_pkey PRIMARY KEY (node_id);


--
-- Name: open_runs open_runs_pkey; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.open_runs
    ADD CONSTRAINT open_runs_pkey PRIMARY KEY (run_id);


--
-- Name: quarantined_sources quarantined_sources_pkey; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.quarantined_sources
    ADD CONSTRAINT quarantined_sources_pkey PRIMARY KEY (source);


--
-- Name: reasons reasons_pkey; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.reasons
    ADD CONSTRAINT reasons_pkey PRIMARY KEY (status, reason);


--
-- Name: requests requests_pkey; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.requests
    ADD CONSTRAINT requests_pkey PRIMARY KEY (request_id);


--
-- Name: run_marks run_marks_pkey; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.run_marks
    ADD CONSTRAINT run_marks_pkey PRIMARY KEY (mark_id);


--
-- Name: run_marks run_marks_run_id_mark_key; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.run_marks
    ADD CONSTRAINT run_marks_run_id_mark_key UNIQUE (run_id, mark);


--
-- Name: run_texts run_texts_run_id_attempt_kind_key; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.run_texts
    ADD CONSTRAINT run_texts_run_id_attempt_kind_key UNIQUE (run_id, attempt, kind);


--
-- Name: zone_data_changes zone_data_changes_pkey; Type: CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.zone_data_changes
    ADD CONSTRAINT zone_data_changes_pkey PRIMARY KEY (change_id);


--
-- Name: job_attempts_by_day; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_attempts_by_day ON systemprompt.job_attempts USING btree (day_at, attempt_id);


--
-- Name: job_cursors_by_next_due; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_cursors_by_next_due ON systemprompt.job_cursors USING btree (next_due, job_id) WHERE (next_due IS NOT NULL);


--
-- Name: job_run_ranges_by_job; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_run_ranges_by_job ON systemprompt.job_run_ranges USING btree (job_id, last_at);


--
-- Name: job_run_ranges_by_last; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_run_ranges_by_last ON systemprompt.job_run_ranges USING btree (last_at, range_id);


--
-- Name: job_runs_by_due; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_runs_by_due ON ONLY systemprompt.job_runs USING btree (due_at, run_id);


--
-- Name: job_runs_2026_03_due_at_run_id_idx; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_runs_2026_03_due_at_run_id_idx ON systemprompt.job_runs_2026_03 USING btree (due_at, run_id);


--
-- Name: job_runs_one_account; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE UNIQUE INDEX job_runs_one_account ON ONLY systemprompt.job_runs USING btree (job_id, due_at, fire_at);


--
-- Name: job_runs_2026_03_job_id_due_at_fire_at_idx; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE UNIQUE INDEX job_runs_2026_03_job_id_due_at_fire_at_idx ON systemprompt.job_runs_2026_03 USING btree (job_id, due_at, fire_at);


--
-- Name: job_runs_by_origin_of_job; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_runs_by_origin_of_job ON ONLY systemprompt.job_runs USING btree (job_id, origin, due_at, run_id) WHERE (origin <> 'schedule'::text);


--
-- Name: job_runs_2026_03_job_id_origin_due_at_run_id_idx; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_runs_2026_03_job_id_origin_due_at_run_id_idx ON systemprompt.job_runs_2026_03 USING btree (job_id, origin, due_at, run_id) WHERE (origin <> 'schedule'::text);


--
-- Name: job_runs_not_well_of_job; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_runs_not_well_of_job ON ONLY systemprompt.job_runs USING btree (job_id, status, due_at, run_id) WHERE (reason IS NOT NULL);


--
-- Name: job_runs_2026_03_job_id_status_due_at_run_id_idx; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_runs_2026_03_job_id_status_due_at_run_id_idx ON systemprompt.job_runs_2026_03 USING btree (job_id, status, due_at, run_id) WHERE (reason IS NOT NULL);


--
-- Name: job_runs_by_origin; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_runs_by_origin ON ONLY systemprompt.job_runs USING btree (origin, due_at, run_id) WHERE (origin <> 'schedule'::text);


--
-- Name: job_runs_2026_03_origin_due_at_run_id_idx; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_runs_2026_03_origin_due_at_run_id_idx ON systemprompt.job_runs_2026_03 USING btree (origin, due_at, run_id) WHERE (origin <> 'schedule'::text);


--
-- Name: job_runs_by_id; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE UNIQUE INDEX job_runs_by_id ON ONLY systemprompt.job_runs USING btree (run_id, due_at);


--
-- Name: job_runs_2026_03_run_id_due_at_idx; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE UNIQUE INDEX job_runs_2026_03_run_id_due_at_idx ON systemprompt.job_runs_2026_03 USING btree (run_id, due_at);


--
-- Name: job_runs_not_well; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_runs_not_well ON ONLY systemprompt.job_runs USING btree (status, due_at, run_id) WHERE (reason IS NOT NULL);


--
-- Name: job_runs_2026_03_status_due_at_run_id_idx; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_runs_2026_03_status_due_at_run_id_idx ON systemprompt.job_runs_2026_03 USING btree (status, due_at, run_id) WHERE (reason IS NOT NULL);


--
-- Name: job_runs_2026_04_due_at_run_id_idx; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_runs_2026_04_due_at_run_id_idx ON systemprompt.job_runs_2026_04 USING btree (due_at, run_id);


--
-- Name: job_runs_2026_04_job_id_due_at_fire_at_idx; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE UNIQUE INDEX job_runs_2026_04_job_id_due_at_fire_at_idx ON systemprompt.job_runs_2026_04 USING btree (job_id, due_at, fire_at);


--
-- Name: job_runs_2026_04_job_id_origin_due_at_run_id_idx; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_runs_2026_04_job_id_origin_due_at_run_id_idx ON systemprompt.job_runs_2026_04 USING btree (job_id, origin, due_at, run_id) WHERE (origin <> 'schedule'::text);


--
-- Name: job_runs_2026_04_job_id_status_due_at_run_id_idx; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_runs_2026_04_job_id_status_due_at_run_id_idx ON systemprompt.job_runs_2026_04 USING btree (job_id, status, due_at, run_id) WHERE (reason IS NOT NULL);


--
-- Name: job_runs_2026_04_origin_due_at_run_id_idx; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_runs_2026_04_origin_due_at_run_id_idx ON systemprompt.job_runs_2026_04 USING btree (origin, due_at, run_id) WHERE (origin <> 'schedule'::text);


--
-- Name: job_runs_2026_04_run_id_due_at_idx; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE UNIQUE INDEX job_runs_2026_04_run_id_due_at_idx ON systemprompt.job_runs_2026_04 USING btree (run_id, due_at);


--
-- Name: job_runs_2026_04_status_due_at_run_id_idx; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_runs_2026_04_status_due_at_run_id_idx ON systemprompt.job_runs_2026_04 USING btree (status, due_at, run_id) WHERE (reason IS NOT NULL);


--
-- Name: job_runs_default_due_at_run_id_idx; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_runs_default_due_at_run_id_idx ON systemprompt.job_runs_default USING btree (due_at, run_id);


--
-- Name: job_runs_default_job_id_due_at_fire_at_idx; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE UNIQUE INDEX job_runs_default_job_id_due_at_fire_at_idx ON systemprompt.job_runs_default USING btree (job_id, due_at, fire_at);


--
-- Name: job_runs_default_job_id_origin_due_at_run_id_idx; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_runs_default_job_id_origin_due_at_run_id_idx ON systemprompt.job_runs_default USING btree (job_id, origin, due_at, run_id) WHERE (origin <> 'schedule'::text);


--
-- Name: job_runs_default_job_id_status_due_at_run_id_idx; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_runs_default_job_id_status_due_at_run_id_idx ON systemprompt.job_runs_default USING btree (job_id, status, due_at, run_id) WHERE (reason IS NOT NULL);


--
-- Name: job_runs_default_origin_due_at_run_id_idx; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_runs_default_origin_due_at_run_id_idx ON systemprompt.job_runs_default USING btree (origin, due_at, run_id) WHERE (origin <> 'schedule'::text);


--
-- Name: job_runs_default_run_id_due_at_idx; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE UNIQUE INDEX job_runs_default_run_id_due_at_idx ON systemprompt.job_runs_default USING btree (run_id, due_at);


--
-- Name: job_runs_default_status_due_at_run_id_idx; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_runs_default_status_due_at_run_id_idx ON systemprompt.job_runs_default USING btree (status, due_at, run_id) WHERE (reason IS NOT NULL);


--
-- Name: job_tally_sums_of_nothing; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX job_tally_sums_of_nothing ON systemprompt.job_tally_sums USING btree (job_id) WHERE (n = 0);


--
-- Name: job_versions_open; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE UNIQUE INDEX job_versions_open ON systemprompt.job_versions USING btree (job_id) WHERE (valid_until IS NULL);


--
-- Name: jobs_for_some_nodes; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX jobs_for_some_nodes ON systemprompt.jobs USING btree (job_id) WHERE (runs_on <> '[]'::text);


--
-- Name: nodes_living; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX nodes_living ON systemprompt.nodes USING btree (node_id) WHERE (stopped_at IS NULL);


--
-- Name: open_runs_one_account; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE UNIQUE INDEX open_runs_one_account ON systemprompt.open_runs USING btree (job_id, fire_at);


--
-- Name: open_runs_to_stop; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX open_runs_to_stop ON systemprompt.open_runs USING btree (node_id) WHERE (stop_asked_at IS NOT NULL);


--
-- Name: open_runs_waiting; Type: INDEX; Schema: systemprompt; Owner: -
--

CREATE INDEX open_runs_waiting ON systemprompt.open_runs USING btree (available_at, run_id) WHERE (node_id IS NULL);


--
-- Name: job_runs_2026_03_due_at_run_id_idx; Type: INDEX ATTACH; Schema: systemprompt; Owner: -
--

ALTER INDEX systemprompt.job_runs_by_due ATTACH PARTITION systemprompt.job_runs_2026_03_due_at_run_id_idx;


--
-- Name: job_runs_2026_03_job_id_due_at_fire_at_idx; Type: INDEX ATTACH; Schema: systemprompt; Owner: -
--

ALTER INDEX systemprompt.job_runs_one_account ATTACH PARTITION systemprompt.job_runs_2026_03_job_id_due_at_fire_at_idx;


--
-- Name: job_runs_2026_03_job_id_origin_due_at_run_id_idx; Type: INDEX ATTACH; Schema: systemprompt; Owner: -
--

ALTER INDEX systemprompt.job_runs_by_origin_of_job ATTACH PARTITION systemprompt.job_runs_2026_03_job_id_origin_due_at_run_id_idx;


--
-- Name: job_runs_2026_03_job_id_status_due_at_run_id_idx; Type: INDEX ATTACH; Schema: systemprompt; Owner: -
--

ALTER INDEX systemprompt.job_runs_not_well_of_job ATTACH PARTITION systemprompt.job_runs_2026_03_job_id_status_due_at_run_id_idx;


--
-- Name: job_runs_2026_03_origin_due_at_run_id_idx; Type: INDEX ATTACH; Schema: systemprompt; Owner: -
--

ALTER INDEX systemprompt.job_runs_by_origin ATTACH PARTITION systemprompt.job_runs_2026_03_origin_due_at_run_id_idx;


--
-- Name: job_runs_2026_03_run_id_due_at_idx; Type: INDEX ATTACH; Schema: systemprompt; Owner: -
--

ALTER INDEX systemprompt.job_runs_by_id ATTACH PARTITION systemprompt.job_runs_2026_03_run_id_due_at_idx;


--
-- Name: job_runs_2026_03_status_due_at_run_id_idx; Type: INDEX ATTACH; Schema: systemprompt; Owner: -
--

ALTER INDEX systemprompt.job_runs_not_well ATTACH PARTITION systemprompt.job_runs_2026_03_status_due_at_run_id_idx;


--
-- Name: job_runs_2026_04_due_at_run_id_idx; Type: INDEX ATTACH; Schema: systemprompt; Owner: -
--

ALTER INDEX systemprompt.job_runs_by_due ATTACH PARTITION systemprompt.job_runs_2026_04_due_at_run_id_idx;


--
-- Name: job_runs_2026_04_job_id_due_at_fire_at_idx; Type: INDEX ATTACH; Schema: systemprompt; Owner: -
--

ALTER INDEX systemprompt.job_runs_one_account ATTACH PARTITION systemprompt.job_runs_2026_04_job_id_due_at_fire_at_idx;


--
-- Name: job_runs_2026_04_job_id_origin_due_at_run_id_idx; Type: INDEX ATTACH; Schema: systemprompt; Owner: -
--

ALTER INDEX systemprompt.job_runs_by_origin_of_job ATTACH PARTITION systemprompt.job_runs_2026_04_job_id_origin_due_at_run_id_idx;


--
-- Name: job_runs_2026_04_job_id_status_due_at_run_id_idx; Type: INDEX ATTACH; Schema: systemprompt; Owner: -
--

ALTER INDEX systemprompt.job_runs_not_well_of_job ATTACH PARTITION systemprompt.job_runs_2026_04_job_id_status_due_at_run_id_idx;


--
-- Name: job_runs_2026_04_origin_due_at_run_id_idx; Type: INDEX ATTACH; Schema: systemprompt; Owner: -
--

ALTER INDEX systemprompt.job_runs_by_origin ATTACH PARTITION systemprompt.job_runs_2026_04_origin_due_at_run_id_idx;


--
-- Name: job_runs_2026_04_run_id_due_at_idx; Type: INDEX ATTACH; Schema: systemprompt; Owner: -
--

ALTER INDEX systemprompt.job_runs_by_id ATTACH PARTITION systemprompt.job_runs_2026_04_run_id_due_at_idx;


--
-- Name: job_runs_2026_04_status_due_at_run_id_idx; Type: INDEX ATTACH; Schema: systemprompt; Owner: -
--

ALTER INDEX systemprompt.job_runs_not_well ATTACH PARTITION systemprompt.job_runs_2026_04_status_due_at_run_id_idx;


--
-- Name: job_runs_default_due_at_run_id_idx; Type: INDEX ATTACH; Schema: systemprompt; Owner: -
--

ALTER INDEX systemprompt.job_runs_by_due ATTACH PARTITION systemprompt.job_runs_default_due_at_run_id_idx;


--
-- Name: job_runs_default_job_id_due_at_fire_at_idx; Type: INDEX ATTACH; Schema: systemprompt; Owner: -
--

ALTER INDEX systemprompt.job_runs_one_account ATTACH PARTITION systemprompt.job_runs_default_job_id_due_at_fire_at_idx;


--
-- Name: job_runs_default_job_id_origin_due_at_run_id_idx; Type: INDEX ATTACH; Schema: systemprompt; Owner: -
--

ALTER INDEX systemprompt.job_runs_by_origin_of_job ATTACH PARTITION systemprompt.job_runs_default_job_id_origin_due_at_run_id_idx;


--
-- Name: job_runs_default_job_id_status_due_at_run_id_idx; Type: INDEX ATTACH; Schema: systemprompt; Owner: -
--

ALTER INDEX systemprompt.job_runs_not_well_of_job ATTACH PARTITION systemprompt.job_runs_default_job_id_status_due_at_run_id_idx;


--
-- Name: job_runs_default_origin_due_at_run_id_idx; Type: INDEX ATTACH; Schema: systemprompt; Owner: -
--

ALTER INDEX systemprompt.job_runs_by_origin ATTACH PARTITION systemprompt.job_runs_default_origin_due_at_run_id_idx;


--
-- Name: job_runs_default_run_id_due_at_idx; Type: INDEX ATTACH; Schema: systemprompt; Owner: -
--

ALTER INDEX systemprompt.job_runs_by_id ATTACH PARTITION systemprompt.job_runs_default_run_id_due_at_idx;


--
-- Name: job_runs_default_status_due_at_run_id_idx; Type: INDEX ATTACH; Schema: systemprompt; Owner: -
--

ALTER INDEX systemprompt.job_runs_not_well ATTACH PARTITION systemprompt.job_runs_default_status_due_at_run_id_idx;


--
-- Name: job_attempts job_attempts_go_when_pruned; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_attempts_go_when_pruned AFTER DELETE ON systemprompt.job_attempts REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.goes_when_pruned('day_at');


--
-- Name: job_attempts job_attempts_never_change; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_attempts_never_change BEFORE UPDATE OR TRUNCATE ON systemprompt.job_attempts FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.refuse('ledger: an attempt never changes');


--
-- Name: job_attempts job_attempts_stay_out_of_sealed_days; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_attempts_stay_out_of_sealed_days AFTER INSERT ON systemprompt.job_attempts REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.job_attempts_stay_out_of_sealed_days();


--
-- Name: job_cursors job_cursors_are_one_a_job; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_cursors_are_one_a_job AFTER INSERT ON systemprompt.job_cursors REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.job_cursors_are_one_a_job();


--
-- Name: job_cursors job_cursors_move_forward; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_cursors_move_forward BEFORE UPDATE ON systemprompt.job_cursors FOR EACH ROW WHEN ((new.planned_through < old.planned_through)) EXECUTE FUNCTION systemprompt.refuse('ledger: a cursor never moves back');


--
-- Name: job_cursors job_cursors_stay; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_cursors_stay BEFORE DELETE OR TRUNCATE ON systemprompt.job_cursors FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.refuse('ledger: a cursor is never deleted');


--
-- Name: job_run_ranges job_run_ranges_account_once; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_run_ranges_account_once AFTER INSERT ON systemprompt.job_run_ranges REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.job_run_ranges_account_once();


--
-- Name: job_run_ranges job_run_ranges_go_when_pruned; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_run_ranges_go_when_pruned AFTER DELETE ON systemprompt.job_run_ranges REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.goes_when_pruned('last_at');


--
-- Name: job_run_ranges job_run_ranges_never_change; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_run_ranges_never_change BEFORE UPDATE OR TRUNCATE ON systemprompt.job_run_ranges FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.refuse('ledger: a range never changes');


--
-- Name: job_runs job_runs_account_once; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_runs_account_once AFTER INSERT ON systemprompt.job_runs REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.job_runs_account_once();


--
-- Name: job_runs_2026_03 job_runs_account_once; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_runs_account_once AFTER INSERT ON systemprompt.job_runs_2026_03 REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.job_runs_account_once();


--
-- Name: job_runs_2026_04 job_runs_account_once; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_runs_account_once AFTER INSERT ON systemprompt.job_runs_2026_04 REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.job_runs_account_once();


--
-- Name: job_runs_default job_runs_account_once; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_runs_account_once AFTER INSERT ON systemprompt.job_runs_default REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.job_runs_account_once();


--
-- Name: job_runs job_runs_go_when_pruned; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_runs_go_when_pruned AFTER DELETE ON systemprompt.job_runs REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.goes_when_pruned('due_at');


--
-- Name: job_runs_2026_03 job_runs_go_when_pruned; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_runs_go_when_pruned AFTER DELETE ON systemprompt.job_runs_2026_03 REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.goes_when_pruned('due_at');


--
-- Name: job_runs_2026_04 job_runs_go_when_pruned; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_runs_go_when_pruned AFTER DELETE ON systemprompt.job_runs_2026_04 REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.goes_when_pruned('due_at');


--
-- Name: job_runs_default job_runs_go_when_pruned; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_runs_go_when_pruned AFTER DELETE ON systemprompt.job_runs_default REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.goes_when_pruned('due_at');


--
-- Name: job_runs job_runs_never_change; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_runs_never_change BEFORE UPDATE OR TRUNCATE ON systemprompt.job_runs FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.refuse('ledger: a closed account never changes');


--
-- Name: job_runs_2026_03 job_runs_never_change; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_runs_never_change BEFORE UPDATE OR TRUNCATE ON systemprompt.job_runs_2026_03 FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.refuse('ledger: a closed account never changes');


--
-- Name: job_runs_2026_04 job_runs_never_change; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_runs_never_change BEFORE UPDATE OR TRUNCATE ON systemprompt.job_runs_2026_04 FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.refuse('ledger: a closed account never changes');


--
-- Name: job_runs_default job_runs_never_change; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_runs_never_change BEFORE UPDATE OR TRUNCATE ON systemprompt.job_runs_default FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.refuse('ledger: a closed account never changes');


--
-- Name: job_tallies job_tallies_never_change; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_tallies_never_change BEFORE UPDATE ON systemprompt.job_tallies FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.refuse('ledger: a tally never changes');


--
-- Name: job_versions job_versions_are_immutable; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_versions_are_immutable BEFORE UPDATE ON systemprompt.job_versions FOR EACH ROW WHEN (((old.valid_until IS NOT NULL) OR (new.valid_until IS NULL) OR (old.job_id IS DISTINCT FROM new.job_id) OR (old.version IS DISTINCT FROM new.version) OR (old.schedule IS DISTINCT FROM new.schedule) OR (old.time_zone IS DISTINCT FROM new.time_zone) OR (old.policies IS DISTINCT FROM new.policies) OR (old.enabled IS DISTINCT FROM new.enabled) OR (old.valid_from IS DISTINCT FROM new.valid_from) OR (old.cause IS DISTINCT FROM new.cause) OR (old.actor IS DISTINCT FROM new.actor) OR (old.noticed_by IS DISTINCT FROM new.noticed_by) OR (old.why IS DISTINCT FROM new.why))) EXECUTE FUNCTION systemprompt.refuse('ledger: a version never changes; it only ends');


--
-- Name: job_versions job_versions_never_overlap; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_versions_never_overlap AFTER INSERT ON systemprompt.job_versions REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.job_versions_never_overlap();


--
-- Name: job_versions job_versions_stay; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER job_versions_stay BEFORE DELETE OR TRUNCATE ON systemprompt.job_versions FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.refuse('ledger: a version is never deleted');


--
-- Name: jobs jobs_stay; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER jobs_stay BEFORE DELETE OR TRUNCATE ON systemprompt.jobs FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.refuse('ledger: a job is retired, never deleted');


--
-- Name: ledger_epochs ledger_epochs_never_change; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER ledger_epochs_never_change BEFORE DELETE OR UPDATE OR TRUNCATE ON systemprompt.ledger_epochs FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.refuse('ledger: an epoch never changes');


--
-- Name: ledger_seals ledger_seals_are_final; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER ledger_seals_are_final BEFORE UPDATE ON systemprompt.ledger_seals FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.refuse('ledger: a seal never changes');


--
-- Name: ledger_seals ledger_seals_cover_closed_runs; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER ledger_seals_cover_closed_runs BEFORE INSERT ON systemprompt.ledger_seals FOR EACH ROW EXECUTE FUNCTION systemprompt.ledger_seals_cover_closed_runs();


--
-- Name: ledger_seals ledger_seals_follow_one_another; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER ledger_seals_follow_one_another BEFORE INSERT ON systemprompt.ledger_seals FOR EACH ROW EXECUTE FUNCTION systemprompt.ledger_seals_follow_one_another();


--
-- Name: ledger_seals ledger_seals_stay; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER ledger_seals_stay BEFORE DELETE OR TRUNCATE ON systemprompt.ledger_seals FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.refuse('ledger: a seal is never deleted');


--
-- Name: ledger_state ledger_state_only_rises; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER ledger_state_only_rises BEFORE UPDATE ON systemprompt.ledger_state FOR EACH ROW WHEN (((new.ledger_id <> old.ledger_id) OR (new.runs_left_out < old.runs_left_out))) EXECUTE FUNCTION systemprompt.refuse('ledger: fences, run ids and the high-water mark only rise');


--
-- Name: ledger_state ledger_state_prunes_what_is_sealed; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER ledger_state_prunes_what_is_sealed BEFORE UPDATE ON systemprompt.ledger_state FOR EACH ROW WHEN (((new.seals < old.seals) OR (new.sealed_until < old.sealed_until) OR (new.pruned_until < old.pruned_until) OR (new.pruned_run < old.pruned_run) OR (new.pruned_until > new.sealed_until))) EXECUTE FUNCTION systemprompt.refuse('ledger: only what is sealed is pruned');


--
-- Name: ledger_state ledger_state_stays; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER ledger_state_stays BEFORE DELETE OR TRUNCATE ON systemprompt.ledger_state FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.refuse('ledger: its state is never deleted');


--
-- Name: ledger_state ledger_state_tells_of_seals; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER ledger_state_tells_of_seals BEFORE UPDATE ON systemprompt.ledger_state FOR EACH ROW WHEN (((new.seals IS DISTINCT FROM old.seals) OR (new.sealed_until IS DISTINCT FROM old.sealed_until))) EXECUTE FUNCTION systemprompt.ledger_state_tells_of_seals();


--
-- Name: nodes nodes_lost_stay_lost; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER nodes_lost_stay_lost BEFORE UPDATE ON systemprompt.nodes FOR EACH ROW WHEN ((old.stopped_at IS NOT NULL)) EXECUTE FUNCTION systemprompt.refuse('ledger: a node that stopped never comes back; a process takes a fresh id');


--
-- Name: open_runs open_runs_are_queued_between_nodes; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER open_runs_are_queued_between_nodes BEFORE UPDATE ON systemprompt.open_runs FOR EACH ROW WHEN ((old.fence <> new.fence)) EXECUTE FUNCTION systemprompt.refuse('ledger: a run is queued again before another node takes it');


--
-- Name: open_runs open_runs_attempts_rise; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER open_runs_attempts_rise BEFORE UPDATE ON systemprompt.open_runs FOR EACH ROW WHEN ((new.attempt <> (old.attempt +
        CASE
            WHEN ((old.fence IS NULL) AND (new.fence IS NOT NULL)) THEN 1
            ELSE 0
        END))) EXECUTE FUNCTION systemprompt.refuse('ledger: attempts only rise, by one for each claim');


--
-- Name: open_runs open_runs_begin_new; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER open_runs_begin_new AFTER INSERT ON systemprompt.open_runs REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.open_runs_begin_new();


--
-- Name: open_runs open_runs_stay_what_they_are; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER open_runs_stay_what_they_are BEFORE UPDATE ON systemprompt.open_runs FOR EACH ROW WHEN (((old.run_id IS DISTINCT FROM new.run_id) OR (old.job_id IS DISTINCT FROM new.job_id) OR (old.version IS DISTINCT FROM new.version) OR (old.origin IS DISTINCT FROM new.origin) OR (old.fire_at IS DISTINCT FROM new.fire_at) OR (old.due_at IS DISTINCT FROM new.due_at))) EXECUTE FUNCTION systemprompt.refuse('ledger: what a run accounts for never changes');


--
-- Name: requests requests_never_change; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER requests_never_change BEFORE UPDATE ON systemprompt.requests FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.refuse('ledger: a request never changes');


--
-- Name: run_marks run_marks_never_change; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER run_marks_never_change BEFORE UPDATE ON systemprompt.run_marks FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.refuse('ledger: a mark never changes');


--
-- Name: run_texts run_texts_never_change; Type: TRIGGER; Schema: systemprompt; Owner: -
--

CREATE TRIGGER run_texts_never_change BEFORE UPDATE ON systemprompt.run_texts FOR EACH STATEMENT EXECUTE FUNCTION systemprompt.refuse('ledger: what a run left in words never changes');


--
-- Name: job_cursors job_cursors_job_id_fkey; Type: FK CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.job_cursors
    ADD CONSTRAINT job_cursors_job_id_fkey FOREIGN KEY (job_id) REFERENCES systemprompt.jobs(job_id);


--
-- Name: job_last job_last_job_id_fkey; Type: FK CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.job_last
    ADD CONSTRAINT job_last_job_id_fkey FOREIGN KEY (job_id) REFERENCES systemprompt.jobs(job_id);


--
-- Name: job_versions job_versions_job_id_fkey; Type: FK CONSTRAINT; Schema: systemprompt; Owner: -
--

ALTER TABLE ONLY systemprompt.job_versions
    ADD CONSTRAINT job_versions_job_id_fkey FOREIGN KEY (job_id) REFERENCES systemprompt.jobs(job_id);


--
-- PostgreSQL database dump complete
--


