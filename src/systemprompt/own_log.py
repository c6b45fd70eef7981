"""What the program itself logs: heard also where a job, or a library that it uses, silenced `logging` for the whole process."""

from __future__ import annotations

import logging

__all__ = ["OwnLogger", "own_log"]


class OwnLogger(logging.Logger):
    """A logger that `logging.disable` does not reach: whichever job calls that, it would silence node and ledger with it."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802  # logging's own name
        return not self.disabled and level >= self.getEffectiveLevel()


def own_log(name: str) -> logging.Logger:
    """Return our logger of this name. Levels, handlers and filters are the host's to set, as for any other."""
    before = logging.getLoggerClass()
    logging.setLoggerClass(OwnLogger)
    try:
        return logging.getLogger(name)
    finally:
        logging.setLoggerClass(before)
