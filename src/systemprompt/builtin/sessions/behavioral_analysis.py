"""Scores sessions, flags the suspicious ones and, with `enforce`, bans their users."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from systemprompt.builtin.sessions.behavior_scoring import SessionFacts, score_session
from systemprompt.builtin.sessions.session_requests import requests_of
from systemprompt.builtin.tables.changing import DRY_RUN, count_rows
from systemprompt.builtin.tables.table import Condition, Table, find_table, same_side
from systemprompt.clock import Clock, Instant, SystemClock, to_datetime
from systemprompt.databases.database import Row
from systemprompt.errors import ParameterError
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.job import Job, submit_job
from systemprompt.jobs.result import JobResult
from systemprompt.wording import counted

__all__ = ["BehavioralAnalysis", "count_bans"]


@submit_job
class BehavioralAnalysis(Job):
    """Scores every session with activity since it was last scored; `systemprompt.builtin.sessions.behavior_scoring` says how.

    flag_at   a session that scores at least this is flagged, with the signals that were seen
    ban_at    the user of a session that scores at least this is banned, only with `enforce`; without it they are counted

    dry_run   ban nobody, whatever `enforce` says

    A session leads to one ban at most: a person whom somebody lets back in is judged by what they do from then on. Scores and
    flags are written in either mode, users only with `enforce`.
    """

    name = "behavioral_analysis"
    description = "Scores user sessions, flags suspicious ones and, with enforce, bans their users"
    schedule = "0 */30 * * * *"
    tags = ("security", "sessions")
    parameters = {"flag_at": 60, "ban_at": 85, "dry_run": False}  # noqa: RUF012  # defaults to be overridden whole
    clock: Clock = SystemClock()

    def execute(self, ctx: JobContext) -> JobResult:
        flag_at, ban_at = _threshold(ctx, "flag_at", 60.0), _threshold(ctx, "ban_at", 85.0)
        if ban_at < flag_at:
            raise ParameterError(f"job {ctx.job_name!r}: ban_at={ban_at:g} is below flag_at={flag_at:g}")
        now = self.clock.now()
        tables = _find_tables(ctx)
        tally = _score_all(ctx, tables, flag_at=flag_at, now=now)
        message = f"Scored {counted(tally.scored, 'session')}: {tally.flagged} flagged"
        bans = ctx.enforce and not ctx.get_parameter(DRY_RUN, bool, default=False)
        if bans:
            banned = _ban(ctx, tables, ban_at=ban_at, now=now)
            message += f", {counted(banned, 'user')} banned"
        else:
            message += f"; would ban {counted(count_bans(ctx), 'user')}"
        if tally.unreadable:
            message += f"; {tally.unreadable} with dates that cannot be read"
        return (
            JobResult.success().with_message(message).with_stats(tally.scored, tally.unreadable).with_dry_run(not bans)
        )


def count_bans(ctx: JobContext) -> int:
    """Return how many users a run with `enforce` would ban by the scores that are stored now."""
    tables = _find_tables(ctx)
    return len(_to_ban(ctx, tables, ban_at=_threshold(ctx, "ban_at", 85.0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tables:
    """What the job works on; `requests` is None where only the sessions are the host's: then the counters must do."""

    sessions: Table
    users: Table
    requests: Table | None


@dataclass(slots=True, kw_only=True)
class _Tally:
    """What was done so far."""

    scored: int = 0
    flagged: int = 0
    unreadable: int = 0


def _find_tables(ctx: JobContext) -> _Tables:
    return _Tables(
        sessions=find_table(
            ctx,
            "user_sessions",
            needs=("id", "user_id", "started_at", "last_activity_at", "behavior_score", "scored_at", "ban_applied_at"),
            may=("request_count", "error_count", "user_agent", "flagged_at", "flags"),
        ),
        users=find_table(ctx, "users", needs=("id", "status"), may=("banned_at", "ban_reason")),
        requests=find_table(ctx, "session_requests", needs=("session_id", "requested_at", "path", "status"))
        if same_side(ctx, "session_requests", "user_sessions")
        else None,
    )


def _threshold(ctx: JobContext, name: str, default: float) -> float:
    value = ctx.get_parameter(name, float, default)
    if not 0 < value <= 100:
        raise ParameterError(f"job {ctx.job_name!r}: parameter {name}={value:g} is outside 0-100, 0 excluded")
    return value


def _score_all(ctx: JobContext, tables: _Tables, *, flag_at: float, now: Instant) -> _Tally:
    sessions = tables.sessions
    columns = ", ".join(f"{sessions.read(name)} AS {name}" for name in sessions.columns)
    # A session scored in the very instant of its last activity is looked at again, rather than once too few.
    due = (
        f"{sessions.column('id')} IS NOT NULL AND ({sessions.column('scored_at')} IS NULL "
        f"OR {sessions.column('last_activity_at')} >= {sessions.column('scored_at')})"
    )
    key = sessions.column("id")
    tally = _Tally()
    total = count_rows(ctx, sessions, Condition(sql=due))
    after = Condition(sql="TRUE")
    while True:
        ctx.raise_if_cancelled()
        rows = ctx.db_pool.fetch(
            f"SELECT {columns} FROM {sessions.sql} AS target WHERE {due} AND {after.sql} ORDER BY {key} LIMIT :batch",  # noqa: S608  # names are quoted
            {**after.parameters, "batch": max(1, ctx.settings.batch_size)},
        )
        if not rows:
            return tally
        _store(ctx, sessions, _scored(ctx, tables, rows, tally, flag_at=flag_at, now=now))
        after = Condition(sql=f"{key} > :after", parameters={"after": rows[-1]["id"]})
        ctx.progress(tally.scored + tally.unreadable, total, "sessions")


def _scored(
    ctx: JobContext, tables: _Tables, rows: list[Row], tally: _Tally, *, flag_at: float, now: Instant
) -> list[dict[str, Any]]:
    updates = []
    flagged_at = tables.sessions.stored("flagged_at", now) if tables.sessions.has("flagged_at") else None
    for row in rows:
        try:
            score = score_session(_facts(ctx, tables, row))
        except (
            ValueError,
            TypeError,
            ArithmeticError,
            AttributeError,
        ) as error:  # whatever stands in a row of the host's
            tally.unreadable += 1
            ctx.logger.warning("session %r cannot be scored: %s", row["id"], error)
            continue
        flagged = score.value >= flag_at
        tally.scored += 1
        tally.flagged += flagged
        updates.append(
            {
                "id": row["id"],
                "behavior_score": score.value,
                "scored_at": tables.sessions.stored("scored_at", now),
                "flagged": flagged,
                "flagged_at": flagged_at,
                "flags": json.dumps(score.signals) if flagged else None,
            }
        )
    return updates


def _facts(ctx: JobContext, tables: _Tables, row: Row) -> SessionFacts:
    sessions = tables.sessions
    last = sessions.instant("last_activity_at", row["last_activity_at"])
    requests = requests_of(ctx, tables.requests, row["id"])
    offset = to_datetime(last).astimezone(ZoneInfo(ctx.settings.time_zone)).utcoffset()
    errors = sum(1 for request in requests if request.status >= 400)
    return SessionFacts(
        started_at=sessions.instant("started_at", row["started_at"]),
        last_activity_at=last,
        # An application that keeps no counters, or lags behind with them, is counted from what it logged.
        request_count=max(row.get("request_count") or 0, len(requests)),
        error_count=max(row.get("error_count") or 0, errors),
        user_agent=(row["user_agent"] or "") if sessions.has("user_agent") else None,
        requests=requests,
        utc_offset_hours=offset.total_seconds() / 3600 if offset is not None else 0.0,
    )


def _store(ctx: JobContext, sessions: Table, updates: list[dict[str, Any]]) -> None:
    names = [name for name in ("behavior_score", "scored_at", "flagged_at", "flags") if sessions.has(name)]
    # The first flag's time stays, however often the session is scored again.
    values = {name: f":{name}" for name in names}
    if "flagged_at" in values:
        kept = sessions.columns["flagged_at"]
        values["flagged_at"] = f"CASE WHEN :flagged THEN coalesce({kept}, :flagged_at) END"
    assignments = ", ".join(f"{sessions.columns[name]} = {value}" for name, value in values.items())
    ctx.db_pool.execute_many(
        f"UPDATE {sessions.sql} AS target SET {assignments} WHERE {sessions.column('id')} = :id",  # noqa: S608  # names are quoted
        updates,
    )


def _to_ban(ctx: JobContext, tables: _Tables, *, ban_at: float) -> list[tuple[Any, float]]:
    """Return users that are not banned, each with the highest score that no ban was drawn from yet."""
    sessions, users = tables.sessions, tables.users
    rows = ctx.db_pool.fetch(
        f"SELECT {sessions.column('user_id')} AS user_id, max({sessions.column('behavior_score')}) AS score "  # noqa: S608  # names are quoted
        f"FROM {sessions.sql} AS target JOIN {users.sql} AS person "
        f"ON {users.column('id', 'person')} = {sessions.column('user_id')} "
        f"WHERE {sessions.column('behavior_score')} >= :ban_at AND {sessions.column('ban_applied_at')} IS NULL "
        f"AND {users.column('status', 'person')} <> 'banned' GROUP BY 1 ORDER BY 1",
        {"ban_at": ban_at},
    )
    return [(row["user_id"], float(row["score"])) for row in rows]


def _ban(ctx: JobContext, tables: _Tables, *, ban_at: float, now: Instant) -> int:
    sessions, users = tables.sessions, tables.users
    extra = "".join(f", {users.columns[name]} = :{name}" for name in ("banned_at", "ban_reason") if users.has(name))
    ban = f"UPDATE {users.sql} AS target SET {users.columns['status']} = 'banned'{extra} "  # noqa: S608  # names are quoted
    ban += f"WHERE {users.column('id')} = :user_id AND {users.column('status')} <> 'banned'"
    apply = (
        f"UPDATE {sessions.sql} AS target SET {sessions.columns['ban_applied_at']} = :at "  # noqa: S608  # names are quoted
        f"WHERE {sessions.column('user_id')} = :user_id AND {sessions.column('behavior_score')} >= :ban_at "
        f"AND {sessions.column('ban_applied_at')} IS NULL"
    )
    people = _to_ban(ctx, tables, ban_at=ban_at)
    banned_at = users.stored("banned_at", now) if users.has("banned_at") else None
    banned = 0
    for number, (user_id, score) in enumerate(people, start=1):
        ctx.raise_if_cancelled()
        reason = f"behavior score {score:g}"
        with ctx.db_pool.transaction() as transaction:
            banned += transaction.execute(ban, {"user_id": user_id, "banned_at": banned_at, "ban_reason": reason})
            transaction.execute(
                apply, {"user_id": user_id, "at": sessions.stored("ban_applied_at", now), "ban_at": ban_at}
            )
        ctx.logger.warning("user %r is banned: %s", user_id, reason)
        ctx.progress(number, len(people), "bans")
    return banned
