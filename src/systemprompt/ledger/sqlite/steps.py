"""The steps of a backup and of a restore of one SQLite file; `systemprompt.ledger.upkeep` says what each promises."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from types import TracebackType
from typing import Self

from systemprompt.clock import Instant
from systemprompt.databases.sqlite import open_connection
from systemprompt.errors import LedgerBroken
from systemprompt.ledger.sqlite.copying import copy_beside, held_view, put_in_place
from systemprompt.ledger.sqlite.migrating import applied_migration
from systemprompt.ledger.sqlite.place import discard
from systemprompt.ledger.sqlite.replacing import make_folder, replace, take_owner

__all__ = ["FileBackup", "FileRestore"]


class FileBackup:
    """One state of the file `source` on its way to the file `to`."""

    def __init__(self, source: str, to: str, *, table: str, replace: bool) -> None:
        self._source = source
        self._to = to
        self._table = table
        self._replace = replace
        self._held = ExitStack()
        self._view: sqlite3.Connection | None = None
        self._copy: str | None = None

    @property
    def view(self) -> sqlite3.Connection:
        """The held view."""
        if self._view is None:
            raise LedgerBroken("a backup has let go of its view, or has not taken it yet")
        return self._view

    @property
    def copied(self) -> str:
        """The path of the unfinished file."""
        if self._copy is None:
            raise LedgerBroken("a backup is asked for its copy before it has one")
        return self._copy

    def copy(self, *, on_step: Callable[[int, int], None] | None = None) -> None:
        self._copy = copy_beside(self.view, self._to, on_step=on_step)
        self._view = None
        self._held.close()

    def condition(self) -> tuple[int, int]:
        with closing(open_connection(self.copied, read_only=True)) as connection:
            return applied_migration(connection, table=self._table), os.path.getsize(self.copied)

    def publish(self) -> None:
        put_in_place(self.copied, self._to, replace=self._replace)

    def __enter__(self) -> Self:
        self._view = self._held.enter_context(held_view(self._source))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._view = None
        try:
            self._held.__exit__(kind, error, trace)
        finally:
            if self._copy is not None:
                discard(self._copy)


class FileRestore:
    """A copy of the file `source` on its way into the place of the file `target`."""

    def __init__(self, source: str, target: str, *, group: str | None = None) -> None:
        self._source = source
        self._target = target
        self._group = group
        self._copy: str | None = None

    @property
    def copied(self) -> str:
        """The path of the unfinished file."""
        if self._copy is None:
            raise LedgerBroken("a restore is asked for its copy before it has one")
        return self._copy

    def copy(self) -> None:
        make_folder(self._target)
        with held_view(self._source) as view:
            self._copy = copy_beside(view, self._target)

    def take_owner(self) -> None:
        take_owner(self.copied, self._target, self._group)

    def publish(self, now: Instant) -> str | None:
        return replace(self.copied, self._target, now)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._copy is not None:
            discard(self._copy)
