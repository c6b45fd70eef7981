"""What breaks an engine: one decision, one row or one clause of a statement at a time, and what stands in the way of that.

Nothing here or in the lists of breakages knows a database engine: `engine_sqlite` and `engine_postgres` say how each is broken. A
change that is never met fails: the engine moved on, and the breakage must follow.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest

from systemprompt.ledger.stored.store import Numbers

Place: TypeAlias = Any
"""Where a ledger is, as its engine has it: a file's path, or a schema of a database."""

Row: TypeAlias = Any
"""A row that is given to a statement, or that a statement found: by position or by name, as the statement has it."""

AREAS = (
    "planner",
    "cursor",
    "claim",
    "fence",
    "close",
    "retry",
    "late",
    "stop",
    "rescue",
    "number",
    "range",
    "version",
    "retention",
)


class Guard:
    """What refuses a broken write, in the words of docs/audit.md. Each engine says what it has for it."""

    one_account = "a fire time has one account"
    open_or_closed = "a run is open or closed"
    never_changes = "a closed account never changes"
    claims = "an attempt more for each claim"
    checks = "`CHECK` constraints"
    reasons = "a reason fits its status"
    attempts_once = "an attempt is kept once"
    attempts_stay_out = "a late result stays out of sealed days"
    references = "a row's job exists"
    same_number = "as many rows inserted as were deleted"
    cursor_forward = "a cursor moves forward"
    versions_apart = "versions never overlap"
    one_open_version = "one version is open"
    versions_stay = "a version never changes"
    prunes_sealed = "only what is sealed is pruned"
    pruned_until = "nothing is said to be pruned that is not sealed"
    seals_follow = "a seal follows the one before it"
    seals_final = "a seal never changes"
    seals_stay = "a seal is never deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """How one database engine is opened and broken.

    open      opens a ledger that exists, as fast as a test may have it; create   makes one
    store     what runs its named statements: `run(name, values)` and `run_many(name, rows)`, and has `texts`, name -> statement
    execute   runs a plain statement in the transaction that is open
    remove    takes guards away, from the ledger or its database
    clauses   (statement, what a part of it says) -> that part's text, on whatever lines it stands
    twins     statement -> others that say the same: a clause is broken in all of them
    parts     functions of the engine's own that every engine has: `plan_one`, `insert_open` and `insert_closed`
    instant   returns an instant as it stands in a plain statement; an_hour_ago   so much before the newest planned one, in SQL
    own       faults that each engine has in another place, by what they do
    guards    the guards that this engine has something for
    """

    name: str
    create: Callable[[Place], Any]
    open: Callable[[Place], Any]
    store: Callable[[Any], Any]
    texts: Callable[[Any], dict[str, str]]
    execute: Callable[[Any, str], None]
    remove: Callable[[Any, Sequence[str]], None]
    clauses: Mapping[tuple[str, str], str]
    parts: Mapping[str, Callable[..., Any]]
    instant: Callable[[int | None], str]
    an_hour_ago: str
    own: Mapping[str, Callable[[Breaker], None]]
    guards: frozenset[str]
    twins: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Breaker:
    """Breaks one engine. Patches undo themselves with `monkeypatch`; each ledger that is opened is broken in `prepare`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
        self.monkeypatch = monkeypatch
        self.engine = engine
        self._given: defaultdict[str, list[Callable[[list[Row]], list[Row]]]] = defaultdict(list)
        self._found: defaultdict[str, list[Callable[[list[Row]], list[Row]]]] = defaultdict(list)
        self._after: defaultdict[str, list[Callable[[Row], str]]] = defaultdict(list)
        self._clauses: list[tuple[str, str, str]] = []
        self._numbers: list[Callable[[Numbers], Numbers]] = []
        self._without: tuple[str, ...] = ()
        self._unmet: set[str] = set()

    # -- above the SQL --------------------------------------------------------------------------------------------------

    def patch(self, target: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Replace a method of the engine's upper part with what `make` makes of it."""
        self.monkeypatch.setattr(target, name, make(getattr(target, name)))

    def decision(self, function: Callable[..., Any], make: Callable[[Any], Any]) -> None:
        """Replace a function wherever it was imported: what an engine asks before it writes."""
        self._unmet.add(function.__name__)
        broken = make(function)

        def asked(*arguments: Any, **more: Any) -> Any:
            self._unmet.discard(function.__name__)
            return broken(*arguments, **more)

        for module in list(sys.modules.values()):
            named = getattr(module, "__name__", "")
            if named.startswith("systemprompt.") and vars(module).get(function.__name__) is function:
                self.monkeypatch.setattr(module, function.__name__, asked)

    def inserted(
        self,
        table: str,
        change: Callable[[Row], Row | None],
        *,
        after: Callable[[Row, Engine], Sequence[str]] = lambda row, engine: (),
    ) -> None:
        """Insert other rows than were to be, into the `open` or the `closed` table; None: not at all. Run statements after each."""

        def make(real: Callable[..., int | None]) -> Callable[..., int]:
            def insert(store: Any, runs: Sequence[Row]) -> int:
                rows = [row for row in map(change, runs) if row is not None]
                done = real(store, rows)
                for sql in [sql for row in rows for sql in after(row, self.engine)]:
                    self.engine.execute(store, sql)
                return len(runs) if Guard.same_number in self._without or done is None else done

            return insert

        self.decision(self.engine.parts[f"insert_{table}"], make)

    def numbers(self, change: Callable[[Numbers], Numbers]) -> None:
        """Take other fences and run ids than were given."""
        self._numbers.append(change)
        self._unmet.add("take_numbers")

    def own(self, fault: str) -> None:
        """Plant a fault that each engine has in a place of its own."""
        self.engine.own[fault](self)

    # -- by named statement ---------------------------------------------------------------------------------------------

    def given(self, name: str, change: Callable[[Row], Row | None]) -> None:
        """Change each row that is given to a statement; None: it is not given at all."""
        self.rows(name, lambda rows: [made for made in map(change, rows) if made is not None])

    def rows(self, name: str, change: Callable[[list[Row]], list[Row]]) -> None:
        """Change the rows that are given to a statement, all that come at once."""
        self._given[name].append(change)
        self._unmet.add(name)

    def found(self, name: str, change: Callable[[list[Row]], list[Row]]) -> None:
        """Change what a statement finds."""
        self._found[name].append(change)
        self._unmet.add(name)

    def afterwards(self, name: str, sql: Callable[[Row], str]) -> None:
        """Run a plain statement after a named one, for each row that was given to it; '' runs nothing."""
        self._after[name].append(sql)
        self._unmet.add(name)

    def clause(self, name: str, says: str, instead: str = "") -> None:
        """Leave out a part of a statement, or have another in its place."""
        self._clauses.append((name, says, instead))

    def broken_clauses(self) -> set[tuple[str, str]]:
        return {(name, says) for name, says, _ in self._clauses}

    def remove_guards(self, *names: str) -> None:
        """Take away what would refuse what the broken engine writes."""
        self._without = names

    # -- an engine is broken --------------------------------------------------------------------------------------------

    def prepare(self, ledger: Any) -> None:
        """Break a ledger that was just opened."""
        store, texts = self.engine.store(ledger), self.engine.texts(ledger)
        unknown = {*self._given, *self._found, *self._after} - texts.keys()
        assert not unknown, f"no statement is named {unknown} any more: fix the breakage"
        for name, says, instead in self._clauses:
            for one in (name, *self.engine.twins.get(name, ())):
                texts[one] = _without_clause(one, texts[one], self.engine.clauses[name, says], instead)
        self.engine.remove(ledger, [guard for guard in self._without if guard != Guard.same_number])
        run, run_many = store.run, store.run_many

        def broken_run(name: str, values: Any = ()) -> Any:
            rows = self._changed(name, [values])
            if not rows:
                return Found([])
            for again in rows[1:]:
                run(name, again)
            done = run(name, rows[0])
            if name in self._found:
                done = Found(self._seen(name, done.fetchall()))
            self._do_after(store, name, rows)
            return done

        def broken_run_many(name: str, rows: Any) -> int:
            asked = list(rows)
            changed = self._changed(name, asked)
            done = run_many(name, changed) if changed else 0
            self._do_after(store, name, changed)
            return len(asked) if Guard.same_number in self._without else int(done)

        store.run, store.run_many = broken_run, broken_run_many
        if self._numbers:
            self._break_numbers(store)

    def _break_numbers(self, store: Any) -> None:
        take_numbers = store.take_numbers

        def broken(values: Any) -> Numbers:
            self._unmet.discard("take_numbers")
            taken: Numbers = take_numbers(values)
            for change in self._numbers:
                taken = change(taken)
            return taken

        store.take_numbers = broken

    def check_met(self) -> None:
        """Fail where a change was planted that the engine never came by."""
        assert not self._unmet, f"the engine never came by {self._unmet}: fix the breakage or the life"

    def _changed(self, name: str, rows: list[Row]) -> list[Row]:
        for change in self._given[name]:
            self._unmet.discard(name)
            rows = change(rows)
        return rows

    def _seen(self, name: str, rows: list[Row]) -> list[Row]:
        for change in self._found[name]:
            self._unmet.discard(name)
            rows = change(rows)
        return rows

    def _do_after(self, store: Any, name: str, rows: list[Row]) -> None:
        for sql in self._after[name]:
            self._unmet.discard(name)
            for row in rows:
                text = sql(row)
                if text:
                    self.engine.execute(store, text)


def _without_clause(name: str, statement: str, clause: str, instead: str) -> str:
    """Return a statement with something else in a clause's place."""
    changed, number = re.subn(r"\s+".join(map(re.escape, re.split(r"\s+", clause))), lambda _: instead, statement)
    assert number, f"statement {name} has no {clause!r} any more: fix the breakage"
    return changed


class Found:
    """What a statement is said to have found, in place of the driver's cursor."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows
        self.rowcount = len(rows)

    def fetchall(self) -> list[Row]:
        return self._rows

    def fetchone(self) -> Row | None:
        return self._rows[0] if self._rows else None

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)


class Altered:
    """A row that was found, with some columns changed; read by name, or in order."""

    def __init__(self, row: Row, **changes: Any) -> None:
        self._values = {name: row[name] for name in row.keys()} | changes  # noqa: SIM118  # a driver's row

    def keys(self) -> list[str]:
        return list(self._values)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakage:
    """One defect planted in the engine.

    what    what the broken engine does, as a sentence; the name of the test
    area    the part of the engine that is broken, of AREAS
    kinds   the findings by which the audit must name it
    guards  what refuses the write before any audit, of Guard; the audit is asked without them
    plant   breaks the engine
    unseen_on  engines whose run ids leave gaps, so that nothing tells of it there; docs/audit.md says so
    """

    what: str
    area: str
    kinds: tuple[str, ...]
    plant: Callable[[Breaker], None]
    guards: tuple[str, ...] = ()
    unseen_on: tuple[str, ...] = ()
