"""Copies of databases in use: whole, checked, never over something else; and back again."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.cli_session import sp
from systemprompt.clock import SECOND, ManualClock
from systemprompt.errors import ConflictError, DatabaseUnreachable
from systemprompt.ledger.records import Change, ManualStart
from systemprompt.ledger.sqlite import copying
from systemprompt.nodes.identity import this_process
from systemprompt.operations.backup import DbBackupParams, db_backup
from systemprompt.operations.context import OperationContext
from systemprompt.operations.restore import DbRestoreParams, db_restore
from systemprompt.profile.load import load_profile
from systemprompt.system import System, open_system

NOW = 1_768_386_600 * SECOND  # 2026-01-14T10:30:00Z
PROFILE = "name: shop\ndatabase: sqlite:///data/app.db\nentry_points: false\nextensions: [jobs/]\n"
JOBS = """\
from systemprompt import job

@job(schedule="* * * * * *")
def fails_when_lost(): ...

@job(on_lost="rerun")
def reruns(): ...
"""


class Place:
    """An installation in a folder of its own; its clock stands still."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock(NOW)
        self.environ = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), "USER": "ada"}
        (folder / "jobs").mkdir(parents=True)
        (folder / "jobs/all.py").write_text(JOBS, encoding="utf-8")
        (folder / "profile.yaml").write_text(PROFILE, encoding="utf-8")
        self.profile = load_profile(str(folder / "profile.yaml"), self.environ)
        with self.system():
            pass

    @contextmanager
    def system(self) -> Iterator[System]:
        with open_system(str(self.folder / "profile.yaml"), environ=self.environ, clock=self.clock) as system:
            _ = system.database
            yield system

    def start(self, system: System, *names: str) -> tuple[int, ...]:
        """Have a node of another machine claim these, and never come back."""
        node = this_process(kind="serve", program="test", lease_s=30, capacity=9, now=self.clock.now())
        system.ledger.join(node)
        starts = [ManualStart(job_name=name) for name in names]
        return tuple(
            run.run_id for run in system.ledger.start_manual(node.node_id, self.clock.now(), starts, Change(actor="me"))
        )

    def context(self, on_step: Callable[[int, int], None] | None = None) -> OperationContext:
        return OperationContext(
            actor="cli:tester",
            environ=self.environ,
            cwd=str(self.folder),
            clock=self.clock,
            profile=self.profile.path,
            on_step=on_step,
        )

    def backup(self, file: str = "copy.db", **given: Any) -> Path:
        params = DbBackupParams(file=file, **given)
        db_backup(self.context(), params)
        return self.folder / file

    def restore(self, file: str = "copy.db", **given: Any) -> Any:
        params = DbRestoreParams(file=file, **given)
        return db_restore(self.context(), params)

    def sp(self, *words: str, code: int = 0) -> dict[str, Any]:
        answer = sp(["--json", "--profile", self.profile.path, *words], self.folder, self.environ, clock=self.clock)
        assert answer.code == code, answer
        return answer.document

    def left_over(self) -> list[str]:
        return [str(path) for path in self.folder.rglob("*") if ".part" in path.name]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "place")


EVERY_RUN = "SELECT (SELECT count(*) FROM job_runs) + (SELECT count(*) FROM open_runs)"


def asked(path: Path | str, question: str) -> Any:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(question).fetchone()[0]


def test_a_copy_is_one_sound_file_for_its_owner_alone_while_the_ledger_is_open(place: Place) -> None:
    with place.system() as system:
        place.start(system, "reruns")
        copy = place.backup()

    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert asked(copy, "PRAGMA integrity_check") == "ok"
    assert asked(copy, "PRAGMA journal_mode") == "delete"
    assert asked(copy, EVERY_RUN) == 1
    assert place.left_over() == []


def test_a_copy_holds_one_view_however_much_is_written_while_it_is_made(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "PAGES_A_STEP", 4)
    left: list[int] = []
    with place.system() as system:

        def write(remaining: int, _total: int) -> None:
            left.append(remaining)
            place.start(system, "reruns") if remaining > 100 else None
            with closing(sqlite3.connect(place.profile.ledger.path, isolation_level=None)) as other:
                other.execute("CREATE TABLE IF NOT EXISTS noise (text TEXT)")
                other.execute("INSERT INTO noise VALUES (?)", ("x" * 10_000,))

        params = DbBackupParams(file="copy.db")
        made = db_backup(place.context(write), params)

    assert len(left) > 5
    assert left == sorted(left, reverse=True), "it never began again"
    assert made.runs == 0
    assert asked(place.folder / "copy.db", "SELECT count(*) FROM sqlite_master WHERE name = 'noise'") == 0
    assert asked(place.profile.ledger.path, "SELECT count(*) FROM noise") == len(left)


def test_a_file_that_is_there_is_refused_and_stays_unless_replace_is_said(place: Place) -> None:
    (place.folder / "copy.db").write_text("mine", encoding="utf-8")

    error = place.sp("db", "backup", "copy.db", code=6)["error"]

    assert error["message"].endswith("copy.db' exists; nothing was written")
    assert (place.folder / "copy.db").read_text(encoding="utf-8") == "mine"
    assert place.sp("db", "backup", "copy.db", "--replace")["data"]["copies"][0]["name"] == "ledger"
    assert asked(place.folder / "copy.db", "PRAGMA integrity_check") == "ok"


def test_a_file_that_comes_into_being_meanwhile_is_not_overwritten(place: Place) -> None:
    def somebody_else(_remaining: int, _total: int) -> None:
        (place.folder / "copy.db").write_text("mine", encoding="utf-8")

    with pytest.raises(ConflictError, match="exists"):
        db_backup(place.context(somebody_else), DbBackupParams(file="copy.db"))

    assert (place.folder / "copy.db").read_text(encoding="utf-8") == "mine"
    assert place.left_over() == []


@pytest.mark.parametrize("words", [("data/app.ledger.db",), ("ok.db", "--database", "data/app.db"), ("link.db",)])
def test_no_copy_goes_over_a_database_in_use(place: Place, words: tuple[str, ...]) -> None:
    (place.folder / "link.db").symlink_to(place.profile.ledger.path)

    error = place.sp("db", "backup", *words, "--replace", code=2)["error"]

    assert "itself" in error["message"]
    assert not (place.folder / "ok.db").exists()


def test_two_copies_want_two_files_and_a_folder_is_none(place: Place) -> None:
    assert "both copies" in place.sp("db", "backup", "a.db", "--database", "a.db", code=2)["error"]["message"]
    assert "is a folder" in place.sp("db", "backup", "data", "--replace", code=2)["error"]["message"]
    assert "does not exist" in place.sp("db", "backup", "no/such/copy.db", code=5)["error"]["message"]


def test_a_ledger_that_is_not_there_is_not_made_to_be_copied(place: Place) -> None:
    os.unlink(place.profile.ledger.path)

    assert "there is no database at" in place.sp("db", "backup", "copy.db", code=5)["error"]["message"]
    assert not os.path.exists(place.profile.ledger.path)


def test_what_fails_in_the_middle_leaves_nothing(place: Place) -> None:
    def full(_remaining: int, _total: int) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    for error, on_step in ((DatabaseUnreachable, full), (KeyboardInterrupt, _interrupt)):
        with pytest.raises(error):
            db_backup(place.context(on_step), DbBackupParams(file="copy.db", database="app-copy.db"))
    assert [path.name for path in place.folder.iterdir() if "copy" in path.name] == []


def _interrupt(_remaining: int, _total: int) -> None:
    raise KeyboardInterrupt


def test_a_damaged_ledger_makes_no_copy(place: Place) -> None:
    with closing(sqlite3.connect(place.profile.ledger.path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'job_runs_by_due'").fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    with open(place.profile.ledger.path, "r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)

    with pytest.raises(DatabaseUnreachable, match=r"damaged|malformed"):
        place.backup()
    assert not (place.folder / "copy.db").exists()
    assert place.left_over() == []


def test_a_restored_ledger_settles_what_its_nodes_held_and_reuses_no_number(place: Place) -> None:
    with place.system() as system:
        lost, again = place.start(system, "fails_when_lost", "reruns")
        copy = place.backup(database="app-copy.db", audit=True)
        (after,) = place.start(system, "log_cleanup")
        fence_before = system.ledger.last_fence()
        for ledger_id, run_id in ((system.ledger.ledger_id(), 77), ("another", 1_000)):
            system.database.execute(
                "INSERT INTO logs (created_at, level, message, ledger_id, run_id) VALUES (0, 'info', '', ?, ?)",
                (ledger_id, run_id),
            )
    place.clock.advance(3600)

    restored = place.restore(copy.name, database="app-copy.db", replace=True)

    assert restored.settled == 2
    assert restored.fence == place.clock.now() > fence_before
    with place.system() as system:
        runs = {run_id: system.ledger.run(run_id) for run_id in (lost, again, after)}
        assert (runs[lost].status, runs[lost].reason) == ("failed", "node_lost")  # type: ignore[union-attr]  # it is there
        assert runs[again].status == "queued"  # type: ignore[union-attr]  # it is there
        assert runs[after] is None, "it came after the copy"
        (fresh,) = place.start(system, "behavioral_analysis")
        assert fresh == 78 > after, (
            "no number is given twice, and no log line changes its run; another ledger's do not count"
        )
        assert system.ledger.last_fence() > fence_before
    assert place.sp("jobs", "audit")["data"]["clean"]


def test_an_empty_ledger_is_refused_until_it_is_restored_or_deleted(place: Place) -> None:
    copy = place.backup()
    ledger = Path(place.profile.ledger.path)
    ledger.write_bytes(b"")

    for words in (
        ("jobs", "list"),
        ("jobs", "run", "reruns"),
        ("serve",),
        ("db", "migrate"),
        ("db", "backup", "new.db"),
    ):
        error = place.sp(*words, code=5)["error"]
        assert error["code"] == "database_damaged"
        assert error["message"] == f"the ledger at {str(ledger)!r} is an empty file"
        assert error["hint"] == "restore a backup: sp db restore FILE --replace; to begin a new ledger, delete the file"
    assert place.sp("doctor", code=1)["data"]["failures"] == 1
    assert ledger.stat().st_size == 0

    place.sp("db", "restore", copy.name, "--replace")
    assert place.sp("jobs", "list")["data"]["total"] > 0

    ledger.unlink()
    assert place.sp("jobs", "list")["data"]["total"] > 0


def test_restoring_one_copy_twice_still_gives_no_fence_twice(place: Place) -> None:
    copy = place.backup()
    fences = []
    for _ in range(2):
        os.unlink(place.profile.ledger.path)
        place.restore(copy.name)
        with place.system() as system:
            place.start(system, "reruns")
            fences.append(system.ledger.last_fence())
        place.clock.advance(1)

    assert fences[0] < fences[1]


def test_a_restored_ledger_has_the_jobs_of_today_for_whoever_reads_next(place: Place) -> None:
    copy = place.backup()
    (place.folder / "jobs/all.py").write_text(JOBS + "\n@job()\ndef written_since(): ...\n", encoding="utf-8")
    names = [job["name"] for job in place.sp("jobs", "list")["data"]["jobs"]]
    assert "written_since" in names

    place.sp("db", "restore", copy.name, "--replace")

    assert [job["name"] for job in place.sp("jobs", "list")["data"]["jobs"]] == names


def test_what_was_there_is_kept_beside(place: Place) -> None:
    with place.system() as system:
        place.start(system, "reruns")
    copy = place.backup()
    with place.system() as system:
        place.start(system, "log_cleanup")
    os.chmod(place.profile.ledger.path, 0o640)

    refused = place.sp("db", "restore", copy.name, code=6)["error"]
    assert "there is a database at" in refused["message"]
    for number in range(2):
        (database,) = place.restore(copy.name, replace=True).databases
        assert asked(database.kept, EVERY_RUN) == 2 - number

    assert stat.S_IMODE(os.stat(place.profile.ledger.path).st_mode) == 0o640
    assert asked(place.profile.ledger.path, EVERY_RUN) == 1
    assert place.left_over() == []


def test_a_ledger_that_anybody_has_open_is_not_replaced(place: Place) -> None:
    copy = place.backup()
    with place.system() as system:
        place.start(system, "reruns")
        for given in ({"dry_run": True}, {}):
            with pytest.raises(ConflictError, match=rf"in use by serve node \w+, pid {os.getpid()} on "):
                place.restore(copy.name, replace=True, **given)
        system.ledger.last_fence()
    with closing(sqlite3.connect(place.profile.database.path)) as other:
        other.execute("SELECT count(*) FROM logs").fetchone()
        place.backup("both.db", database="app.db")
        with pytest.raises(ConflictError, match=r"app\.db' is in use"):
            place.restore("both.db", database="app.db", replace=True)
    assert place.restore(copy.name, replace=True).databases[0].kept is not None


def test_a_file_system_without_links_does_as_well(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    copy = place.backup()
    with pytest.raises(ConflictError, match="exists"):
        place.backup()

    (database,) = place.restore(copy.name, replace=True).databases

    assert asked(database.kept, "PRAGMA integrity_check") == asked(database.path, "PRAGMA integrity_check") == "ok"
    assert place.left_over() == []


def test_a_dry_run_checks_everything_and_changes_nothing(place: Place) -> None:
    with place.system() as system:
        place.start(system, "reruns")
    copy = place.backup()
    before = {path.name for path in place.folder.rglob("*")}

    dry = place.restore(copy.name, replace=True, dry_run=True)

    assert (dry.message.startswith("Would restore"), dry.settled) == (True, 1)
    new = {path.name for path in place.folder.rglob("*")} - before
    assert {name for name in new if not name.endswith(("-wal", "-shm"))} == set()
    assert asked(place.profile.ledger.path, "SELECT node_id IS NOT NULL FROM open_runs") == 1


def test_what_is_no_copy_is_not_restored(place: Place) -> None:
    place.backup("ledger.db", database="app.db")
    (place.folder / "text.db").write_text("no database at all, and long enough to be looked at" * 9, encoding="utf-8")
    with closing(sqlite3.connect(place.folder / "new.db")) as newer:
        newer.executescript("CREATE TABLE ledger_state (x); CREATE TABLE ledger_migrations (number INTEGER, name TEXT)")
        newer.execute("INSERT INTO ledger_migrations VALUES (999, '')")
        newer.commit()
    with closing(sqlite3.connect(place.folder / "new-app.db")) as newer:
        newer.executescript("CREATE TABLE systemprompt_migrations (number INTEGER, name TEXT)")
        newer.execute("INSERT INTO systemprompt_migrations VALUES (999, '')")
        newer.commit()

    for words, code, said in (
        (("app.db",), 2, "is no copy of a ledger"),
        (("ledger.db", "--database", "ledger.db"), 2, "is a ledger, not an application's database"),
        (("absent.db",), 5, "there is no database at"),
        (("text.db",), 5, "cannot be used"),
        (("data/app.ledger.db",), 2, "itself"),
        (("new.db",), 5, "has schema 999"),
        (("ledger.db", "--database", "new-app.db"), 5, "has schema 999"),
    ):
        error = place.sp("db", "restore", *words, "--replace", code=code)["error"]
        assert said in error["message"], error
    assert place.left_over() == []


def test_a_damaged_ledger_can_be_replaced_and_its_log_file_does_not_meet_the_new_one(place: Place) -> None:
    copy = place.backup()
    for ending in ("", "-wal", "-shm"):
        Path(place.profile.ledger.path + ending).write_bytes(b"garbage" * 1000)

    (database,) = place.restore(copy.name, replace=True).databases

    assert database.kept is not None
    assert Path(f"{database.kept}-wal").read_bytes() == Path(database.kept).read_bytes()
    assert not Path(f"{place.profile.ledger.path}-wal").exists()
    assert place.sp("jobs", "audit")["data"]["clean"]
