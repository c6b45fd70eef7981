"""Upkeep of our tables in the application's database on PostgreSQL: the twin of `application_file.py`."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import NoReturn

from systemprompt.builtin.tables import application_file
from systemprompt.databases.address import Address
from systemprompt.databases.dialect import OUR_SCHEMA
from systemprompt.errors import ConfigurationError
from systemprompt.ledger.moving import Placement
from systemprompt.ledger.postgres.database_schema import DatabaseSchema
from systemprompt.ledger.postgres.placing import SchemaPlacement, held_schema
from systemprompt.ledger.postgres.table_rows import SchemaRows
from systemprompt.ledger.sqlite.table_rows import shapes_of
from systemprompt.ledger.table_rows import TableShape

__all__ = ["MIGRATIONS", "MIGRATIONS_TABLE", "ApplicationSchema"]

MIGRATIONS = os.path.join(os.path.dirname(__file__), "migrations", "postgresql")
MIGRATIONS_TABLE = "application_migrations"


class ApplicationSchema(DatabaseSchema):
    """Our tables in the application's database: implements `systemprompt.ledger.upkeep.DatabaseUpkeep`.

    They have a schema of their own, always of the same name, so that SQL of jobs may name them. The host's tables beside it are
    none of our business. Copies are the business of PostgreSQL's own programs: `backup` and `restore` name them.
    """

    def __init__(self, address: Address) -> None:
        super().__init__(address, migrations=MIGRATIONS, table=MIGRATIONS_TABLE, schema=OUR_SCHEMA)

    def shapes(self) -> tuple[TableShape, ...]:
        return shapes_of(application_file.MIGRATIONS, application_file.MIGRATIONS_TABLE)

    def hold(self) -> AbstractContextManager[SchemaRows]:
        return held_schema(self.address, self.schema, self.shapes(), is_ledger=False)

    def place(self, *, belongs_to: str, beside: Placement) -> SchemaPlacement:
        if isinstance(beside, SchemaPlacement) and beside.address == self.address:
            return self._place(belongs_to, within=beside)
        return self._place(belongs_to)

    def last_logged_run(self, ledger_id: str) -> int:
        """Return the highest run id of this ledger that a log line names; 0 where there is none, or no table of ours to ask."""
        if self.schema_state().state != "current":
            return 0
        asked = f"SELECT max(run_id) FROM {OUR_SCHEMA}.logs WHERE ledger_id = %s"  # noqa: S608  # a constant of ours
        found = self.do(lambda it: it.execute(asked.encode(), [ledger_id]).fetchone())
        return 0 if found is None or found[0] is None else int(found[0])

    def backup(self, to: str, *, replace: bool = False) -> NoReturn:  # noqa: ARG002  # as the protocol has it
        raise self._not_ours("copied", f"pg_dump --schema={self.schema} --file={to} ADDRESS")

    def restore(self, source: str, *, replace: bool = False, dry_run: bool = False) -> NoReturn:  # noqa: ARG002  # as above
        raise self._not_ours("replaced", f"psql --file={source} ADDRESS, or pg_restore for a dump in its own format")

    def _not_ours(self, what: str, command: str) -> ConfigurationError:
        return ConfigurationError(
            f"the database at {self.location!r} is on a PostgreSQL server, and is not {what} by this command",
            hint=f"nothing was changed. PostgreSQL has its own programs for that: {command}",
            details={"address": self.location},
        )
