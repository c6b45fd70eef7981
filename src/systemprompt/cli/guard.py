"""Keep what jobs print out of the answer."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from systemprompt.cli.settings import CliSettings

__all__ = ["guarded_stdout"]


@contextmanager
def guarded_stdout(settings: CliSettings) -> Iterator[None]:
    """Send to stderr whatever is printed inside the block by code that is not ours.

    Where stdout is this process's own, the file descriptor is turned too, so that programs that a job starts cannot write
    there either. `settings.stdout` is for the answer again when the block ends.
    """
    before = sys.stdout
    sys.stdout = settings.stderr
    kept = None
    if settings.stdout is sys.__stdout__:
        with suppress(OSError, ValueError):  # a closed descriptor can swallow nothing
            settings.stdout.flush()
            kept = os.dup(1)
            os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout = before
        if kept is not None:
            os.dup2(kept, 1)
            os.close(kept)
