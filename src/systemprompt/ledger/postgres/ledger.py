"""The whole ledger on PostgreSQL: the reader's half, and every method that writes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Literal

from systemprompt.clock import SECOND, Clock, Instant, SystemClock
from systemprompt.databases.address import Address
from systemprompt.databases.postgres_waiting import answered_within
from systemprompt.ledger.postgres.connections import translated
from systemprompt.ledger.postgres.listening import SILENT, Listening
from systemprompt.ledger.postgres.migrating import migrate
from systemprompt.ledger.postgres.reader import LOOK_ANYWAY_S, MIGRATIONS, MIGRATIONS_TABLE, SCHEMA, SQL, PostgresReader
from systemprompt.ledger.postgres.server_clock import ServerClock
from systemprompt.ledger.postgres.server_history import ServerHistory
from systemprompt.ledger.postgres.statements import Statements
from systemprompt.ledger.postgres.store import PostgresStore
from systemprompt.ledger.records import Claimed, Closing, Decide, NodeIdentity, Turn
from systemprompt.ledger.statements import load_statements
from systemprompt.ledger.stored.clockwork import Offer
from systemprompt.ledger.stored.ledger import StoredLedger
from systemprompt.ledger.stored.remembered import Remembered

__all__ = ["PostgresLedger"]


class PostgresLedger(PostgresReader, StoredLedger):
    """`systemprompt.ledger.protocol.Ledger` in one schema of a PostgreSQL database; see there for what each method promises.

    Commits are durable on the server when a method returns (`synchronous_commit = on`). Any number of processes, on any number of
    machines, work on it at once; rows are held in one order by all of them, and due jobs that another node holds are left to it.

    Its nodes use at most four connections: two for turns and acts, one for heartbeats, which nothing else may hold up, and one that
    listens for hints (`listen`: an address that leads to the server itself, where a pooler stands before the other one).

    decides_by   whose clock decides: the server's; `host`, with the instants passed in, is for tests with their own time
    """

    def __init__(
        self,
        address: Address,
        *,
        schema: str = SCHEMA,
        listen: Address | None = None,
        clock: Clock | None = None,
        patience: float = 10.0,
        decides_by: Literal["host", "database"] = "database",
        on_statement: Callable[[str], None] | None = None,
    ) -> None:
        statements = Statements(load_statements(SQL))
        self._server_clock = ServerClock(clock or SystemClock())
        self._history = ServerHistory()
        new = partial(PostgresStore, address, schema, statements, clock=self._server_clock, history=self._history)
        store = new(patience=patience, most=2, on_statement=on_statement)
        self._heart = new(patience=patience, most=1, on_statement=on_statement)
        PostgresReader.__init__(self, store)
        StoredLedger.__init__(self, store)
        self.address = address
        self._listen = listen or address
        self._listening: Listening | None = None
        self.decides_by = decides_by
        self._one_turn = threading.Lock()
        self._remembers_epoch: int | None = None
        self._partitions_until: Instant = 0
        self._look_at = 0.0
        self._seen_marker = 0

    def be_patient(self, seconds: float) -> None:
        """Wait for what others hold no longer than this from now on."""
        for store in (self._store, self._heart):
            store.be_patient(seconds)

    def answered_within(self, seconds: float) -> AbstractContextManager[None]:
        return answered_within(seconds)

    def migrate(self) -> list[str]:
        """Bring the schema to the newest form; return what was applied. Two processes may call at once.

        Raises:
            DatabaseTooNew: a newer release wrote it. Nothing is changed.
        """
        connection = self._store.connect()
        try:
            with translated(self.address):
                return migrate(connection, MIGRATIONS, schema=self._store.schema, table=MIGRATIONS_TABLE)
        finally:
            connection.close()

    def close(self) -> None:
        if self._listening is not None:
            self._listening.close()
        self._heart.close()
        super().close()

    # -- whose clock decides --------------------------------------------------------------------------------------------------

    def _decided(self, now: Instant) -> Instant:
        return self._store.server_now if self.decides_by == "database" else now

    def hear(self, heard: Callable[[], None]) -> None:
        def look_and_tell() -> None:
            self._look_at = 0.0
            heard()

        if self._listening is None:
            self._listening = Listening(self._listen, self._store.channel, self._store.own_name, look_and_tell)

    def change_marker(self) -> int:
        """As promised. While hints are heard, the server is asked after one, or when none came for ten seconds."""
        self._store.tell_what_is_owed()
        hears = self._listening is not None and not self._listening.is_silent
        now = time.monotonic()
        if not hears or now >= self._look_at:
            self._look_at = now + LOOK_ANYWAY_S  # before it is asked: a hint that comes meanwhile is not missed
            self._seen_marker = super().change_marker()
        return self._seen_marker

    # -- the clockwork of a node ----------------------------------------------------------------------------------------------

    def _turn(self, offer: Offer, now: Instant, decide: Decide, closings: Sequence[Closing]) -> Turn:
        # Threads that share a handle take turns: each sees what the one before it left waiting.
        with self._one_turn:
            if self._remembers_epoch != self._history.epoch:
                # What was remembered may be lost, and a version of the same number may say something else now.
                self._remembers_epoch, self._remembered = self._history.epoch, Remembered()
            return super()._turn(offer, now, decide, closings)

    @property
    def epoch(self) -> int | None:
        return self._history.epoch

    # -- nodes ----------------------------------------------------------------------------------------------------------------

    def join(self, node: NodeIdentity) -> None:
        super().join(node)
        self._make_partitions(node.started_at)

    def beat(self, node_id: str, now: Instant) -> bool:
        with self._heart.write():
            now = self._heart.server_now if self.decides_by == "database" else now
            state = {"clock_offset_us": self._server_clock.offset_us, "degraded": json.dumps(self._degraded())}
            beats = self._heart.run("beat", {"node_id": node_id, "now": now, **state}).rowcount == 1
        if now >= self._partitions_until:
            self._make_partitions(now)
        return beats

    def held(self, node_id: str) -> tuple[Claimed, ...]:
        # As a write begins the server is looked at: one that has lost the end of a run would show that run as held.
        with self._store.write():
            return super().held(node_id)

    def _degraded(self) -> list[str]:
        is_silent = self._listening is not None and self._listening.is_silent
        return [*([SILENT] if is_silent else []), *super()._degraded()]

    # -- when there is nothing else to do -------------------------------------------------------------------------------------

    def fold(self, *, limit: int = 5_000) -> bool:
        if not self._store.fetch("tallies_to_fold")[0]["left"]:
            return False
        with self._store.write():
            folded = self._store.run("fold_into_sums", {"limit": limit}).rowcount
            self._store.run("delete_sums_of_nothing")
        return folded > 0 and bool(self._store.fetch("tallies_to_fold")[0]["left"])

    def prune(self, before: Instant, *, limit: int) -> int:
        gone = super().prune(before, limit=limit)
        if gone < limit:
            with self._store.write():
                self._store.run("drop_partitions").fetchall()
        return gone

    def give_back(self) -> int | None:
        """None: vacuum uses what is free again, and whole partitions go back by themselves."""
        return None

    def checkpoint(self) -> None:
        """The server's own business."""

    def _make_partitions(self, now: Instant) -> None:
        """Make this month's partition and the next one's: looked at once a day, or a minute after somebody was in the way."""
        with self._heart.write():
            now = self._heart.server_now if self.decides_by == "database" else now
            (found,) = self._heart.run("make_partitions", {"now": now}).fetchall()
        self._partitions_until = now + (_DAY if found["are_there"] else _MINUTE)


_MINUTE = 60 * SECOND
_DAY = 24 * 60 * _MINUTE
