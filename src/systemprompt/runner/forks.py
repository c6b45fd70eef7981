"""What a fork() of a process of ours inherits. Of signals, nothing; and a child that comes back from a job's code ends there.

A child has one thread, and every lock as it was. So nothing of a node works in it: no ledger thread answers, no log is written.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NoReturn

__all__ = ["OneProcess", "end_children", "handling"]


@contextmanager
def handling(handler: Callable[[int, Any], object], *numbers: int) -> Iterator[None]:
    """Handle these signals in this process alone: a child that comes by fork() has what was there before, from its first moment.

    SIGHUP that is ignored stays so: `nohup` means it.
    """
    wanted = [n for n in numbers if n != signal.SIGHUP or signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.getsignal(number) for number in wanted}
    _ours.update((number, (handler, previous)) for number, previous in before.items())
    for number in wanted:
        signal.signal(number, handler)
    try:
        yield
    finally:
        _put_back(before)
        for number in wanted:
            _ours.pop(number, None)


class OneProcess:
    """Left only by the process that entered it: a child that was forked inside ends here, with its error on stderr."""

    def __enter__(self) -> None:
        self._entered_by = os.getpid()

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: TracebackType | None) -> None:
        if os.getpid() != self._entered_by:
            _leave(error)


def _leave(error: BaseException | None) -> NoReturn:
    code = 0
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        traceback.print_exception(error, file=sys.__stderr__)
        code = 1
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and not stream.closed:
            stream.flush()
    os._exit(code & 255)


def end_children() -> None:
    """End what jobs started by `multiprocessing` and left: Python waits for such children at its end, as long as they live."""
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is None:
        return
    children = multiprocessing.active_children()
    for child in children:
        child.terminate()
    for child in children:
        child.join(_TERM_S)
        if child.is_alive():
            child.kill()


_TERM_S = 1.0
_ours: dict[int, tuple[Any, Any]] = {}
_masks = threading.local()


def _before_fork() -> None:
    # A signal to a child that has our handler still would be lost: it waits until the child has its own.
    _masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, list(_ours)) if _ours else None


def _after_in_parent() -> None:
    if _masks.before is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, _masks.before)


def _after_in_child() -> None:
    _put_back({number: before for number, (ours, before) in _ours.items() if signal.getsignal(number) is ours})
    _ours.clear()
    _after_in_parent()


def _put_back(handlers: Mapping[int, Any]) -> None:
    for number, handler in handlers.items():
        if handler is not None:  # None: not set by Python, and not for Python to set
            signal.signal(number, handler)


os.register_at_fork(before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
