"""The single requests of a session, where somebody keeps them."""

from __future__ import annotations

from typing import Any

from systemprompt.builtin.sessions.behavior_scoring import Request
from systemprompt.builtin.tables.table import Table
from systemprompt.jobs.context import JobContext

__all__ = ["requests_of"]

_MOST_REQUESTS = 2_000


def requests_of(ctx: JobContext, table: Table | None, session_id: Any) -> list[Request]:
    """Return a session's latest requests in order of time, 2,000 at the most; none where there is no table of them.

    Raises:
        ValueError, TypeError: one has a date or a status that cannot be read.
    """
    if table is None:
        return []
    at = table.column("requested_at")
    rows = ctx.db_pool.fetch(
        f"SELECT {table.read('requested_at')} AS at, {table.column('path')} AS path, {table.column('status')} AS status "  # noqa: S608  # names are quoted
        f"FROM {table.sql} AS target WHERE {table.column('session_id')} = :id ORDER BY {at} DESC LIMIT :most",
        {"id": session_id, "most": _MOST_REQUESTS},
    )
    requests = [
        Request(at=table.instant("requested_at", row["at"]), path=str(row["path"]), status=int(row["status"]))
        for row in rows
    ]
    return sorted(requests, key=lambda request: request.at)
