"""A proxy before PostgreSQL's socket that loses the answer to a commit: the server has done it, and nobody hears of it."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

_PORT = 5432


class LossyProxy:
    """Stand between clients and the server whose socket lies in a folder; `address` leads through it.

    lose_next   the next answer to a COMMIT is lost, with the connection
    """

    def __init__(self, address: str) -> None:
        self._folder = tempfile.mkdtemp(prefix="sp-proxy-")  # a socket's path has to be short
        self.address = f"{address.partition('?host=')[0]}?host={self._folder}"
        self._behind = socket_of(address)
        self._path = Path(self._folder) / f".s.PGSQL.{_PORT}"
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(self._path))
        self._server.listen()
        self.lose_next = threading.Event()
        self.lost = threading.Event()
        self._sockets = [self._server]
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def _accept(self) -> None:
        for client in clients_of(self._server):
            behind = socket.socket(socket.AF_UNIX)
            behind.connect(self._behind)
            swallows = threading.Event()
            self._sockets += [client, behind]
            self._start(self._ask, client, behind, swallows)
            self._start(self._answer, behind, client, swallows)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _ask(self, client: socket.socket, server: socket.socket, swallows: threading.Event) -> None:
        while data := received(client):
            if self.lose_next.is_set() and b"COMMIT\0" in data:
                self.lose_next.clear()
                swallows.set()
            send(server, data)
        end(server)

    def _answer(self, server: socket.socket, client: socket.socket, swallows: threading.Event) -> None:
        while data := received(server):
            if swallows.is_set():  # the server has answered, so it is done
                self.lost.set()
                break
            send(client, data)
        end(client)
        end(server)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in tuple(self._sockets):
            end(one)
        for thread in tuple(self._threads):
            thread.join(10)
        for one in self._sockets:
            one.close()
        self._path.unlink()
        os.rmdir(self._folder)


def socket_of(address: str) -> str:
    """Return the path of the socket that a test's server listens on."""
    return str(Path(address.partition("?host=")[2]) / f".s.PGSQL.{_PORT}")


def clients_of(server: socket.socket) -> Iterator[socket.socket]:
    """Yield the connections that come, until it is closed."""
    while True:
        try:
            yield server.accept()[0]
        except OSError:
            return


def received(from_: socket.socket) -> bytes:
    try:
        return from_.recv(65_536)
    except OSError:
        return b""


def send(to: socket.socket, data: bytes) -> None:
    try:
        to.sendall(data)
    except OSError:
        end(to)  # it was ended meanwhile: whoever reads from it notices


def end(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other end was quicker
