"""Every job with its schedule and its state."""

from __future__ import annotations

from dataclasses import dataclass

from systemprompt.ledger.policy_texts import unknown_in
from systemprompt.operations.answers import entry_of
from systemprompt.operations.parameters import CURSOR, FIELDS, param
from systemprompt.operations.serving import ServingNode, condition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from systemprompt.ledger.views import JobView
    from systemprompt.operations.context import OperationContext

__all__ = ["JobEntry", "JobList", "ListJobsParams", "list_jobs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListJobsParams:
    """Which jobs to list."""

    tag: tuple[str, ...] = param("only jobs with this tag; may be repeated: with any of them", ())
    all: bool = param("also the jobs that left the installation", False)
    limit: int | None = param("how many to show; else all", None, minimum=0)
    cursor: str | None = param(CURSOR, None)
    fields: tuple[str, ...] = param(FIELDS, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEntry:
    """One job in the list. Instants are ISO 8601 in UTC.

    enabled       whether its schedule starts it
    next_run      the next fire time that will start a run; null where none will
    last_run      when it last started
    running       how many of its runs are open and running
    quarantined   whether it cannot be loaded; `jobs show` has the error
    failed_in_a_row   how many of its last runs failed with no success since, at most 100
    retired       whether it left the installation
    unknown_policies   what of its policies this release does not know: nodes of a newer release alone plan and run it
    builtin       whether it comes with systemprompt
    """

    name: str
    description: str
    schedule: str
    enabled: bool
    time_zone: str
    tags: tuple[str, ...]
    next_run: str | None
    last_run: str | None
    last_status: str | None
    running: int
    failed_in_a_row: int
    quarantined: bool
    retired: bool
    unknown_policies: tuple[str, ...]
    builtin: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobList:
    """The jobs by name. `broken_sources` has what could not be loaded at all: source -> error.

    total, shown   how many jobs match, and how many are here; next_cursor   leads to the next, null where there are none
    serving, silent, clock_behind_s   whether schedules are kept: see `systemprompt.operations.serving.condition`
    """

    jobs: tuple[JobEntry, ...]
    total: int
    shown: int
    next_cursor: str | None
    serving: tuple[ServingNode, ...]
    silent: tuple[ServingNode, ...]
    clock_behind_s: int
    broken_sources: Mapping[str, str]


def list_jobs(context: OperationContext, params: ListJobsParams) -> JobList:
    """Return the jobs that the ledger knows, by name.

    Raises:
        UsageError: `cursor` is none, or that of another question.
    """
    after = "" if params.cursor is None else _after(params)
    with context.open_ledger() as ledger, ledger.snapshot():
        views = ledger.jobs(retired=params.all)
        state = condition(ledger, context.now())
        failing = {view.name: ledger.failed_in_a_row(view.job_id) for view in views if view.last_status == "failed"}
        broken = {notice.source: notice.error for notice in ledger.quarantined_sources()}
    chosen = [view for view in views if not params.tag or set(params.tag) & set(view.tags)]
    left = [view for view in chosen if view.name > after]
    shown = left[: params.limit]
    return JobList(
        jobs=tuple(_entry(view, failing.get(view.name, 0)) for view in shown),
        total=len(chosen),
        shown=len(shown),
        next_cursor=_cursor(params, shown[-1]) if 0 < len(shown) < len(left) else None,
        broken_sources=broken,
        **state,
    )


def _after(params: ListJobsParams) -> str:
    from systemprompt.operations.cursors import place_of

    (name,) = place_of(params, str) or [""]
    return str(name)


def _cursor(params: ListJobsParams, last: JobView) -> str:
    from systemprompt.operations.cursors import cursor_at

    return cursor_at(params, last.name)


def _entry(view: JobView, failed_in_a_row: int) -> JobEntry:
    return entry_of(
        JobEntry,
        view,
        failed_in_a_row=failed_in_a_row,
        quarantined=view.quarantine_error is not None,
        retired=view.retired_at is not None,
        unknown_policies=unknown_in(view.policies_text),
        builtin=view.source.startswith("builtin:"),
    )
