"""Moving a database to another place, of whatever engine: a state is held here, and the same rows are placed there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from systemprompt.ledger.table_rows import Rows, TableDigest, TableShape

__all__ = ["Placement"]


class Placement(Protocol):
    """Rows on their way into a database that was absent or empty. Nobody sees any of them before `publish`.

    It is a context manager. Leaving its block before `publish`, by an error or a crash of this process, leaves the place as it was.
    """

    def fill(self, source: Rows, shapes: Sequence[TableShape]) -> tuple[TableDigest, ...]:
        """Make the tables, fill them, and return the digests of what they hold now, read back from there."""
        ...

    def publish(self) -> None:
        """Let all of it be there, at one moment and for good.

        Raises:
            ConflictError: something has come into being there meanwhile, and is left as it is.
        """
        ...

    def finish(self) -> None:
        """Take it that what belongs to these rows was published too: until then the next move may take their place."""
        ...
