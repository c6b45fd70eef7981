"""What breaks an engine: one function, one statement or one trigger at a time, and what stands in the way of that.

A change that finds nothing to change fails: the engine moved on, and the breakage must follow.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from systemprompt.ledger.sqlite.ledger import SqliteLedger

AREAS = ("planner", "cursor", "claim", "fence", "close", "rescue", "range", "version", "retention")

UNIQUE_FENCE = "job_attempts.fence UNIQUE"
"""The guards that are part of a table: a fence is handed out once, and so is an attempt's number."""

RULES = "job_runs_keep_the_rules"
"""The trigger that keeps closed runs, fences and attempts, and what a run accounts for."""

CHECKS = "CHECK"
"""The guard of all CHECK constraints."""


class Wrench:
    """Breaks one engine. Patches undo themselves with `monkeypatch`; statements and triggers are changed in each ledger opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self._statements: list[tuple[str, str, str]] = []
        self._triggers: list[tuple[str, str, str]] = []
        self._without: tuple[str, ...] = ()

    def patch(self, target: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Replace a function of the engine with what `make` makes of it."""
        self.monkeypatch.setattr(target, name, make(getattr(target, name)))

    def statement(self, name: str, *changes: tuple[str, str]) -> None:
        """Change a named statement: each pair is what stands there, and what the broken engine has in its place."""
        self._statements += [(name, old, new) for old, new in changes]

    def trigger(self, name: str, old: str, new: str) -> None:
        """Change a trigger of the schema that does a part of the engine's work."""
        self._triggers.append((name, old, new))

    def remove_guards(self, *names: str) -> None:
        """Take away the triggers, unique indexes or checks that would refuse what the broken engine writes."""
        self._without = names

    def prepare(self, ledger: SqliteLedger) -> None:
        """Break a ledger that was just opened."""
        ledger._store._statements = {**ledger._store._statements}
        for name, old, new in self._statements:
            text = ledger._store._statements[name]
            ledger._store._statements[name] = _changed(text, old, new, f"statement {name}")
        run = ledger._store.connection.execute
        for guard in self._without:
            if guard == CHECKS:
                run("PRAGMA ignore_check_constraints = ON")
            elif guard == UNIQUE_FENCE:
                run("PRAGMA foreign_keys = OFF")
                run("PRAGMA legacy_alter_table = ON")
                run("CREATE TABLE copies AS SELECT * FROM job_attempts")
                run("DROP TABLE job_attempts")
                run("ALTER TABLE copies RENAME TO job_attempts")
            else:
                kind = (
                    "INDEX"
                    if guard in ("job_runs_one_account", "job_versions_open", "job_attempts_one_open")
                    else "TRIGGER"
                )
                run(f"DROP {kind} IF EXISTS {guard}")
        for name, old, new in self._triggers:
            (text,) = run("SELECT sql FROM sqlite_master WHERE name = ?", [name]).fetchone()
            if re.sub(r"\s+", " ", new) in re.sub(r"\s+", " ", text) and old not in text:
                continue  # the other process has done it
            run(f"DROP TRIGGER {name}")
            run(_changed(text, old, new, f"trigger {name}"))


def _changed(text: str, old: str, new: str, what: str) -> str:
    assert old in text, f"{what} has no {old!r} any more: mend the breakage"
    return text.replace(old, new)


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakage:
    """One defect planted in the engine.

    what    what the broken engine does, as a sentence; the name of the test
    area    the part of the engine that is broken, of AREAS
    kinds   the findings by which the audit must name it
    guards  triggers, unique indexes and checks that refuse the write before any audit; the audit is asked without them
    plant   breaks the engine
    """

    what: str
    area: str
    kinds: tuple[str, ...]
    plant: Callable[[Wrench], None]
    guards: tuple[str, ...] = ()
