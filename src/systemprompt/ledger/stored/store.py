"""What the ledger asks of an engine: to run named statements in a transaction, and the few things that engines do differently."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol, TypeAlias

from systemprompt.clock import Instant

__all__ = ["Due", "Found", "Numbers", "Row", "Store"]

Row: TypeAlias = Any
"""A row that a statement found: read by the name of a column or by its place; `keys` names them. Instants are microseconds."""


class Due(NamedTuple):
    """The due jobs that a turn may plan, in due order, held until the transaction ends.

    rows        in the columns of the view `jobs_to_plan`
    waiting     whether any run waits; True where that was not looked at
    left_out    whether a due job is left to nodes that have its labels
    first       where there are no rows, when the first of all is due; following   when the first one after now is
    """

    rows: list[Row]
    waiting: bool
    left_out: bool
    first: Instant | None
    following: Instant | None


class Numbers(NamedTuple):
    """Fences and run ids that nobody else has or gets.

    The node that takes them begins nothing where it was declared lost (`stopped`) or drains.
    """

    fences: Iterator[int]
    run_ids: Iterator[int]
    stopped: bool
    draining: bool


class Found(Protocol):
    """What a statement found or changed."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Row: ...
    def fetchall(self) -> list[Row]: ...
    def __iter__(self) -> Iterator[Row]: ...


class Store(Protocol):
    """One ledger's connection. One transaction at a time in each thread; any thread may ask.

    A statement takes a mapping, or a sequence where its placeholders are in order. What the engine says of the database comes as
    a `DatabaseError`, a row that it refuses as `LedgerBroken`: the transaction is then undone.
    """

    def write(self) -> AbstractContextManager[None]:
        """Hold a transaction that writes for the block; commit at its end, roll back on an exception.

        Raises:
            DatabaseBusy: somebody else held what it needs for too long. Nothing was written.
        """
        ...

    def snapshot(self) -> AbstractContextManager[None]:
        """Let every read in the block see one state."""
        ...

    def run(self, name: str, parameters: Mapping[str, Any] | Sequence[Any] = ()) -> Found:
        """Run a named statement inside a transaction of the caller's."""
        ...

    def run_many(self, name: str, rows: Iterable[Mapping[str, Any] | Sequence[Any]]) -> int:
        """Run a named statement for each of many rows, inside a transaction of the caller's; return how many it changed."""
        ...

    def together(self) -> AbstractContextManager[None]:
        """Write what `run_many` is given in the block in as few steps as the engine can.

        Where it waits for the block's end, `run_many` returns the number of its rows.

        Raises:
            LedgerBroken, HeldRunChanged: at the end, where another number of rows changed; the second for runs that are remembered.
        """
        ...

    def fetch(self, name: str, parameters: Mapping[str, Any] | Sequence[Any] = ()) -> list[Row]:
        """Read with a named statement, in a view of its own or the caller's."""
        ...

    def stream(self, name: str, parameters: Mapping[str, Any]) -> Iterator[Row]:
        """Read row by row with a named statement: in the caller's `snapshot()`, else in a view of its own."""
        ...

    def view(self) -> AbstractContextManager[Callable[[str, Mapping[str, Any]], Iterable[Row]]]:
        """Read row by row with several named statements that all see one state."""
        ...

    def select(self, sql: str, values: Mapping[str, Any]) -> list[Row]:
        """Read with a statement that was put together, in the caller's view. It names instants by `at` and indexes by `along`."""
        ...

    def at(self, name: str) -> str:
        """Return how a statement that is put together names an instant among its values."""
        ...

    def along(self, index: str) -> str:
        """Return what such a statement says to read a table along an index; nothing where the engine finds it itself."""
        ...

    def close(self) -> None: ...

    # -- what engines do differently inside a transaction ----------------------------------------------------------------

    def due_jobs(self, values: Mapping[str, Any]) -> Due:
        """Find the due jobs that a turn may plan; see the statement `due_jobs`. What was gathered is written before."""
        ...

    def waiting_runs(self, values: Mapping[str, Any]) -> list[Row]:
        """Return the runs that wait and may begin, in their order, held as above; see the statement `waiting_runs`."""
        ...

    def take_numbers(self, values: Mapping[str, Any]) -> Numbers:
        """Take run ids and fences; see the statement `take_numbers`."""
        ...

    def hold_catalogue(self) -> None:
        """Let nobody else change jobs and versions until the transaction ends."""
        ...

    def hold_jobs(self, names: Sequence[str]) -> None:
        """Let nobody plan these jobs or begin a run of them, nor change the catalogue, until the transaction ends."""
        ...

    def hold_cursors(self, first: int, last: int) -> None:
        """Let nobody plan the jobs with these ids until the transaction ends."""
        ...

    def hold_request(self, request_id: str) -> None:
        """Let nobody else act under this request id until the transaction ends."""
        ...

    def hold_pruning(self) -> None:
        """Let nobody else prune until the transaction ends: of two, the second must not count down what the first took."""
        ...

    def hold_closed_days(self) -> None:
        """Let nobody write an account until the transaction ends: one that is on its way is waited for."""
        ...
