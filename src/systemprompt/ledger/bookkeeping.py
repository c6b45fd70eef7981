"""Decide what is written of a run: when it is planned, begun, closed, lost, or ends too late. Pure: rows in, rows out.

Both engines read open rows inside their transaction, ask these functions what becomes of them, and write just that. So a rule
stands once, and a test or a planted defect can change it for every engine at once.

    crash   each caller writes all of it in one transaction: a run is open or closed, never both and never neither
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Any, NamedTuple

from systemprompt.clock import Instant
from systemprompt.ledger.records import Closing, ManualStart, PlannedRun
from systemprompt.ledger.rows import AttemptRow, ClosedRun, OpenRun
from systemprompt.ledger.tallies import tallies_of

__all__ = [
    "Books",
    "Lost",
    "Requeued",
    "begun",
    "closed_waiting",
    "closed_when_planned",
    "count_in",
    "late_attempt",
    "lost",
    "manual",
    "planned",
    "settle",
    "storable",
]


@dataclass(slots=True)
class Books:
    """What a transaction writes of the runs that it closes. All of it is inserted, but for `last`, which is laid over.

    texts       (run_id, attempt, kind, text)
    tallies     (job_id, hour, status, origin, n)
    last        (job_id, run_id, fence, started_at, status, error or '', number of runs), one row a job
    abandoned   (run_id, job_id, fence, node_id, abandoned_at)
    requeued    runs that are tried again: no account of theirs is closed
    late        closings under a fence that no open run has
    """

    closed: list[ClosedRun] = field(default_factory=list)
    texts: list[tuple[int, int, str, str]] = field(default_factory=list)
    tallies: list[tuple[int, int, str, str, int]] = field(default_factory=list)
    last: list[tuple[int, int, int, Instant, str, str, int]] = field(default_factory=list)
    abandoned: list[tuple[int, int, int, str, Instant]] = field(default_factory=list)
    requeued: list[Requeued] = field(default_factory=list)
    late: list[Closing] = field(default_factory=list)

    def close(self, run: ClosedRun, *, error: str | None = None, output: str | None = None) -> None:
        """Add an account with the texts that it leaves."""
        self.closed.append(run)
        if error is not None:
            self.texts.append((run.run_id, run.attempt, "error", error))
        if output is not None:
            self.texts.append((run.run_id, run.attempt, "output", output))

    def try_again(self, again: Requeued, *, error: str | None) -> None:
        """Add a run that waits again, with the error of its attempt. What that wrote is in its log."""
        self.requeued.append(again)
        if error is not None:
            self.texts.append((again.run.run_id, again.run.attempt, "error", error))


class Requeued(NamedTuple):
    """A run that waits again: its open row, and the attempt that is over."""

    run: OpenRun
    attempt: AttemptRow


class Lost(NamedTuple):
    """A lost run that is closed, with the error that says so."""

    run: ClosedRun
    error: str


# -- a run comes into being -----------------------------------------------------------------------------------------------


def planned(run: PlannedRun, *, job_id: int, version: int, run_id: int, now: Instant) -> OpenRun:
    """Return the row of a fire time that is to run, waiting."""
    at = run.fire_at
    return _open_run((run_id, job_id, version, run.origin, at, at, at, now, *_UNCLAIMED, "schedule", *_NOTHING_RARE))


def closed_when_planned(run: PlannedRun, *, job_id: int, version: int, run_id: int, now: Instant) -> ClosedRun:
    """Return the row of a fire time whose account closes at once, because it is skipped or missed."""
    row = planned(run, job_id=job_id, version=version, run_id=run_id, now=now)
    return closed_waiting(row, run.status, run.reason, now=now, blocked_by=run.blocked_by)


def manual(
    start: ManualStart,
    *,
    run_id: int,
    job_id: int,
    version: int,
    actor: str,
    why: str,
    parameters: str | None,
    now: Instant,
) -> OpenRun:
    """Return the row of a run that somebody asked for, waiting."""
    enforce = None if start.enforce is None else int(start.enforce)
    identity = (run_id, job_id, version, start.origin, None, now, now, now)
    return OpenRun(*identity, *_UNCLAIMED, actor, why=why or None, parameters=parameters, enforce=enforce)


def begun(run: OpenRun, *, node_id: str, fence: int, now: Instant) -> OpenRun:
    """Return a waiting run as a node holds it: one attempt more, under a fence that nobody else has.

    It never starts before it was queued, though the wall clock may have gone back in between.
    """
    queued_at = run.queued_at
    return _open_run((*run[:8], node_id, run.attempt + 1, fence, now if now > queued_at else queued_at, *run[12:]))


_UNCLAIMED = (None, 0, None, None)
"""Node, attempt, fence and start of a run that waits."""

_NOTHING_RARE = tuple(OpenRun._field_defaults.values())

# A turn makes thousands of rows: `_make` would call Python for each.
_open_run: Callable[[tuple[Any, ...]], OpenRun] = partial(tuple.__new__, OpenRun)
_closed_run: Callable[[tuple[Any, ...]], ClosedRun] = partial(tuple.__new__, ClosedRun)


# -- a run ends -----------------------------------------------------------------------------------------------------------


def settle(
    held: Iterable[OpenRun], closings: Sequence[Closing], waits: Mapping[int, tuple[Instant, Instant]] | None = None
) -> Books:
    """Close the runs whose current fence the closings name; a closing that names another fence, or no open run, is late.

    waits   by fence, when a run is tried again instead: in which instant it is queued again, and from which on it may begin

    Only the first closing under a fence counts. A second one comes from abandoned code that finished later. A run never starts
    before its claim nor ends before its start, though the wall clock may have gone back in between.
    """
    open_runs = {run.run_id: run for run in held}
    books = Books()
    for closing in closings:
        run = open_runs.get(closing.run_id)
        if run is None or run.fence is None or run.fence != closing.fence:
            books.late.append(closing)
            continue
        del open_runs[run.run_id]
        if waits and closing.fence in waits:
            _try_again(books, run, closing, *waits[closing.fence])
        else:
            _close(books, run, closing)
    return books


def _try_again(books: Books, run: OpenRun, closing: Closing, queued_at: Instant, available_at: Instant) -> None:
    assert run.fence is not None and run.started_at is not None and run.node_id is not None  # noqa: PT018  # one fact
    error = storable(closing.error)
    started_at = max(run.started_at, closing.started_at or 0)
    attempt = _ended_attempt(
        run._replace(started_at=started_at),
        max(closing.finished_at, started_at),
        result="interrupted" if closing.status == "cancelled" else closing.status,
        reason=closing.reason,
        message=storable(closing.message),
        error_hash=None if error is None else _hash(error),
    )
    books.try_again(Requeued(_waiting_again(run, queued_at, available_at), attempt), error=error)
    if closing.abandoned:
        books.abandoned.append((run.run_id, run.job_id, run.fence, run.node_id, attempt.ended_at))


def _close(books: Books, run: OpenRun, closing: Closing) -> None:
    assert run.fence is not None and run.started_at is not None and run.node_id is not None  # noqa: PT018  # one fact
    started_at, finished_at = run.started_at, closing.finished_at
    if closing.started_at is not None and closing.started_at > started_at:
        started_at = closing.started_at
    if finished_at < started_at:
        finished_at = started_at
    error, output, message = closing.error, closing.output, closing.message
    if error is not None:
        error = storable(error)
    if output is not None:
        output = storable(output)
    books.close(
        _closed_run(
            (
                *run[:11],
                started_at,
                run.actor,
                closing.status,
                finished_at,
                closing.duration_ms,
                message if message is None else storable(message),
                closing.items_processed,
                closing.items_failed,
                *run[13:],
                closing.reason,
                None,
                None if error is None else _hash(error),
                None if output is None else _hash(output),
                closing.exit_code,
                1 if closing.abandoned else 0,
                1 if closing.did_nothing else 0,
                1 if closing.dry_run else 0,
                closing.lines_dropped,
            )
        ),
        error=error,
        output=output,
    )
    if closing.abandoned:
        books.abandoned.append((run.run_id, run.job_id, run.fence, run.node_id, finished_at))


def closed_waiting(
    run: OpenRun,
    status: str,
    reason: str | None,
    *,
    now: Instant,
    blocked_by: int | None = None,
    message: str | None = None,
) -> ClosedRun:
    """Return the account of a run that nobody holds: it was skipped, missed, or cancelled while it waited."""
    ended_at = max(now, run.queued_at)
    return _closed(run, status, ended_at, reason=reason, blocked_by=blocked_by, message=message)


def _closed(run: OpenRun, status: str, finished_at: Instant, **more: Any) -> ClosedRun:
    return ClosedRun(**run._asdict(), status=status, finished_at=finished_at, duration_ms=None, **more)


def lost(run: OpenRun, *, again: bool, now: Instant, error: str) -> Requeued | Lost:
    """Settle a run whose node is gone: queued again with its attempt kept as lost, or closed with the error.

    Queued again it has neither node nor fence, so whatever its former holder brings finds nothing to close. A run that somebody
    asked to stop is not started again.
    """
    assert run.fence is not None and run.started_at is not None  # noqa: PT018  # one fact
    ended_at = max(now, run.started_at)
    if again and run.stop_asked_at is None:
        attempt = _ended_attempt(run, ended_at, result="lost", reason="node_lost", message=error)
        return Requeued(_waiting_again(run, ended_at, run.available_at), attempt)
    status, reason = ("cancelled", "requested") if run.stop_asked_at is not None else ("failed", "node_lost")
    return Lost(_closed(run, status, ended_at, reason=reason, error_hash=_hash(error)), error)


def _ended_attempt(run: OpenRun, ended_at: Instant, **how: str | None) -> AttemptRow:
    """Return the attempt of a run that is over though its run is not."""
    assert run.fence is not None
    return AttemptRow(
        run_id=run.run_id,
        attempt=run.attempt,
        kind="ended",
        job_id=run.job_id,
        fence=run.fence,
        node_id=run.node_id,
        started_at=run.started_at,
        ended_at=ended_at,
        day_at=run.due_at,
        **how,  # type: ignore[arg-type]  # the columns that say how it ended
    )


def _waiting_again(run: OpenRun, queued_at: Instant, available_at: Instant) -> OpenRun:
    """Return a run that was held as one that waits: without a node and a fence, so that nobody can close it any more."""
    return run._replace(queued_at=queued_at, available_at=available_at, node_id=None, fence=None, started_at=None)


def late_attempt(closing: Closing, *, job_id: int, node_id: str | None, arrived_at: Instant) -> AttemptRow:
    """Return what is kept of a result that came after its fence had passed on. It belongs to the day in which it arrives."""
    error = storable(closing.error)
    return AttemptRow(
        run_id=closing.run_id,
        attempt=closing.attempt,
        kind="late",
        job_id=job_id,
        fence=closing.fence,
        node_id=node_id,
        started_at=closing.started_at,
        ended_at=closing.finished_at,
        day_at=arrived_at,
        result=closing.status,
        reason=closing.reason,
        message=storable(closing.message),
        error_hash=None if error is None else _hash(error),
    )


# -- what is counted and shown ----------------------------------------------------------------------------------------------


def count_in(
    books: Books,
    *,
    ranges: Iterable[tuple[int, Instant, str]] = (),
    begun_before: Mapping[int, tuple[int, Instant]] | None = None,
) -> None:
    """Fill in the tallies and the last runs of all that the books close.

    ranges         (job_id, last_at, status) of the ranges that are written in the same transaction
    begun_before   fence and start of the last attempt, by run, of runs that are closed while they wait to be tried again
    """
    books.tallies = tallies_of(
        [(run.job_id, run.due_at, run.status, run.origin) for run in books.closed]
        + [(job_id, last_at, status, "range") for job_id, last_at, status in ranges]
    )
    _show_last(books, begun_before or {})


def _show_last(books: Books, begun_before: Mapping[int, tuple[int, Instant]]) -> None:
    """Of each job's runs that had begun, show the one with the highest fence, and count them."""
    latest: dict[int, tuple[int, Instant, ClosedRun, int]] = {}
    for run in books.closed:
        fence, started_at = run.fence, run.started_at
        if fence is None or started_at is None:
            if run.run_id not in begun_before:
                continue
            fence, started_at = begun_before[run.run_id]
        so_far = latest.get(run.job_id)
        if so_far is None:
            latest[run.job_id] = (fence, started_at, run, 1)
        elif fence > so_far[0]:
            latest[run.job_id] = (fence, started_at, run, so_far[3] + 1)
        else:
            latest[run.job_id] = (*so_far[:3], so_far[3] + 1)
    errors = {run_id: text for run_id, _, kind, text in books.texts if kind == "error"} if books.texts else {}
    for job_id, (fence, started_at, run, number) in latest.items():
        status = run.status
        error = "" if status == "success" else run.message or errors.get(run.run_id) or run.reason or ""
        books.last.append((job_id, run.run_id, fence, started_at, status, error, number))


def storable(text: str | None) -> str | None:
    """Return a text that every engine can store: lone surrogates (from file names that are not UTF-8) and NUL spelled out."""
    if text is None or (text.isascii() and "\0" not in text):
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\0")


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()
