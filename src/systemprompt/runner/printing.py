"""What jobs in this process print goes into the log of the run that printed; all other text goes where it went.

`sys.stdout` and `sys.stderr` look at who prints: a job's thread, its tasks, and what it hands to `asyncio.to_thread`. A job can
close, detach or reconfigure its own alone.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

__all__ = ["Capture", "end_capture", "outside", "printing_to", "set_printer", "start_capture"]

Printer = Callable[[str, bytes], None]
"""Takes what was printed: to `stdout` or `stderr`, and the bytes."""


class Capture:
    """Says that somebody wants what jobs print."""


_printer: ContextVar[Printer | None] = ContextVar("systemprompt_printer", default=None)
_lock = threading.Lock()
_captures: WeakSet[Capture] = WeakSet()


def start_capture() -> Capture:
    """Capture what jobs print, until `end_capture` is given what this returns, or nobody has it any more."""
    capture = Capture()
    with _lock:
        _captures.add(capture)
        for name in _NAMES:
            stream = getattr(sys, name)
            if not isinstance(stream, _Stream):
                setattr(sys, name, _Stream(stream, name))
    return capture


def end_capture(capture: Capture) -> None:
    """Put the streams back as they were, once nobody captures any more and where no others stand in their place. Twice is fine."""
    with _lock:
        _captures.discard(capture)
        if _captures:
            return
        for name in _NAMES:
            stream = getattr(sys, name)
            if isinstance(stream, _Stream):
                setattr(sys, name, stream.under)


_NAMES = ("stdout", "stderr")


def set_printer(printer: Printer) -> None:
    """Have this printer take what is printed in the current context, for good."""
    _printer.set(printer)


@contextmanager
def printing_to(printer: Printer | None) -> Iterator[None]:
    """Have this printer take what is printed inside the block; None: as outside of any job."""
    token = _printer.set(printer)
    try:
        yield
    finally:
        _printer.reset(token)


def outside(act: Callable[[], object]) -> None:
    """Do it as if no job were running: what it prints is not the job's."""
    with printing_to(None):
        act()


class _Stream:
    """Stands in for a text stream of `sys`; `under` is that stream, or None where there is none."""

    def __init__(self, under: Any, name: str) -> None:
        self.under = under
        self._source = name

    def write(self, text: str) -> int:
        printer = _printer.get()
        if printer is None:
            return len(text) if self.under is None else int(self.under.write(text))
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        printer(self._source, text.encode("utf-8", "backslashreplace"))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if _printer.get() is None and self.under is not None:
            self.under.flush()

    def isatty(self) -> bool:
        return _printer.get() is None and self.under is not None and bool(self.under.isatty())

    @property
    def closed(self) -> bool:
        return _printer.get() is None and self.under is not None and bool(self.under.closed)

    @property
    def buffer(self) -> Any:
        printer = _printer.get()
        return self.under.buffer if printer is None else _Bytes(printer, self._source)

    def close(self) -> None:
        self._unless_a_job("close")

    def detach(self) -> Any:
        return self.buffer if _printer.get() else self._unless_a_job("detach")

    def reconfigure(self, **options: Any) -> None:
        self._unless_a_job("reconfigure", **options)

    def _unless_a_job(self, act: str, **options: Any) -> Any:
        # The stream is everybody's: one job must not take it from the others.
        return getattr(self.under, act)(**options) if _printer.get() is None else None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.under, name)


class _Bytes:
    """`sys.stdout.buffer`, as a job sees it."""

    def __init__(self, printer: Printer, source: str) -> None:
        self._printer = printer
        self._source = source

    def write(self, data: bytes) -> int:
        self._printer(self._source, bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """It is everybody's, and stays open."""


# A child is no run: what it prints goes where this process's own text goes.
os.register_at_fork(after_in_child=lambda: _printer.set(None))
