"""Wait in asyncio for what threads do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

__all__ = ["Alarm", "call_in", "in_a_thread", "to_the_end"]


def in_a_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    """Do `work` in a thread of its own; the default executor has few, and the program may have shut it down."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(settled: Callable[[Any], None], value: Any) -> None:
        if not done.done():  # nobody waits for it any more
            settled(value)

    def carry_out() -> None:
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001  # it belongs to whoever awaits the future
            call_in(loop, settle, done.set_exception, error)
        else:
            call_in(loop, settle, done.set_result, value)

    threading.Thread(target=carry_out, name="sp-embedding", daemon=True).start()
    return done


async def to_the_end(future: asyncio.Future[Any], when_cancelled: Callable[[], object] | None = None) -> bool:
    """Wait until it is done, also when this task is cancelled meanwhile; return whether it was."""
    cancelled = False
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            cancelled = True
            if when_cancelled is not None:
                when_cancelled()
    return cancelled


class Alarm:
    """An `asyncio.Event` of this event loop that any thread may set."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def ring(self) -> None:
        call_in(self._loop, self._event.set)

    async def wait(self, timeout: float | None = None) -> None:
        """Wait for the ring, or so many seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._event.wait()
        except TimeoutError:
            return


def call_in(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *arguments: Any) -> None:
    """Have the event loop call a function, from any thread; never, where it is closed."""
    try:
        loop.call_soon_threadsafe(function, *arguments)
    except RuntimeError:
        if not loop.is_closed():
            raise
