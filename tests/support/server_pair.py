"""A server and its standby, on one address: for what is lost when the standby takes over before it had all."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from support.postgres_server import Server
from support.waiting import WAIT_S

__all__ = ["ServerPair"]


class ServerPair:
    """`address` leads to whichever of the two takes writes."""

    def __init__(self, release: int = 18) -> None:
        self._folders = [Path(tempfile.mkdtemp(prefix=f"sp-{name}-")) for name in ("a", "b")]
        self.primary = Server(self._folders[0], release, wal_level="replica", max_wal_senders="4")
        self.primary.make()
        self.standby = self.primary.standby(self._folders[1])
        hosts = ",".join(map(str, self._folders))
        self.address = f"postgresql://tester@/postgres?host={hosts}&target_session_attrs=read-write"

    def catch_up(self) -> None:
        """Wait until the standby has all that the primary has."""
        with psycopg.connect(self.primary.address, autocommit=True) as primary:
            (reached,) = primary.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone() or ("",)
        with psycopg.connect(self.standby.address, autocommit=True) as standby:
            _until(standby, f"SELECT pg_last_wal_replay_lsn() >= '{reached}'::pg_lsn")

    def cut(self) -> None:
        """From now on the standby gets nothing more, and the primary does not notice."""
        self.catch_up()
        with psycopg.connect(self.standby.address, autocommit=True) as standby:
            standby.execute("ALTER SYSTEM SET primary_conninfo = ''")
            standby.execute("SELECT pg_reload_conf()")
            _until(standby, "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)")

    def fail_over(self) -> None:
        """Let the primary die, and the standby take its place."""
        self.primary.stop()
        self.standby.promote()

    def close(self) -> None:
        for server in (self.primary, self.standby):
            if server.is_running():
                server.stop()
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)


def _until(connection: psycopg.Connection[Any], asked: str) -> None:
    for _ in range(round(WAIT_S / _PAUSE_S)):
        if connection.execute(asked.encode()).fetchone() == (True,):
            return
        connection.execute(f"SELECT pg_sleep({_PAUSE_S})".encode())
    raise AssertionError(f"never true: {asked}")


_PAUSE_S = 0.02
