"""Which columns a table of the application's database has, as its engine tells."""

from __future__ import annotations

from collections.abc import Mapping

from systemprompt.databases.database import Transaction

__all__ = ["read_columns"]

# A type that the host made of another (a domain) is that other.
_ON_POSTGRES = """
    SELECT a.attname AS name, format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid), NULL) AS type
    FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
    WHERE a.attrelid = to_regclass(:name) AND a.attnum > 0 AND NOT a.attisdropped
"""


def read_columns(database: Transaction, dialect: str, *, schema: str, table: str, quoted: str) -> Mapping[str, str]:
    """Return column name -> type; nothing where there is no such table.

    Without a schema the table is looked for where an unqualified name leads to: `main`, or along the search path. The type is ''
    on SQLite, whose columns take any value.
    """
    if dialect == "sqlite":
        named = {"name": table, "schema": schema or "main"}
        return {row["name"]: "" for row in database.fetch("SELECT name FROM pragma_table_info(:name, :schema)", named)}
    return {row["name"]: row["type"] for row in database.fetch(_ON_POSTGRES, {"name": quoted})}
