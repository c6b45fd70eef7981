"""What there is to open of a ledger, by the engine of its address. Each engine has the same functions in a module of its own."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Protocol

    from systemprompt.databases.address import Address
    from systemprompt.databases.health_note import HealthNote
    from systemprompt.ledger.protocol import Ledger
    from systemprompt.ledger.reader import LedgerReader, LedgerUpkeep
else:
    Protocol = object

__all__ = ["Engine", "engine_of"]


class Engine(Protocol):
    """One engine.

    schema   where the ledger is on a server; `listen` is the server's own address, where the other leads to a pooler
    group    the group that may read a file made here
    """

    def open_reader(self, address: Address, *, schema: str) -> LedgerReader:
        """Open a ledger to read, as it is.

        Raises:
            DatabaseError: it is absent, has still to be migrated, or cannot be read.
        """
        ...

    def open_ledger(
        self,
        address: Address,
        *,
        schema: str,
        listen: Address | None = None,
        group: str | None = None,
        patience: float = 10.0,
        on_statement: Callable[[str], None] | None = None,
    ) -> Ledger:
        """Open the ledger; make it where it is absent, and migrate it.

        Raises:
            DatabaseError: it cannot be opened or made, or a newer release wrote it.
        """
        ...

    def open_if_there(self, address: Address, *, schema: str) -> LedgerReader | None:
        """Open a ledger to read, as it is; None where there is none yet.

        Raises:
            DatabaseError: it cannot be read.
        """
        ...

    def upkeep(self, address: Address, *, schema: str, group: str | None = None) -> LedgerUpkeep:
        """Return the ledger's upkeep. Nothing is opened: it may be absent or damaged."""
        ...

    def health(self, address: Address, *, schema: str) -> Iterable[HealthNote]:
        """Yield what is to be said of the server that the ledger is on; nothing of a file."""
        ...


_MODULES = {"postgresql": "systemprompt.ledger.postgres.engine", "sqlite": "systemprompt.ledger.sqlite.engine"}


def engine_of(address: Address) -> Engine:
    """Return what opens the ledger at this address. No other engine is loaded.

    Raises:
        ConfigurationError: what the engine needs is not installed, or it cannot read the address.
    """
    if address.engine == "postgresql":
        import_module("systemprompt.databases.postgres_driver").check_driver(address)
    engine: Engine = import_module(_MODULES[address.engine])
    return engine
