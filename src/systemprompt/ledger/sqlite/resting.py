"""What a node does on SQLite when it has nothing else to do: fold tallies into sums, give free pages back to the file system."""

from __future__ import annotations

from systemprompt.ledger.sqlite.store import SqliteStore

__all__ = ["fold", "give_back"]

_INCREMENTAL = 2
_PAGES_AT_ONCE = 1_000


def fold(store: SqliteStore, *, limit: int) -> bool:
    """Add up to `limit` of the oldest tallies to the sums; say whether any are left."""
    rows = store.run("tallies_to_fold").fetchone()
    if rows["first"] is None:
        return False
    through = {"through": min(rows["last"], rows["first"] + limit - 1)}
    store.run("fold_into_sums", through)
    store.run("delete_folded", through)
    store.run("delete_sums_of_nothing")
    return bool(through["through"] < rows["last"])


def give_back(store: SqliteStore) -> int | None:
    pages = store.run("free_pages").fetchone()
    if pages["auto_vacuum"] != _INCREMENTAL:
        return None
    # SQLite gives back a page a step, and `sqlite3` takes one step of what has no columns: asked for 1,000 at once, it gives one.
    for _ in range(min(pages["free"], _PAGES_AT_ONCE)):
        store.run("give_back_a_page")
    return int(store.run("free_pages").fetchone()["free"])
