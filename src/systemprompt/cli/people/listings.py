"""Lists that a command which only reads shows. They load no more than it: jobs, what ran, what is to come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rich.text import Text

from systemprompt.cli.people.page import Page
from systemprompt.operations.history import History, HistoryEntry
from systemprompt.operations.list_jobs import JobEntry, JobList
from systemprompt.operations.serving import ServingNode
from systemprompt.operations.upcoming import Upcoming
from systemprompt.wording import duration

__all__ = ["Conditioned", "chosen", "condition", "history", "how_many", "jobs", "status_of", "upcoming", "why"]


class Conditioned(Protocol):
    """An answer that says whether schedules are kept: see `systemprompt.operations.serving.condition`."""

    @property
    def serving(self) -> tuple[ServingNode, ...]: ...
    @property
    def silent(self) -> tuple[ServingNode, ...]: ...
    @property
    def clock_behind_s(self) -> int: ...


def chosen(page: Page, data: Any, fields: Sequence[str], entries: Sequence[Mapping[str, Any]]) -> None:
    """Show the fields that somebody asked for, as a program would get them."""
    page.heading(page.title, how_many(len(entries), getattr(data, "total", len(entries))))
    page.table(
        [name.upper() for name in fields],
        [["" if entry[name] is None else str(entry[name]) for name in fields] for entry in entries],
    )


def jobs(page: Page, data: JobList) -> None:
    page.heading(page.title, how_many(data.shown, data.total))
    if not data.jobs:
        page.line("No job matches.")
        return
    rows = []
    # The user's own jobs first: a new installation has two of them and thirteen that are built in.
    for job in sorted(data.jobs, key=lambda one: one.builtin):
        last = page.status(job.last_status) if job.last_status else Text("")
        if job.last_run:
            last.append(f" {page.relative(job.last_run)}", style="dim")
        rows.append(
            [
                _name(page, job),
                job.schedule or ("" if job.quarantined else page.dim("by hand")),
                page.status(_state(job)),
                last,
                page.due(job.next_run) if job.next_run or not page.narrow else page.status(_state(job)),
                page.dim(job.description),
            ]
        )
    page.table(
        ["NAME", "SCHEDULE", "STATE", "LAST RUN", "NEXT RUN", "DESCRIPTION"],
        rows,
        optional=("DESCRIPTION", "STATE", "LAST RUN"),
        least=56,
    )
    if any(job.builtin for job in data.jobs):
        page.blank()
        page.line(page.dim("* comes with systemprompt"))
    broken = [job.name for job in data.jobs if job.quarantined]
    if broken:
        page.blank()
        page.line(page.status("quarantined"), f": sp jobs show {broken[0]} says why")
    newer = [job.name for job in data.jobs if job.unknown_policies]
    if newer:
        page.blank()
        page.line(
            page.status("for newer"), f": only nodes of a newer release plan it; sp jobs show {newer[0]} says why"
        )
    for source, error in data.broken_sources.items():
        page.blank()
        page.quoted(page.status("fail", "not loaded"), f": {source}\n{error}")
    condition(page, data, any(job.next_run for job in data.jobs))


def history(page: Page, data: History) -> None:
    page.heading(page.title, f"{how_many(data.shown, data.total)}, times in {page.zone_name}")
    if not data.entries:
        if not data.total:
            page.line("No run matches.")
        return
    page.table(
        ["RUN", "JOB", "STATUS", "WHEN", "TOOK", "ORIGIN", "WHAT"],
        [
            [
                str(entry.run_id or ""),
                Text(entry.job_name, style="bold"),
                status_of(page, entry.status, None if page.narrow else entry.reason, did_nothing=entry.did_nothing),
                page.short_time(entry.run_at) if page.narrow else page.time(entry.run_at),
                duration(entry.duration_ms),
                entry.origin or "",
                _what(page, entry),
            ]
            for entry in data.entries
        ],
        right=("RUN", "TOOK"),
        optional=("ORIGIN", "TOOK"),
    )


def upcoming(page: Page, data: Upcoming) -> None:
    page.heading(page.title, f"{how_many(data.shown, data.total)}, times in {page.zone_name}")
    if data.entries:
        page.table(
            ["JOB", "WHEN", "", "ITS ZONE"],
            [
                [Text(run.job_name, style="bold"), page.time(run.fire_at), page.relative(run.fire_at), run.time_zone]
                for run in data.entries
            ],
            optional=("ITS ZONE",),
        )
    else:
        page.line("No fire time is to come.")
    if data.left_out:
        page.blank()
        page.line(page.dim("left out: " + ", ".join(f"{one.job_name} ({one.why})" for one in data.left_out)))
    condition(page, data, bool(data.entries))


def condition(page: Page, data: Conditioned, waits: bool) -> None:
    """Say what keeps schedules from being kept, where something waits for them."""
    said = [
        (f"node {node.node_id} (pid {node.pid})", f"is silent since {page.time(node.last_beat)}: sp doctor says more")
        for node in data.silent
    ]
    if waits and not data.serving:
        said.append(("no node serves", ": schedules start nothing; sp serve starts one, sp doctor says more"))
    if data.clock_behind_s:
        said.append(
            ("the clock", f"stands {data.clock_behind_s:,} s behind the ledger: nothing fires until it has caught up")
        )
    if said:
        page.blank()
    for what, is_so in said:
        page.line(page.status("warn", what), is_so if is_so.startswith(":") else f" {is_so}")


def how_many(shown: int, total: int | None) -> str:
    """Return how much of a list is shown: `20 of 345`, or `the first 20` of what never ends."""
    return f"the first {shown}" if total is None else f"{shown} of {total}" if shown < total else str(total)


def status_of(page: Page, status: str, reason: str | None, *, did_nothing: bool = False) -> Text:
    shown = page.status(status)
    if did_nothing:
        reason = "nothing to do"
    return shown.append(f" ({reason})", style="dim") if reason else shown


def why(reason: str | None, error: str | None, message: str | None) -> str:
    """Return the line that says most: of an exception its message, of a program the last that it wrote to stderr."""
    if reason == "exception" and message:
        return message
    return _what_went_wrong(error) or message or ""


def _name(page: Page, job: JobEntry) -> Text:
    shown = Text(job.name, style="dim" if job.retired else "" if job.builtin else "bold")
    return shown.append(page.dim(" *")) if job.builtin else shown


def _state(job: JobEntry) -> str:
    if job.retired:
        return "retired"
    if job.quarantined:
        return "quarantined"
    if job.unknown_policies:
        return "for newer"
    if job.running:
        return "running"
    return "enabled" if job.enabled else "disabled"


def _what(page: Page, entry: HistoryEntry) -> str:
    told = _told(page, entry)
    return page.cut(" ".join(filter(None, (f"({entry.reason})", told))) if page.narrow and entry.reason else told)


def _told(page: Page, entry: HistoryEntry) -> str:
    if entry.kind == "range":
        since = f"from {page.time(entry.first_at)}"
        return f"{entry.count:,} fire times, {since}" if entry.count > 1 else "1 fire time"
    if entry.stop_by is not None:
        done = "being stopped" if entry.finished_at is None else "stopped"
        return f"{done} by {entry.stop_by}" + (f": {entry.stop_why}" if entry.stop_why else "")
    if entry.blocked_by is not None:
        return f"run {entry.blocked_by} was in the way"
    return why(entry.reason, entry.error, entry.message)


def _what_went_wrong(text: str | None) -> str:
    """Return the line of a traceback that names the exception, which may have more lines below it; else the last line."""
    lines = (text or "").strip().splitlines()
    frames = [at for at, line in enumerate(lines) if line.startswith('  File "')]
    below = lines[frames[-1] :] if frames else []
    return next((line for line in below if not line.startswith(" ")), lines[-1] if lines else "")
