"""A line to PostgreSQL that goes bad: a TCP port on loopback before the server's socket that drops, delays, or says nothing."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from support.lossy_proxy import clients_of, end, received, send, socket_of


class BadLine:
    """Stand between clients and the server whose socket lies in a folder; `address` leads through it, by `port` on 127.0.0.1.

    A connection that was silenced stays so: both ends hold an open connection that brings nothing any more, and when one of them
    hangs up the other does not hear of it. What was on its way when a client hung up still arrives, as through a queue.
    """

    def __init__(self, address: str) -> None:
        self._behind = socket_of(address)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        name = address.partition("?")[0].rpartition("/")[2]
        self.address = f"postgresql://tester@127.0.0.1:{self.port}/{name}"
        self._delay_s = 0.0
        self._is_silent = False
        self._closed = threading.Event()
        self._guard = threading.Lock()
        self._pairs: list[_Pair] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def mend(self) -> None:
        """Bring whatever comes from now on, at once. A connection that was silenced before stays silent."""
        self._delay_s, self._is_silent = 0.0, False

    def drop(self) -> None:
        """Reset every connection. Those that come after it are served."""
        with self._guard:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            pair.reset()

    def delay(self, seconds: float) -> None:
        """Bring everything so much later, both ways, until it is mended."""
        self._delay_s = seconds

    def silence(self) -> None:
        """Take everything and bring nothing, also of connections that come until it is mended."""
        with self._guard:
            self._is_silent = True
            for pair in self._pairs:
                pair.is_silent = True

    def _accept(self) -> None:
        for client in clients_of(self._server):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = _Pair(client)
            with self._guard:
                pair.is_silent = self._is_silent
                self._pairs.append(pair)
            try:
                pair.server.connect(self._behind)
            except OSError:
                pair.reset()  # nobody listens behind us: whoever came is refused
                continue
            self._start(self._carry, pair, pair.client, pair.server)
            self._start(self._carry, pair, pair.server, pair.client)

    def _carry(self, pair: _Pair, source: socket.socket, target: socket.socket) -> None:
        while True:
            data = received(source)
            self._closed.wait(self._delay_s)
            if pair.is_silent:
                if data and not self._closed.is_set():
                    continue
                return
            if not data:
                end(target)
                return
            send(target, data)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        end(self._server)
        self._server.close()
        self.drop()
        for thread in self._threads:
            thread.join(10)


class _Pair:
    """A client's connection and the one that was made to the server for it."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.server = socket.socket(socket.AF_UNIX)
        self.is_silent = False

    def reset(self) -> None:
        for one in (self.client, self.server):
            try:
                # Closed without lingering, the other end hears of a reset and not of an end.
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.shutdown(socket.SHUT_RD)  # whoever reads from it here wakes up
            except OSError:
                pass  # it has ended already
            one.close()
