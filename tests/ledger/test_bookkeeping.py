"""What is written of a run: one rule a test. Pure, so that each rule can be broken and seen by itself."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from support.bookkeeping_rows import T, closed, closing, hashed, running, waiting
from systemprompt.ledger.bookkeeping import (
    Books,
    Lost,
    Requeued,
    begun,
    closed_waiting,
    closed_when_planned,
    late_attempt,
    lost,
    manual,
    planned,
    settle,
    storable,
)
from systemprompt.ledger.records import Closing, ManualStart, PlannedRun
from systemprompt.ledger.rows import AttemptRow, ClosedRun, OpenRun

# -- a run comes into being -----------------------------------------------------------------------------------------------


def test_a_planned_run_waits_under_its_job_version_and_fire_time() -> None:
    row = planned(PlannedRun(fire_at=T, status="queued", origin="catch_up"), job_id=7, version=3, run_id=11, now=T + 5)
    assert (row.run_id, row.job_id, row.version, row.origin) == (11, 7, 3, "catch_up")
    assert (row.fire_at, row.due_at, row.available_at, row.queued_at) == (T, T, T, T + 5)
    assert (row.actor, row.why, row.parameters, row.enforce) == ("schedule", None, None, None)


def test_a_planned_run_is_held_by_nobody_and_was_never_tried() -> None:
    row = waiting()
    assert (row.node_id, row.attempt, row.fence, row.started_at) == (None, 0, None, None)
    assert (row.stop_asked_at, row.stop_by, row.stop_why) == (None, None, None)
    assert (row.period_from, row.stands_for, row.retry_of, row.replaces) == (None, None, None, None)


def test_what_closes_when_it_is_planned_says_its_reason_and_what_was_in_the_way() -> None:
    run = PlannedRun(fire_at=T, status="skipped", reason="overlap", blocked_by=4)
    row = closed_when_planned(run, job_id=7, version=3, run_id=12, now=T + 5)
    assert (row.run_id, row.fire_at, row.due_at, row.queued_at, row.finished_at) == (12, T, T, T + 5, T + 5)
    assert (row.status, row.reason, row.blocked_by) == ("skipped", "overlap", 4)
    assert (row.node_id, row.attempt, row.fence, row.started_at) == (None, 0, None, None)


def test_a_run_that_was_asked_for_has_no_fire_time_and_is_due_when_it_was_asked_for() -> None:
    start = ManualStart(job_name="job", enforce=False, origin="backfill")
    row = manual(start, run_id=12, job_id=7, version=3, actor="cli:me", why="why not", parameters='{"a": 1}', now=T)
    assert (row.origin, row.fire_at, row.due_at, row.available_at, row.queued_at) == ("backfill", None, T, T, T)
    assert (row.run_id, row.job_id, row.version, row.attempt, row.fence) == (12, 7, 3, 0, None)
    assert (row.actor, row.why, row.parameters, row.enforce) == ("cli:me", "why not", '{"a": 1}', 0)
    assert (row.period_from, row.stands_for, row.retry_of, row.replaces) == (None, None, None, None)
    assert (row.node_id, row.started_at, row.stop_asked_at, row.stop_by, row.stop_why) == (None, None, None, None, None)


@pytest.mark.parametrize(("asked", "kept"), [(None, None), (True, 1), (False, 0)])
def test_whether_to_enforce_is_kept_as_asked_or_left_open(asked: bool | None, kept: int | None) -> None:
    start = ManualStart(job_name="job", enforce=asked)
    row = manual(start, run_id=1, job_id=7, version=3, actor="me", why="", parameters=None, now=T)
    assert (row.enforce, row.why, row.origin) == (kept, None, "manual")


def test_a_begun_run_is_held_by_its_node_under_its_fence_from_now_on() -> None:
    row = begun(waiting(), node_id="n", fence=40, now=T + 9)
    assert (row.node_id, row.fence, row.started_at) == ("n", 40, T + 9)


@pytest.mark.parametrize("before", [0, 1, 4])
def test_each_beginning_is_one_attempt_more(before: int) -> None:
    assert begun(waiting(attempt=before), node_id="n", fence=40, now=T + 9).attempt == before + 1


def test_a_run_never_starts_before_it_was_queued() -> None:
    assert begun(waiting(), node_id="n", fence=40, now=T - 60).started_at == T + 5


def test_what_a_run_accounts_for_stays_when_it_begins() -> None:
    row = waiting(parameters="{}", stop_why="late", stands_for=1, retry_of=2, replaces=3, period_from=4)
    after = begun(row, node_id="n", fence=40, now=T + 9)
    changed = {name for name in OpenRun._fields if getattr(row, name) != getattr(after, name)}
    assert changed == {"node_id", "attempt", "fence", "started_at"}


# -- a run ends -----------------------------------------------------------------------------------------------------------


def test_a_closing_under_the_current_fence_closes_the_run() -> None:
    books = settle([running()], [closing()])
    assert [(run.run_id, run.status, run.finished_at) for run in books.closed] == [(11, "success", T + 30)]
    assert books.late == []


def test_an_account_keeps_all_that_its_open_row_said() -> None:
    run = running(why="so", parameters="{}", enforce=1, stop_asked_at=T, stop_by="me", stop_why="x", retry_of=3)
    account = closed(run)
    assert {name: getattr(account, name) for name in OpenRun._fields} == run._asdict()


def test_an_account_keeps_all_that_the_closing_said() -> None:
    said: dict[str, Any] = {
        "status": "failed",
        "reason": "exit_nonzero",
        "duration_ms": 21,
        "items_processed": 5,
        "items_failed": 2,
        "message": "3 of 5",
        "exit_code": 9,
        "did_nothing": True,
        "dry_run": True,
        "lines_dropped": 4,
    }
    account = closed(**said)
    assert {name: getattr(account, name) for name in said} == said
    assert (account.blocked_by, account.abandoned, account.did_nothing) == (None, 0, 1)
    elsewhere = {"run_id", "attempt", "fence", "started_at", "finished_at", "error", "output", "abandoned", "again"}
    assert {field.name for field in fields(Closing)} == {*said, *elsewhere}, "of these other tests here ask"


@pytest.mark.parametrize("row", [waiting(), running(), closed()], ids=["waiting", "running", "closed"])
def test_a_row_that_is_made_by_place_has_a_value_for_every_column(row: OpenRun | ClosedRun) -> None:
    assert len(row) == len(row._fields)


def test_an_end_that_says_nothing_more_leaves_nothing_behind_and_did_something() -> None:
    account = closed()
    assert (account.abandoned, account.did_nothing, account.dry_run, account.lines_dropped) == (0, 0, 0, 0)
    assert (account.message, account.items_processed, account.items_failed) == (None, 0, 0)


@pytest.mark.parametrize("fence", [39, 41, 0])
def test_a_closing_under_another_fence_is_late_and_closes_nothing(fence: int) -> None:
    late = closing(fence=fence)
    books = settle([running()], [late])
    assert (books.closed, books.late) == ([], [late])


def test_a_closing_of_a_run_that_is_not_open_is_late() -> None:
    late = closing(run_id=12)
    assert settle([running()], [late]).late == [late]


def test_a_closing_of_a_run_that_waits_is_late() -> None:
    late = closing()
    books = settle([waiting()], [late])
    assert (books.closed, books.late) == ([], [late])


def test_only_the_first_closing_under_a_fence_counts() -> None:
    first, second = closing(status="failed", reason="timeout"), closing()
    books = settle([running()], [first, second])
    assert [run.status for run in books.closed] == ["failed"]
    assert books.late == [second]


def test_a_late_closing_is_in_nobodys_way() -> None:
    other = running(run_id=12, fence=41)
    books = settle([running(), other], [closing(fence=3), closing(run_id=12, fence=41), closing()])
    assert [run.run_id for run in books.closed] == [12, 11]
    assert len(books.late) == 1


def test_a_run_that_nobody_closes_stays_out_of_the_books() -> None:
    assert settle([running()], []) == Books()


def test_the_job_says_when_it_started() -> None:
    assert closed(started_at=T + 12).started_at == T + 12


@pytest.mark.parametrize("said", [None, T + 9, T - 60])
def test_a_run_never_starts_before_its_claim(said: int | None) -> None:
    assert closed(started_at=said).started_at == T + 9


@pytest.mark.parametrize(("started", "ended", "kept"), [(T + 12, T + 2, T + 12), (None, T + 2, T + 9)])
def test_a_run_never_ends_before_it_started(started: int | None, ended: int, kept: int) -> None:
    assert closed(started_at=started, finished_at=ended).finished_at == kept


def test_texts_lie_beside_the_account_which_holds_their_hashes() -> None:
    books = settle([running(attempt=2)], [closing(status="failed", reason="exception", error="E", output="O")])
    assert books.texts == [(11, 2, "error", "E"), (11, 2, "output", "O")]
    assert (books.closed[0].error_hash, books.closed[0].output_hash) == (hashed("E"), hashed("O"))


def test_an_empty_text_is_a_text_and_none_is_none() -> None:
    books = settle([running()], [closing(output="")])
    assert books.texts == [(11, 1, "output", "")]
    assert (books.closed[0].error_hash, books.closed[0].output_hash) == (None, hashed(""))


def test_texts_are_made_storable_before_they_are_hashed() -> None:
    books = settle([running()], [closing(message="m\0", error="e\0", output="\udcff")])
    assert books.texts == [(11, 1, "error", "e\\0"), (11, 1, "output", "\\udcff")]
    (run,) = books.closed
    assert (run.message, run.error_hash, run.output_hash) == ("m\\0", hashed("e\\0"), hashed("\\udcff"))


def test_code_that_was_given_up_on_is_written_down_with_its_holder() -> None:
    books = settle([running()], [closing(status="failed", reason="timeout", abandoned=True)])
    assert books.closed[0].abandoned == 1
    assert books.abandoned == [(11, 7, 40, "n", T + 30)]


def test_code_that_ended_is_not_written_down_as_given_up_on() -> None:
    books = settle([running()], [closing()])
    assert (books.closed[0].abandoned, books.abandoned) == (0, [])


# -- a run that nobody holds ends -------------------------------------------------------------------------------------------


def test_a_waiting_run_is_closed_as_it_stands_with_status_and_reason() -> None:
    run = waiting(stop_asked_at=T + 6, stop_by="me", stop_why="x")
    account = closed_waiting(run, "cancelled", "requested", now=T + 7, message="x")
    assert {name: getattr(account, name) for name in OpenRun._fields} == run._asdict()
    assert (account.status, account.reason, account.finished_at, account.message) == (
        "cancelled",
        "requested",
        T + 7,
        "x",
    )
    assert account.blocked_by is None


def test_a_waiting_run_names_the_run_in_the_way() -> None:
    account = closed_waiting(waiting(), "skipped", "overlap", now=T + 7, blocked_by=4)
    assert (account.blocked_by, account.message) == (4, None)


def test_a_waiting_run_never_ends_before_it_was_queued() -> None:
    assert closed_waiting(waiting(), "skipped", "overlap", now=T).finished_at == T + 5


# -- a node is lost -------------------------------------------------------------------------------------------------------


def test_a_lost_run_that_may_run_again_waits_without_node_and_fence() -> None:
    settled = lost(running(), again=True, now=T + 50, error="gone")
    assert isinstance(settled, Requeued)
    run = settled.run
    assert (run.node_id, run.fence, run.started_at, run.attempt, run.queued_at) == (None, None, None, 1, T + 50)


def test_what_a_run_accounts_for_stays_when_it_is_queued_again() -> None:
    before = running(parameters="{}", why="so", enforce=1, retry_of=2, replaces=3, stands_for=4, period_from=5)
    settled = lost(before, again=True, now=T + 50, error="gone")
    assert isinstance(settled, Requeued)
    changed = {name for name in OpenRun._fields if getattr(before, name) != getattr(settled.run, name)}
    assert changed == {"queued_at", "node_id", "fence", "started_at"}


def test_the_lost_attempt_is_kept_in_the_day_of_its_run() -> None:
    settled = lost(running(attempt=2), again=True, now=T + 50, error="gone")
    assert isinstance(settled, Requeued)
    assert settled.attempt == AttemptRow(
        run_id=11,
        attempt=2,
        kind="ended",
        job_id=7,
        fence=40,
        node_id="n",
        started_at=T + 9,
        ended_at=T + 50,
        day_at=T,
        result="lost",
        reason="node_lost",
        message="gone",
    )


def test_a_lost_run_that_may_not_run_again_fails_and_says_so() -> None:
    settled = lost(running(), again=False, now=T + 50, error="gone")
    assert isinstance(settled, Lost)
    run = settled.run
    assert {name: getattr(run, name) for name in OpenRun._fields} == running()._asdict()
    assert (run.status, run.reason, run.blocked_by, run.finished_at) == ("failed", "node_lost", None, T + 50)
    assert (settled.error, run.error_hash) == ("gone", hashed("gone"))


@pytest.mark.parametrize("again", [True, False])
def test_a_lost_run_that_somebody_asked_to_stop_is_cancelled_and_never_started_again(again: bool) -> None:
    settled = lost(running(stop_asked_at=T + 20, stop_by="me"), again=again, now=T + 50, error="gone")
    assert isinstance(settled, Lost)
    assert (settled.run.status, settled.run.reason) == ("cancelled", "requested")


@pytest.mark.parametrize("again", [True, False])
def test_a_lost_run_never_ends_before_it_started(again: bool) -> None:
    settled = lost(running(), again=again, now=T - 60, error="gone")
    ended = settled.attempt.ended_at if isinstance(settled, Requeued) else settled.run.finished_at
    assert ended == T + 9
    assert settled.run.queued_at == (T + 9 if again else T + 5)


# -- a result comes too late ------------------------------------------------------------------------------------------------


def test_a_late_result_belongs_to_the_day_in_which_it_arrives() -> None:
    said = closing(status="failed", reason="exception", message="m", error="e", started_at=T + 10)
    assert late_attempt(said, job_id=7, node_id="n", arrived_at=T + 90) == AttemptRow(
        run_id=11,
        attempt=1,
        kind="late",
        job_id=7,
        fence=40,
        node_id="n",
        started_at=T + 10,
        ended_at=T + 30,
        day_at=T + 90,
        result="failed",
        reason="exception",
        message="m",
        error_hash=hashed("e"),
    )


def test_a_late_result_is_made_storable() -> None:
    row = late_attempt(closing(message="\udcff", error="a\0"), job_id=7, node_id=None, arrived_at=T)
    assert (row.message, row.error_hash, row.node_id) == ("\\udcff", hashed("a\\0"), None)


# -- text -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (None, None),
        ("", ""),
        ("plain", "plain"),
        ("Zoë €", "Zoë €"),
        ("a\0b", "a\\0b"),
        ("é\0", "é\\0"),
        ("file \udcff", "file \\udcff"),
        ("\ud800", "\\ud800"),
    ],
)
def test_text_that_no_engine_can_store_is_spelled_out(text: str | None, kept: str | None) -> None:
    assert storable(text) == kept
