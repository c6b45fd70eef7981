-- now: 1773284400000000
BEGIN TRANSACTION;
CREATE TABLE abandoned_runs (
    run_id       INTEGER PRIMARY KEY,
    job_id       INTEGER NOT NULL,
    fence        INTEGER NOT NULL,
    node_id      TEXT    NOT NULL,
    abandoned_at INTEGER NOT NULL
) STRICT;
CREATE TABLE clock_events (
    event_id INTEGER PRIMARY KEY AUTOINCREMENT,
    seen_at  INTEGER NOT NULL,
    kind     TEXT    NOT NULL CHECK (kind IN ('forward', 'backward')),
    delta_us INTEGER NOT NULL,
    action   TEXT    NOT NULL,
    node_id  TEXT    NOT NULL
) STRICT;
INSERT INTO "clock_events" VALUES(1,1767225600000000,'forward',1,'','a');
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
CREATE TABLE job_cursors (
    job_id          INTEGER PRIMARY KEY REFERENCES jobs (job_id),
    planned_through INTEGER NOT NULL,
    next_due        INTEGER,
    next_run        INTEGER
) STRICT;
INSERT INTO "job_cursors" VALUES(1,1773284400000000,1773288000000000,1773288000000000);
INSERT INTO "job_cursors" VALUES(2,1773284400000000,1773288000000000,1773288000000000);
INSERT INTO "job_cursors" VALUES(3,1767225600000000,NULL,NULL);
CREATE TABLE job_last (
    job_id      INTEGER PRIMARY KEY REFERENCES jobs (job_id),
    last_run_id INTEGER NOT NULL,
    last_fence  INTEGER NOT NULL,
    last_run    INTEGER NOT NULL,
    last_status TEXT    NOT NULL CHECK (last_status = 'success' OR last_status = 'failed' OR last_status = 'cancelled'),
    last_error  TEXT,
    run_count   INTEGER NOT NULL CHECK (run_count >= 1)
) STRICT;
INSERT INTO "job_last" VALUES(1,25,25,1773284400000000,'success',NULL,12);
INSERT INTO "job_last" VALUES(2,26,26,1773284400000000,'success',NULL,12);
INSERT INTO "job_last" VALUES(3,6,6,1767236400000000,'failed','timeout',1);
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
INSERT INTO "job_run_ranges" VALUES(21,1,3,1772683200000000,1773280800000000,167,'missed','superseded',1773284400000000);
INSERT INTO "job_run_ranges" VALUES(22,2,1,1772683200000000,1773280800000000,167,'missed','superseded',1773284400000000);
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
INSERT INTO "job_runs" VALUES(25,1,3,'schedule',1773284400000000,1773284400000000,1773284400000000,1773284400000000,'a',1,25,1773284400000000,'schedule','success',1773284400000000,NULL,NULL,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0);
INSERT INTO "job_runs" VALUES(26,2,1,'schedule',1773284400000000,1773284400000000,1773284400000000,1773284400000000,'a',1,26,1773284400000000,'schedule','success',1773284400000000,NULL,NULL,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,0,0);
CREATE TABLE job_tallies (
    tally_id INTEGER PRIMARY KEY,
    job_id   INTEGER NOT NULL,
    hour     INTEGER NOT NULL,
    status   TEXT    NOT NULL,
    origin   TEXT    NOT NULL,
    n        INTEGER NOT NULL CHECK (n <> 0)
) STRICT;
INSERT INTO "job_tallies" VALUES(1,1,490897,'failed','schedule',-1);
INSERT INTO "job_tallies" VALUES(2,2,490897,'failed','schedule',-1);
INSERT INTO "job_tallies" VALUES(3,1,490898,'skipped','range',-1);
INSERT INTO "job_tallies" VALUES(4,2,490898,'missed','range',-1);
INSERT INTO "job_tallies" VALUES(5,2,490899,'success','schedule',-1);
INSERT INTO "job_tallies" VALUES(6,1,490899,'failed','schedule',-1);
INSERT INTO "job_tallies" VALUES(7,3,490899,'cancelled','manual',-1);
INSERT INTO "job_tallies" VALUES(8,3,490899,'failed','manual',-1);
INSERT INTO "job_tallies" VALUES(9,1,491066,'missed','range',-1);
INSERT INTO "job_tallies" VALUES(10,2,491066,'missed','range',-1);
INSERT INTO "job_tallies" VALUES(11,1,491067,'success','schedule',-1);
INSERT INTO "job_tallies" VALUES(12,2,491067,'success','schedule',-1);
INSERT INTO "job_tallies" VALUES(13,1,491234,'missed','range',-1);
INSERT INTO "job_tallies" VALUES(14,2,491234,'missed','range',-1);
INSERT INTO "job_tallies" VALUES(15,1,491235,'success','schedule',-1);
INSERT INTO "job_tallies" VALUES(16,2,491235,'success','schedule',-1);
INSERT INTO "job_tallies" VALUES(17,1,491402,'missed','range',-1);
INSERT INTO "job_tallies" VALUES(18,2,491402,'missed','range',-1);
INSERT INTO "job_tallies" VALUES(19,1,491403,'success','schedule',-1);
INSERT INTO "job_tallies" VALUES(20,2,491403,'success','schedule',-1);
INSERT INTO "job_tallies" VALUES(21,1,491570,'missed','range',-1);
INSERT INTO "job_tallies" VALUES(22,2,491570,'missed','range',-1);
INSERT INTO "job_tallies" VALUES(23,1,491571,'success','schedule',-1);
INSERT INTO "job_tallies" VALUES(24,2,491571,'success','schedule',-1);
INSERT INTO "job_tallies" VALUES(25,1,491738,'missed','range',-1);
INSERT INTO "job_tallies" VALUES(26,2,491738,'missed','range',-1);
INSERT INTO "job_tallies" VALUES(27,1,491739,'success','schedule',-1);
INSERT INTO "job_tallies" VALUES(28,2,491739,'success','schedule',-1);
INSERT INTO "job_tallies" VALUES(29,1,491906,'missed','range',-1);
INSERT INTO "job_tallies" VALUES(30,2,491906,'missed','range',-1);
INSERT INTO "job_tallies" VALUES(31,1,491907,'success','schedule',-1);
INSERT INTO "job_tallies" VALUES(32,2,491907,'success','schedule',-1);
INSERT INTO "job_tallies" VALUES(33,1,492074,'missed','range',-1);
INSERT INTO "job_tallies" VALUES(34,2,492074,'missed','range',-1);
INSERT INTO "job_tallies" VALUES(35,1,492075,'success','schedule',-1);
INSERT INTO "job_tallies" VALUES(36,2,492075,'success','schedule',-1);
INSERT INTO "job_tallies" VALUES(37,1,492242,'missed','range',-1);
INSERT INTO "job_tallies" VALUES(38,2,492242,'missed','range',-1);
INSERT INTO "job_tallies" VALUES(39,1,492243,'success','schedule',-1);
INSERT INTO "job_tallies" VALUES(40,2,492243,'success','schedule',-1);
INSERT INTO "job_tallies" VALUES(41,1,492410,'missed','range',-1);
INSERT INTO "job_tallies" VALUES(42,2,492410,'missed','range',-1);
INSERT INTO "job_tallies" VALUES(43,1,492411,'success','schedule',-1);
INSERT INTO "job_tallies" VALUES(44,2,492411,'success','schedule',-1);
INSERT INTO "job_tallies" VALUES(45,0,490897,'failed','schedule',-2);
INSERT INTO "job_tallies" VALUES(46,0,490898,'skipped','range',-1);
INSERT INTO "job_tallies" VALUES(47,0,490898,'missed','range',-1);
INSERT INTO "job_tallies" VALUES(48,0,490899,'success','schedule',-1);
INSERT INTO "job_tallies" VALUES(49,0,490899,'failed','schedule',-1);
INSERT INTO "job_tallies" VALUES(50,0,490899,'cancelled','manual',-1);
INSERT INTO "job_tallies" VALUES(51,0,490899,'failed','manual',-1);
INSERT INTO "job_tallies" VALUES(52,0,491066,'missed','range',-2);
INSERT INTO "job_tallies" VALUES(53,0,491067,'success','schedule',-2);
INSERT INTO "job_tallies" VALUES(54,0,491234,'missed','range',-2);
INSERT INTO "job_tallies" VALUES(55,0,491235,'success','schedule',-2);
INSERT INTO "job_tallies" VALUES(56,0,491402,'missed','range',-2);
INSERT INTO "job_tallies" VALUES(57,0,491403,'success','schedule',-2);
INSERT INTO "job_tallies" VALUES(58,0,491570,'missed','range',-2);
INSERT INTO "job_tallies" VALUES(59,0,491571,'success','schedule',-2);
INSERT INTO "job_tallies" VALUES(60,0,491738,'missed','range',-2);
INSERT INTO "job_tallies" VALUES(61,0,491739,'success','schedule',-2);
INSERT INTO "job_tallies" VALUES(62,0,491906,'missed','range',-2);
INSERT INTO "job_tallies" VALUES(63,0,491907,'success','schedule',-2);
INSERT INTO "job_tallies" VALUES(64,0,492074,'missed','range',-2);
INSERT INTO "job_tallies" VALUES(65,0,492075,'success','schedule',-2);
INSERT INTO "job_tallies" VALUES(66,0,492242,'missed','range',-2);
INSERT INTO "job_tallies" VALUES(67,0,492243,'success','schedule',-2);
INSERT INTO "job_tallies" VALUES(68,0,492410,'missed','range',-2);
INSERT INTO "job_tallies" VALUES(69,0,492411,'success','schedule',-2);
CREATE TABLE job_tally_sums (
    job_id INTEGER NOT NULL,
    hour   INTEGER NOT NULL,
    status TEXT    NOT NULL,
    origin TEXT    NOT NULL,
    n      INTEGER NOT NULL,
    PRIMARY KEY (job_id, hour, status, origin)
) STRICT, WITHOUT ROWID;
INSERT INTO "job_tally_sums" VALUES(0,490897,'failed','schedule',2);
INSERT INTO "job_tally_sums" VALUES(0,490898,'missed','range',1);
INSERT INTO "job_tally_sums" VALUES(0,490898,'skipped','range',1);
INSERT INTO "job_tally_sums" VALUES(0,490899,'cancelled','manual',1);
INSERT INTO "job_tally_sums" VALUES(0,490899,'failed','manual',1);
INSERT INTO "job_tally_sums" VALUES(0,490899,'failed','schedule',1);
INSERT INTO "job_tally_sums" VALUES(0,490899,'success','schedule',1);
INSERT INTO "job_tally_sums" VALUES(0,491066,'missed','range',2);
INSERT INTO "job_tally_sums" VALUES(0,491067,'success','schedule',2);
INSERT INTO "job_tally_sums" VALUES(0,491234,'missed','range',2);
INSERT INTO "job_tally_sums" VALUES(0,491235,'success','schedule',2);
INSERT INTO "job_tally_sums" VALUES(0,491402,'missed','range',2);
INSERT INTO "job_tally_sums" VALUES(0,491403,'success','schedule',2);
INSERT INTO "job_tally_sums" VALUES(0,491570,'missed','range',2);
INSERT INTO "job_tally_sums" VALUES(0,491571,'success','schedule',2);
INSERT INTO "job_tally_sums" VALUES(0,491738,'missed','range',2);
INSERT INTO "job_tally_sums" VALUES(0,491739,'success','schedule',2);
INSERT INTO "job_tally_sums" VALUES(0,491906,'missed','range',2);
INSERT INTO "job_tally_sums" VALUES(0,491907,'success','schedule',2);
INSERT INTO "job_tally_sums" VALUES(0,492074,'missed','range',2);
INSERT INTO "job_tally_sums" VALUES(0,492075,'success','schedule',2);
INSERT INTO "job_tally_sums" VALUES(0,492242,'missed','range',2);
INSERT INTO "job_tally_sums" VALUES(0,492243,'success','schedule',2);
INSERT INTO "job_tally_sums" VALUES(0,492410,'missed','range',2);
INSERT INTO "job_tally_sums" VALUES(0,492411,'success','schedule',2);
INSERT INTO "job_tally_sums" VALUES(0,492578,'missed','range',2);
INSERT INTO "job_tally_sums" VALUES(0,492579,'success','schedule',2);
INSERT INTO "job_tally_sums" VALUES(1,490897,'failed','schedule',1);
INSERT INTO "job_tally_sums" VALUES(1,490898,'skipped','range',1);
INSERT INTO "job_tally_sums" VALUES(1,490899,'failed','schedule',1);
INSERT INTO "job_tally_sums" VALUES(1,491066,'missed','range',1);
INSERT INTO "job_tally_sums" VALUES(1,491067,'success','schedule',1);
INSERT INTO "job_tally_sums" VALUES(1,491234,'missed','range',1);
INSERT INTO "job_tally_sums" VALUES(1,491235,'success','schedule',1);
INSERT INTO "job_tally_sums" VALUES(1,491402,'missed','range',1);
INSERT INTO "job_tally_sums" VALUES(1,491403,'success','schedule',1);
INSERT INTO "job_tally_sums" VALUES(1,491570,'missed','range',1);
INSERT INTO "job_tally_sums" VALUES(1,491571,'success','schedule',1);
INSERT INTO "job_tally_sums" VALUES(1,491738,'missed','range',1);
INSERT INTO "job_tally_sums" VALUES(1,491739,'success','schedule',1);
INSERT INTO "job_tally_sums" VALUES(1,491906,'missed','range',1);
INSERT INTO "job_tally_sums" VALUES(1,491907,'success','schedule',1);
INSERT INTO "job_tally_sums" VALUES(1,492074,'missed','range',1);
INSERT INTO "job_tally_sums" VALUES(1,492075,'success','schedule',1);
INSERT INTO "job_tally_sums" VALUES(1,492242,'missed','range',1);
INSERT INTO "job_tally_sums" VALUES(1,492243,'success','schedule',1);
INSERT INTO "job_tally_sums" VALUES(1,492410,'missed','range',1);
INSERT INTO "job_tally_sums" VALUES(1,492411,'success','schedule',1);
INSERT INTO "job_tally_sums" VALUES(1,492578,'missed','range',1);
INSERT INTO "job_tally_sums" VALUES(1,492579,'success','schedule',1);
INSERT INTO "job_tally_sums" VALUES(2,490897,'failed','schedule',1);
INSERT INTO "job_tally_sums" VALUES(2,490898,'missed','range',1);
INSERT INTO "job_tally_sums" VALUES(2,490899,'success','schedule',1);
INSERT INTO "job_tally_sums" VALUES(2,491066,'missed','range',1);
INSERT INTO "job_tally_sums" VALUES(2,491067,'success','schedule',1);
INSERT INTO "job_tally_sums" VALUES(2,491234,'missed','range',1);
INSERT INTO "job_tally_sums" VALUES(2,491235,'success','schedule',1);
INSERT INTO "job_tally_sums" VALUES(2,491402,'missed','range',1);
INSERT INTO "job_tally_sums" VALUES(2,491403,'success','schedule',1);
INSERT INTO "job_tally_sums" VALUES(2,491570,'missed','range',1);
INSERT INTO "job_tally_sums" VALUES(2,491571,'success','schedule',1);
INSERT INTO "job_tally_sums" VALUES(2,491738,'missed','range',1);
INSERT INTO "job_tally_sums" VALUES(2,491739,'success','schedule',1);
INSERT INTO "job_tally_sums" VALUES(2,491906,'missed','range',1);
INSERT INTO "job_tally_sums" VALUES(2,491907,'success','schedule',1);
INSERT INTO "job_tally_sums" VALUES(2,492074,'missed','range',1);
INSERT INTO "job_tally_sums" VALUES(2,492075,'success','schedule',1);
INSERT INTO "job_tally_sums" VALUES(2,492242,'missed','range',1);
INSERT INTO "job_tally_sums" VALUES(2,492243,'success','schedule',1);
INSERT INTO "job_tally_sums" VALUES(2,492410,'missed','range',1);
INSERT INTO "job_tally_sums" VALUES(2,492411,'success','schedule',1);
INSERT INTO "job_tally_sums" VALUES(2,492578,'missed','range',1);
INSERT INTO "job_tally_sums" VALUES(2,492579,'success','schedule',1);
INSERT INTO "job_tally_sums" VALUES(3,490899,'cancelled','manual',1);
INSERT INTO "job_tally_sums" VALUES(3,490899,'failed','manual',1);
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
INSERT INTO "job_versions" VALUES(1,1,'0 0 * * * *','UTC','{"catch_up": "latest", "dst_fold": "first", "dst_gap": "run", "isolation": "thread", "on_lost": "fail", "overlap": "skip", "runs_on": [], "timeout_s": null}',1,1767225600000000,1767229200000000,'added','code','a test','');
INSERT INTO "job_versions" VALUES(1,2,'0 0 * * * *','UTC','{"catch_up": "latest", "dst_fold": "first", "dst_gap": "run", "isolation": "thread", "on_lost": "fail", "overlap": "skip", "runs_on": [], "timeout_s": null}',0,1767229200000000,1767232800000000,'disabled','me','','');
INSERT INTO "job_versions" VALUES(1,3,'0 0 * * * *','UTC','{"catch_up": "latest", "dst_fold": "first", "dst_gap": "run", "isolation": "thread", "on_lost": "fail", "overlap": "skip", "runs_on": [], "timeout_s": null}',1,1767232800000000,NULL,'enabled','me','','');
INSERT INTO "job_versions" VALUES(2,1,'0 0 * * * *','UTC','{"catch_up": "latest", "dst_fold": "first", "dst_gap": "run", "isolation": "thread", "on_lost": "rerun", "overlap": "skip", "runs_on": [], "timeout_s": null}',1,1767225600000000,NULL,'added','code','a test','');
INSERT INTO "job_versions" VALUES(3,1,'','UTC','{"catch_up": "latest", "dst_fold": "first", "dst_gap": "run", "isolation": "thread", "on_lost": "fail", "overlap": "skip", "runs_on": [], "timeout_s": null}',1,1767225600000000,NULL,'added','code','a test','');
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
INSERT INTO "jobs" VALUES(1,'hourly','','[]',NULL,'file:jobs.py',1,'[]','{}',NULL,NULL,NULL,3,'[]',1772679600000000,1767225600000000,1767232800000000);
INSERT INTO "jobs" VALUES(2,'again','','[]',NULL,'file:jobs.py',1,'[]','{}',NULL,NULL,NULL,1,'[]',1772679600000000,1767225600000000,1767225600000000);
INSERT INTO "jobs" VALUES(3,'hand','','[]',NULL,'file:jobs.py',1,'[]','{}',NULL,NULL,NULL,1,'[]',1767225600000000,1767225600000000,1767225600000000);
CREATE TABLE ledger_epochs (
    epoch     INTEGER PRIMARY KEY CHECK (epoch >= 0),
    system    TEXT    NOT NULL,
    timeline  INTEGER NOT NULL,
    opened_at INTEGER NOT NULL
) STRICT;
CREATE TABLE "ledger_migrations" (number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum INTEGER NOT NULL) STRICT;
INSERT INTO "ledger_migrations" VALUES(1,'0001_ledger.sql',1208740102);
INSERT INTO "ledger_migrations" VALUES(2,'0002_epochs.sql',3738676846);
INSERT INTO "ledger_migrations" VALUES(3,'0003_zone_data.beside.sql',1474552704);
INSERT INTO "ledger_migrations" VALUES(4,'0004_fresh_plans.beside.sql',2918178424);
INSERT INTO "ledger_migrations" VALUES(5,'0005_lean_writes.beside.sql',120076372);
INSERT INTO "ledger_migrations" VALUES(6,'0006_start_deadline.beside.sql',3449855839);
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
INSERT INTO "ledger_seals" VALUES(1,1,'2026-01-01',1767225600000000,1767312000000000,6,3,2,6,'{"ranges":{"missed superseded":1,"skipped disabled":1},"runs":{"cancelled requested":1,"failed exception":2,"failed node_lost":1,"failed timeout":1,"success":1}}','7a2fffbce2dea03efe27c9e744a8e4cbc07b7bed7ea14183798fe315af538b3b',1773284400000000,'d91ed88a6988850bb43939a9e712f179548a8a54ac550e54eab41a938df6543b','7ca5060e46f221354ad7269305ad17bbe8e1a006d9f1e0df0bef062b4032b546');
INSERT INTO "ledger_seals" VALUES(2,1,'2026-01-08',1767312000000000,1767916800000000,2,0,2,336,'{"ranges":{"missed superseded":334},"runs":{"success":2}}','abacd3a07a39057852383fb388fcabaef205828d7160384ea540103e377e0dcf',1773284400000000,'7ca5060e46f221354ad7269305ad17bbe8e1a006d9f1e0df0bef062b4032b546','8a8c5d1824a3b758fd919cefadd3c2f9bf6120f0b6cc8917120fbc3a6523339a');
INSERT INTO "ledger_seals" VALUES(3,1,'2026-01-15',1767916800000000,1768521600000000,2,0,2,336,'{"ranges":{"missed superseded":334},"runs":{"success":2}}','8c104a6b0075d609098688881d4fbc8490cca2a26855245961af9dfa0532432e',1773284400000000,'8a8c5d1824a3b758fd919cefadd3c2f9bf6120f0b6cc8917120fbc3a6523339a','0b35817ae8e49b02c85cc08db6ace2628bf3d535a5a81a25bf540b2e6667ed4b');
INSERT INTO "ledger_seals" VALUES(4,1,'2026-01-22',1768521600000000,1769126400000000,2,0,2,336,'{"ranges":{"missed superseded":334},"runs":{"success":2}}','d837861519e10f9a0e177b337b3311a572fa95ecd5cdf55795757235e3ec9532',1773284400000000,'0b35817ae8e49b02c85cc08db6ace2628bf3d535a5a81a25bf540b2e6667ed4b','b88264540ecad3e2750fb5f9c39a0b974b4ed98921e33651d3c94a780cf314e7');
INSERT INTO "ledger_seals" VALUES(5,1,'2026-01-29',1769126400000000,1769731200000000,2,0,2,336,'{"ranges":{"missed superseded":334},"runs":{"success":2}}','2d247da5e06788b63146fed4939c3d291ab5b69628924fa2f40987d2ac971b1a',1773284400000000,'b88264540ecad3e2750fb5f9c39a0b974b4ed98921e33651d3c94a780cf314e7','7d3e38c791462f9d172e954bcc3bba53c10172ac8be11a29eb96026b3e840f69');
INSERT INTO "ledger_seals" VALUES(6,1,'2026-02-05',1769731200000000,1770336000000000,2,0,2,336,'{"ranges":{"missed superseded":334},"runs":{"success":2}}','416258c56d431b855624924a93d1167b4cbb0141b99d8deaff5fd697643b0968',1773284400000000,'7d3e38c791462f9d172e954bcc3bba53c10172ac8be11a29eb96026b3e840f69','6219434ae7b5d488425060a0353915c54666c0e2be70a9c9f80208bfe7c3a775');
INSERT INTO "ledger_seals" VALUES(7,1,'2026-02-12',1770336000000000,1770940800000000,2,0,2,336,'{"ranges":{"missed superseded":334},"runs":{"success":2}}','4e8ad7c47b7c94b0ea0d21ba4dcfb46f7eb60597cb2e7961e77207e0254d810a',1773284400000000,'6219434ae7b5d488425060a0353915c54666c0e2be70a9c9f80208bfe7c3a775','053d782545dd75940fa1cd5f61882a30240b7195b2cb90bdec8aa6666833cfe4');
INSERT INTO "ledger_seals" VALUES(8,1,'2026-02-19',1770940800000000,1771545600000000,2,0,2,336,'{"ranges":{"missed superseded":334},"runs":{"success":2}}','f967a8d44495ff87af8fe9fc2f0998603fb3d595fe17cd82c35d60eae34d8ff9',1773284400000000,'053d782545dd75940fa1cd5f61882a30240b7195b2cb90bdec8aa6666833cfe4','bced78e84bcc8ab523a240085d481ef2ae294072f02ed0ee02178113337b64bd');
INSERT INTO "ledger_seals" VALUES(9,1,'2026-02-26',1771545600000000,1772150400000000,2,0,2,336,'{"ranges":{"missed superseded":334},"runs":{"success":2}}','c371efb246d8f32b4e8636eca82c327fbbd74c501c161f7df3317d1e1ca571bf',1773284400000000,'bced78e84bcc8ab523a240085d481ef2ae294072f02ed0ee02178113337b64bd','c511abedb010ff26651f18844933af3b8368a307f7e1b97b81dc87ec33bc9f74');
INSERT INTO "ledger_seals" VALUES(10,1,'2026-03-05',1772150400000000,1772755200000000,2,0,2,336,'{"ranges":{"missed superseded":334},"runs":{"success":2}}','fb3ccc4e6ac9b232e5813a346bcbf49f05629cebcac6f860d207396688668fea',1773284400000000,'c511abedb010ff26651f18844933af3b8368a307f7e1b97b81dc87ec33bc9f74','053991e3ba9d5dc7e2891556525c94394eb67e7d52f66b550ee079bfe36b8b15');
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
INSERT INTO "ledger_state" VALUES(1,'93152b6130025246bd7c8f4f75d26664',26,26,0,1773284400000000,10,1772755200000000,1772755200000000,24);
CREATE TABLE lost_runs (
    fence  INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL,
    body   TEXT    NOT NULL
) STRICT;
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
    fate            TEXT    CHECK (fate IN ('left', 'lost')), epoch INTEGER NOT NULL DEFAULT 0,
    CONSTRAINT drain_has_an_actor
    CHECK ((draining_at IS NULL) = (draining_by IS NULL)),
    CONSTRAINT stopped_node_has_a_fate
    CHECK ((stopped_at IS NULL) = (fate IS NULL))
) STRICT, WITHOUT ROWID;
INSERT INTO "nodes" VALUES('a','serve','here','boot/pid',1,1,'test','[]','',1,4,1767225600000000,11,1773284400000000,0,'[]',NULL,NULL,NULL,1773284400000000,'left',0);
INSERT INTO "nodes" VALUES('c','serve','here','boot/pid',1,1,'test','[]','',1,4,1773284400000000,0,1773284400000000,0,'[]',NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "nodes" VALUES('d','serve','here','boot/pid',1,1,'test','[]','2026b',1,4,1773284400000000,0,1773284400000000,0,'[]',NULL,NULL,NULL,NULL,NULL,0);
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
CREATE TABLE quarantined_sources (
    source   TEXT PRIMARY KEY,
    error    TEXT NOT NULL,
    since_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE reasons (
    status   TEXT NOT NULL CHECK (status IN ('failed', 'skipped', 'missed', 'cancelled')),
    reason   TEXT NOT NULL,
    sentence TEXT NOT NULL,
    PRIMARY KEY (status, reason)
) STRICT, WITHOUT ROWID;
INSERT INTO "reasons" VALUES('cancelled','interrupted','`sp jobs run` was stopped by Ctrl-C or a signal');
INSERT INTO "reasons" VALUES('cancelled','lease_lost','the node could not renew its lease and stopped its own work');
INSERT INTO "reasons" VALUES('cancelled','requested','somebody asked for it');
INSERT INTO "reasons" VALUES('cancelled','retired','the job left the installation before the run began');
INSERT INTO "reasons" VALUES('cancelled','shutdown','the node was stopping and its grace was over');
INSERT INTO "reasons" VALUES('failed','exception','the job raised; its traceback is kept');
INSERT INTO "reasons" VALUES('failed','exit_nonzero','the command, or the job''s process, ended with an exit code other than 0');
INSERT INTO "reasons" VALUES('failed','killed','a signal ended the job''s process');
INSERT INTO "reasons" VALUES('failed','loop_blocked','another async job blocked the event loop that it ran in');
INSERT INTO "reasons" VALUES('failed','node_lost','the node died in mid-run; on_lost: fail');
INSERT INTO "reasons" VALUES('failed','not_loaded','the node that claimed the run could not load the job');
INSERT INTO "reasons" VALUES('failed','reported','the job said so: it returned JobResult.failure');
INSERT INTO "reasons" VALUES('failed','spawn_error','the job could not be started');
INSERT INTO "reasons" VALUES('failed','timeout','the job ran longer than its timeout');
INSERT INTO "reasons" VALUES('missed','clock_jump','the wall clock jumped over it');
INSERT INTO "reasons" VALUES('missed','down','no node was there to start it in time, and catch_up is skip');
INSERT INTO "reasons" VALUES('missed','start_deadline','it could not begin within the job''s start_deadline');
INSERT INTO "reasons" VALUES('missed','superseded','no node was there to start it in time; a later fire time ran in its place');
INSERT INTO "reasons" VALUES('skipped','disabled','the job was disabled');
INSERT INTO "reasons" VALUES('skipped','overlap','an earlier run of the job was still open; blocked_by names it');
INSERT INTO "reasons" VALUES('skipped','quarantined','the job could not be loaded');
CREATE TABLE requests (
    request_id TEXT    PRIMARY KEY,
    digest     TEXT    NOT NULL,
    answer     TEXT    NOT NULL,
    actor      TEXT    NOT NULL,
    asked_at   INTEGER NOT NULL,
    until_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE run_marks (
    mark_id   INTEGER PRIMARY KEY,
    run_id    INTEGER NOT NULL,
    mark      TEXT    NOT NULL CHECK (mark IN ('done')),
    actor     TEXT    NOT NULL,
    why       TEXT    NOT NULL DEFAULT '',
    marked_at INTEGER NOT NULL,
    UNIQUE (run_id, mark)
) STRICT;
CREATE TABLE run_texts (
    run_id  INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    kind    TEXT    NOT NULL CHECK (kind IN ('error', 'output')),
    text    TEXT    NOT NULL,
    UNIQUE (run_id, attempt, kind)
) STRICT;
CREATE TABLE zone_data_changes (
    change_id INTEGER PRIMARY KEY,
    seen_at   INTEGER NOT NULL,
    zone_data TEXT    NOT NULL,
    node_id   TEXT    NOT NULL
) STRICT;
INSERT INTO "zone_data_changes" VALUES(1,1773284400000000,'2026b','d');
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
CREATE INDEX jobs_for_some_nodes ON jobs (job_id) WHERE runs_on <> '[]';
CREATE TRIGGER jobs_stay
BEFORE DELETE ON jobs
BEGIN SELECT RAISE(ROLLBACK, 'ledger: a job is retired, never deleted'); END;
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
CREATE INDEX job_cursors_by_next_due ON job_cursors (next_due) WHERE next_due IS NOT NULL;
CREATE TRIGGER job_cursors_move_forward
AFTER UPDATE OF planned_through ON job_cursors WHEN NEW.planned_through < OLD.planned_through
BEGIN SELECT RAISE(ROLLBACK, 'ledger: a cursor never moves back'); END;
CREATE UNIQUE INDEX open_runs_one_account ON open_runs (job_id, fire_at);
CREATE INDEX open_runs_waiting ON open_runs (available_at) WHERE node_id IS NULL;
CREATE INDEX open_runs_to_stop ON open_runs (node_id) WHERE stop_asked_at IS NOT NULL;
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
CREATE UNIQUE INDEX job_runs_one_account ON job_runs (job_id, due_at, CASE WHEN fire_at IS NULL THEN run_id ELSE 0 END);
CREATE INDEX job_runs_by_due ON job_runs (due_at);
CREATE INDEX job_runs_not_well ON job_runs (status, due_at) WHERE reason IS NOT NULL;
CREATE INDEX job_runs_not_well_of_job ON job_runs (job_id, status, due_at) WHERE reason IS NOT NULL;
CREATE INDEX job_runs_by_origin ON job_runs (origin, due_at) WHERE origin <> 'schedule';
CREATE INDEX job_runs_by_origin_of_job ON job_runs (job_id, origin, due_at) WHERE origin <> 'schedule';
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
CREATE TRIGGER run_texts_never_change
BEFORE UPDATE ON run_texts
BEGIN SELECT RAISE(ROLLBACK, 'ledger: what a run left in words never changes'); END;
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
CREATE TRIGGER job_tallies_never_change
BEFORE UPDATE ON job_tallies
BEGIN SELECT RAISE(ROLLBACK, 'ledger: a tally never changes'); END;
CREATE INDEX job_tally_sums_of_nothing ON job_tally_sums (job_id) WHERE n = 0;
CREATE TRIGGER run_marks_never_change
BEFORE UPDATE ON run_marks
BEGIN SELECT RAISE(ROLLBACK, 'ledger: a mark never changes'); END;
CREATE TRIGGER requests_never_change
BEFORE UPDATE ON requests
BEGIN SELECT RAISE(ROLLBACK, 'ledger: a request never changes'); END;
CREATE INDEX nodes_living ON nodes (node_id) WHERE stopped_at IS NULL;
CREATE TRIGGER nodes_lost_stay_lost
BEFORE UPDATE ON nodes WHEN OLD.stopped_at IS NOT NULL
BEGIN SELECT RAISE(ROLLBACK, 'ledger: a node that stopped never comes back; a process takes a fresh id'); END;
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
CREATE TRIGGER ledger_epochs_never_change
BEFORE UPDATE ON ledger_epochs
BEGIN SELECT RAISE(ROLLBACK, 'ledger: an epoch never changes'); END;
CREATE TRIGGER ledger_epochs_stay
BEFORE DELETE ON ledger_epochs
BEGIN SELECT RAISE(ROLLBACK, 'ledger: an epoch never changes'); END;
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
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('clock_events',1);
INSERT INTO "sqlite_sequence" VALUES('job_run_ranges',22);
INSERT INTO "sqlite_sequence" VALUES('job_attempts',3);
COMMIT;
