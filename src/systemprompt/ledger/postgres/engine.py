"""What opens a ledger on PostgreSQL: see `systemprompt.ledger.engine`. Light: listing jobs loads it, and the driver."""

from __future__ import annotations

from systemprompt.errors import DatabaseUnreachable
from systemprompt.ledger.postgres.reader import open_reading_ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from systemprompt.databases.address import Address
    from systemprompt.databases.health_note import HealthNote
    from systemprompt.ledger.postgres.ledger import PostgresLedger
    from systemprompt.ledger.postgres.reader import PostgresReader
    from systemprompt.ledger.postgres.upkeep import LedgerSchema

__all__ = ["health", "open_if_there", "open_ledger", "open_reader", "upkeep"]


def open_reader(address: Address, *, schema: str) -> PostgresReader:
    return open_reading_ledger(address, schema=schema)


def open_if_there(address: Address, *, schema: str) -> PostgresReader | None:
    try:
        return open_reading_ledger(address, schema=schema)
    except DatabaseUnreachable as error:
        if "pending" in error.details:
            return None
        raise


def open_ledger(
    address: Address,
    *,
    schema: str,
    listen: Address | None = None,
    group: str | None = None,
    patience: float = 10.0,
    on_statement: Callable[[str], None] | None = None,
) -> PostgresLedger:
    from systemprompt.ledger.postgres.ledger import PostgresLedger

    del group  # the server's roles decide who may read
    ledger = PostgresLedger(address, schema=schema, listen=listen, patience=patience, on_statement=on_statement)
    try:
        ledger.migrate()
    except BaseException:
        ledger.close()
        raise
    return ledger


def upkeep(address: Address, *, schema: str, group: str | None = None) -> LedgerSchema:
    from systemprompt.ledger.postgres.upkeep import LedgerSchema

    del group  # as above
    return LedgerSchema(address, schema=schema)


def health(address: Address, *, schema: str) -> Iterable[HealthNote]:
    from systemprompt.ledger.postgres.health import ledger_health

    return ledger_health(address, schema=schema)
