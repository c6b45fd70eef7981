"""Lists of things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from systemprompt.cli.people.page import Page
from systemprompt.cli.progress import duration
from systemprompt.operations.active_runs import ActiveRun, ActiveRuns
from systemprompt.operations.audit_jobs import AuditReport
from systemprompt.operations.database import DbStatus
from systemprompt.operations.doctor import Diagnosis
from systemprompt.operations.history import History, HistoryEntry
from systemprompt.operations.list_jobs import JobEntry, JobList
from systemprompt.operations.run_jobs import RunJobsResult
from systemprompt.operations.run_logs import RunLogs
from systemprompt.operations.upcoming import Upcoming
from systemprompt.wording import counted

__all__ = ["active", "audit", "checks", "chosen", "databases", "history", "jobs", "logs", "runs", "upcoming"]


def chosen(page: Page, data: Any, fields: Sequence[str], entries: Sequence[Mapping[str, Any]]) -> None:
    """Show the fields that somebody asked for, as a program would get them."""
    page.heading(page.title, _counted(len(entries), getattr(data, "total", len(entries))))
    page.table(
        [name.upper() for name in fields],
        [["" if entry[name] is None else str(entry[name]) for name in fields] for entry in entries],
    )


def jobs(page: Page, data: JobList) -> None:
    page.heading(page.title, _counted(data.shown, data.total))
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
    for source, error in data.broken_sources.items():
        page.blank()
        page.quoted(page.status("fail", "not loaded"), f": {source}\n{error}")
    _condition(page, data, any(job.next_run for job in data.jobs))


def runs(page: Page, data: RunJobsResult) -> None:
    page.heading(page.title)
    page.table(
        ["JOB", "STATUS", "TOOK", "RUN", "PROCESSED", "FAILED", "MESSAGE"],
        [
            [
                run.job_name,
                _status(page, run.status, run.reason),
                duration(run.duration_ms),
                str(run.run_id or ""),
                str(run.result.items_processed) if run.result else "",
                str(run.result.items_failed) if run.result else "",
                page.cut(_why(run.reason, run.error, run.result.message if run.result else None)),
            ]
            for run in data.jobs_run
        ],
        right=("TOOK", "RUN", "PROCESSED", "FAILED"),
        optional=("FAILED", "PROCESSED"),
    )
    page.blank()
    if data.dry_run:
        for run in data.jobs_run:
            if run.parameters:
                said = ", ".join(f"{name}={value!r}" for name, value in run.parameters.items())
                page.line(page.dim(f"{run.job_name} with "), said)
        page.line(f"{data.total} would run; nothing was started")
        return
    waiting = [run.run_id for run in data.jobs_run if run.status == "queued"]
    if waiting:
        page.line(f"{len(waiting)} asked for; a node that serves takes what it has room for")
        page.line(page.dim(f"how it goes: sp jobs logs {waiting[0]}"))
        return
    page.line(page.status("success", f"{data.succeeded} succeeded"), ", ", _failures(page, data.failed))
    reported = sum(run.result.dry_run for run in data.jobs_run if run.result is not None)
    if reported:
        page.line(
            f"{reported} only said what it would do" if reported == 1 else f"{reported} only said what they would do"
        )
    failed = next((run.run_id for run in data.jobs_run if run.status != "success" and run.run_id), None)
    if failed is not None:
        page.line(page.dim(f"what it said: sp jobs logs {failed}"))


def history(page: Page, data: History) -> None:
    page.heading(page.title, f"{_counted(data.shown, data.total)}, times in {page.zone_name}")
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
                _status(page, entry.status, None if page.narrow else entry.reason),
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
    page.heading(page.title, f"{_counted(data.shown, data.total)}, times in {page.zone_name}")
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
    _condition(page, data, bool(data.entries))


def logs(page: Page, data: RunLogs) -> None:
    page.heading(
        page.title, f"{data.job_name}, {data.status}, {_counted(data.shown, data.total)} lines, {page.zone_name}"
    )
    for entry in () if data.followed else data.entries:
        when = page.time(entry.at)[11:]
        fields = "".join(f" {key}={value}" for key, value in (entry.fields or {}).items())
        page.quoted(
            page.dim(f"{when} "),
            page.status(entry.level, f"{entry.level:<8}"),
            "" if entry.source == "job" else page.dim(f"[{entry.source}] "),
            entry.message,
            page.dim(fields),
        )
    if data.lines_dropped:
        page.line(page.status("warn", f"{counted(data.lines_dropped, 'line')} dropped"))
    if data.error:
        above, _, last = data.error.rstrip().rpartition("\n")
        page.quoted(f"{above}\n" if above else "", page.status("failed", last))
    elif not data.total and not data.lines_dropped:
        page.line("No lines.")


def active(page: Page, data: ActiveRuns) -> None:
    page.heading(page.title, f"{data.running} running, {data.total - data.running} waiting")
    if not data.entries:
        page.line("Nothing runs and nothing waits.")
    else:
        page.table(
            ["RUN", "JOB", "STATUS", "FOR", "USUALLY", "LIMIT", "NODE", "HOW FAR"],
            [
                [
                    str(run.run_id),
                    Text(run.job_name, style="bold"),
                    page.status("cancelled", "being stopped") if run.stop_asked_at else page.status(run.status),
                    duration(round(run.elapsed_s * 1_000)),
                    duration(None if run.usual_s is None else round(run.usual_s * 1_000)),
                    duration(None if run.timeout_s is None else round(run.timeout_s * 1_000)),
                    _holder(page, run),
                    _how_far(run.progress),
                ]
                for run in data.entries
            ],
            right=("RUN", "FOR", "USUALLY", "LIMIT"),
            optional=("LIMIT", "USUALLY"),
        )
    _condition(page, data, bool(data.entries))


def audit(page: Page, data: AuditReport) -> None:
    page.heading(page.title)
    page.line(page.status("ok" if data.clean else "fail", data.verdict))
    if data.findings:
        page.blank()
        page.table(
            ["KIND", "JOB", "FINDING"],
            [[page.status("fail", found.kind), found.job_name or "", found.sentence] for found in data.findings],
        )


def databases(page: Page, data: DbStatus) -> None:
    page.heading(page.title)
    page.table(
        ["DATABASE", "STATE", "SCHEMA", "SIZE", "PATH"],
        [
            [one.name, page.status(one.state), f"{one.schema} of {one.newest}", _size(one.size_bytes), one.path]
            for one in data.databases
        ],
        right=("SIZE",),
    )
    if any(one.state in ("absent", "behind") for one in data.databases):
        page.blank()
        page.line("mend it: sp db migrate")
    for one in data.databases:
        for sentence in one.altered:
            page.line(page.status("fail", f"{one.name}: {sentence}"))
        for sentence in one.added:
            page.line(page.status("warn", f"{one.name}: {sentence}"))


def checks(page: Page, data: Diagnosis) -> None:
    on_a_pipe = page.width is None
    page.heading(page.title)
    rows: list[list[str | Text]] = []
    for check in data.checks:
        rows.append([page.status(check.status), check.name, check.message])
        if check.mend and on_a_pipe:
            rows.append(["", "", Text("mend it: " + check.mend, style="cyan")])
    page.table(["", "CHECK", "WHAT IS SO"], rows)
    # On a terminal the column would break a command over two lines, and nobody could copy it.
    for check in () if on_a_pipe else data.checks:
        if check.mend:
            page.blank()
            page.line(page.status(check.status), f" {check.name}, mend it:")
            page.command(check.mend)
    page.blank()
    counted = f"{data.total} checks, {data.failures} failed, {data.warnings} want a look"
    page.line(page.status("ok" if data.healthy else "fail", counted))


def _counted(shown: int, total: int | None) -> str:
    """Return how much of a list is shown: `20 of 345`, or `the first 20` of what never ends."""
    return f"the first {shown}" if total is None else f"{shown} of {total}" if shown < total else str(total)


def _holder(page: Page, run: ActiveRun) -> Text:
    if run.node_id is None:
        return Text("")
    shown = f"{run.node_id} on {run.node_host}" if run.node_host else run.node_id
    return Text(shown) if run.node_state == "serving" else page.status("warn", f"{shown}, {run.node_state}")


def _how_far(progress: Mapping[str, Any] | None) -> str:
    if progress is None:
        return ""
    of = f" of {progress['total']}" if progress.get("total") else ""
    return f"{progress['done']}{of}" + (f", {progress['note']}" if progress.get("note") else "")


def _condition(page: Page, data: JobList | Upcoming | ActiveRuns, waits: bool) -> None:
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


def _name(page: Page, job: JobEntry) -> Text:
    shown = Text(job.name, style="dim" if job.retired else "" if job.builtin else "bold")
    return shown.append(page.dim(" *")) if job.builtin else shown


def _state(job: JobEntry) -> str:
    if job.retired:
        return "retired"
    if job.quarantined:
        return "quarantined"
    if job.running:
        return "running"
    return "enabled" if job.enabled else "disabled"


def _status(page: Page, status: str, reason: str | None) -> Text:
    shown = page.status(status)
    return shown.append(f" ({reason})", style="dim") if reason else shown


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
    return _why(entry.reason, entry.error, entry.message)


def _failures(page: Page, count: int) -> Text:
    return page.status("failed", f"{count} failed") if count else Text("0 failed")


def _why(reason: str | None, error: str | None, message: str | None) -> str:
    """Return the line that says most: of an exception its message, of a program the last that it wrote to stderr."""
    if reason == "exception" and message:
        return message
    return _what_went_wrong(error) or message or ""


def _what_went_wrong(text: str | None) -> str:
    """Return the line of a traceback that names the exception, which may have more lines below it; else the last line."""
    lines = (text or "").strip().splitlines()
    frames = [at for at, line in enumerate(lines) if line.startswith('  File "')]
    below = lines[frames[-1] :] if frames else []
    return next((line for line in below if not line.startswith(" ")), lines[-1] if lines else "")


def _size(number: int) -> str:
    if number >= 2**20:
        return f"{number / 2**20:.1f} MiB"
    return f"{number / 2**10:.0f} KiB" if number else ""
