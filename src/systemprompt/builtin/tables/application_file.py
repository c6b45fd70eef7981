"""Upkeep of the application's database, in which the built-in jobs have their tables; a host's own may stand beside them."""

from __future__ import annotations

import os

from systemprompt.errors import ConflictError
from systemprompt.ledger.moving import Placement
from systemprompt.ledger.sqlite.copying import held_view
from systemprompt.ledger.sqlite.database_file import DatabaseFile
from systemprompt.ledger.sqlite.placing import FilePlacement, TablesPlacement
from systemprompt.ledger.sqlite.replacing import number_in
from systemprompt.ledger.sqlite.upkeep import LEDGER_TABLES

__all__ = ["MIGRATIONS", "MIGRATIONS_TABLE", "ApplicationFile"]

MIGRATIONS = os.path.join(os.path.dirname(__file__), "migrations", "sqlite")
MIGRATIONS_TABLE = "systemprompt_migrations"


class ApplicationFile(DatabaseFile):
    """The application's database on SQLite: implements `systemprompt.ledger.upkeep.DatabaseUpkeep`."""

    def __init__(self, path: str, *, group: str | None = None) -> None:
        super().__init__(path, migrations=MIGRATIONS, table=MIGRATIONS_TABLE, group=group)

    def place(self, *, belongs_to: str, beside: Placement) -> FilePlacement | TablesPlacement:  # noqa: ARG002  # a file is published alone
        if os.path.lexists(self.location):
            self._refuse_ledger()
            return TablesPlacement(self.location, migrations=self.migrations, table=self.table, belongs_to=belongs_to)
        return FilePlacement(
            self.location, migrations=self.migrations, table=self.table, group=self.group, belongs_to=belongs_to
        )

    def _refuse_ledger(self) -> None:
        with held_view(self.location) as view:
            wrong = self.wrong_source({str(row[0]) for row in view.execute("SELECT name FROM sqlite_master")})
        if wrong is not None:
            raise ConflictError(
                f"{self.location!r} {wrong}; nothing was changed",
                hint="name the database that the application has, or is to have: the ledger goes beside it",
                details={"path": self.location},
            )

    def wrong_source(self, tables: set[str]) -> str | None:
        return "is a ledger, not an application's database" if tables >= LEDGER_TABLES else None

    def last_logged_run(self, ledger_id: str) -> int:
        """Return the highest run id of this ledger that a log line names; 0 where there is none, or no table of ours to ask."""
        return number_in(self.location, "SELECT max(run_id) FROM logs WHERE ledger_id = ?", [ledger_id])
