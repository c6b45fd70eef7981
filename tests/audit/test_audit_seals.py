"""Sealed days and what is left of pruned ones are tampered with, one defect at a time: the audit must notice each by name."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.audited_ledger import AuditedLedger, broken_copy
from support.ledger_stage import HOUR
from support.ledger_stage import berlin_spec as spec
from systemprompt.audit.sealing import seal_closed_days
from systemprompt.audit.seals import audit_seals
from systemprompt.ledger.seals import Seal, digest_of

DAYS = 8
PRUNED = 2
HOURLY, HAND = (f"job_id = (SELECT job_id FROM jobs WHERE job_name = '{name}')" for name in ("hourly", "hand"))
OF_DAY_5 = (
    "due_at >= (SELECT from_at FROM ledger_seals WHERE seal = 5) "
    "AND due_at < (SELECT until_at FROM ledger_seals WHERE seal = 5)"
)
IN_DAY_5 = f"run_id = (SELECT min(run_id) FROM job_runs WHERE {OF_DAY_5} AND {HOURLY} AND status = 'success')"
BY_HAND = f"run_id = (SELECT min(run_id) FROM job_runs WHERE {OF_DAY_5} AND {HAND})"
LATER = f"run_id = (SELECT max(run_id) FROM job_runs WHERE {HOURLY})"
A_RANGE = (
    "range_id = (SELECT max(range_id) FROM job_run_ranges WHERE last_at < (SELECT sealed_until FROM ledger_state))"
)
AN_ATTEMPT = f"kind = 'ended' AND {OF_DAY_5.replace('due_at', 'day_at')}"
A_LATE_RESULT = f"kind = 'late' AND {OF_DAY_5.replace('due_at', 'day_at')}"
COLUMNS = (
    "job_id, version, origin, fire_at, due_at, available_at, status, reason, attempt, fence, node_id, queued_at, started_at, "
    "finished_at, actor"
)

BREAKAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    # a day that is not sealed
    "a row of a day not sealed is deleted": ("missing", (f"DELETE FROM job_runs WHERE {LATER}",)),
    # a day that is sealed
    "a row of a sealed day is deleted": ("sealed_day", (f"DELETE FROM job_runs WHERE {IN_DAY_5}",)),
    "a start by hand of a sealed day is deleted": ("sealed_day", (f"DELETE FROM job_runs WHERE {BY_HAND}",)),
    "an outcome of a sealed day is altered": (
        "sealed_day",
        (f"UPDATE job_runs SET status = 'failed', reason = 'reported' WHERE {IN_DAY_5}",),
    ),
    "a message of a sealed day is altered": (
        "sealed_day",
        (f"UPDATE job_runs SET message = 'all was well' WHERE {IN_DAY_5}",),
    ),
    "an attempt of a sealed day is altered": (
        "sealed_day",
        (f"UPDATE job_attempts SET node_id = 'another' WHERE {AN_ATTEMPT}",),
    ),
    "an attempt of a sealed day is deleted": ("sealed_day", (f"DELETE FROM job_attempts WHERE {AN_ATTEMPT}",)),
    "a late result of a sealed day is altered": (
        "sealed_day",
        (f"UPDATE job_attempts SET result = 'failed' WHERE {A_LATE_RESULT}",),
    ),
    "a late result is put into a sealed day": (
        "sealed_day",
        (
            (
                "UPDATE job_attempts SET day_at = (SELECT from_at FROM ledger_seals WHERE seal = 4) "
                f"WHERE {A_LATE_RESULT}"
            ),
        ),
    ),
    "the hash of an error of a sealed day is altered": (
        "sealed_day",
        (f"UPDATE job_runs SET error_hash = output_hash WHERE {IN_DAY_5}",),
    ),
    "a range of a sealed day is altered": (
        "sealed_day",
        (f"UPDATE job_run_ranges SET written_at = written_at + 1 WHERE {A_RANGE}",),
    ),
    "a range of a sealed day is deleted": ("sealed_day", (f"DELETE FROM job_run_ranges WHERE {A_RANGE}",)),
    "a start by hand is put into a sealed day": (
        "sealed_day",
        (
            (
                f"INSERT INTO job_runs ({COLUMNS}) SELECT job_id, version, 'manual', NULL, due_at + 1, due_at + 1, status, "
                f"reason, attempt, fence, node_id, queued_at, started_at, finished_at, actor FROM job_runs WHERE {BY_HAND}"
            ),
        ),
    ),
    # seals
    "a seal's counts are altered": ("seal_chain", ("UPDATE ledger_seals SET runs = runs + 1 WHERE seal = 1",)),
    "a seal of a pruned day is altered": (
        "seal_chain",
        ("UPDATE ledger_seals SET counts = replace(counts, 'success', 'failed reported') WHERE seal = 2",),
    ),
    "a seal's digest is altered": ("seal_chain", ("UPDATE ledger_seals SET digest = previous WHERE seal = 3",)),
    "the first seal is gone": ("seal_chain", ("DELETE FROM ledger_seals WHERE seal = 1",)),
    "a seal is gone": ("seal_chain", ("DELETE FROM ledger_seals WHERE seal = 4",)),
    "the last seal is gone": (
        "seal_chain",
        ("DELETE FROM ledger_seals WHERE seal = (SELECT max(seal) FROM ledger_seals)",),
    ),
    "all seals are gone": ("seal_chain", ("DELETE FROM ledger_seals",)),
    "two seals changed places": (
        "seal_chain",
        (
            "UPDATE ledger_seals SET seal = 99 WHERE seal = 3",
            "UPDATE ledger_seals SET seal = 3 WHERE seal = 4",
            "UPDATE ledger_seals SET seal = 4 WHERE seal = 99",
        ),
    ),
    "the seals are of another ledger": ("seal_chain", ("UPDATE ledger_state SET ledger_id = 'another'",)),
    "the ledger forgot how far it is sealed": (
        "seal_chain",
        ("UPDATE ledger_state SET sealed_until = sealed_until - 86400000000",),
    ),
    # what was pruned
    "pruned days are said to be there": ("sealed_day", ("UPDATE ledger_state SET pruned_until = 0",)),
    "the ledger was pruned up to where no seal ends": (
        "pruned",
        ("UPDATE ledger_state SET pruned_until = pruned_until + 1",),
    ),
    "a job was pruned past what was sealed": (
        "pruned",
        (
            f"UPDATE jobs SET pruned_through = (SELECT planned_through FROM job_cursors WHERE {HOURLY}) WHERE {HOURLY}",
            f"DELETE FROM job_runs WHERE {HOURLY}",
        ),
    ),
    "a row that pruning had left was deleted": (
        "missing",
        (f"DELETE FROM job_runs WHERE {LATER.replace('max', 'min')}",),
    ),
}


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditedLedger]:
    """Eight days of three jobs; six are sealed, two of those are pruned."""
    with closing(AuditedLedger(tmp_path_factory.mktemp("ledger") / "ledger.db")) as audited:
        audited.declare(
            spec("hourly", "0 0 * * * *", on_lost="rerun"),
            spec("off", "0 */30 * * * *", enabled=False),
            spec("hand", ""),
        )
        for part in range(DAYS * 4):
            if part == 4 * 4:
                lose_a_run(audited)
            audited.work(1, seconds=6 * HOUR)
            audited.finish(*audited.start("hand"))
        sealed = audited.seal()
        while audited.ledger.prune(sealed[PRUNED - 1].until_at, limit=50):
            pass
        yield audited


def lose_a_run(audited: AuditedLedger) -> None:
    """Let a node die in mid-run, and its code come back after another has taken over."""
    audited.wait(HOUR)
    (lost,) = audited.turn(node="b", room=1).claimed
    audited.wait(60)
    audited.lose("b", max_attempts=3)
    audited.finish(*audited.claim())
    audited.finish(lost)


def test_a_ledger_with_sealed_and_pruned_days_is_clean(audited: AuditedLedger) -> None:
    seals = audited.ledger.seals()

    assert audited.audit().findings == ()
    assert len(seals) > 5
    assert audited.ledger.seal_state().pruned_until == seals[PRUNED - 1].until_at


@pytest.mark.parametrize("name", BREAKAGES)
def test_the_audit_notices_when(name: str, audited: AuditedLedger, tmp_path: Path) -> None:
    kind, statements = BREAKAGES[name]

    report = broken_copy(audited, tmp_path / "broken.db", *statements).audit()

    assert kind in report.by_kind, report.findings


def test_a_finding_says_which_day_and_what_is_off(audited: AuditedLedger, tmp_path: Path) -> None:
    with_it = f"DELETE FROM run_texts WHERE {BY_HAND}"
    other = broken_copy(audited, tmp_path / "b.db", with_it, f"DELETE FROM job_runs WHERE {BY_HAND}")
    altered = broken_copy(audited, tmp_path / "c.db", f"UPDATE job_runs SET message = 'well' WHERE {IN_DAY_5}")
    seal = audited.ledger.seals()[4]

    (gone,) = other.audit().findings
    (changed,) = altered.audit().findings

    said = f"the sealed day {seal.day} does not hold what was sealed: "
    assert gone.sentence == f"{said}{seal.runs - 1} runs of {seal.runs}"
    assert changed.sentence == f"{said}as many rows, and one of them was altered"
    assert (gone.at, gone.until) == (seal.from_at, seal.until_at - 1)


def test_only_the_chosen_days_are_read_again(audited: AuditedLedger, tmp_path: Path) -> None:
    other = broken_copy(audited, tmp_path / "b.db", f"UPDATE job_runs SET message = 'well' WHERE {IN_DAY_5}")

    assert audit_seals(other.ledger, now=other.now, recheck=lambda seal: seal.seal != 5).ok
    assert not audit_seals(other.ledger, now=other.now, recheck=lambda seal: seal.seal == 5).ok


def test_the_digests_are_what_their_definition_says(audited: AuditedLedger) -> None:
    """Worked out here from the file alone, as somebody with another language would."""
    connection = sqlite3.connect(audited.path)
    connection.row_factory = sqlite3.Row
    (ledger_id,) = connection.execute("SELECT ledger_id FROM ledger_state").fetchone()
    previous = sha([json.dumps(["ledger", ledger_id], separators=(",", ":"))])
    for row in connection.execute("SELECT * FROM ledger_seals ORDER BY seal").fetchall():
        if row["seal"] > PRUNED:
            assert sha(content_lines(connection, row["from_at"], row["until_at"])) == row["content"]
        names = ("seal", "format", "day", "from_at", "until_at", "runs", "attempts", "ranges", "fire_times", "counts")
        chained = [row["previous"], *(row[name] for name in names), row["content"], row["sealed_at"]]
        assert row["previous"] == previous
        assert sha([json.dumps(chained, separators=(",", ":"))]) == row["digest"]
        previous = row["digest"]
    connection.close()


def content_lines(connection: sqlite3.Connection, start: int, end: int) -> list[str]:
    runs = connection.execute(
        "SELECT * FROM job_runs WHERE due_at >= ? AND due_at < ? ORDER BY due_at, run_id", (start, end)
    ).fetchall()
    tries = connection.execute(
        "SELECT * FROM job_attempts WHERE day_at >= ? AND day_at < ? ORDER BY day_at, run_id, attempt, kind",
        (start, end),
    )
    ranges = connection.execute(
        "SELECT * FROM job_run_ranges WHERE last_at >= ? AND last_at < ? ORDER BY last_at, range_id", (start, end)
    )
    rows = [["run", *run] for run in runs]
    rows += [["attempt", *row[1:]] for row in tries]  # without the number that the table gave it
    rows += [["range", *row] for row in ranges]
    return [json.dumps(row, separators=(",", ":")) for row in rows]


def sha(lines: list[str]) -> str:
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def test_a_seal_says_its_own_digest(audited: AuditedLedger) -> None:
    seals: list[Seal] = audited.ledger.seals()

    assert [digest_of(seal) for seal in seals] == [seal.digest for seal in seals]


def test_a_day_with_a_finding_is_not_sealed_nor_any_after_it(audited: AuditedLedger, tmp_path: Path) -> None:
    fresh = AuditedLedger(tmp_path / "fresh.db")
    fresh.declare(spec("hourly", "0 0 * * * *"))
    for _ in range(20):
        fresh.work(1, seconds=6 * HOUR)
    connection = sqlite3.connect(fresh.path)
    connection.execute("DROP TRIGGER job_runs_go_when_pruned")
    connection.execute(
        "DELETE FROM job_runs WHERE run_id = (SELECT max(run_id) FROM job_runs WHERE due_at < 1793000000000000)"
    )
    connection.commit()
    connection.close()

    with closing(fresh):
        made = seal_closed_days(fresh.ledger, now=fresh.now, alive=lambda node: None)
        again = seal_closed_days(fresh.ledger, now=fresh.now, alive=lambda node: None)

    assert not made.report.ok
    assert made.held == "2026-10-26"
    assert [seal.day for seal in made.sealed] == ["2026-10-23", "2026-10-24", "2026-10-25"]
    assert again.sealed == ()
