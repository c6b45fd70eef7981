"""Rows of another database on their way into a SQLite file: implements `systemprompt.ledger.moving.Placement`."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from types import TracebackType
from typing import Self

from systemprompt.databases.sqlite import database_error, open_connection
from systemprompt.errors import ConflictError, DatabaseInUse, LedgerBroken
from systemprompt.ledger.sqlite.copying import no_file_to_replace, put_in_place
from systemprompt.ledger.sqlite.making import lock_of
from systemprompt.ledger.sqlite.migrating import complete
from systemprompt.ledger.sqlite.place import BESIDE, discard, flush, is_regular, new_file, remove, work_name
from systemprompt.ledger.sqlite.reader import SqliteReader, open_reading_ledger
from systemprompt.ledger.sqlite.replacing import is_open_elsewhere, make_folder, take_owner
from systemprompt.ledger.sqlite.table_rows import FileRows, fill_file
from systemprompt.ledger.table_rows import NOT_COUNTED, UNFINISHED, Rows, TableDigest, TableShape, digests_of, of_all

__all__ = ["FilePlacement", "TablesPlacement"]


class FilePlacement:
    """A whole new file, made under another name. For a ledger, whose empty file it may replace, or for one that is absent.

    Of two at once in a folder the second waits for the first, and then finds what that one made.

    belongs_to   the ledger without which these rows are not finished; None for a ledger
    """

    def __init__(
        self, path: str, *, migrations: str, table: str, group: str | None = None, belongs_to: str | None = None
    ) -> None:
        self._path = os.path.realpath(path)
        self._migrations = migrations
        self._table = table
        self._group = group
        self._belongs_to = belongs_to
        self._held = ExitStack()
        self._copy: str | None = None
        self._shapes: Sequence[TableShape] = ()
        self._replaces = False

    def fill(self, source: Rows, shapes: Sequence[TableShape]) -> tuple[TableDigest, ...]:
        self._shapes, self._replaces = shapes, self._look(shapes)
        copy = work_name(self._path)
        os.close(new_file(copy))
        self._copy = copy
        try:
            with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                connection.execute("BEGIN IMMEDIATE")
                complete(connection, self._migrations, table=self._table)
                fill_file(connection, source, shapes)
                found = digests_of(FileRows(connection, shapes), shapes)
                if self._belongs_to is not None:
                    _mark(connection, self._belongs_to, of_all(found))
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise database_error(error, self._path) from error
        take_owner(copy, self._path, self._group)
        flush(copy)
        return found

    def open(self) -> SqliteReader:
        return open_reading_ledger(self._filled())

    def publish(self) -> None:
        copy = self._filled()
        if self._look(self._shapes) is not self._replaces:
            raise _in_the_way(self._path)  # it came, or went, while this one was filled
        remove(copy, BESIDE)
        if not self._replaces:
            # Left beside a database that somebody deleted: SQLite would take them for the new one's.
            remove(self._path, BESIDE)
        put_in_place(copy, self._path, replace=self._replaces)
        self._copy = None

    def finish(self) -> None:
        if self._belongs_to is not None:
            _unmark(self._path)

    def _filled(self) -> str:
        if self._copy is None:
            raise LedgerBroken("a placement is asked for what it has not filled yet")
        return self._copy

    def _look(self, shapes: Sequence[TableShape]) -> bool:
        """Say whether an empty ledger is there. Whatever else is there is refused."""
        if not os.path.lexists(self._path):
            return False
        if not is_regular(self._path):
            raise no_file_to_replace(self._path)
        with closing(open_connection(self._path, read_only=True)) as file:
            try:
                there = {row[0] for row in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
                if not (shapes and {shape.name for shape in shapes} <= there) or _holds_rows(file, shapes):
                    raise _in_the_way(self._path)
            except sqlite3.Error as error:
                raise database_error(error, self._path) from error
        if is_open_elsewhere(self._path, fold=True):
            raise DatabaseInUse(self._path)
        return True

    def __enter__(self) -> Self:
        make_folder(self._path)
        if self._belongs_to is None:
            self._held.enter_context(lock_of(os.path.dirname(self._path), self._path, 30.0))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._copy is not None:
            discard(self._copy)
        self._held.close()


class TablesPlacement:
    """Our tables in an application's file that is there, beside whatever its host has in it: in one transaction."""

    def __init__(self, path: str, *, migrations: str, table: str, belongs_to: str) -> None:
        self._path = path
        self._migrations = migrations
        self._table = table
        self._belongs_to = belongs_to
        self._file: sqlite3.Connection | None = None

    def fill(self, source: Rows, shapes: Sequence[TableShape]) -> tuple[TableDigest, ...]:
        connection = self._connection()
        try:
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute("BEGIN IMMEDIATE")
            complete(connection, self._migrations, table=self._table)
            if _holds_rows(connection, shapes) and not _is_unfinished(connection, self._belongs_to, shapes):
                raise _in_the_way(self._path)
            fill_file(connection, source, shapes)
            found = digests_of(FileRows(connection, shapes), shapes)
            _mark(connection, self._belongs_to, of_all(found))
        except sqlite3.Error as error:
            raise database_error(error, self._path) from error
        return found

    def publish(self) -> None:
        try:
            self._connection().execute("COMMIT")
        except sqlite3.Error as error:
            raise database_error(error, self._path) from error

    def finish(self) -> None:
        _unmark(self._path)

    def _connection(self) -> sqlite3.Connection:
        if self._file is None:
            raise LedgerBroken("a placement is used outside its block")
        return self._file

    def __enter__(self) -> Self:
        self._file = open_connection(self._path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection().close()  # what was not published is undone


def _holds_rows(file: sqlite3.Connection, shapes: Iterable[TableShape]) -> bool:
    return any(
        file.execute(f"SELECT 1 FROM {shape.name} LIMIT 1").fetchone()  # noqa: S608  # a name of our schema
        for shape in shapes
        if shape.name not in NOT_COUNTED
    )


def _mark(file: sqlite3.Connection, belongs_to: str, digest: str) -> None:
    file.execute(f"DROP TABLE IF EXISTS {UNFINISHED}")
    file.execute(f"CREATE TABLE {UNFINISHED} (ledger TEXT NOT NULL, digest TEXT NOT NULL) STRICT")
    file.execute(f"INSERT INTO {UNFINISHED} VALUES (?, ?)", [belongs_to, digest])  # noqa: S608  # a constant of ours


def _is_unfinished(file: sqlite3.Connection, belongs_to: str, shapes: Sequence[TableShape]) -> bool:
    """Say whether these rows are what a move left that ended before its ledger was there, and nobody has changed since."""
    if file.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [UNFINISHED]).fetchone() is None:
        return False
    found = file.execute(f"SELECT ledger, digest FROM {UNFINISHED}").fetchone()  # noqa: S608  # as above
    return found is not None and tuple(found) == (belongs_to, of_all(digests_of(FileRows(file, shapes), shapes)))


def _unmark(path: str) -> None:
    with closing(open_connection(path)) as connection:
        connection.execute(f"DROP TABLE IF EXISTS {UNFINISHED}")


def _in_the_way(path: str) -> ConflictError:
    return ConflictError(
        f"there is a database at {path!r}, and it is not empty; nothing was changed",
        hint="name another file: a move replaces nothing (sp db restore does, with --replace)",
        details={"path": path},
    )
