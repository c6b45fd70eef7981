-- By which release of time zone data fire times are named: a row whenever another release takes over, since two releases may name
-- different ones. The last row is in force; before the first, any node plans. Written by the node that takes over.
--   zone_data   a release such as 2026b; empty where the node's data does not say which it is
CREATE TABLE zone_data_changes (
    change_id bigint      PRIMARY KEY,
    seen_at   timestamptz NOT NULL,
    zone_data text        NOT NULL,
    node_id   text        NOT NULL
);
