"""Read out one fire time: which version named it, what accounts for it, and why that is so."""

from __future__ import annotations

from dataclasses import dataclass

from systemprompt.clock import iso
from systemprompt.operations.instants import iso_or_none, read_instant
from systemprompt.operations.parameters import param

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.operations.context import OperationContext

__all__ = ["ExplainParams", "FireTimeExplained", "explain_fire_time"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainParams:
    """Which fire time to explain."""

    name: str = param("the job's name")
    at: str | None = param(
        "the instant: 2026-01-14T03:00, 2h ago written as 2h; without it the last fire time",
        None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FireTimeExplained:
    """All that the ledger knows of one instant of one job. Instants are ISO 8601 in UTC.

    named          whether the version that was valid then fires at this instant
    version        the number of that version, with its schedule; null where none was valid
    status, reason of the account; null where there is none
    run_id, range_id   which row or range it is
    before, after  the fire times around the instant under that version
    sentences      the same in words, most important first
    """

    job_name: str
    at: str
    named: bool
    version: int | None
    schedule: str | None
    time_zone: str | None
    status: str | None
    reason: str | None
    run_id: int | None
    range_id: int | None
    attempts: int
    before: str | None
    after: str | None
    sentences: tuple[str, ...]


def explain_fire_time(context: OperationContext, params: ExplainParams) -> FireTimeExplained:
    """Explain the instant asked for, or the last fire time that is not in the future; from one state of the ledger.

    Raises:
        JobNotFound: there is no job of this name, not even a retired one.
        UsageError: `at` is no instant.
        CronError: the schedule of that version can no longer be read.
    """
    from systemprompt.audit.explain import explain

    now = context.now()
    with context.open_ledger() as ledger, ledger.snapshot():
        if params.at is not None:
            found = explain(ledger, params.name, read_instant(params.at, "at", now, context.time_zone))
        else:
            found = explain(ledger, params.name, now)
            if not found.named and found.before is not None:
                found = explain(ledger, params.name, found.before)
    account, version = found.account, found.version
    return FireTimeExplained(
        job_name=found.job_name,
        at=iso(found.at),
        named=found.named,
        version=version.version if version else None,
        schedule=version.schedule if version else None,
        time_zone=version.time_zone if version else None,
        status=account.status if account else None,
        reason=account.reason if account else None,
        run_id=getattr(account, "run_id", None),
        range_id=getattr(account, "range_id", None),
        attempts=len(found.attempts),
        before=iso_or_none(found.before),
        after=iso_or_none(found.after),
        sentences=found.sentences,
    )
