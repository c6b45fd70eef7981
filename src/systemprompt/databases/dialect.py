"""What differs between the engines in our own SQL over the application's database: names, instants, and three words.

Everything else of such a statement is the same on both, so that there is one text of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from systemprompt.clock import Instant, from_datetime, to_datetime

__all__ = ["OUR_SCHEMA", "Dialect", "dialect_named"]

OUR_SCHEMA = "systemprompt_app"
"""Where our tables are in an application's database on PostgreSQL: a host's `users` or `logs` is never taken for ours. Not the
schema of the ledger, which a restore of the ledger replaces whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one engine says what both can do.

    least, greatest   functions of two values
    differs           the comparison of two rows in which NULL equals NULL
    """

    name: str
    schema: str
    least: str
    greatest: str
    differs: str

    def text(self, sql: str) -> str:
        """Return a statement with each `{table}` as our table of that name is called here."""
        return _TABLE.sub(lambda found: self.own(found[1]), sql)

    def own(self, table: str) -> str:
        """Return the name of one of our tables, for a statement: `logs`, or `systemprompt_app.logs`."""
        return f"{self.schema}.{table}" if self.schema else table

    def listed(self, name: str) -> str:
        """Return a subquery with the texts of a JSON list that is given as the parameter `:name`."""
        if self.name == "sqlite":
            return f"(SELECT value FROM json_each(:{name}))"  # noqa: S608  # a parameter's name of ours
        return f"(SELECT json_array_elements_text(CAST(:{name} AS json)))"

    def stored(self, at: Instant | None) -> Any:
        """Return an instant as our tables keep it, NULL for None: microseconds, or a `timestamptz`.

        The latter goes from 0001-01-02 to 9999-12-30 here: an instant beyond, such as a broken file system tells, is the nearest
        of these.
        """
        if self.name == "sqlite" or at is None:
            return at
        return to_datetime(min(max(at, _FIRST), _LAST))

    def instant(self, value: Any) -> Instant:
        """Return what a column of ours holds as an instant."""
        return from_datetime(value) if isinstance(value, datetime) else int(value)


def dialect_named(name: str) -> Dialect:
    """Return the dialect of a database handle: `dialect_named(database.dialect)`."""
    return _DIALECTS[name]


_TABLE = re.compile(r"\{(\w+)\}")

# A day from the end of what Python can say, so that no time zone of a session leads beyond.
_FIRST = from_datetime(datetime(1, 1, 2, tzinfo=UTC))
_LAST = from_datetime(datetime(9999, 12, 30, tzinfo=UTC))

_DIALECTS = {
    "sqlite": Dialect(name="sqlite", schema="", least="min", greatest="max", differs="IS NOT"),
    "postgresql": Dialect(
        name="postgresql", schema=OUR_SCHEMA, least="least", greatest="greatest", differs="IS DISTINCT FROM"
    ),
}
