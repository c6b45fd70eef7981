"""Judge a piece of what a job owes: what becomes of its fire times, by one policy after the other. Pure.

enabled    a disabled job skips them, and so does a quarantined one
catch_up   `all` queues every one in order; see `works_off`
start_deadline   what is older than it is missed
overlap    while a run is open, those on time are skipped and the others missed
catch_up   else the newest starts, unless it is late and catch-up is `skip`. The older ones are missed: `superseded` by the
           newest, or `down` where catch-up is `skip`
"""

from __future__ import annotations

from typing import NamedTuple

from systemprompt.clock import Instant
from systemprompt.ledger.records import JobToPlan
from systemprompt.planning.pieces import Piece

__all__ = ["Fate", "judge", "works_off"]


class Fate(NamedTuple):
    """What becomes of every fire time of a piece: the fields of the row that each of them gets, or of one range for all.

    in_rows   each gets a row of its own
    """

    status: str
    reason: str | None
    in_rows: bool
    origin: str = "schedule"
    blocked_by: int | None = None


def works_off(job: JobToPlan, oldest: Instant, late_until: Instant) -> bool:
    """Say whether all that is owed is queued in order: under `catch_up: all`, but for an overlap.

    An overlap is a stretch with an open run before it, when even the oldest fire time owed is on time. It is none if the run was
    queued by catch-up: then a backlog is being worked off, and what comes joins it.
    """
    return job.policies.catch_up == "all" and (job.catching_up or job.open_run is None or oldest <= late_until)


def judge(job: JobToPlan, piece: Piece, in_order: bool, clock_jumped: bool) -> Fate:
    """Return the fate of a piece's fire times.

    in_order       what `works_off` says of the stretch
    clock_jumped   what is missed says so
    """
    if not job.enabled:
        # Said before `quarantined`: the operator chose it, and it stays true when the module is fixed.
        return _DISABLED
    if job.quarantined:
        return _QUARANTINED
    if piece.too_late:
        return _TOO_LATE
    skips = job.policies.catch_up == "skip"
    if in_order or (job.open_run is None and piece.newest and (piece.on_time or not skips)):
        return _ON_TIME if piece.on_time else _CAUGHT_UP
    if job.open_run is not None and piece.on_time:
        return Fate("skipped", "overlap", in_rows=True, blocked_by=job.open_run)
    if clock_jumped:
        return _JUMPED_OVER
    return _DOWN if skips or job.open_run is not None else _SUPERSEDED


_DISABLED = Fate("skipped", "disabled", in_rows=False)
_QUARANTINED = Fate("skipped", "quarantined", in_rows=False)
_ON_TIME = Fate("queued", None, in_rows=True)
_CAUGHT_UP = Fate("queued", None, in_rows=True, origin="catch_up")
_JUMPED_OVER = Fate("missed", "clock_jump", in_rows=False)
_DOWN = Fate("missed", "down", in_rows=False)
_SUPERSEDED = Fate("missed", "superseded", in_rows=False)
_TOO_LATE = Fate("missed", "start_deadline", in_rows=False)
