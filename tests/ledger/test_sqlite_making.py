"""A new ledger is at its path whole or not at all, whoever is killed while making it and however many make it at once."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from support.ledger_stage import EVERY_SECOND, START, spec
from systemprompt.errors import DatabaseBusy, DatabaseDamaged, DatabaseUnreachable
from systemprompt.ledger.records import Change
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.ledger.sqlite.making import make_ledger, making_name
from systemprompt.ledger.sqlite.reader import open_reading_ledger
from systemprompt.planning.planner import Planner

KILLED = 9


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.db"


@pytest.fixture(autouse=True)
def folder(path: Path) -> Path:
    path.parent.mkdir()
    return path.parent


def files(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def left_over(folder: Path) -> list[str]:
    """Return the files of makers. A reader may leave the ledger's log, which is no matter of ours."""
    return [name for name in files(folder) if not name.startswith("ledger.db")]


def id_of(path: Path) -> str:
    """Return the ledger's id; fails where it is not whole."""
    with closing(open_reading_ledger(str(path))) as ledger:
        assert ledger.upkeep.faults() == []
        return ledger.ledger_id()


def at_the_link(monkeypatch: pytest.MonkeyPatch, do: Callable[[str, str], object]) -> None:
    """Do this right before the ledger gets its name."""
    link = os.link

    def linked(source: str, target: str) -> None:
        do(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", linked)


def test_a_ledger_gets_its_name_when_it_is_one_whole_file(
    path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    at_the_link(monkeypatch, lambda _source, _target: seen.append(files(folder)))

    make_ledger(str(path))

    assert seen == [[".ledger.db.making"]], "no log is left beside it, and nothing is at its path yet"
    assert files(folder) == ["ledger.db"]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    assert id_of(path)


def test_a_ledger_that_is_there_is_left_as_it_is(path: Path) -> None:
    make_ledger(str(path))
    before = id_of(path)

    make_ledger(str(path))

    assert id_of(path) == before


KILLED_AT_EACH_STEP = """\
import os, sys
from systemprompt.ledger.sqlite.making import make_ledger

def lives(folder, last):
    steps = 0
    def dying(work):
        def step(*given, **named):
            nonlocal steps
            steps += 1
            if steps == last:
                os._exit(9)
            return work(*given, **named)
        return step
    for name in ("fsync", "link", "unlink", "open", "close"):
        setattr(os, name, dying(getattr(os, name)))
    make_ledger(os.path.join(folder, "ledger.db"))
    os._exit(0)

make_ledger(os.path.join(sys.argv[1], "warm.db"))
code = 9
step = 0
while code == 9:
    step += 1
    folder = os.path.join(sys.argv[1], str(step))
    os.mkdir(folder)
    child = os.fork()
    if not child:
        lives(folder, step)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(step, code)
"""


def test_whoever_is_killed_while_making_a_ledger_leaves_none_or_a_whole_one(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", KILLED_AT_EACH_STEP, str(tmp_path)], capture_output=True, text=True, check=True
    )
    steps, code = map(int, ended.stdout.split())
    assert code == 0, ended.stderr
    assert steps > 10

    left = set()
    for step in range(1, steps + 1):
        path = tmp_path / str(step) / "ledger.db"
        left.add(tuple(files(path.parent)))
        before = id_of(path) if path.exists() else None
        make_ledger(str(path))
        assert not left_over(path.parent), f"killed at step {step}, something was left over"
        assert before in (None, id_of(path)), f"killed at step {step}, the ledger was replaced by another"
    assert left == {(), (".ledger.db.making",), (".ledger.db.making", "ledger.db"), ("ledger.db",)}


def test_a_killed_migration_leaves_nothing_at_the_path(path: Path, folder: Path) -> None:
    script = (
        "import os, sys; from systemprompt.ledger.sqlite.ledger import SqliteLedger;"
        "from systemprompt.ledger.sqlite.making import make_ledger;"
        "SqliteLedger.checkpoint = lambda self: os._exit(9); make_ledger(sys.argv[1])"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path)]).returncode == KILLED
    assert files(folder) == [".ledger.db.making", ".ledger.db.making-shm", ".ledger.db.making-wal"]

    make_ledger(str(path))

    assert files(folder) == ["ledger.db"]
    assert id_of(path)


def test_processes_that_make_it_at_once_get_one_ledger(path: Path, folder: Path) -> None:
    script = (
        "import sys; from systemprompt.ledger.sqlite.ledger import SqliteLedger;"
        "from systemprompt.ledger.sqlite.making import make_ledger; sys.stdin.readline(); make_ledger(sys.argv[1], patience=60);"
        "ledger = SqliteLedger(sys.argv[1]); print(ledger.ledger_id(), ledger.migrate()); ledger.close()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", script, str(path)]
    makers = [subprocess.Popen(command, **pipes) for _ in range(6)]  # type: ignore[call-overload]  # pipes by name
    for maker in makers:
        maker.stdin.write("go\n")
        maker.stdin.flush()
    answers = [maker.communicate(timeout=120) for maker in makers]

    assert set(answers) == {(f"{id_of(path)} []\n", "")}
    assert not left_over(folder)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    opened = os.open(folder, os.O_RDONLY)
    fcntl.flock(opened, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(opened)


def test_a_maker_that_lives_is_waited_for_and_keeps_its_files(path: Path, folder: Path) -> None:
    Path(making_name(str(path))).write_text("half")

    with locked(folder), pytest.raises(DatabaseBusy, match="is making a ledger in") as refused:
        make_ledger(str(path), patience=0.01)

    assert refused.value.hint == "nothing was written: try again"
    assert files(folder) == [".ledger.db.making"]


def test_nothing_is_written_to_a_ledger_whose_name_may_not_be_durable_yet(path: Path, folder: Path) -> None:
    make_ledger(str(path))
    os.link(path, making_name(str(path)))

    with locked(folder), pytest.raises(DatabaseBusy):
        make_ledger(str(path), patience=0.01)

    make_ledger(str(path))
    assert files(folder) == ["ledger.db"]


def test_the_log_of_a_ledger_that_was_deleted_is_not_taken_for_the_new_ones(path: Path, folder: Path) -> None:
    make_ledger(str(path))
    with closing(SqliteLedger(str(path))) as old:
        old.sync_catalogue([spec("job", EVERY_SECOND)], [], START, Planner().decide, Change(actor="test"))
        shutil.copy(f"{path}-wal", folder / "kept")
    before = id_of(path)
    path.unlink()
    (folder / "kept").rename(f"{path}-wal")

    make_ledger(str(path))

    assert id_of(path) != before
    with closing(open_reading_ledger(str(path))) as ledger:
        assert ledger.jobs() == []


def test_a_file_that_somebody_puts_there_meanwhile_is_never_replaced(
    path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_the_link(monkeypatch, lambda _source, target: Path(target).write_text("mine"))

    make_ledger(str(path))

    assert path.read_text() == "mine"
    assert files(folder) == ["ledger.db"]


def test_a_file_system_without_links_has_it_renamed(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_source: str, _target: str) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)

    make_ledger(str(path))

    assert files(folder) == ["ledger.db"]
    assert id_of(path)


def test_a_ledger_is_made_where_a_link_leads(path: Path, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(path)

    make_ledger(str(tmp_path / "link.db"))

    assert id_of(path) == id_of(tmp_path / "link.db")


def test_a_place_where_none_can_be_made_is_named(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DatabaseUnreachable, match=r"'/proc/ledger.db' cannot be used"):
        make_ledger("/proc/ledger.db")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DatabaseUnreachable, match=f"'{path}' cannot be made: No space left on device"):
        make_ledger(str(path))
    assert files(folder) == []


@pytest.mark.parametrize("open_it", [SqliteLedger, open_reading_ledger])
def test_a_ledger_of_no_bytes_is_no_new_ledger(path: Path, open_it: Callable[[str], object]) -> None:
    path.touch()

    make_ledger(str(path))
    with pytest.raises(DatabaseDamaged, match=f"the ledger at '{path}' is an empty file") as refused:
        open_it(str(path))

    assert "restore a backup" in (refused.value.hint or "")
    assert path.stat().st_size == 0
