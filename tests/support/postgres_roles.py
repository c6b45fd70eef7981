"""Roles on the PostgreSQL of the tests: with a password that is asked for, and with rights that are granted one by one."""

from __future__ import annotations

import fcntl
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

__all__ = ["address_of", "role"]

_ASKED = "local all /^asked_ scram-sha-256"
"""In pg_hba.conf: roles with such a name give a password. Regular expressions stand there from release 16 on."""


@contextmanager
def role(address: str, *, password: str = "") -> Iterator[str]:
    """Make a role that may connect and nothing else, for the block; return its name. With a password, it has to give it."""
    name = f"{'asked' if password else 'plain'}_{secrets.token_hex(4)}"
    with psycopg.connect(address, autocommit=True) as admin:
        if password:
            _ask_for_passwords(admin)
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'".encode())
        try:
            yield name
        finally:
            admin.execute(f"DROP OWNED BY {name} CASCADE".encode())
            admin.execute(f"DROP ROLE {name}".encode())


def address_of(address: str, name: str, password: str = "") -> str:
    """Return the address as this role connects to it."""
    return address.replace("tester@", f"{name}:{password}@" if password else f"{name}@")


def _ask_for_passwords(admin: psycopg.Connection[tuple[object, ...]]) -> None:
    ((path,),) = admin.execute("SHOW hba_file").fetchall()
    with Path(str(path)).open("r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # tests of other workers do the same
        lines = file.read()
        if _ASKED not in lines:
            file.seek(0)
            file.write(f"{_ASKED}\n{lines}")
            file.flush()
    admin.execute("SELECT pg_reload_conf()")
