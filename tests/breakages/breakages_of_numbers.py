"""Broken stops, and what is counted and shown of closed runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from altered_decisions import accounts, closings, written
from breaking import Breakage, Breaker, Guard

from systemprompt.clock import SECOND
from systemprompt.ledger import bookkeeping
from systemprompt.ledger.rows import ClosedRun, OpenRun

_HOUR = 3_600 * SECOND


def tallies(change: Callable[[Any], Any]) -> Callable[[Breaker], None]:
    return written("write_tallies", change)


def _waits_on(breaker: Breaker) -> None:
    """What waits is told to be closed as asked, and waits on."""
    breaker.given("delete_open_runs", lambda row: row if row[1] is not None else None)
    breaker.inserted("closed", lambda run: None if run.reason == "requested" and run.fence is None else run)


def _lost_again(real: Callable[..., Any]) -> Callable[..., Any]:
    return lambda run, **more: real(run._replace(stop_asked_at=None), **more)


def _waiting_again(real: Callable[..., ClosedRun]) -> Callable[..., ClosedRun]:
    """What is closed while it waits is dated back."""

    def made(run: OpenRun, *fate: Any, **more: Any) -> ClosedRun:
        closed = real(run, *fate, **more)
        return closed._replace(finished_at=closed.finished_at - _HOUR) if closed.reason == "requested" else closed

    return made


def _no(_: Any) -> list[Any]:
    return []


OF_STOPS = (
    Breakage(
        what="closes a failure as if somebody had asked for it",
        area="stop",
        kinds=("stop",),
        plant=closings(
            lambda told: replace(told, status="cancelled", reason="requested") if told.status == "failed" else told
        ),
    ),
    Breakage(
        what="forgets the request when it closes what somebody asked to stop",
        area="stop",
        kinds=("stop",),
        plant=accounts(lambda run: run._replace(stop_asked_at=None, stop_by=None, stop_why=None)),
    ),
    Breakage(
        what="does not keep who asked for a stop",
        area="stop",
        kinds=("stop",),
        guards=(Guard.checks,),
        plant=written("ask_to_stop", lambda values: values | {"actor": None}),
    ),
    Breakage(
        what="dates a request an hour too late",
        area="stop",
        kinds=("stop",),
        plant=written("ask_to_stop", lambda values: values | {"now": values["now"] + _HOUR}),
    ),
    Breakage(
        what="starts a run again whose node was lost, though somebody asked for its stop",
        area="stop",
        kinds=("stop",),
        plant=lambda breaker: breaker.decision(bookkeeping.lost, _lost_again),
    ),
    Breakage(
        what="lets a run wait on that somebody asked to stop",
        area="stop",
        kinds=("stop",),
        guards=(Guard.same_number,),
        plant=_waits_on,
    ),
    Breakage(
        what="closes what waits as asked an hour before anybody asked",
        area="stop",
        kinds=("stop",),
        plant=lambda breaker: breaker.decision(bookkeeping.closed_waiting, _waiting_again),
    ),
)

OF_NUMBERS = (
    Breakage(
        what="closes without counting what was closed",
        area="number",
        kinds=("counts",),
        plant=lambda breaker: breaker.rows("write_tallies", _no),
    ),
    Breakage(
        what="counts each account twice",
        area="number",
        kinds=("counts",),
        plant=lambda breaker: breaker.rows("write_tallies", lambda rows: rows * 2),
    ),
    Breakage(
        what="counts an account in the next hour",
        area="number",
        kinds=("counts",),
        plant=tallies(lambda row: (row[0], row[1] + 1, *row[2:])),
    ),
    Breakage(
        what="counts an account for the job before",
        area="number",
        kinds=("counts",),
        plant=tallies(lambda row: (row[0] - (row[0] > 1), *row[1:])),
    ),
    Breakage(
        what="counts every account as a success",
        area="number",
        kinds=("counts",),
        plant=tallies(lambda row: (*row[:2], "success", *row[3:])),
    ),
    Breakage(
        what="counts for each job and forgets all jobs together",
        area="number",
        kinds=("counts",),
        plant=tallies(lambda row: row if row[0] else None),
    ),
    Breakage(
        what="counts the fire times of a range, not the range",
        area="number",
        kinds=("counts",),
        plant=tallies(lambda row: (*row[:4], row[4] + 5) if row[3] == "range" else row),
    ),
    Breakage(
        what="does not take back what it prunes",
        area="number",
        kinds=("counts",),
        plant=tallies(lambda row: row if row[4] > 0 else None),
    ),
    Breakage(
        what="loses the tallies that it folds",
        area="number",
        kinds=("counts",),
        plant=lambda breaker: breaker.own("folded is lost"),
    ),
    Breakage(
        what="folds the same tallies again and again",
        area="number",
        kinds=("counts",),
        plant=lambda breaker: breaker.own("folds again"),
    ),
    Breakage(
        what="does not count a run that ended",
        area="number",
        kinds=("cursor",),
        plant=written("show_last", lambda row: row if row[0] != 1 else None),
    ),
    Breakage(
        what="counts each run that ended twice",
        area="number",
        kinds=("cursor",),
        plant=written("show_last", lambda row: (*row[:6], row[6] * 2)),
    ),
    Breakage(
        what="shows the run with the lower fence as the last",
        area="number",
        kinds=("cursor",),
        plant=written("show_last", lambda row: (*row[:2], -row[2], *row[3:])),
    ),
    Breakage(
        what="shows every last run as a success",
        area="number",
        kinds=("cursor",),
        plant=written("show_last", lambda row: (*row[:4], "success", *row[5:])),
    ),
)
