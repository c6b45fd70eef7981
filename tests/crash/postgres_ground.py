"""Scenarios on PostgreSQL: what one begins with is kept in a schema beside, and put back before each victim.

A database for each would be copied in 0.3 s, and a schema migrated in 0.2; the rows are put back in a few hundredths.
"""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from crash_scenarios import ON_POSTGRES, SCENARIOS
from crash_worker import NOTE, ledger_in
from psycopg import sql
from victims import Victims

LEDGERS = ("clockwork", "by hand", "asking", "odd ends", "lost tail", "catalogue", "retention")
"""The scenarios that are of a ledger alone."""

WORK, KEPT, WHOLE = "work", "kept", "whole"
"""The schemas: where victims work, what each of them finds there, and the scenario played to its end."""

TABLES = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = %s::regnamespace"
SEQUENCES = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = %s"


class VictimsOnPostgres(Victims):
    """Victims whose ledger is in the database at this address, which is empty."""

    def __init__(self, scenario: str, address: str) -> None:
        self._address = address
        super().__init__(scenario)

    def prepare(self, template: Path) -> None:
        """Play what comes before once, and keep it."""
        note(template, self._address)
        SCENARIOS[self.scenario].prepare(str(template))
        with psycopg.connect(self._address) as connection:
            connection.execute(f"CREATE SCHEMA {KEPT}".encode())
            for table in _tables(connection):
                names = sql.Identifier(KEPT, table), sql.Identifier(WORK, table)
                connection.execute(sql.SQL("CREATE TABLE {} AS SELECT * FROM {}").format(*names))
            self._numbers = connection.execute(SEQUENCES, [WORK]).fetchall()

    def furnish(self, folder: Path) -> None:
        shutil.copytree(self.folder / "template", folder)
        schema = WHOLE if folder == self.folder / "0" else WORK
        note(folder, self._address, schema)
        if schema == WHOLE:
            with closing(ledger_in(str(folder))) as ledger:
                ledger.migrate()
        with psycopg.connect(self._address) as connection:
            connection.execute("SET session_replication_role = replica")  # no triggers: it was accounted for before
            for table in _tables(connection):
                into, source = sql.Identifier(schema, table), sql.Identifier(KEPT, table)
                connection.execute(sql.SQL("DELETE FROM {}").format(into))
                put_back = sql.SQL("INSERT INTO {} OVERRIDING SYSTEM VALUE SELECT * FROM {}")
                connection.execute(put_back.format(into, source))
            for name, value in self._numbers:
                where = sql.Identifier(schema, name).as_string(connection)
                connection.execute("SELECT setval(%s, %s, %s)", [where, value or 1, value is not None])

    def play(self, kill_at: int) -> dict[str, Any]:
        """Kill it even where it takes another course than the first one did: how soon a node looks again depends on real time."""
        folder, wanted = self.folder / str(kill_at), kill_at
        answer = self.play_in(folder, wanted)
        while kill_at and (answer["signal"], answer["status"]) == (0, 0):
            shutil.rmtree(folder)
            wanted = min(wanted - 1, len(answer["events"]))
            answer = self.play_in(folder, wanted)
        return answer


class VictimsOfSchema(Victims):
    """Victims that make the ledger's schema, by itself or by a copy or a move, in the database at this address."""

    def __init__(self, address: str, scenario: str) -> None:
        self._address = address
        super().__init__(scenario)

    def prepare(self, template: Path) -> None:
        note(template, self._address)
        ON_POSTGRES[self.scenario].prepare(str(template))

    def furnish(self, folder: Path) -> None:
        shutil.copytree(self.folder / "template", folder)
        ON_POSTGRES[self.scenario].clear(str(folder))


def note(folder: Path, address: str, schema: str = WORK) -> None:
    """Say in a scenario's folder where its ledger is."""
    (folder / NOTE).write_text(json.dumps((address, schema)), encoding="utf-8")


def _tables(connection: psycopg.Connection[Any]) -> list[str]:
    return [name for (name,) in connection.execute(TABLES, [WORK]).fetchall()]
