"""What goes wrong around nodes on PostgreSQL, each fault by itself: how it begins, how long it lasts, and how it is over."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

import psycopg
from storm_acts import LEASE

from support.bad_line import BadLine
from support.postgres_server import Server
from systemprompt.clock import Instant, SystemClock
from systemprompt.databases.address import Address
from systemprompt.databases.postgres import CONNECTING
from systemprompt.ledger.postgres.ledger import PostgresLedger
from systemprompt.ledger.records import Change, ManualStart

Over = Callable[[], None]
"""What ends a fault."""

POOL_JOB = "holds_the_pool"


@dataclass(slots=True, kw_only=True)
class Place:
    """A server and the lines that lead to it, one for each node.

    accepting   when the server took writes again, each time it had been away
    """

    server: Server
    lines: list[BadLine]
    accepting: list[Instant] = field(default_factory=list)

    def came_back(self) -> None:
        self.accepting.append(SystemClock().now())


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault.

    does    in words, for the campaign's page
    lasts   seconds, from and to
    begins  starts it and returns what ends it; the number is that of the node whose line it is on
    """

    does: str
    lasts: tuple[float, float]
    begins: Callable[[Place, int], Over]


def _line_drops(place: Place, node: int) -> Over:
    place.lines[node].drop()
    return _nothing


def _line_is_slow(place: Place, node: int) -> Over:
    place.lines[node].delay(0.15)
    return place.lines[node].mend


def _line_is_very_slow(place: Place, node: int) -> Over:
    place.lines[node].delay(LEASE * 0.7)
    return place.lines[node].mend


def _line_is_silent(place: Place, node: int) -> Over:
    place.lines[node].silence()
    return place.lines[node].mend


def _connections_are_silent(place: Place, node: int) -> Over:
    place.lines[node].silence()
    place.lines[node].mend()
    return _nothing


def _server_is_away(place: Place, node: int) -> Over:  # as every fault
    place.server.stop()

    def over() -> None:
        place.server.start(standby=False)
        place.came_back()

    return over


def _server_is_a_standby(place: Place, node: int) -> Over:
    place.server.stop()
    place.server.start(standby=True)

    def over() -> None:
        _server_is_away(place, node)()

    return over


def _sessions_end(place: Place, node: int) -> Over:
    _of_others(place, "pg_terminate_backend(pid)")
    return _nothing


def _statements_are_cancelled(place: Place, node: int) -> Over:
    ends = threading.Event()

    def cancel() -> None:
        with _connected(place) as connection:
            while not ends.wait(0.01):
                connection.execute(_OTHERS.format(does="pg_cancel_backend(pid)").encode())

    thread = threading.Thread(target=cancel, daemon=True)
    thread.start()

    def over() -> None:
        ends.set()
        thread.join(10)

    return over


def _no_connection_is_left(place: Place, node: int) -> Over:
    held = ExitStack()
    _sessions_end(place, node)
    try:
        while True:
            held.enter_context(_connected(place))
    except psycopg.OperationalError:
        return held.close  # there are no more to have


def _tables_are_locked(place: Place, node: int) -> Over:
    held = ExitStack()
    connection = held.enter_context(_connected(place))
    connection.execute("BEGIN; LOCK TABLE systemprompt.job_cursors, systemprompt.nodes IN ACCESS EXCLUSIVE MODE")
    return held.close


def _horizon_is_held(place: Place, node: int) -> Over:
    held = ExitStack()
    held.enter_context(_connected(place)).execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id()")
    return held.close


def _pool_runs_dry(place: Place, node: int) -> Over:
    ledger = PostgresLedger(Address(place.server.address))
    try:
        starts = [ManualStart(job_name=POOL_JOB)] * 2
        ledger.ask_for_runs(SystemClock().now(), starts, Change(actor="storm"))
    finally:
        ledger.close()
    return _nothing


NODE_FAULTS = {
    "line drops": Fault(does="a node's connections are reset", lasts=(0, 0), begins=_line_drops),
    "line is slow": Fault(
        does="everything on a node's line takes 150 ms, both ways", lasts=(1, 2), begins=_line_is_slow
    ),
    "line is very slow": Fault(
        does="everything on a node's line takes so long that the node gives up, and arrives all the same",
        lasts=(LEASE * 1.2, LEASE * 1.6),
        begins=_line_is_very_slow,
    ),
    "line is silent": Fault(
        does="a node's line is open and brings nothing, for longer than a lease",
        lasts=(LEASE * 1.2, LEASE * 1.6),
        begins=_line_is_silent,
    ),
    "connections are silent": Fault(
        does="the connections that a node has are open and bring nothing any more; new ones do",
        lasts=(0, 0),
        begins=_connections_are_silent,
    ),
}
SERVER_FAULTS = {
    "server is away": Fault(
        does="the server crashes, and comes back after longer than a lease",
        lasts=(LEASE * 1.2, LEASE * 1.6),
        begins=_server_is_away,
    ),
    "server is a standby": Fault(
        does="the server crashes, comes back as a standby, where nobody can write, and then as it was",
        lasts=(1, 2),
        begins=_server_is_a_standby,
    ),
    "sessions end": Fault(does="every session is ended", lasts=(0, 0), begins=_sessions_end),
    "statements are cancelled": Fault(
        does="every statement that takes a moment is cancelled", lasts=(1, 1.5), begins=_statements_are_cancelled
    ),
    "no connection is left": Fault(
        does="every session is ended, and somebody else takes all connections of the server",
        lasts=(1, 1.5),
        begins=_no_connection_is_left,
    ),
    "tables are locked": Fault(
        does="somebody locks the tables that every turn needs", lasts=(1, 1.5), begins=_tables_are_locked
    ),
    "pool runs dry": Fault(
        does="jobs take every connection of their node's pool, and hold on to it", lasts=(0, 0), begins=_pool_runs_dry
    ),
}
FAULTS = NODE_FAULTS | SERVER_FAULTS

HORIZON_IS_HELD = Fault(
    does="somebody leaves a transaction open, so that no dead row can be cleaned up",
    lasts=(300, 300),
    begins=_horizon_is_held,
)
"""By itself, at a rate that makes many dead rows: see `test_horizon.py`."""

_OTHERS = "SELECT count({does}) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"


def _of_others(place: Place, does: str) -> None:
    with _connected(place) as connection:
        connection.execute(_OTHERS.format(does=does).encode())


def _connected(place: Place) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(place.server.address, **CONNECTING)


def _nothing() -> None:
    """Nothing has to be mended."""
