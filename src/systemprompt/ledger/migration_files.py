"""Plain numbered `.sql` files, such as `0001_ledger.sql`: what every engine reads of a folder of migrations.

A file named `0002_NAME.beside.sql` says that programs which do not know it may go on beside it: it adds tables, or columns that are
nullable or have a default, and changes nothing that was there. A database keeps the names of what was applied, so the program that
applied a migration decides, and the older one reads the answer. Any other migration shuts out programs that do not know it.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "all_migrations",
    "are_all_beside",
    "migration_checksum",
    "migration_number",
    "newest_migration",
    "read_migration",
    "unknown_migrations",
]


def all_migrations(folder: str) -> tuple[str, ...]:
    """Return the names of the migrations that this program has, in order."""
    return tuple(sorted(name for name in os.listdir(folder) if name.endswith(".sql")))


def newest_migration(folder: str) -> int:
    """Return the number of the newest migration that this program has."""
    return max(migration_number(name) for name in all_migrations(folder))


def migration_number(name: str) -> int:
    """Return the number that a migration's file name begins with."""
    return int(name.split("_", 1)[0])


def unknown_migrations(folder: str, applied: Mapping[int, tuple[str, int | None]]) -> tuple[str, ...]:
    """Return the names of those that a newer release applied: number -> (file, checksum) is what a database has."""
    newest = newest_migration(folder)
    return tuple(name for number, (name, _) in applied.items() if number > newest)


def are_all_beside(names: Iterable[str]) -> bool:
    """Say whether a program that knows none of these applied migrations may read and write beside them."""
    return all(name.endswith(".beside.sql") for name in names)


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
