"""Hear the hints that others send after a commit: a connection and a thread of its own, and nothing lost without it."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import Connection, sql

from systemprompt.databases.address import Address
from systemprompt.databases.postgres import CONNECTING
from systemprompt.databases.postgres_waiting import BoundedConnection
from systemprompt.own_log import own_log

__all__ = ["SILENT", "Listening"]

SILENT = "listen"
"""What a node is degraded by while it hears no hints: it looks a few times a second instead."""

_log = own_log("systemprompt.ledger")


class Listening:
    """LISTEN at an address until `close`; `heard` is called from its thread, never for a hint of one's own.

    A pooler that gives each transaction another session swallows LISTEN without a word. So it is said in one transaction, and the
    next asks whether it still holds; where it does not, that is `is_silent`, and it is tried again later.
    """

    def __init__(self, address: Address, channel: str, own: str, heard: Callable[[], None]) -> None:
        self._address = address
        self._channel = channel
        self._own = own
        self._heard = heard
        self._closing = threading.Event()
        self._woken, self._wakes = socket.socketpair()
        self.is_silent = True
        self._thread = threading.Thread(target=self._run, name="sp-listen", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop at once, whatever the thread waits for."""
        self._closing.set()
        self._wakes.close()
        self._thread.join(5.0)
        self._woken.close()

    def _run(self) -> None:
        wait = _FIRST_TRY_S
        while not self._closing.is_set():
            try:
                with BoundedConnection.connect(
                    self._address.with_password(), **{**CONNECTING, "application_name": "systemprompt listen"}
                ) as connection:
                    connection.answer_s = _LOOK_S
                    if self._listens(connection):
                        self._hear(connection)
                        wait = _FIRST_TRY_S
                    else:
                        _log.warning(
                            "no hints come through: a pooler stands in between; name a direct address as `listen:` in the profile"
                        )
                        wait = _NEXT_TRY_S
            except psycopg.Error as error:
                _log.info("hints cannot be heard just now: %s", type(error).__name__)
                wait = min(wait * 2, _LOOK_S)
            finally:
                self.is_silent = True
            self._closing.wait(wait)

    def _listens(self, connection: Connection[Any]) -> bool:
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
        found = connection.execute("SELECT pg_listening_channels()").fetchall()
        return (self._channel,) in found

    def _hear(self, connection: Connection[Any]) -> None:
        self.is_silent = False
        self._heard()  # what was said before
        with selectors.DefaultSelector() as waiting:
            waiting.register(connection.fileno(), selectors.EVENT_READ)
            waiting.register(self._woken, selectors.EVENT_READ)
            while not self._closing.is_set():
                for hint in connection.notifies(timeout=0):
                    if hint.payload != self._own:
                        self._heard()
                if not waiting.select(_LOOK_S):
                    connection.execute("SELECT 1")  # a peer that is gone is noticed


_FIRST_TRY_S = 0.5
_NEXT_TRY_S = 60.0
"""A pooler stays where it is; a server that was away comes back, and is tried again sooner."""

_LOOK_S = 5.0
