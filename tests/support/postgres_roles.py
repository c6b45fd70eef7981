"""Roles on the PostgreSQL of the tests: with a password that is asked for, and with rights that are granted one by one."""

from __future__ import annotations

import fcntl
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from systemprompt.databases.postgres import CONNECTING

__all__ = ["a_role", "address_of", "an_owner", "as_role", "role"]

_GROUP = "asked_for_a_password"
_ASKED = f"local all +{_GROUP} scram-sha-256"
"""In pg_hba.conf: members of that group give a password."""


@contextmanager
def role(address: str, *, password: str = "") -> Iterator[str]:
    """Make a role that may connect and nothing else, for the block; return its name. With a password, it has to give it."""
    name = f"{'asked' if password else 'plain'}_{secrets.token_hex(4)}"
    with psycopg.connect(address, autocommit=True) as admin:
        if password:
            _ask_for_passwords(admin)
        within = f" IN ROLE {_GROUP}" if password else ""
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'{within}".encode())
        try:
            yield name
        finally:
            admin.execute(f"DROP OWNED BY {name} CASCADE".encode())
            admin.execute(f"DROP ROLE {name}".encode())


def address_of(address: str, name: str, password: str = "") -> str:
    """Return the address as this role connects to it."""
    return address.replace("tester@", f"{name}:{password}@" if password else f"{name}@")


@contextmanager
def a_role(address: str, name: str) -> Iterator[str]:
    """Make a role that may log in, and drop it with all it owns in this database; its name has the database's behind it."""
    with psycopg.connect(address, **CONNECTING) as admin:
        role = f"{name}_{admin.info.dbname}"
        admin.execute(f"CREATE ROLE {role} LOGIN".encode())
        try:
            yield role
        finally:
            admin.execute(f"DROP OWNED BY {role} CASCADE".encode())
            admin.execute(f"DROP ROLE {role}".encode())


@contextmanager
def an_owner(address: str) -> Iterator[str]:
    """Make a role, no superuser, that may make the ledger's schema; return the address as that role."""
    with a_role(address, "owner") as role:
        with psycopg.connect(address, **CONNECTING) as admin:
            admin.execute(f"GRANT CREATE ON DATABASE {admin.info.dbname} TO {role}".encode())
        yield as_role(address, role)


def as_role(address: str, role: str) -> str:
    """Return the address with another role in it."""
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{role}@{rest.rpartition('@')[2]}"


def _ask_for_passwords(admin: psycopg.Connection[tuple[object, ...]]) -> None:
    ((path,),) = admin.execute("SHOW hba_file").fetchall()
    with Path(str(path)).open("r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # tests of other workers do the same
        with suppress(psycopg.errors.DuplicateObject):
            admin.execute(f"CREATE ROLE {_GROUP}".encode())
        lines = file.read()
        if _ASKED not in lines:
            file.seek(0)
            file.write(f"{_ASKED}\n{lines}")
            file.flush()
    admin.execute("SELECT pg_reload_conf()")
