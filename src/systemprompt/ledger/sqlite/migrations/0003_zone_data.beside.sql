-- By which release of time zone data fire times are named: a row whenever another release takes over, since two releases may name
-- different ones. The last row is in force; before the first, any node plans. Written by the node that takes over.
--   zone_data   a release such as 2026b; empty where the node's data does not say which it is
CREATE TABLE zone_data_changes (
    change_id INTEGER PRIMARY KEY,
    seen_at   INTEGER NOT NULL,
    zone_data TEXT    NOT NULL,
    node_id   TEXT    NOT NULL
) STRICT;
