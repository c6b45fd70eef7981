"""Every command, called wrongly in every way there is: refused with a clear error, in both forms, and nothing changes.

The short form tries half of the values at each flag, and other ones at the next.
The commands and flags are read from the command table: a new one is covered as soon as it stands there.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from zlib import crc32

import pytest

from support.campaign import LONG
from support.cli_session import Answer, CliSession
from support.stop_at_once import stop_at_once
from systemprompt.cli.exit_codes import EXIT_CODES, FAILED, OK
from systemprompt.cli.parse import GLOBAL_FLAGS, Flag, flags_of
from systemprompt.cli.table import COMMANDS, Command

DOCUMENTED = {OK, FAILED, *(code for _, code in EXIT_CODES)}
LONGEST_MESSAGE = 5_000
"""What an error may say: a page, never the megabyte that it was given."""

MEGABYTE = "x" * 1_000_000
TEXTS = (
    "",
    " ",
    "nobody_knows_this",
    "-",
    "--",
    "..",
    "a/b",
    "%s{0}$HOME`id`",
    "'; DROP TABLE job_runs; --",
    "مهمة_ليلية",
    "夜間報告",
    "🧨",
    "e\u0301",
    "\u202egnp.exe",
    "two\nlines",
    "nul\0inside",
    "\x1b[2J\x07",
    "\udcff\udc80",
    "99999999999999999999d",
    "9" * 5_000 + "d",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    MEGABYTE,
)
NUMBERS = (
    *("", " ", "x", "1x", "0x10", "1e3", "1_0", "٣", "½", "nan", "inf", "-inf", "-0", "-1", "-999999999999999999999"),
    *("99999999999999999999999", "1e400", "9" * 5_000, "1.5", "\n1", "1\0", "\udcff", MEGABYTE),
)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliSession:
    """An installation whose node, where a call starts one after all, stops at once."""
    folder = tmp_path / "below"  # not the top: `sp init ..` writes above it, and other tests look for a profile there
    folder.mkdir()
    cli = CliSession(folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("systemprompt.operations.serve.handling", stop_at_once)
    cli.ran("by_hand")
    with cli.system() as system:
        _ = system.database  # made here, so that no call is the first to make it
    return cli


def named(command: Command) -> str:
    return command.name.replace(" ", "_")


def flags(command: Command) -> list[Flag]:
    return flags_of(command)


def harmless(command: Command) -> list[str]:
    """Return words that fill the arguments the command cannot do without."""
    words = {"run_id": "1", "shell": "bash"}
    return [
        words.get(flag.field, flag.choices[0] if flag.choices else "by_hand")
        for flag in flags(command)
        if flag.required
    ]


def values_for(flag: Flag) -> tuple[str, ...]:
    if flag.kind in ("int", "float"):
        return NUMBERS
    if flag.kind == "map":
        return (
            "",
            "=",
            "=x",
            "novalue",
            "k=\0",
            "k=\udcff",
            "ключ=🧨",
            "two\nlines=1",
            f"{MEGABYTE}=1",
            f"k={MEGABYTE}",
        )
    return TEXTS


def calls(command: Command) -> Iterator[list[str]]:
    """Yield wrong, or at least odd, calls of a command, as the words after its name."""
    given = harmless(command)
    yield [*given, "--no-such-flag"]
    yield [*given, "--no-such-flag=1", "-Z"]
    yield [*given, "-\udcff"]
    yield [*given, "--" + MEGABYTE]
    yield [*given, *["surplus"] * 50]
    if given:
        yield []
    for flag in flags(command):
        if flag.positional:
            for value in values_for(flag):
                yield ["--", value]
            continue
        if flag.kind == "bool":
            yield [*given, f"{flag.long}=yes"]
            yield [*given, flag.long, flag.long]
            continue
        yield [*given, flag.long]
        for value in values_for(flag):
            if LONG or (crc32(f"{command.name} {flag.long} {value[:99]!r}".encode()) & 1):
                yield [*given, f"{flag.long}={value}"]
        yield [*given, f"{flag.long}=1", f"{flag.long}=2", f"{flag.long}=nobody_knows_this"]


def faults(answer: Answer, *, programs: bool) -> Iterator[str]:
    """Yield what an answer lacks of that which is promised of each, whatever was asked."""
    if answer.code not in DOCUMENTED:
        yield f"exit code {answer.code}: {answer.out[:1_500]}{answer.err[:1_500]}"
    if "Traceback" in answer.err:
        yield f"a traceback: {answer.err[-1_500:]}"
    refused = answer.code > FAILED
    if programs:
        yield from faults_of_document(answer.out, refused=refused)
    elif refused:
        if answer.out:
            yield f"something on stdout: {answer.out[:300]!r}"
        if not answer.err.startswith("error: ") or len(answer.err) > LONGEST_MESSAGE or "\x1b" in answer.err:
            yield f"an error of {len(answer.err)} characters: {answer.err[:300]!r}"


def faults_of_document(text: str, *, refused: bool) -> Iterator[str]:
    try:
        document = json.loads(text)
    except ValueError as error:
        yield f"not one JSON document: {error}: {text[:300]!r}"
        return
    if set(document) != ({"error"} if refused else {"data", "artifact_type", "title"}):
        yield f"an envelope of {sorted(document)}"
    elif refused:
        said = document["error"]
        if set(said) != {"code", "message", "hint", "details"}:
            yield f"an error of {sorted(said)}"
        texts = [said["message"], *([] if said["hint"] is None else [said["hint"]])]
        if not all(0 < len(text) < LONGEST_MESSAGE for text in texts):
            yield f"texts of {[len(text) for text in texts]} characters: {said['code']}"


class Guard:
    """Knows all that a refused call must leave as it was: the files, and what both databases hold."""

    def __init__(self, cli: CliSession) -> None:
        self._cli = cli
        self._databases = [cli.home / "data/app.ledger.db", cli.home / "data/app.db"]
        self._connections = [sqlite3.connect(path) for path in self._databases]
        self._versions: list[int] = []
        self._dumps: list[list[str]] = []

    def state(self) -> list[object]:
        folder = self._cli.folder
        files = sorted(
            (os.path.join(at, name), (Path(at) / name).read_bytes())
            for at, _, names in os.walk(folder)
            for name in names
            if "cache" not in at and ".db" not in name
        )
        versions = [one.execute("PRAGMA data_version").fetchone()[0] for one in self._connections]
        if versions != self._versions:
            self._versions, self._dumps = versions, [dump(path) for path in self._databases]
        return [files, *self._dumps]

    def close(self) -> None:
        for connection in self._connections:
            connection.close()


def call(cli: CliSession, words: list[str], found: list[str]) -> Iterator[Answer]:
    """Make one call in both forms; what is wrong with the answers goes to `found`.

    In the short form people are told of one wrong value in three: what they read is made of the same error.
    """
    both = LONG or crc32(repr(words).encode()) % 3 == 0
    for form in ((), ("--json",)) if both else (("--json",),):
        answer = cli.sp("", *form, *words)
        shown = " ".join(ascii(word[:60]) for word in (*form, *words))
        found += [f"sp {shown}: {fault}" for fault in faults(answer, programs=bool(form))]
        yield answer


@pytest.mark.parametrize("command", COMMANDS, ids=named)
def test_a_wrong_call_is_refused_clearly_and_changes_nothing(stage: CliSession, command: Command) -> None:
    found: list[str] = []
    with closing(Guard(stage)) as guard:
        before = guard.state()
        for words in calls(command):
            for answer in call(stage, [*command.path, *words], found):
                now = guard.state()
                if answer.code > FAILED and now != before:
                    found.append(f"{command.name} {ascii(words)[:200]}: refused, and yet something changed")
                before = now
    assert not found, "\n".join(found)


@pytest.mark.parametrize("flag", [entry for entry in GLOBAL_FLAGS if entry[2]], ids=lambda entry: entry[0])
def test_a_wrong_value_of_a_global_flag_is_refused_clearly(stage: CliSession, flag: tuple[str, ...]) -> None:
    found: list[str] = []
    for value in TEXTS:
        answers = list(call(stage, [f"{flag[0]}={value}", "jobs", "list"], found))
        found += [f"{flag[0]} {value[:60]!a} was taken" for answer in answers if answer.code <= FAILED]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", [(), ("infra",), ("infra", "jobs"), ("db",), ("profile",)], ids=" ".join)
def test_a_word_that_is_no_command_is_refused_clearly(stage: CliSession, path: tuple[str, ...]) -> None:
    found: list[str] = []
    for word in TEXTS:
        list(call(stage, [*path, word], found))
    assert not found, "\n".join(found)


def test_an_argument_that_is_no_text_is_a_wrong_call_not_a_defect(stage: CliSession) -> None:
    answer = stage.sp("--json jobs show", "\udcff")

    assert (answer.code, answer.error["code"]) == (2, "usage")
    assert answer.error["message"] == "'\\udcff' is not text in UTF-8"


@pytest.mark.parametrize("when", ["9" * 5_000 + "d", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_an_instant_outside_the_calendar_is_a_wrong_call_not_a_defect(stage: CliSession, when: str) -> None:
    for call in ("jobs history --since", "jobs audit --from"):
        answer = stage.sp(f"--json {call}", when)

        assert (answer.code, answer.error["code"]) == (2, "usage")
        assert "the year" in answer.error["message"]


def test_an_instant_with_leading_zeros_is_the_instant(stage: CliSession) -> None:
    assert stage.sp("--json jobs history --since", "0" * 5_000 + "1h").code == 0


def test_an_error_repeats_the_beginning_and_the_end_of_a_megabyte(stage: CliSession) -> None:
    answer = stage.sp("jobs history --status", MEGABYTE)

    assert answer.err.startswith("error: --status 'xxx")
    assert "characters left out" in answer.err
    assert "is not one of" in answer.err


def dump(path: Path) -> list[str]:
    """Return all that a database holds, as text. An absent one holds nothing."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return list(connection.iterdump())
