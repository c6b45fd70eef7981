"""What is to be said of a ledger's server and of this role's rights there: for `sp doctor`. Changes nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import tuple_row

from systemprompt.databases.address import Address
from systemprompt.databases.health_note import HealthNote
from systemprompt.databases.postgres_health import connected, server_health
from systemprompt.ledger.postgres.migrating import has_schema
from systemprompt.ledger.postgres.reader import SCHEMA, SQL
from systemprompt.ledger.statements import load_statements

__all__ = ["ledger_health", "rights_needed"]


def ledger_health(address: Address, *, schema: str = SCHEMA) -> Iterator[HealthNote]:
    """Yield what was looked at: the server, its clock, this role's rights, who holds vacuum back, and the default partition.

    Raises:
        DatabaseError: the server cannot be reached, or lets this role not in.
    """
    yield from server_health(address)
    with connected(address) as connection:
        yield _rights(connection, schema)
        yield from _default_partition(connection, schema)


def rights_needed() -> dict[str, set[str]]:
    """Return what the ledger's own statements do to each table: table -> INSERT, UPDATE, DELETE. Every table is read too."""
    needed: dict[str, set[str]] = {}
    for statement in _statements():
        for does, table in re.findall(r"\b(INSERT INTO|UPDATE|DELETE FROM) ([a-z_]+)", statement):
            needed.setdefault(table, set()).add(does.split()[0])
            if does == "INSERT INTO" and re.search(r"\bDO UPDATE\b", statement):
                needed[table].add("UPDATE")
        for table in _locked(statement):
            needed.setdefault(table, set()).add("UPDATE")  # a lock takes that right
    return needed


def _locked(statement: str) -> list[str]:
    """Return the tables that a statement locks rows of, the first of each FROM: what it joins, it locks nothing of."""
    flat, inner = "", statement
    while flat != inner:  # a question within, in parentheses, is not what FOR UPDATE behind them is about
        flat, inner = inner, re.sub(r"\((?![^()]*\bFOR UPDATE\b)[^()]*\)", "", inner)
    return re.findall(r"\bFROM ([a-z_]+)\b(?:(?!\bFROM\b).)*?\bFOR UPDATE\b", flat, re.DOTALL)


def _statements() -> list[str]:
    """Return what a node and `sp jobs` say; a restore is for the owner."""
    left_out = load_statements(os.path.join(SQL, "upkeep.sql"))
    return [text for name, text in load_statements(SQL).items() if name not in left_out]


def _rights(connection: Connection[Any], schema: str) -> HealthNote:
    role, database = _rows(connection, "SELECT current_user::text, current_database()::text")[0]
    quoted, to = sql.Identifier(schema).as_string(connection), sql.Identifier(role).as_string(connection)
    if not has_schema(connection, schema):
        if _rows(connection, "SELECT has_database_privilege(current_database(), 'CREATE')")[0][0]:
            return HealthNote(name="rights", status="ok", message=f"role {role!r} may make schema {schema!r}")
        return HealthNote(
            name="rights",
            status="fail",
            message=f"role {role!r} may not make schema {schema!r} in database {database!r}",
            mend=f"let the owner of the database run: CREATE SCHEMA {quoted} AUTHORIZATION {to}",
        )
    if not _rows(connection, "SELECT has_schema_privilege(%s, 'USAGE')", schema)[0][0]:
        return HealthNote(
            name="rights",
            status="fail",
            message=f"role {role!r} may not use schema {schema!r} of database {database!r}",
            mend=f"let the owner of the schema run: GRANT USAGE ON SCHEMA {quoted} TO {to}",
        )
    lacking = list(_lacking(connection, schema))
    if not lacking:
        message = f"role {role!r} may do what the ledger needs in schema {schema!r}"
        return HealthNote(name="rights", status="ok", message=message)
    commands = [
        f"GRANT {', '.join(rights)} ON {kind} {', '.join(f'{quoted}.{one.name}' for one in ones)} TO {to}"
        for (kind, rights), ones in groupby(sorted(lacking, key=_grant), key=_grant)
    ]
    named = [f"{', '.join(one.rights)} on {one.name}" for one in lacking]
    more = f" and on {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return HealthNote(
        name="rights",
        status="fail",
        message=f"role {role!r} lacks rights in schema {schema!r}: {'; '.join(named[:_NAMED])}{more}",
        mend=f"let the owner of the schema run: {'; '.join(commands)}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lack:
    """What a role lacks on one table, sequence or function: `kind` is the word that GRANT has for it."""

    kind: str
    name: str
    rights: tuple[str, ...]


def _grant(lack: _Lack) -> tuple[str, tuple[str, ...]]:
    return lack.kind, lack.rights


def _lacking(connection: Connection[Any], schema: str) -> Iterator[_Lack]:
    needed = rights_needed()
    for name, letter, number in _rows(connection, _OBJECTS, schema):
        kind = "SEQUENCE" if letter == "S" else "TABLE"
        rights = ["SELECT", "USAGE"] if letter == "S" else ["SELECT", *sorted(needed.get(name, ()))]
        asked = f"SELECT has_{kind.lower()}_privilege(%s::oid, %s)"
        lacks = tuple(right for right in rights if not _rows(connection, asked, number, right)[0][0])
        if lacks:
            yield _Lack(kind=kind, name=name, rights=lacks)
    said = "\n".join(_statements())
    for name, may in _rows(connection, _FUNCTIONS, schema):
        if not may and re.search(rf"\b{name}\(", said):
            yield _Lack(kind="FUNCTION", name=name, rights=("EXECUTE",))


def _default_partition(connection: Connection[Any], schema: str) -> Iterator[HealthNote]:
    """Say what lies in the partition for what has no month of its own; that there is nothing goes without saying."""
    if not _rows(connection, _MAY_READ, schema, _DEFAULT):
        return
    asked = sql.SQL("SELECT count(*), min(due_at)::text, max(due_at)::text FROM {}").format(
        sql.Identifier(schema, _DEFAULT)
    )
    with connection.cursor(row_factory=tuple_row) as cursor:
        number, first, last = cursor.execute(asked).fetchall()[0]
    if number:
        yield HealthNote(
            name="partitions",
            status="warn",
            message=f"{number:,} closed runs from {first} to {last} lie in {schema}.{_DEFAULT}: their months have no partition",
            mend="see whether a clock was wrong then; prune_history takes them with their time, only more slowly",
        )


_DEFAULT = "job_runs_default"
_NAMED = 5

_OBJECTS = """
SELECT c.relname::text, c.relkind::text, c.oid::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'v', 'S') AND NOT c.relispartition
  AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND c.relkind = 'S' AND d.deptype = 'i') ORDER BY c.relname"""
"""A sequence behind a column is the table's own: INSERT is enough."""


_FUNCTIONS = """
SELECT p.proname::text, has_function_privilege(p.oid, 'EXECUTE') FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = %s ORDER BY p.proname"""

_MAY_READ = """
SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')"""


def _rows(connection: Connection[Any], query: str, *values: object) -> list[tuple[Any, ...]]:
    with connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(query.encode(), values or None).fetchall()
