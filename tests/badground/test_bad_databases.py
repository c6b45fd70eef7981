"""A database that is missing, no database, damaged, foreign, too new or not to be written: every command says so, none breaks."""

from __future__ import annotations

import json
import random
import shlex
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.cli_session import Answer, CliSession
from support.stop_at_once import stop_at_once
from support.unprivileged import answers_without_privileges
from systemprompt.cli.exit_codes import FAILED, INTERNAL, OK
from systemprompt.cli.parse import flags_of
from systemprompt.cli.table import COMMANDS
from systemprompt.ledger.sqlite.engine import open_ledger
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.ledger.sqlite.store import SqliteStore

UNUSABLE = 5
NEED_NO_DATABASE = {"cron", "init", "infra jobs new", "profile check", "profile show", "schema", "completion"}


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A way to spoil a database file.

    whole   nothing of it can be used: whoever opens it must say so
    """

    name: str
    spoil: Callable[[Path], None]
    whole: bool = True


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def text(path: Path) -> None:
    path.write_text("Dear diary, this is no database.\n" * 1_000, encoding="utf-8")


def random_header(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(random.Random(1).randbytes(100) + data[100:])


def random_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    chance = random.Random(2)
    for page in range(2, len(data) // 4096):
        if chance.random() < 0.5:
            data[page * 4096 : (page + 1) * 4096] = chance.randbytes(4096)
    path.write_bytes(data)


def random_schema(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[100:4096] = random.Random(3).randbytes(3996)
    path.write_bytes(data)


def half(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def odd_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5_000])


def wal_garbage(path: Path) -> None:
    # A log that does not check out is what a crash leaves; SQLite leaves it aside.
    Path(f"{path}-wal").write_bytes(random.Random(4).randbytes(50_000))
    Path(f"{path}-shm").write_bytes(random.Random(5).randbytes(32_768))


def foreign(path: Path) -> None:
    path.unlink()
    other = sqlite3.connect(path)
    other.executescript(
        "CREATE TABLE job_runs (mine TEXT); CREATE VIEW logs AS SELECT 1; CREATE TABLE scheduled_jobs (x);"
    )
    other.close()


def newer(path: Path) -> None:
    connection = sqlite3.connect(path)
    for (table,) in connection.execute(
        "SELECT name FROM sqlite_master WHERE name LIKE '%migrations' AND type = 'table'"
    ):
        connection.execute(f"INSERT INTO {table} (number, name, checksum) VALUES (9999, '9999_future.sql', 0)")
    connection.commit()
    connection.close()


def missing(path: Path) -> None:
    path.unlink()


def missing_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def file_for_folder(path: Path) -> None:
    shutil.rmtree(path.parent)
    path.parent.write_text("no folder")


def empty(path: Path) -> None:
    path.write_bytes(b"")


FOREIGN = Ground(name="foreign", spoil=foreign)
GROUNDS = (
    Ground(name="missing", spoil=missing, whole=False),
    Ground(name="missing_folder", spoil=missing_folder, whole=False),
    Ground(name="file_for_folder", spoil=file_for_folder),
    Ground(name="directory", spoil=directory),
    Ground(name="text", spoil=text),
    Ground(name="random_header", spoil=random_header),
    Ground(name="random_middle", spoil=random_middle, whole=False),
    Ground(name="random_schema", spoil=random_schema),
    Ground(name="half", spoil=half, whole=False),
    Ground(name="odd_cut", spoil=odd_cut, whole=False),
    Ground(name="wal_garbage", spoil=wal_garbage, whole=False),
    FOREIGN,
    Ground(name="newer", spoil=newer),
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> CliSession:
    """An installation with a past, and a copy of its databases."""
    cli = CliSession(tmp_path_factory.mktemp("ground"))
    for _ in range(30):
        cli.ran("by_hand")
    cli.planned(after_s=86_400)
    assert cli.sp("jobs run broken_feed").code == FAILED
    shutil.copytree(cli.home / "data", cli.folder / "good")
    return cli


@pytest.fixture
def stage(built: CliSession, monkeypatch: pytest.MonkeyPatch) -> CliSession:
    """The installation, on good ground again; its node, where one starts after all, stops at once."""
    monkeypatch.setattr("systemprompt.operations.serve.handling", stop_at_once)
    data = built.home / "data"
    mend(data, built.folder / "good")
    for name in ("another", "elsewhere", "copy.db"):
        made = built.folder / name
        shutil.rmtree(made) if made.is_dir() else made.unlink(missing_ok=True)
    return built


def mend(data: Path, good: Path) -> None:
    shutil.rmtree(data) if data.is_dir() else data.unlink(missing_ok=True)
    shutil.copytree(good, data)


def calls() -> Iterator[tuple[str, list[str]]]:
    """Yield every command with words that work on good ground."""
    words = {
        "infra jobs show": ["by_hand"],
        "infra jobs run": ["by_hand"],
        "infra jobs enable": ["by_hand"],
        "infra jobs disable": ["by_hand"],
        "infra jobs logs": ["1"],
        "infra jobs explain": ["nightly_report", "2026-01-15T03:00:00"],
        "infra jobs new": ["fresh_job", "--dir", "elsewhere"],
        "init": ["another"],
        "schema": ["jobs", "list"],
        "completion": ["bash"],
        "db backup": ["copy.db"],
    }
    for command in COMMANDS:
        given = words.get(command.name)
        if given is None and any(flag.required for flag in flags_of(command)):
            yield command.name, shlex.split(command.example)[1:]
        else:
            yield command.name, [*command.path, *(given or ())]


def faults(name: str, answer: Answer) -> Iterator[str]:
    """Yield what no answer may be, wherever the ground is bad."""
    if answer.code == INTERNAL or "Traceback" in answer.err:
        yield f"{name}: {answer.out[:600]}{answer.err[-600:]}"
    document = json.loads(answer.out)
    if "error" in document and not (document["error"]["message"] and answer.code > FAILED):
        yield f"{name}: exit {answer.code} with {document['error']}"


LEDGER, APPLICATION = "app.ledger.db", "app.db"
PLACES = [(LEDGER, ground) for ground in GROUNDS] + [(APPLICATION, ground) for ground in GROUNDS if ground.whole]
# An application may begin with an empty file. A ledger never does.
PLACES += [(LEDGER, Ground(name="empty", spoil=empty))]


@pytest.mark.parametrize(("which", "ground"), PLACES, ids=lambda value: getattr(value, "name", value))
def test_every_command_says_what_is_wrong_with_a_database(stage: CliSession, ground: Ground, which: str) -> None:
    path = stage.home / "data" / which
    ground.spoil(path)
    found: list[str] = []
    codes: dict[str, int] = {}
    for name, words in calls():
        answer = stage.sp("--json", *words)
        codes[name] = answer.code
        found += faults(name, answer)
        if answer.code == UNUSABLE:
            if str(path.parent) not in answer.error["message"] and name != "db restore":
                found.append(f"{name} does not name the file: {answer.error}")
            if not answer.error["hint"]:
                found.append(f"{name} shows no way out: {answer.error}")
    if ground.whole:
        found += [
            f"{name} ended with {code}" for name, code in codes.items() if name in NEED_NO_DATABASE and code != OK
        ]
        # What somebody else's database lacks could still be added, for all that doctor knows.
        found += [] if codes["doctor"] == FAILED or ground is FOREIGN else ["doctor sees nothing"]
        usable = {*NEED_NO_DATABASE, "doctor", "db status", "db backup", "db restore"}
        must = codes if which == LEDGER else ("serve", "infra jobs run", "infra jobs logs", "db migrate")
        found += [f"{name} ended with {codes[name]}" for name in must if name not in usable and codes[name] != UNUSABLE]
    assert not found, "\n".join(found)

    mend(path.parent, stage.folder / "good")
    assert stage.sp("--json jobs history -n 100").data["total"] >= 30
    assert stage.sp("--json jobs audit").code == OK


@pytest.mark.parametrize("what", ["file", "folder", "both", "unreadable"])
def test_a_read_only_database_can_be_read_and_says_so_where_it_should_be_written(stage: CliSession, what: str) -> None:
    data = stage.home / "data"
    asked = list(calls())
    assert stage.sp("db migrate").code == OK
    if what != "folder":
        for file in data.iterdir():
            file.chmod(0o000 if what == "unreadable" else 0o444)
    if what in ("folder", "both"):
        data.chmod(0o555)

    answers = answers_without_privileges(stage.profile, [["--json", *words] for _, words in asked])

    data.chmod(0o755)
    found: list[str] = []
    codes = {}
    for (name, _), (code, out, err) in zip(asked, answers, strict=True):
        codes[name] = code
        found += faults(name, Answer(code=code, out=out, err=err))
    assert not found, "\n".join(found)
    readers = ("infra jobs list", "infra jobs show", "infra jobs history", "infra jobs upcoming")
    writers = ("infra jobs run", "infra jobs disable", "serve")
    assert {name: codes[name] for name in writers} == dict.fromkeys(writers, UNUSABLE)
    assert {codes[name] for name in readers} == {UNUSABLE if what == "unreadable" else OK}
    assert codes["doctor"] == FAILED


def test_every_command_says_that_another_process_holds_the_database(
    stage: CliSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    for opens in (SqliteStore.__init__, SqliteLedger.__init__, open_ledger):
        defaults = opens.__kwdefaults__
        assert defaults is not None
        monkeypatch.setitem(defaults, "patience", 0.02)
    assert stage.sp("jobs list").code == OK
    found: list[str] = []
    codes = {}
    with closing(sqlite3.connect(stage.home / "data/app.ledger.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        for name, words in calls():
            answer = stage.sp("--json", *words)
            codes[name] = answer.code
            found += faults(name, answer)
            if answer.code == UNUSABLE and answer.error["code"] != "database_busy" and name != "db restore":
                found.append(f"{name}: {answer.error}")
    assert not found, "\n".join(found)
    assert {codes[name] for name in ("infra jobs run", "infra jobs enable", "infra jobs disable", "serve")} == {
        UNUSABLE
    }
    assert {codes[name] for name in ("infra jobs list", "infra jobs show", "infra jobs history", "doctor")} == {OK}
    assert stage.sp("--json jobs disable by_hand").code == OK


def test_a_ledger_is_opened_while_another_process_writes(stage: CliSession) -> None:
    path = stage.home / "data" / LEDGER
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with closing(SqliteLedger(str(path), patience=0.0)) as ledger:
            assert ledger.job("by_hand")
