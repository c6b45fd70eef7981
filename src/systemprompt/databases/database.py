"""The small database handle that jobs get: execute, fetch, transaction, on the profile's `database`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any]
Row: TypeAlias = Mapping[str, Any]


__all__ = ["Database", "Parameters", "Row", "Transaction"]


class Transaction(Protocol):
    """Statements that commit together or not at all. Parameters are `?` with a sequence, or `:name` with a mapping."""

    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Run one statement; return the number of rows it changed."""
        ...

    def execute_many(self, sql: str, rows: Iterable[Parameters]) -> int:
        """Run one statement for each row; return the number of rows changed in all."""
        ...

    def fetch(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Return every row, each readable by column name."""
        ...

    def fetch_one(self, sql: str, parameters: Parameters = ()) -> Row | None:
        """Return the first row, or None."""
        ...


class Database(Transaction, Protocol):
    """Safe to use from any thread. Outside `transaction()` each call is a transaction of its own.

    Raises `DatabaseUnreachable` where the database cannot be opened, `DatabaseBusy` where another process holds it too long, and
    `RowRefused` where a constraint does not allow a row: the statement changed nothing. What is wrong in the SQL itself comes as
    the driver's own exception.
    """

    dialect: str

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that takes the write lock at once; commit on leaving, roll back on an exception.

        Keep it short: on SQLite nobody else writes to this database meanwhile. Our own ledger is another file and is not held up.
        """
        ...

    def close(self) -> None: ...
