"""A move to another engine and back: the same rows on both sides, checked before anybody sees them, or nothing at all."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.cli_session import Answer, CliSession
from support.installation import SP
from support.ledger_stage import DAY, HOUR, HOURLY, ME, Stage, at, node, spec
from support.waiting import WAIT_S
from support.whole_life import live
from systemprompt.databases.address import Address
from systemprompt.ledger.engine import engine_of
from systemprompt.ledger.postgres import table_rows
from systemprompt.ledger.postgres.ledger import PostgresLedger
from systemprompt.ledger.protocol import Ledger
from systemprompt.ledger.records import ManualStart

LATER = at(100 * DAY)
ODD = "café \x00 \\0 \ud800 " + "\N{SNOWMAN}x" * 100_000


class Opened:
    """One ledger at an address, on which the stage's clock decides."""

    def __init__(self, address: str) -> None:
        self._address = Address(address)

    def open_again(self) -> Ledger:
        if self._address.engine == "postgresql":
            made = PostgresLedger(self._address, decides_by="host")
            made.migrate()
            return made
        return engine_of(self._address).open_ledger(self._address, schema="systemprompt")


def lived(address: str) -> None:
    """Let a ledger have all of it: months that were pruned, and of each table some rows. Then nobody has it open."""
    stage = Stage(Opened(address))
    live(stage)
    stage.declare(
        spec("hourly", HOURLY, on_lost="rerun"),
        spec("hand", "", description="für Ü\\0"),
        spec("zurich", "", time_zone="Europe/Zurich"),
    )
    stage.enable("hourly", True, why=ODD[:100], request_id="r-2")
    stage.wait(HOUR)
    stage.finish(*stage.turn(node="c").claimed, node="c")
    (first, second) = stage.start("hand", "zurich", node="c")
    stage.turn(
        stage.end(first, "failed", "exception", error=ODD, output=ODD, message=ODD[:200]), node="c", room=0, plan=False
    )
    stage.lose("c")
    stage.turn(stage.end(second), node="c", room=0, plan=False)  # too late: kept as a late attempt
    stage.ask("hand", change=ME)  # and still in the queue as it moves
    stage.ledger.close()


@pytest.fixture
def ours(tmp_path: Path) -> CliSession:
    """An installation on SQLite whose ledger has had a whole life, and whose application has rows of ours."""
    session = CliSession(tmp_path, real_time=True)
    (session.home / "data").mkdir()
    lived(str(session.home / "data/app.ledger.db"))
    session.sp("db migrate")
    with closing(sqlite3.connect(session.home / "data/app.db")) as app, app:
        app.execute(
            "INSERT INTO logs (created_at, level, message, fields) VALUES (?, 'INFO', ?, '{\"a\": 1}')", (5, "ü\0x")
        )
        app.execute("INSERT INTO users (id, name, created_at, is_anonymous) VALUES ('Ä', 'b', 7, 1), ('a', 'B', -8, 0)")
        app.execute(
            "INSERT INTO user_sessions (id, started_at, last_activity_at, behavior_score) VALUES ('s', 1, 2, 0.1)"
        )
        app.execute("CREATE TABLE theirs (id INTEGER)")
    return session


def move(session: CliSession, to: str, *more: str) -> dict[str, Any]:
    answer = session.sp(" ".join(["--json db move --to", to, *more]))
    assert answer.code == 0, answer
    return answer.data


def refused(answer: Answer, code: int) -> str:
    assert answer.code == code, answer
    return f"{answer.error['message']} {answer.error['hint']}"


def name_in_profile(session: CliSession, moved: dict[str, Any]) -> None:
    """Do what the answer says is to be done."""
    text = session.profile.read_text(encoding="utf-8")
    keys = {line.partition(":")[0] for line in moved["profile"]} | set(moved["without"])
    kept = [line for line in text.splitlines() if line.partition(":")[0] not in keys]
    session.profile.write_text("\n".join([*kept, *moved["profile"], ""]), encoding="utf-8")


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*.db")}


def schemas(address: str) -> set[str]:
    with psycopg.connect(address) as connection:
        return {
            str(name) for (name,) in connection.execute("SELECT nspname FROM pg_namespace WHERE nspname ~ '^system'")
        }


def test_all_of_a_ledger_and_our_tables_move_to_a_server_and_back_with_equal_digests(
    ours: CliSession, postgres: str
) -> None:
    before = content(ours.home)
    first = move(ours, postgres)
    assert content(ours.home) == before, "the source is as it was"
    assert ours.sp("--json db status").data["databases"][0]["path"].endswith("app.ledger.db"), (
        "and still the one in use"
    )
    name_in_profile(ours, first)
    second = move(ours, "back.db")

    assert first["tables"] == second["tables"]
    assert (first["seals"], first["last_seal"], first["audit"]) == (
        second["seals"],
        second["last_seal"],
        second["audit"],
    )
    assert first["clean"]
    assert first["seals"] > 0
    rows = {(one["database"], one["table"]): one["rows"] for one in first["tables"]}
    without = {"abandoned_runs", "ledger_epochs", "lost_runs", "quarantined_sources", "run_marks", "zone_data_changes"}
    assert {table for (database, table), n in rows.items() if database == "ledger" and not n} <= without
    assert rows["application", "users"] == 2
    assert not [table for _, table in rows if table == "theirs"], "the host's are none of our business"


def test_after_a_move_the_installation_goes_on_where_it_was(ours: CliSession, postgres: str) -> None:
    name_in_profile(ours, move(ours, postgres))
    on_server = ours.sp("--json jobs run by_hand").data["jobs_run"][0]
    name_in_profile(ours, move(ours, "back.db"))
    in_file = ours.sp("--json jobs run by_hand").data["jobs_run"][0]

    assert in_file["run_id"] == on_server["run_id"] + 1
    assert ours.sp("--json jobs audit").data["clean"]
    assert ours.sp("--json db status").data["databases"][0]["altered"] == []
    assert "Wrote" not in ours.sp(f"--json jobs logs {on_server['run_id']}").out


def test_no_number_is_given_twice_though_its_row_was_pruned(ours: CliSession, postgres: str) -> None:
    file = ours.home / "data/app.ledger.db"
    with closing(sqlite3.connect(file)) as ledger, ledger:
        ledger.execute("UPDATE sqlite_sequence SET seq = seq + 1000")
        ledger.execute("UPDATE ledger_state SET fence = fence + 1000")
        counters = dict(ledger.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
        (fence,) = ledger.execute("SELECT fence FROM ledger_state").fetchone()
    name_in_profile(ours, move(ours, postgres))

    with psycopg.connect(postgres) as connection:
        for table, column in (
            ("job_run_ranges", "range_id"),
            ("job_attempts", "attempt_id"),
            ("clock_events", "event_id"),
        ):
            asked = f"SELECT nextval(pg_get_serial_sequence('systemprompt.{table}', '{column}'))"
            assert connection.execute(asked.encode()).fetchone() == (counters[table] + 1,)
        assert connection.execute("SELECT nextval('systemprompt.fences')").fetchone() == (fence + 1,)
    move(ours, "back.db")
    with closing(sqlite3.connect(ours.folder / "back.ledger.db")) as back:
        assert dict(back.execute("SELECT name, seq FROM sqlite_sequence").fetchall()) == {
            name: last + 1 for name, last in counters.items()
        }
        assert back.execute("SELECT fence FROM ledger_state").fetchone() == (fence + 1,)


def test_an_empty_ledger_moves_and_begins_with_the_first_numbers(tmp_path: Path, postgres: str) -> None:
    ours = CliSession(tmp_path, real_time=True)
    ours.sp("db migrate")
    name_in_profile(ours, move(ours, postgres))

    assert ours.sp("--json jobs run by_hand").data["jobs_run"][0]["run_id"] == 1
    with psycopg.connect(postgres) as connection:
        assert connection.execute("SELECT fence FROM systemprompt.job_runs").fetchone() == (1,)


def test_what_is_not_empty_on_the_other_side_is_refused_and_stays(ours: CliSession, postgres: str) -> None:
    move(ours, postgres)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP SCHEMA systemprompt CASCADE")

        said = refused(ours.sp(f"--json db move --to {postgres}"), 6)

        assert "schema 'systemprompt_app'" in said
        assert "replaces nothing" in said
        assert connection.execute("SELECT count(*) FROM systemprompt_app.users").fetchone() == (2,)
    assert schemas(postgres) == {"systemprompt_app"}, "of the ledger nothing came there"
    (ours.folder / "new.ledger.db").write_bytes(b"mine")
    before = content(ours.folder)
    assert ours.sp("--json db move --to new.db").code == 5
    assert content(ours.folder) == before


def test_an_empty_ledger_on_the_other_side_is_filled(ours: CliSession, tmp_path: Path, postgres: str) -> None:
    for to in (postgres, "other.db"):
        other = CliSession(
            tmp_path / to[:3], real_time=True, database=to if to == postgres else f"sqlite:///{tmp_path}/{to}"
        )
        other.sp("db migrate")
        assert move(ours, to)["clean"]
        assert other.sp("--json jobs history").data["total"] == ours.sp("--json jobs history").data["total"]


def test_our_tables_stand_beside_the_hosts_in_a_file_that_is_there(ours: CliSession) -> None:
    with closing(sqlite3.connect(ours.folder / "host.db")) as host, host:
        host.execute("CREATE TABLE orders (id INTEGER)")
        host.execute("INSERT INTO orders VALUES (1)")

    move(ours, "host.db")

    with closing(sqlite3.connect(ours.folder / "host.db")) as host:
        assert host.execute("SELECT count(*) FROM orders").fetchone() == (1,)
        assert host.execute("SELECT count(*) FROM users").fetchone() == (2,)
        assert host.execute("SELECT count(*) FROM sqlite_master WHERE name LIKE '%unfinished%'").fetchone() == (0,)


def test_while_a_process_has_the_ledger_open_or_a_node_is_heard_nothing_moves(ours: CliSession, postgres: str) -> None:
    with ours.system() as system:
        assert "is in use" in refused(ours.sp(f"--json db move --to {postgres}"), 6)
        system.ledger.join(node("heard", system.clock.now(), lease_ms=3_600_000))
    said = refused(ours.sp(f"--json db move --to {postgres}"), 6)

    assert "serve node heard" in said
    assert "stop the nodes" in said
    assert schemas(postgres) == set()


def test_a_run_that_a_node_holds_is_settled_before_anything_moves(ours: CliSession, postgres: str) -> None:
    place = Opened(str(ours.home / "data/app.ledger.db"))
    with closing(place.open_again()) as ledger:
        ledger.join(node("held", LATER))
        (held,) = ledger.start_manual("held", LATER, [ManualStart(job_name="hand")], ME)

    said = refused(ours.sp(f"--json db move --to {postgres}"), 6)

    assert f"1, such as run {held.run_id} of 'hand'" in said
    assert "sp serve" in said
    with closing(place.open_again()) as ledger:
        assert ledger.rescue("held", 0, LATER, max_attempts=5)
    assert move(ours, postgres)["clean"]


def test_a_rehearsal_says_the_same_and_leaves_nothing(ours: CliSession, postgres: str) -> None:
    rehearsed = {to: move(ours, to, "--dry-run") for to in (postgres, "there.db")}
    assert schemas(postgres) == set()
    assert not list(ours.folder.glob("*there*"))

    assert rehearsed[postgres]["tables"] == move(ours, postgres)["tables"]
    assert rehearsed["there.db"]["tables"] == move(ours, "there.db")["tables"]
    assert rehearsed[postgres]["message"].startswith("Would move the ledger and the tables of the application")


def test_a_table_that_comes_out_otherwise_is_named_and_nothing_stays(
    ours: CliSession, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(table_rows._READ_AS, "boolean", lambda value: None if value is None else not value)

    said = refused(ours.sp(f"--json db move --to {postgres}"), 5)

    assert "table job_attempts differs: 1 rows here and 1 there, with other values" in said
    assert schemas(postgres) == set()


def test_a_ledger_that_the_audit_finds_fault_with_moves_and_the_answer_says_so(ours: CliSession, postgres: str) -> None:
    with closing(sqlite3.connect(ours.home / "data/app.ledger.db")) as ledger, ledger:
        ledger.execute(
            "INSERT INTO job_tallies (job_id, hour, status, origin, n) VALUES (1, 2, 'success', 'manual', 5)"
        )

    answer = ours.sp(f"--json db move --to {postgres}")

    assert answer.code == 1
    assert not answer.data["clean"]
    assert "1 finding" in answer.data["audit"]
    assert schemas(postgres) == {"systemprompt", "systemprompt_app"}


def test_two_that_move_to_one_place_at_once_leave_one(ours: CliSession, postgres: str) -> None:
    environ = {**os.environ, **ours.environ}
    for to in (postgres, str(ours.folder / "there.db")):
        command = [*SP, "--json", "--profile", str(ours.profile), "db", "move", "--to", to]
        both = [subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        said = [process.communicate(timeout=WAIT_S)[0] for process in both]

        assert sorted(process.returncode for process in both) == [0, 6], said
        assert any("not empty" in one or "in use" in one for one in said)
