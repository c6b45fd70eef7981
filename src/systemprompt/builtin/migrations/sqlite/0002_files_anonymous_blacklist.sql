-- Who came without an account: cleanup_anonymous_users takes nobody else. The application says so when it makes the row.
ALTER TABLE users ADD COLUMN is_anonymous INTEGER NOT NULL DEFAULT 0 CHECK (is_anonymous IN (0, 1));
CREATE INDEX users_anonymous_by_age ON users (created_at) WHERE is_anonymous = 1;
CREATE INDEX user_contexts_of_a_user ON user_contexts (user_id);

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
-- For malicious_ip_blacklist: the sessions of its window.
CREATE INDEX user_sessions_with_address ON user_sessions (id, last_activity_at) WHERE ip_address IS NOT NULL;
