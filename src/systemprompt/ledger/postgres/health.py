"""What is to be said of a ledger's server and of this role's rights there: for `sp doctor`. Changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
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
    for statement in load_statements(SQL).values():
        for does, table in re.findall(r"\b(INSERT INTO|UPDATE|DELETE FROM) ([a-z_]+)", statement):
            needed.setdefault(table, set()).add(does.split()[0])
            if does == "INSERT INTO" and re.search(r"\bDO UPDATE\b", statement):
                needed[table].add("UPDATE")
    for rights in needed.values():
        if "DELETE" in rights:  # what is deleted is locked first, FOR UPDATE
            rights.add("UPDATE")
    return needed


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
    lacking = [f"{right} on {name}" for name, right in _lacking(connection, schema)]
    if not lacking:
        return HealthNote(
            name="rights", status="ok", message=f"role {role!r} may do what the ledger needs in schema {schema!r}"
        )
    tables = {name for name, kind, _ in _rows(connection, _OBJECTS, schema) if kind in "rp"}
    commands = [f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA {quoted} TO {to}"]
    for right in ("UPDATE", "DELETE"):
        named = ", ".join(
            f"{quoted}.{name}" for name, rights in sorted(rights_needed().items()) if right in rights and name in tables
        )
        commands.append(f"GRANT {right} ON {named} TO {to}")
    commands.append(f"GRANT SELECT, USAGE ON ALL SEQUENCES IN SCHEMA {quoted} TO {to}")
    commands.append(f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {quoted} TO {to}")
    more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
    return HealthNote(
        name="rights",
        status="fail",
        message=f"role {role!r} lacks rights in schema {schema!r}: {', '.join(lacking[:_NAMED])}{more}",
        mend=f"let the owner of the schema run: {'; '.join(commands)}",
    )


def _lacking(connection: Connection[Any], schema: str) -> Iterator[tuple[str, str]]:
    needed = rights_needed()
    for name, kind, number in _rows(connection, _OBJECTS, schema):
        rights = ["SELECT", "USAGE"] if kind == "S" else ["SELECT", *sorted(needed.get(name, ()))]
        asked = "has_sequence_privilege" if kind == "S" else "has_table_privilege"
        for right in rights:
            if not _rows(connection, f"SELECT {asked}(%s::oid, %s)", number, right)[0][0]:  # one of two names
                yield name, right
    said = "\n".join(load_statements(SQL).values())
    for name, may in _rows(connection, _FUNCTIONS, schema):
        if not may and re.search(rf"\b{name}\(", said):
            yield f"{name}()", "EXECUTE"


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
WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'v', 'S') AND NOT c.relispartition ORDER BY c.relname"""


_FUNCTIONS = """
SELECT p.proname::text, has_function_privilege(p.oid, 'EXECUTE') FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = %s ORDER BY p.proname"""

_MAY_READ = """
SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')"""


def _rows(connection: Connection[Any], query: str, *values: object) -> list[tuple[Any, ...]]:
    with connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(query.encode(), values or None).fetchall()
