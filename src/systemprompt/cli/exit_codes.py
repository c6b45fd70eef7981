"""What a process ends with."""

from __future__ import annotations

from systemprompt import errors

__all__ = ["EXIT_CODES", "FAILED", "INTERNAL", "OK", "exit_code_of"]

OK = 0
FAILED = 1
INTERNAL = 70

EXIT_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (errors.UsageError, 2),
    (errors.NotFoundError, 3),
    (errors.ConfigurationError, 4),
    (errors.DatabaseError, 5),
    (errors.ConflictError, 6),
    (errors.ConfirmationNeeded, 7),
    (errors.Interrupted, 130),
)
"""The first that fits counts. 0 is fine; 1 is a job that failed, an audit's finding, a fault that doctor sees."""


def exit_code_of(error: BaseException) -> int:
    """Return the exit code for an error: 70 for one that nobody foresaw."""
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), INTERNAL)
