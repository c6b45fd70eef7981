"""How PostgreSQL is reached, and what its errors mean: the same for the ledger and for jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg import errors as pg

from systemprompt.databases.address import Address
from systemprompt.errors import DatabaseBusy, DatabaseError, DatabaseUnreachable, RowRefused

__all__ = ["CONNECTING", "of_the_server", "translated"]

T = TypeVar("T")

CONNECTING: dict[str, Any] = {
    "autocommit": True,
    "prepare_threshold": None,
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "application_name": "systemprompt",
}
"""How every connection is made, but for what the address says itself: nothing prepared and no setting that outlives a transaction,
so that a pooler may stand in between; a peer that is gone is noticed within a minute."""


def translated(address: Address, attempt: Callable[[], T]) -> T:
    """Return what `attempt` returns; what psycopg says of a row or of the server comes in our own family of errors.

    Raises:
        RowRefused: a constraint does not allow a row; the statement changed nothing.
        DatabaseBusy, DatabaseUnreachable: see `of_the_server`. psycopg.Error: what is wrong in the statement itself.
    """
    try:
        return attempt()
    except psycopg.IntegrityError as error:
        raise RowRefused(
            f"database {str(address)!r} does not allow this row: {_said(error, address)}",
            hint="the statement changed nothing",
            details={"address": str(address), "cause": _said(error, address)},
        ) from error
    except psycopg.Error as error:
        told = of_the_server(error, address)
        if told is None:
            raise
        raise told from error


def of_the_server(error: psycopg.Error, address: Address) -> DatabaseError | None:
    """Return what an error says of the server and the way to it; None where it is of the statement. No password is shown."""
    shown, said = str(address), _said(error, address)
    details = {"address": shown, "cause": said}
    if isinstance(error, _BUSY):
        return DatabaseBusy(
            f"database {shown!r} is held by another connection: {said}",
            hint="nothing was written: try again",
            details=details,
        )
    if isinstance(error, _AWAY) or error.sqlstate in _SESSION_ENDED or type(error) is psycopg.DatabaseError:
        return DatabaseUnreachable(
            f"database {shown!r} cannot be used: {said}",
            hint="see that the server runs, that the address is right and that this user may connect: sp doctor looks into it",
            details=details,
        )
    return None


_BUSY = (pg.LockNotAvailable, pg.QueryCanceled, pg.DeadlockDetected, pg.SerializationFailure)
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, pg.ReadOnlySqlTransaction)
"""A bare `DatabaseError` is one too: libpq made it, without a SQLSTATE of the server's."""

_SESSION_ENDED = ("25P03", "25P04")
"""The server ended a session whose transaction stood still, or took too long. psycopg has both among the defects."""


def _said(error: psycopg.Error, address: Address) -> str:
    # libpq repeats each host it tried, and each line of context: the first says most.
    primary = error.diag.message_primary
    said = primary or next(iter(str(error).strip().splitlines()), type(error).__name__)
    return address.without_secrets(said)
