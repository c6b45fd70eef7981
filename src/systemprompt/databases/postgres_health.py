"""What is to be said of a PostgreSQL server by whoever may connect to it. Knows no table of ours, and changes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import tuple_row

from systemprompt.databases.address import Address
from systemprompt.databases.health_note import HealthNote
from systemprompt.databases.postgres import CONNECTING, of_the_server

__all__ = [
    "Holder",
    "about_clock",
    "about_connections",
    "about_durability",
    "about_holders",
    "about_server",
    "connected",
    "holders",
    "server_health",
]

_OLDEST = 15
_CLOCKS_DIFFER_S = 1.0
_HELD_FOR = timedelta(minutes=1)
_MANY = 0.8
_KEEPING = ("fsync", "full_page_writes")


def server_health(address: Address) -> Iterator[HealthNote]:
    """Yield everything that is to be said of a server to which any role may connect.

    Raises:
        DatabaseError: it cannot be reached, or does not let this role in.
    """
    with connected(address) as connection:
        yield from about_server(connection, str(address))
        yield about_durability(connection)
        yield about_clock(connection)
        yield about_connections(connection)
        yield from about_holders(holders(connection))


@contextmanager
def connected(address: Address) -> Iterator[Connection[Any]]:
    """Open a connection for the block; what PostgreSQL says of the server comes in our own family of errors."""
    try:
        connecting = {**CONNECTING, "application_name": "systemprompt doctor", "client_encoding": "utf8"}
        with psycopg.connect(address.with_password(), **connecting) as connection:
            yield connection
    except psycopg.Error as error:
        raise of_the_server(error, address) or error from error


def about_server(connection: Connection[Any], where: str) -> Iterator[HealthNote]:
    """Look at the release, at how text is kept, and at whether the server takes writes. `where` is the address as shown."""
    release = connection.info.server_version // 10_000
    name = _value(connection, "SELECT current_database()")
    if release < _OLDEST:
        yield _fail("server", f"{where} is PostgreSQL {release}", f"upgrade it: {_OLDEST} or newer is needed")
    encoding = _value(connection, "SHOW server_encoding")
    if encoding != "UTF8":
        yield _fail(
            "server",
            f"database {name!r} keeps text in {encoding}, which has no place for every character",
            f"make a new one and move what is in it: CREATE DATABASE {name}_utf8 ENCODING 'UTF8' TEMPLATE template0",
        )
    if _value(connection, "SELECT pg_is_in_recovery()"):
        yield _fail(
            "server",
            f"{where} is a standby: nobody can write there",
            "name the primary in the profile, or all hosts with ?target_session_attrs=read-write",
        )
    elif _value(connection, "SHOW default_transaction_read_only") == "on":
        yield _fail(
            "server",
            f"transactions on {where} are read only",
            "look where default_transaction_read_only is set: ALTER ROLE, ALTER DATABASE, or the server's settings",
        )
    elif release >= _OLDEST and encoding == "UTF8":
        full = str(_value(connection, "SHOW server_version")).split()[0]
        yield HealthNote(name="server", status="ok", message=f"PostgreSQL {full} at {where}, UTF8, takes writes")


def about_durability(connection: Connection[Any]) -> HealthNote:
    """Say what of a commit survives what, as the server's settings have it. Our own ask for `synchronous_commit = on`."""
    off = [name for name in _KEEPING if _value(connection, f"SHOW {name}") == "off"]
    return _durability_note(off, str(_value(connection, "SHOW synchronous_standby_names")))


def _durability_note(off: Sequence[str], standbys: str) -> HealthNote:
    if off:
        return HealthNote(
            name="durability",
            status="warn",
            message=f"with {' and '.join(off)} off a power cut loses commits, and may leave the database in pieces",
            mend="; ".join(f"ALTER SYSTEM SET {name} = on" for name in off) + "; SELECT pg_reload_conf()",
        )
    if standbys:
        message = f"a commit is on the server's disk and on that of its standbys ({standbys}) before it counts"
        return HealthNote(name="durability", status="ok", message=message)
    return HealthNote(
        name="durability",
        status="ok",
        message="a commit is on the server's own disk before it counts; a standby that takes over may lack the last ones, "
        "which nodes then bring back from their journals",
    )


def about_clock(connection: Connection[Any]) -> HealthNote:
    """Hold this machine's clock against the server's. The answer is right to half of what the question took."""
    before = time.time()
    server = float(str(_value(connection, "SELECT extract(epoch FROM clock_timestamp())::text")))
    after = time.time()
    return _clock_note(server - (before + after) / 2, (after - before) / 2)


def _clock_note(ahead_s: float, unsure_s: float) -> HealthNote:
    if abs(ahead_s) <= _CLOCKS_DIFFER_S + unsure_s:
        message = f"this machine's clock is within {max(abs(ahead_s) + unsure_s, 0.001):.3f} s of the server's"
        return HealthNote(name="server clock", status="ok", message=message)
    return HealthNote(
        name="server clock",
        status="warn",
        message=f"this machine's clock is {abs(ahead_s):.1f} s {'behind' if ahead_s > 0 else 'ahead of'} the server's",
        mend="the server's clock decides when jobs fire; set whichever of the two is wrong (timedatectl, chronyc)",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Somebody who keeps vacuum from taking away what nobody needs any more.

    who     in words; `since` is None where this role is not told
    ending  the command that ends it
    """

    who: str
    since: datetime | None
    ending: str


def holders(connection: Connection[Any], older_than: timedelta = _HELD_FOR) -> list[Holder]:
    """Return whoever has held the horizon of this database for longer, the oldest first.

    Sessions with a snapshot, prepared transactions, and replication slots that nobody reads. A session of another role whose
    beginning this role may not see counts only if many transactions were begun since.
    """
    found = []
    for pid, user, application, since in _rows(connection, _SESSIONS, older_than):
        who = f"pid {pid} (user {user}, application {application or 'without a name'!r})"
        found.append(Holder(who=who, since=since, ending=f"SELECT pg_terminate_backend({pid})"))
    for gid, owner, since in _rows(connection, _PREPARED, older_than):
        who = f"prepared transaction {gid!r} of user {owner}"
        found.append(Holder(who=who, since=since, ending=f"ROLLBACK PREPARED {_text(gid)}"))
    known = "inactive_since" if connection.info.server_version >= 170_000 else "NULL::timestamptz"
    for name, since in _rows(connection, _SLOTS.format(since=known), older_than):
        who = f"replication slot {name!r}, which nobody reads"
        found.append(Holder(who=who, since=since, ending=f"SELECT pg_drop_replication_slot({_text(name)})"))
    return sorted(found, key=lambda one: one.since or _LONG_AGO)


def about_holders(found: Iterable[Holder]) -> Iterator[HealthNote]:
    """Say who holds the horizon, each by itself; that nobody does is worth a word too."""
    named = False
    for one in found:
        named = True
        since = "since when this role may not see" if one.since is None else f"since {_shown(one.since)}"
        yield HealthNote(
            name="vacuum",
            status="warn",
            message=f"{one.who} holds vacuum back, {since}: what nobody needs any more piles up, and all gets slower",
            mend=f"see what it is waiting for, or end it: {one.ending}",
        )
    if not named:
        yield HealthNote(name="vacuum", status="ok", message="nobody holds it back for longer than a minute")


def about_connections(connection: Connection[Any]) -> HealthNote:
    """Count the connections of the whole server against those that a role without privileges may have."""
    used = int(str(_value(connection, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")))
    reserved = "superuser_reserved_connections"
    most = int(
        str(_value(connection, f"SELECT current_setting('max_connections')::int - current_setting('{reserved}')::int"))
    )  # a name of ours
    return _connections_note(used, most)


def _connections_note(used: int, most: int) -> HealthNote:
    if used < most * _MANY:
        return HealthNote(name="connections", status="ok", message=f"{used} of {most} are in use")
    return HealthNote(
        name="connections",
        status="warn",
        message=f"{used} of {most} are in use: who comes next may be turned away",
        mend="raise max_connections, end sessions that nobody uses, or put a pooler in between",
    )


_SESSIONS = """
SELECT pid, usename, application_name, xact_start FROM pg_stat_activity
WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker'
  AND (datid IS NULL OR datname = current_database())
  AND CASE WHEN xact_start IS NULL THEN age(backend_xmin) > 10000 ELSE xact_start < clock_timestamp() - %s END"""

_PREPARED = """
SELECT gid, owner, prepared FROM pg_prepared_xacts
WHERE database = current_database() AND prepared < clock_timestamp() - %s"""

_SLOTS = """
SELECT slot_name, {since} FROM pg_replication_slots
WHERE NOT active AND coalesce(xmin, catalog_xmin) IS NOT NULL
  AND coalesce({since}, '-infinity') < clock_timestamp() - %s"""

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def _fail(name: str, message: str, mend: str) -> HealthNote:
    return HealthNote(name=name, status="fail", message=message, mend=mend)


def _shown(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _rows(connection: Connection[Any], query: str, *values: object) -> list[tuple[Any, ...]]:
    with connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(query.encode(), values or None).fetchall()


def _value(connection: Connection[Any], query: str) -> object:
    return _rows(connection, query)[0][0]
