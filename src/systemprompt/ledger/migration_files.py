"""Plain numbered `.sql` files, such as `0001_ledger.sql`: what every engine reads of a folder of migrations."""

from __future__ import annotations

import os

__all__ = ["all_migrations", "migration_checksum", "migration_number", "newest_migration", "read_migration"]


def all_migrations(folder: str) -> tuple[str, ...]:
    """Return the names of the migrations that this program has, in order."""
    return tuple(sorted(name for name in os.listdir(folder) if name.endswith(".sql")))


def newest_migration(folder: str) -> int:
    """Return the number of the newest migration that this program has."""
    return max(migration_number(name) for name in all_migrations(folder))


def migration_number(name: str) -> int:
    """Return the number that a migration's file name begins with."""
    return int(name.split("_", 1)[0])


def read_migration(folder: str, name: str) -> str:
    """Return the text of a migration."""
    with open(os.path.join(folder, name), encoding="utf-8") as stream:
        return stream.read()


def migration_checksum(script: str) -> int:
    """Return what is kept of a migration's text, to notice that it was applied with another one."""
    from binascii import (
        crc32,  # a change by mistake is to be seen, not an attack; and hashlib costs a reading command 2 ms
    )

    return crc32(script.encode())
