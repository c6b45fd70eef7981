"""What opens a ledger on SQLite: see `systemprompt.ledger.engine`. Light: listing jobs loads it."""

from __future__ import annotations

import os

from systemprompt.ledger.sqlite.reader import open_reading_ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from systemprompt.databases.address import Address
    from systemprompt.databases.health_note import HealthNote
    from systemprompt.ledger.sqlite.ledger import SqliteLedger
    from systemprompt.ledger.sqlite.reader import SqliteReader
    from systemprompt.ledger.sqlite.upkeep import LedgerFile

__all__ = ["health", "open_if_there", "open_ledger", "open_reader", "upkeep"]


def open_reader(address: Address, *, schema: str) -> SqliteReader:
    del schema  # a file has none
    return open_reading_ledger(address.path)


def open_ledger(
    address: Address,
    *,
    schema: str,
    listen: Address | None = None,
    group: str | None = None,
    patience: float = 10.0,
    on_statement: Callable[[str], None] | None = None,
) -> SqliteLedger:
    from systemprompt.ledger.sqlite.ledger import SqliteLedger
    from systemprompt.ledger.sqlite.making import make_ledger
    from systemprompt.ledger.sqlite.replacing import make_folder

    del schema, listen  # as above
    make_folder(address.path)
    make_ledger(address.path, group=group)
    ledger = SqliteLedger(address.path, patience=patience, on_statement=on_statement)
    try:
        ledger.migrate()
    except BaseException:
        ledger.close()
        raise
    return ledger


def open_if_there(address: Address, *, schema: str) -> SqliteReader | None:
    return open_reader(address, schema=schema) if os.path.exists(address.path) else None


def upkeep(address: Address, *, schema: str, group: str | None = None) -> LedgerFile:
    from systemprompt.ledger.sqlite.upkeep import LedgerFile

    del schema  # as above
    return LedgerFile(address.path, group=group)


def health(address: Address, *, schema: str) -> tuple[HealthNote, ...]:
    del address, schema  # a file has no server
    return ()
