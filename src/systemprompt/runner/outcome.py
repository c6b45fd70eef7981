"""How one attempt ended: a status, a reason from a closed list wherever it is not a success, and the evidence."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeAlias, TypeGuard

from systemprompt.errors import SystempromptError
from systemprompt.jobs.calling import does_no_work
from systemprompt.jobs.context import JobCancelled
from systemprompt.jobs.result import JobResult
from systemprompt.record import record

Status: TypeAlias = Literal["success", "failed", "cancelled"]

__all__ = [
    "CANCEL_REASONS",
    "FAILURE_REASONS",
    "MAX_ERROR_CHARS",
    "Outcome",
    "Status",
    "Stop",
    "is_awaitable",
    "is_cancellation",
    "outcome_of_exception",
    "outcome_of_value",
    "stopped",
    "under_stop",
]

FAILURE_REASONS = frozenset(
    {"reported", "exception", "timeout", "exit_nonzero", "killed", "spawn_error", "not_loaded", "loop_blocked"},
)
"""Why an attempt failed.

reported       the job returned `JobResult.failure(...)`
exception      the job raised, or its process ended without saying how it went
timeout        it was still running when its timeout was over
exit_nonzero   the command, or the job's process, ended with another code than 0, whatever the job had said before
killed         a signal that we did not send ended the process, whatever the job had said before
spawn_error    the process could not be started, or no thread was to be had
not_loaded     the job's code could not be loaded
loop_blocked   another async job blocked the event loop that it ran in
"""

CANCEL_REASONS = frozenset({"shutdown", "interrupted", "requested", "lease_lost"})
"""Why an attempt was stopped from outside: a draining node, Ctrl-C, a person, or a node that may no longer hold the run."""

MAX_ERROR_CHARS = 64 * 1024
"""An error's text keeps its end: that is where a traceback says what happened."""

_MAX_MESSAGE_CHARS = 2_000
_STOP_MESSAGES = {
    "shutdown": "because its node is shutting down",
    "interrupted": "because the person at the terminal said so",
    "requested": "on request",
    "lease_lost": "because its node could not renew its lease",
}


@record
class Outcome:
    """How one attempt at a run ended. Plain values only: it goes to the ledger, and between processes, as it is.

    reason       None for a success, else one of FAILURE_REASONS or CANCEL_REASONS
    message      one line for people
    error        the traceback, or the end of what a command wrote to stderr
    duration_ms  the job's own measure where it gave one, else the runner's
    exit_code    of a command or a process that ended by itself; None otherwise
    dry_run      the job only said what it would do
    did_nothing  it succeeded, and had nothing to do
    final        the job said that its failure is not to be tried again
    raised       the names of the class of what it raised, and of that one's bases
    output       the last 4 KiB of what was written or printed, stdout and stderr in the order it arrived
    """

    status: Status
    reason: str | None = None
    message: str | None = None
    error: str | None = None
    items_processed: int = 0
    items_failed: int = 0
    duration_ms: int = 0
    exit_code: int | None = None
    output: str | None = None
    dry_run: bool = False
    did_nothing: bool = False
    final: bool = False
    raised: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form that a job's process sends to its node."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Why we asked an attempt to stop. The first reason stands.

    reason      `timeout`, or one of CANCEL_REASONS
    timeout_s   the limit that was passed, for `timeout`
    by          the signal that ended the node, where it was one: `SIGTERM`
    """

    reason: str
    timeout_s: float | None = None
    by: str | None = None


def outcome_of_value(value: object, *, took_ms: int) -> Outcome:
    """Read what a job returned. None and any plain value are a success; text, and the repr of anything else, is the message.

    Never raises, whatever the value does when it is looked at: who calls this has a run to account for.
    """
    if value is None:
        return Outcome(status="success", duration_ms=took_ms)
    try:
        return _read(value, took_ms)
    except BaseException as error:  # noqa: BLE001  # properties of a user's class run here, and may raise or exit with anything
        unreadable = outcome_of_exception(error, took_ms=took_ms)
        return replace(unreadable, message=f"what the job returned cannot be read: {unreadable.message}")


def is_awaitable(value: object) -> TypeGuard[Awaitable[Any]]:
    """Say whether what a job returned is still to be awaited. Asks the type, as `await` does: a value might answer anything."""
    return hasattr(type(value), "__await__")


def _read(value: object, took_ms: int) -> Outcome:
    if issubclass(type(value), JobResult):
        assert isinstance(value, JobResult)
        counts: dict[str, Any] = {
            "items_processed": _whole(value.items_processed),
            "items_failed": _whole(value.items_failed),
            "duration_ms": _whole(value.duration_ms) if value.duration_ms is not None else took_ms,
            "dry_run": bool(value.dry_run),
        }
        message = None if value.message is None else _short(value.message)
        if value.succeeded:
            return Outcome(status="success", message=message, did_nothing=bool(value.did_nothing), **counts)
        message = message or "the job reported a failure and gave no reason"
        return Outcome(
            status="failed",
            reason="reported",
            message=message,
            error=_text(value.message or message),
            final=bool(value.final),
            **counts,
        )
    idle = does_no_work(value)
    if idle is not None:
        message = f"the job returned {idle}"
        return Outcome(status="failed", reason="exception", message=message, error=message, duration_ms=took_ms)
    return Outcome(status="success", message=_short(value), duration_ms=took_ms)


def outcome_of_exception(error: BaseException, *, took_ms: int, reason: str = "exception") -> Outcome:
    """Keep what a job raised, with its traceback. SystemExit and KeyboardInterrupt too: a job never ends its node.

    An error of our family says in the message what is true and the way out; of any other its type and text are the message.
    Never raises, whatever the error does when it is looked at.
    """
    try:
        if issubclass(type(error), SystempromptError):
            said = _said_by_ours(error)
        else:
            said = "".join(traceback.format_exception_only(error)).strip().split("\n")[-1]
        text = "".join(traceback.format_exception(error))
    except BaseException as worse:  # noqa: BLE001  # properties of a user's exception run here, and may raise or exit with anything
        said = f"{_type_name(error)}, which cannot be shown: looking at it raised {_type_name(worse)}"
        text = f"{''.join(traceback.format_tb(_TRACEBACK(error)))}{said}\n"
    return Outcome(
        status="failed",
        reason=reason,
        message=_short(said),
        error=_text(text),
        duration_ms=took_ms,
        raised=tuple(_name_of(one) for one in type.mro(type(error)) if one not in (BaseException, object)),
    )


_TRACEBACK: Callable[[BaseException], Any] = vars(BaseException)["__traceback__"].__get__
"""What is true of the traceback, whatever an exception's class says of it."""


def _said_by_ours(error: Any) -> str:
    return " ".join(error.message.split()) + (f" ({error.hint})" if error.hint else "")


def _type_name(value: object) -> str:
    return _name_of(type(value))


def _name_of(one: type) -> str:
    return str(type.__getattribute__(one, "__name__"))


def is_cancellation(error: BaseException) -> bool:
    """Say whether this is how a job that was asked to stop, stops."""
    return issubclass(type(error), (JobCancelled, asyncio.CancelledError))


def stopped(stop: Stop, *, took_ms: int, note: str = "", went_on: bool = False) -> Outcome:
    """Return the outcome of an attempt that ended because we stopped it; with `went_on` of one that did not stop when asked."""
    if stop.reason == "timeout":
        limit = f" of {stop.timeout_s:g}s" if stop.timeout_s is not None else ""
        message = f"its timeout{limit} was over" if went_on else f"stopped: its timeout{limit} was over"
    else:
        why = f"by {stop.by}" if stop.by else _STOP_MESSAGES[stop.reason]
        message = f"asked to stop {why}" if went_on else f"stopped {why}"
    message += f"; {note}" if note else ""
    if stop.reason == "timeout":
        return Outcome(status="failed", reason="timeout", message=message, error=message, duration_ms=took_ms)
    return Outcome(status="cancelled", reason=stop.reason, message=message, duration_ms=took_ms)


def under_stop(outcome: Outcome, stop: Stop | None, *, cancellation: bool, took_ms: int, hit: int = 0) -> Outcome:
    """Return what an attempt's own ending means once `stop` was asked of it.

    It stopped as asked: the stop's outcome. It returned or raised something else after a timeout: still a timeout, since the
    limit had passed, with the evidence kept. The same after a cancel: what the job says of itself stands, for it may well
    have finished its work. Where the stop also ended `hit` processes that it had started, nothing it says stands: it may have
    returned, or failed, because they ended.
    """
    if stop is None:
        return outcome
    if cancellation:
        return stopped(stop, took_ms=took_ms)
    if stop.reason != "timeout" and not hit:
        return outcome
    if hit:
        late = stopped(stop, took_ms=took_ms, note=_after_a_hit(outcome, hit))
    else:
        note = f"it did not stop, and ran to its end after {took_ms / 1000:.1f}s"
        late = stopped(stop, took_ms=took_ms, note=note, went_on=True)
    return replace(
        late,
        error=outcome.error or late.error,
        items_processed=outcome.items_processed,
        items_failed=outcome.items_failed,
        dry_run=outcome.dry_run,
        exit_code=outcome.exit_code,
        output=outcome.output,
    )


def _after_a_hit(outcome: Outcome, hit: int) -> str:
    processes = "a process that it had started was" if hit == 1 else f"{hit} processes that it had started were"
    said = f": {outcome.message}" if outcome.message else ""
    return f"{processes} stopped with it, so its own word does not count ({outcome.status}{said})"


def _short(value: object) -> str:
    return _text(value)[:_MAX_MESSAGE_CHARS]


def _text(value: object) -> str:
    if issubclass(type(value), str):
        text = str.__str__(value)  # a subclass may say something else of itself
    else:
        try:
            text = repr(value)
        except BaseException as error:  # noqa: BLE001  # a user's __repr__ may raise anything, and the run is a success all the same
            text = f"<{_type_name(value)}: its repr raised {_type_name(error)}>"
    return text[-MAX_ERROR_CHARS:].encode("utf-8", "backslashreplace").decode("utf-8")[-MAX_ERROR_CHARS:]


def _whole(number: object) -> int:
    # A job may hand over anything here: numpy integers, floats, None. A count that is none is 0.
    try:
        whole = int(number)  # type: ignore[call-overload]  # checked by trying
    except Exception:  # noqa: BLE001  # a user's __int__ may raise anything
        return 0
    return int(min(max(whole, 0), 2**63 - 1))
