-- The tables that the built-in jobs work on. Instants are whole microseconds since 1970-01-01T00:00:00Z.
-- A profile may map any of them to a table of the host application. That is why none refers to another by a foreign key: the
-- other side may be the host's, and a cascade would delete without bound in one transaction. `database_cleanup` takes orphans
-- away in batches instead.

-- What jobs and the application had to say. Lines of a run carry its number and the id of its ledger: a number says which run
-- only within one ledger, and other installations may share this table. Both are NULL in a line that belongs to no run.
CREATE TABLE logs (
    id INTEGER PRIMARY KEY,
    created_at INTEGER NOT NULL,
    level TEXT NOT NULL,
    source TEXT NOT NULL DEFAULT '',
    message TEXT NOT NULL,
    fields TEXT CHECK (fields IS NULL OR json_valid(fields)),
    job_name TEXT,
    ledger_id TEXT,
    run_id INTEGER,
    attempt INTEGER,
    CHECK ((run_id IS NULL) = (ledger_id IS NULL))
) STRICT;
-- For log_cleanup.
CREATE INDEX logs_by_age ON logs (created_at);
-- For `sp jobs logs RUN`.
CREATE INDEX logs_of_a_run ON logs (ledger_id, run_id, id) WHERE run_id IS NOT NULL;

-- The application's people. Only behavioral_analysis writes here, and only with enforce. `is_anonymous`: came without an account;
-- cleanup_anonymous_users takes nobody else. The application says so when it makes the row.
CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL DEFAULT '',
    email TEXT,
    status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'flagged', 'banned')),
    banned_at INTEGER,
    ban_reason TEXT,
    created_at INTEGER NOT NULL,
    is_anonymous INTEGER NOT NULL DEFAULT 0 CHECK (is_anonymous IN (0, 1)),
    last_seen_at INTEGER,
    CHECK ((status = 'banned') = (banned_at IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX users_by_email ON users (email) WHERE email IS NOT NULL;
CREATE INDEX users_anonymous_by_age ON users (created_at) WHERE is_anonymous = 1;

-- One visit. `scored_at` says when behavioral_analysis last looked; `ban_applied_at` that a ban was drawn from this
-- session, so that a person whom somebody let back in is not banned again for the same visit.
CREATE TABLE user_sessions (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT,
    started_at INTEGER NOT NULL,
    last_activity_at INTEGER NOT NULL,
    ended_at INTEGER,
    end_reason TEXT,
    ip_address TEXT,
    user_agent TEXT,
    request_count INTEGER NOT NULL DEFAULT 0,
    error_count INTEGER NOT NULL DEFAULT 0,
    behavior_score REAL CHECK (behavior_score IS NULL OR behavior_score BETWEEN 0 AND 100),
    scored_at INTEGER,
    flagged_at INTEGER,
    flags TEXT CHECK (flags IS NULL OR json_valid(flags)),
    ban_applied_at INTEGER,
    CHECK (end_reason IS NULL OR ended_at IS NOT NULL)
) STRICT;
-- For session_cleanup and cleanup_inactive_sessions.
CREATE INDEX user_sessions_by_activity ON user_sessions (last_activity_at);
CREATE INDEX user_sessions_of_a_user ON user_sessions (user_id);
-- For bans that were found and not yet applied.
CREATE INDEX user_sessions_to_ban ON user_sessions (behavior_score) WHERE ban_applied_at IS NULL;
-- For malicious_ip_blacklist: the sessions of its window.
CREATE INDEX user_sessions_with_address ON user_sessions (id, last_activity_at) WHERE ip_address IS NOT NULL;

-- A visit that is deleted leaves its trace: cleanup_anonymous_users spares whoever came back within its days.
CREATE TRIGGER user_sessions_leave_a_trace AFTER DELETE ON user_sessions
WHEN old.user_id IS NOT NULL
BEGIN
    UPDATE users SET last_seen_at = old.last_activity_at
    WHERE id = old.user_id AND coalesce(last_seen_at, 0) < old.last_activity_at;
END;

-- One request of a session: what behavioral_analysis reads.
CREATE TABLE session_requests (
    id INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL,
    requested_at INTEGER NOT NULL,
    method TEXT NOT NULL DEFAULT 'GET',
    path TEXT NOT NULL,
    status INTEGER NOT NULL,
    duration_ms INTEGER
) STRICT;
CREATE INDEX session_requests_of_a_session ON session_requests (session_id, requested_at);

-- A conversation's frame; one that never got a message is taken away by cleanup_empty_contexts.
CREATE TABLE user_contexts (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT,
    name TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX user_contexts_by_age ON user_contexts (created_at);
CREATE INDEX user_contexts_of_a_user ON user_contexts (user_id);

-- One message of a context.
CREATE TABLE task_messages (
    id TEXT NOT NULL PRIMARY KEY,
    context_id TEXT NOT NULL,
    role TEXT NOT NULL,
    content TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX task_messages_of_a_context ON task_messages (context_id, created_at);

-- One markdown file as content_ingestion read it. `path` is relative to the source's folder, with `/`. `published_at` and
-- `updated_at` are what the front matter says; `ingested_at` is when this row last changed. A file that is gone is kept, with
-- `removed_at`, until retention is over. `parsed_as` names the rules it was read by: new rules read every file again.
CREATE TABLE markdown_content (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    path TEXT NOT NULL,
    slug TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    body TEXT NOT NULL,
    tags TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(tags)),
    front_matter TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(front_matter)),
    draft INTEGER NOT NULL DEFAULT 0 CHECK (draft IN (0, 1)),
    published_at INTEGER,
    updated_at INTEGER,
    content_hash TEXT NOT NULL,
    parsed_as TEXT NOT NULL,
    ingested_at INTEGER NOT NULL,
    removed_at INTEGER,
    UNIQUE (source, path)
) STRICT;
-- Not unique: two files of one slug are a mistake to report, and content_ingestion keeps the second out.
CREATE INDEX markdown_content_by_slug ON markdown_content (source, slug) WHERE removed_at IS NULL;
CREATE INDEX markdown_content_removed ON markdown_content (removed_at) WHERE removed_at IS NOT NULL;

-- One file as file_ingestion found it. `path` is relative to the source's folder, with `/`. `born_at` is NULL where the system
-- does not tell it. `stamp` is size, modification and change time as the file system had them when the content was read, `hashed_at`
-- the moment just before. `seen_in` names the scan that saw it last. A file that is gone is kept, with `removed_at`, until
-- retention is over.
CREATE TABLE files (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    path TEXT NOT NULL,
    size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
    media_type TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    born_at INTEGER,
    modified_at INTEGER NOT NULL,
    stamp TEXT NOT NULL,
    hashed_at INTEGER NOT NULL,
    first_seen_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    seen_in TEXT NOT NULL,
    removed_at INTEGER,
    UNIQUE (source, path)
) STRICT;
CREATE INDEX files_by_content ON files (sha256);
CREATE INDEX files_removed ON files (removed_at) WHERE removed_at IS NOT NULL;

-- Addresses that malicious_ip_blacklist found to be up to no good: `network` is one IPv4 address, or an IPv6 network of 64 bits,
-- in its shortest form. Rows with listed_by = 'manual' are the application's own: the job never touches them.
CREATE TABLE ip_blacklist (
    network TEXT NOT NULL PRIMARY KEY,
    score REAL NOT NULL CHECK (score BETWEEN 0 AND 100),
    reason TEXT NOT NULL,
    signals TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(signals)),
    first_seen_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL CHECK (last_seen_at >= first_seen_at),
    expires_at INTEGER,
    listed_by TEXT NOT NULL DEFAULT 'manual' CHECK (listed_by IN ('job', 'manual')),
    CHECK (listed_by = 'manual' OR expires_at IS NOT NULL)
) STRICT, WITHOUT ROWID;
CREATE INDEX ip_blacklist_by_expiry ON ip_blacklist (expires_at) WHERE expires_at IS NOT NULL;
