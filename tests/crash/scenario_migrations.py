"""A ledger that is behind is brought to the newest schema, and a new installation makes its two databases."""

from __future__ import annotations

import os
import sqlite3

from crash_checks import check_ledger
from crash_worker import DECIDE, ledger_in, take_over

from support.ledger_stage import START, spec
from systemprompt.clock import SECOND, ManualClock
from systemprompt.ledger.records import Change
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.ledger.sqlite.making import making_name
from systemprompt.ledger.sqlite.reader import open_reading_ledger
from systemprompt.profile.load import load_profile
from systemprompt.system import open_system

LATER = START + 100 * SECOND
PROFILE = "name: new\ndatabase: sqlite:///app.db\nentry_points: false\n"
JOBS = (spec("steady", "*/10 * * * * *", on_lost="rerun"),)


def prepare(folder: str) -> None:
    """Make a ledger that has no migration yet. Each release's migrations are applied to what the one before has left."""
    behind = sqlite3.connect(os.path.join(folder, "ledger.db"), isolation_level=None)
    behind.execute("PRAGMA auto_vacuum = INCREMENTAL")
    behind.execute("PRAGMA journal_mode = WAL")
    behind.close()
    os.mkdir(os.path.join(folder, "new"))
    with open(os.path.join(folder, "new", "profile.yaml"), "w", encoding="utf-8") as stream:
        stream.write(PROFILE)


def play(folder: str) -> None:
    behind = ledger_in(folder)
    behind.migrate()
    behind.close()
    with open_system(
        os.path.join(folder, "new", "profile.yaml"),
        environ={"XDG_CACHE_HOME": os.path.join(folder, "cache"), "USER": "me"},
        clock=ManualClock(START),
    ) as system:
        system.database.fetch("SELECT * FROM logs")


def recover(folder: str) -> None:
    new = ledger_of_new(folder)
    if os.path.exists(new):
        open_reading_ledger(new).close()  # a new ledger is whole as soon as it is there
    play(folder)
    ledger = ledger_in(folder)
    ledger.sync_catalogue(JOBS, [], START, DECIDE, Change(actor="test"))
    ledger.close()
    take_over(folder, LATER)


def check(folder: str, whole: str) -> None:
    with check_ledger(folder, LATER) as ledger:
        assert ledger.upkeep.schema_state().state == "current"
        assert [span.count for span in ledger.ranges_between(0, LATER)] == [9], "what was migrated keeps accounts"
    new = ledger_of_new(folder)
    assert not os.path.exists(making_name(new))
    fresh = SqliteLedger(new)
    assert fresh.upkeep.schema_state().state == "current"
    assert {job.source.partition(":")[0] for job in fresh.jobs()} == {"builtin"}
    assert fresh.upkeep.faults() == []
    fresh.close()
    assert schema(os.path.join(folder, "ledger.db")) == schema(new), "a migrated ledger is just what a new one is"
    application = os.path.join("new", "app.db")
    assert schema(os.path.join(folder, application)) == schema(os.path.join(whole, application))


def ledger_of_new(folder: str) -> str:
    return load_profile(os.path.join(folder, "new", "profile.yaml"), {}).ledger.path


def schema(path: str) -> list[tuple[str, str, str]]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_master ORDER BY type, name").fetchall()
    connection.close()
    return rows
