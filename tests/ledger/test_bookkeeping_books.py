"""What is counted and shown of the runs that a transaction closes: one rule a test."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from support.bookkeeping_rows import T, closed, closing, running, waiting
from systemprompt.ledger.bookkeeping import Books, closed_waiting, count_in, settle
from systemprompt.ledger.rows import ClosedRun
from systemprompt.ledger.tallies import ALL_JOBS, HOUR, tallies_of

# -- what is counted --------------------------------------------------------------------------------------------------------


def each(accounts: dict[tuple[int, int, str, str], int]) -> list[tuple[int, int, str, str]]:
    """Return every account by itself, of a number for each kind."""
    return list(Counter(accounts).elements())


def test_an_account_counts_once_for_its_job_and_once_for_all_jobs_in_the_hour_it_is_due() -> None:
    rows = tallies_of(each({(7, T, "success", "schedule"): 1}))
    assert (ALL_JOBS, HOUR) == (0, 60 * 60 * 1_000_000), "as the protocol says"
    assert rows == [(7, T // HOUR, "success", "schedule", 1), (ALL_JOBS, T // HOUR, "success", "schedule", 1)]


def test_an_hour_ends_where_the_next_begins() -> None:
    rows = tallies_of(each({(7, T + HOUR - 1, "success", "schedule"): 1, (7, T + HOUR, "success", "schedule"): 1}))
    assert sorted({row[1] for row in rows}) == [T // HOUR, T // HOUR + 1]


def test_accounts_of_one_hour_status_and_origin_are_one_row() -> None:
    rows = tallies_of(each({(7, T, "success", "schedule"): 2, (7, T + 60, "success", "schedule"): 3}))
    assert (7, T // HOUR, "success", "schedule", 5) in rows
    assert len(rows) == 2


def test_jobs_statuses_and_origins_are_counted_apart() -> None:
    accounts = {(7, T, "success", "schedule"): 1, (8, T, "success", "schedule"): 1, (7, T, "failed", "schedule"): 1}
    rows = {row[:4]: row[4] for row in tallies_of(each(accounts | {(7, T, "success", "manual"): 1}))}
    assert rows[ALL_JOBS, T // HOUR, "success", "schedule"] == 2
    assert rows[7, T // HOUR, "success", "schedule"] == rows[8, T // HOUR, "success", "schedule"] == 1
    assert rows[7, T // HOUR, "failed", "schedule"] == rows[7, T // HOUR, "success", "manual"] == 1


def test_what_is_pruned_is_taken_away() -> None:
    assert {row[4] for row in tallies_of(each({(7, T, "success", "schedule"): 4}), sign=-1)} == {-4}


def test_nothing_is_counted_of_nothing() -> None:
    assert tallies_of(each({})) == []


def test_books_count_what_they_close() -> None:
    books = settle([running(), running(run_id=12)], [closing(), closing(run_id=12)])
    count_in(books)
    assert books.tallies == tallies_of(each({(7, T, "success", "schedule"): 2}))


def test_a_range_counts_as_one_in_the_hour_of_its_last_fire_time() -> None:
    books = Books()
    count_in(books, ranges=[(7, T + HOUR, "missed")])
    assert books.tallies == tallies_of(each({(7, T + HOUR, "missed", "range"): 1}))
    assert books.last == []


# -- what is shown ----------------------------------------------------------------------------------------------------------


def shown(*accounts: ClosedRun, **more: Any) -> list[tuple[Any, ...]]:
    books = Books(closed=list(accounts))
    count_in(books, **more)
    return books.last


def test_a_closed_run_is_the_last_of_its_job_and_counts_one() -> None:
    assert shown(closed(started_at=T + 12)) == [(7, 11, 40, T + 12, "success", "", 1)]


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_runs_of_a_job_the_one_with_the_higher_fence_is_shown_and_both_count(turned: bool) -> None:
    runs = [closed(), closed(running(run_id=12, fence=41), run_id=12, fence=41)]
    assert shown(*(runs[::-1] if turned else runs)) == [(7, 12, 41, T + 9, "success", "", 2)]


def test_each_job_has_its_own_last_run() -> None:
    rows = shown(closed(), closed(running(run_id=12, job_id=8, fence=41), run_id=12, fence=41))
    assert [(row[0], row[1], row[-1]) for row in rows] == [(7, 11, 1), (8, 12, 1)]


def test_what_never_began_is_neither_shown_nor_counted() -> None:
    assert shown(closed_waiting(waiting(), "skipped", "overlap", now=T + 9)) == []


def test_what_never_began_hides_no_run_that_did() -> None:
    skipped = closed_waiting(waiting(run_id=10), "skipped", "overlap", now=T + 9)
    assert [row[:2] for row in shown(skipped, closed())] == [(7, 11)]


def test_a_run_that_is_closed_while_it_waits_to_be_tried_again_is_shown_by_its_last_attempt() -> None:
    account = closed_waiting(waiting(attempt=1), "cancelled", "retired", now=T + 9)
    assert shown(account, begun_before={11: (40, T + 6)}) == [(7, 11, 40, T + 6, "cancelled", "retired", 1)]


def test_its_last_attempt_is_not_taken_for_another_runs() -> None:
    account = closed_waiting(waiting(), "cancelled", "retired", now=T + 9)
    assert shown(account, begun_before={12: (40, T + 6)}) == []


def test_a_success_shows_no_error() -> None:
    assert shown(closed(message="all well"))[0][5] == ""


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"message": "m", "error": "e"}, "m"),
        ({"error": "e"}, "e"),
        ({"message": "", "error": "e"}, "e"),
        ({}, "exception"),
        ({"output": "o"}, "exception"),
    ],
)
def test_a_failure_shows_its_message_else_its_error_else_its_reason(said: dict[str, str], error: str) -> None:
    books = settle([running()], [closing(status="failed", reason="exception", **said)])
    count_in(books)
    assert books.last[0][5] == error


def test_an_error_is_shown_of_its_own_run_only() -> None:
    ends = [
        closing(status="failed", reason="exception", error="first"),
        closing(run_id=12, fence=41, status="failed", reason="killed"),
    ]
    books = settle([running(), running(run_id=12, fence=41)], ends)
    count_in(books)
    assert books.last == [(7, 12, 41, T + 9, "failed", "killed", 2)]
