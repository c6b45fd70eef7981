"""Lists addresses whose sessions look like attacks, until they have been quiet for some days."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from systemprompt.builtin.sessions.address_scoring import (
    AddressFacts,
    Network,
    is_nobodys,
    network_of,
    network_text,
    read_networks,
    score_address,
)
from systemprompt.builtin.sessions.behavior_scoring import Score
from systemprompt.builtin.sessions.session_requests import requests_of
from systemprompt.builtin.tables.changing import DRY_RUN
from systemprompt.builtin.tables.cutoff import cutoff_before, span
from systemprompt.builtin.tables.table import Table, find_table, same_side
from systemprompt.clock import SECOND, Clock, Instant, SystemClock
from systemprompt.databases.database import Row
from systemprompt.databases.dialect import Dialect, dialect_named
from systemprompt.errors import ParameterError
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.job import Job, submit_job
from systemprompt.jobs.result import JobResult
from systemprompt.wording import counted

__all__ = ["MaliciousIpBlacklist"]


@submit_job
class MaliciousIpBlacklist(Job):
    """Scores every address with sessions in the window; `systemprompt.builtin.sessions.address_scoring` says how.

    list_at         an address that scores at least this is listed, with the signals that were seen; only with `enforce`
    window_hours    how far back sessions count
    days            a listed address is free again so long after the last activity that counted
    allow           addresses and networks that are never listed
    block_private   loopback, private and other addresses that are nobody's on the Internet are listed too
    dry_run         list and free nobody, whatever `enforce` says

    The same sessions lead to the same rows, however often it runs. Rows of others (`listed_by` is `manual`) stay as they are.
    The job only keeps the list: what reads `ip_blacklist` does the blocking.
    """

    name = "malicious_ip_blacklist"
    description = "Lists IP addresses whose sessions look like attacks and, with enforce, keeps them in ip_blacklist"
    schedule = "0 */20 * * * *"
    tags = ("security", "sessions")
    parameters = {  # noqa: RUF012  # defaults to be overridden whole
        "list_at": 75,
        "window_hours": 24,
        "days": 7,
        "allow": "",
        "block_private": False,
        "dry_run": False,
    }
    clock: Clock = SystemClock()

    def execute(self, ctx: JobContext) -> JobResult:
        rules = _rules(ctx)
        now = self.clock.now()
        seen = _read_sessions(ctx, cutoff_before(now, hours=rules.window_hours), rules)
        listed = {}
        for network, facts in seen.networks.items():
            score = score_address(facts)
            if score.value >= rules.list_at:
                listed[network_text(network)] = (facts, score)
        message = f"Scored {counted(len(seen.networks), 'address', 'addresses')}: "
        lists = ctx.enforce and not ctx.get_parameter(DRY_RUN, bool, default=False)
        if lists:
            stored = _store(ctx, listed, rules, now)
            message += f"{len(listed)} listed ({stored.new} new, {stored.freed} free again)"
        else:
            message += f"would list {len(listed)}"
        worst = sorted(listed.items(), key=lambda item: (-item[1][1].value, item[0]))[:_SHOWN]
        if worst:
            message += "; worst: " + ", ".join(f"{text} ({score.value:g})" for text, (_, score) in worst)
        if seen.unreadable:
            message += f"; {counted(seen.unreadable, 'session')} with an address or a date that cannot be read"
        result = JobResult.success().with_message(message).with_stats(len(seen.networks), seen.unreadable)
        return result.with_dry_run(not lists)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    """The parameters, read."""

    list_at: float
    window_hours: int
    days: int
    allow: tuple[Network, ...]
    block_private: bool

    def spares(self, network: Network) -> bool:
        """Say whether an address is never listed. An IPv6 network that holds an allowed address is spared whole."""
        if is_nobodys(network) and not self.block_private:
            return True
        return any(one.version == network.version and one.overlaps(network) for one in self.allow)


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What the sessions of the window add up to, address by address."""

    networks: dict[Network, AddressFacts] = field(default_factory=dict)
    unreadable: int = 0


@dataclass(slots=True, kw_only=True)
class _Stored:
    """What a run changed."""

    new: int = 0
    freed: int = 0


def _rules(ctx: JobContext) -> _Rules:
    list_at = ctx.get_parameter("list_at", float, 75.0)
    if not 0 < list_at <= 100:
        raise ParameterError(f"job {ctx.job_name!r}: parameter list_at={list_at:g} is outside 0-100, 0 excluded")
    words = [str(word) for word in ctx.get_parameter("allow", list, [])]
    try:
        allow = read_networks(words)
    except ValueError as error:
        raise ParameterError(
            f"job {ctx.job_name!r}: parameter allow: {error}",
            hint="write addresses and networks: 192.0.2.7, 2001:db8::/32",
        ) from error
    return _Rules(
        list_at=list_at,
        window_hours=span(ctx, "window_hours", 24),
        days=span(ctx, "days", 7),
        allow=allow,
        block_private=ctx.get_parameter("block_private", bool, False),
    )


def _read_sessions(ctx: JobContext, since: Instant, rules: _Rules) -> _Seen:
    sessions = find_table(
        ctx,
        "user_sessions",
        needs=("id", "ip_address", "started_at", "last_activity_at"),
        may=("request_count", "error_count", "behavior_score", "flagged_at"),
    )
    requests = None
    if same_side(ctx, "session_requests", "user_sessions"):
        requests = find_table(ctx, "session_requests", needs=("session_id", "requested_at", "path", "status"))
    columns = ", ".join(f"{sessions.read(name)} AS {name}" for name in sessions.columns)
    key = sessions.column("id")
    before = sessions.before("last_activity_at", since)
    # IS NOT TRUE: a date that cannot be read is met, and counted as such.
    due = f"{sessions.column('ip_address')} IS NOT NULL AND ({before.sql}) IS NOT TRUE"
    seen, done, after = _Seen(), 0, None
    while True:
        ctx.raise_if_cancelled()
        beyond = "" if after is None else f" AND {key} > :after"
        rows = ctx.db_pool.fetch(
            f"SELECT {columns} FROM {sessions.sql} AS target WHERE {due}{beyond} ORDER BY {key} LIMIT :batch",  # noqa: S608  # names are quoted
            {**before.parameters, "after": after, "batch": max(1, ctx.settings.batch_size)},
        )
        if not rows:
            return seen
        for row in rows:
            try:
                _add(ctx, seen, row, sessions, requests, since, rules)
            except (ValueError, TypeError) as error:
                seen.unreadable += 1
                ctx.logger.warning("session %r is left out: %s", row["id"], error)
        done += len(rows)
        after = rows[-1]["id"]
        ctx.progress(done, None, "sessions")


def _add(
    ctx: JobContext, seen: _Seen, row: Row, sessions: Table, requests: Table | None, since: Instant, rules: _Rules
) -> None:
    network = network_of(str(row["ip_address"]))
    if rules.spares(network):
        return
    started_at = sessions.instant("started_at", row["started_at"])
    last_at = sessions.instant("last_activity_at", row["last_activity_at"])
    made = [request for request in requests_of(ctx, requests, row["id"]) if request.at >= since]
    facts = seen.networks.get(network)
    if facts is None:
        facts = seen.networks[network] = AddressFacts(first_at=started_at, last_at=last_at)
    facts.add_session(
        started_at=min(started_at, last_at),
        last_at=last_at,
        score=float(row.get("behavior_score") or 0.0),
        flagged=row.get("flagged_at") is not None,
        # An application that keeps no counters, or lags behind with them, is counted from what it logged.
        requests=max(row.get("request_count") or 0, len(made)),
        failed=max(row.get("error_count") or 0, sum(1 for request in made if request.status >= 400)),
    )
    for request in made:
        facts.add_request(request.at, request.path)


def _store(ctx: JobContext, listed: Mapping[str, tuple[AddressFacts, Score]], rules: _Rules, now: Instant) -> _Stored:
    """Write what is listed, then free what has expired or is spared by now. A batch is a transaction."""
    dialect = dialect_named(ctx.db_pool.dialect)
    # With a window longer than `days`, what counted last may be over already.
    lasting = {
        text: (facts, score, facts.last_at + rules.days * 86_400 * SECOND) for text, (facts, score) in listed.items()
    }
    values: list[dict[str, Any]] = [
        {
            "network": text,
            "score": score.value,
            "reason": ", ".join(sorted(score.signals, key=lambda name: (-score.signals[name], name))),
            "signals": json.dumps(score.signals),
            "first": dialect.stored(facts.first_at),
            "last": dialect.stored(facts.last_at),
            "expires": dialect.stored(expires),
        }
        for text, (facts, score, expires) in sorted(lasting.items())
        if expires > now
    ]
    known = dialect.text(f"SELECT network FROM {{ip_blacklist}} WHERE network IN {dialect.listed('networks')}")  # noqa: S608  # words of ours
    upsert = _upsert(dialect)
    stored = _Stored(freed=_free(ctx, rules, now))
    size = max(1, ctx.settings.batch_size)
    for start in range(0, len(values), size):
        ctx.raise_if_cancelled()
        batch = values[start : start + size]
        with ctx.db_pool.transaction() as transaction:
            there = transaction.fetch(known, {"networks": json.dumps([one["network"] for one in batch])})
            stored.new += len(batch) - len(there)
            transaction.execute_many(upsert, batch)
        ctx.progress(start + len(batch), len(values), "addresses")
    return stored


def _free(ctx: JobContext, rules: _Rules, now: Instant) -> int:
    freed, after, size = 0, "", max(1, ctx.settings.batch_size)
    dialect = dialect_named(ctx.db_pool.dialect)
    while True:
        ctx.raise_if_cancelled()
        rows = ctx.db_pool.fetch(
            dialect.text(
                "SELECT network, expires_at FROM {ip_blacklist} WHERE listed_by = 'job' AND network > :after"
                " ORDER BY network LIMIT :batch"
            ),
            {"after": after, "batch": size},
        )
        if not rows:
            return freed
        after = rows[-1]["network"]
        free = [
            {"network": row["network"]}
            for row in rows
            if dialect.instant(row["expires_at"]) <= now or rules.spares(read_networks([row["network"]])[0])
        ]
        freed += ctx.db_pool.execute_many(
            dialect.text("DELETE FROM {ip_blacklist} WHERE network = :network AND listed_by = 'job'"), free
        )


def _upsert(dialect: Dialect) -> str:
    """What is known already keeps its first sight, and never loses time; a row that would not change is not written."""
    first = f"{dialect.least}(known.first_seen_at, excluded.first_seen_at)"
    last = f"{dialect.greatest}(known.last_seen_at, excluded.last_seen_at)"
    expires = f"{dialect.greatest}(known.expires_at, excluded.expires_at)"
    return dialect.text(f"""
        INSERT INTO {{ip_blacklist}} AS known
            (network, score, reason, signals, first_seen_at, last_seen_at, expires_at, listed_by)
        VALUES (:network, :score, :reason, :signals, :first, :last, :expires, 'job')
        ON CONFLICT (network) DO UPDATE SET
            score = excluded.score, reason = excluded.reason, signals = excluded.signals,
            first_seen_at = {first}, last_seen_at = {last}, expires_at = {expires}
        WHERE known.listed_by = 'job'
        AND (known.score, known.reason, known.signals, known.first_seen_at, known.last_seen_at, known.expires_at)
            {dialect.differs} (excluded.score, excluded.reason, excluded.signals, {first}, {last}, {expires})
    """)  # noqa: S608  # words of ours


_SHOWN = 3
