"""The ledger, for the two built-in jobs that look after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from systemprompt.clock import SECOND, Instant
from systemprompt.errors import ConfigurationError, DatabaseUnreachable
from systemprompt.jobs.context import JobContext
from systemprompt.ledger.engine import engine_of
from systemprompt.ledger.protocol import Ledger
from systemprompt.ledger.records import NodeIdentity
from systemprompt.nodes.identity import is_gone, this_machine
from systemprompt.wording import counted

__all__ = ["alive_at", "kinds", "open_ledger"]

_PATIENCE_S = 60.0
_TOO_LONG = 3_600 * SECOND


@contextmanager
def open_ledger(ctx: JobContext) -> Iterator[Ledger]:
    """Open the installation's ledger on a connection of its own, as another process would: the node's is not held up.

    Raises:
        ConfigurationError: the context says of no ledger.
        DatabaseUnreachable: it is not there any more. A job makes no new one.
    """
    address = ctx.settings.ledger
    if address is None:
        raise ConfigurationError(
            f"job {ctx.job_name!r} looks after the ledger and this context names none",
            hint="in a test pass JobContext(settings=JobSettings(ledger=Address(PATH)))",
        )
    engine, schema = engine_of(address), ctx.settings.ledger_schema
    found = engine.open_if_there(address, schema=schema)
    if found is None:
        raise DatabaseUnreachable(f"there is no ledger at {str(address)!r}", hint="sp db migrate makes one")
    found.close()
    ledger = engine.open_ledger(address, schema=schema, patience=_PATIENCE_S)
    try:
        yield ledger
    finally:
        ledger.close()


def alive_at(now: Instant) -> Callable[[NodeIdentity], bool | None]:
    """Say whether a node lives, giving its rescue time: one that beat within the hour is not called dead yet."""
    machine = this_machine()

    def alive(node: NodeIdentity) -> bool | None:
        if now - node.beat_at < _TOO_LONG:
            return None
        gone = is_gone(node, machine)
        return None if gone is None else not gone

    return alive


def kinds(by_kind: Mapping[str, int]) -> str:
    """Return `3 findings (2 missing, 1 extra)`."""
    named = ", ".join(f"{count} {kind}" for kind, count in by_kind.items())
    return f"{counted(sum(by_kind.values()), 'finding')} ({named})"
