"""A stand-in for `operations.serve.handling`: a node that a test starts by the way is told at once to stop."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["stop_at_once"]


@contextmanager
def stop_at_once(handler: Callable[[int, Any], object], *_numbers: int) -> Iterator[None]:
    """Call the handler as if SIGTERM had come already."""
    handler(signal.SIGTERM, None)
    yield
