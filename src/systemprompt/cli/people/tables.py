"""Lists of what was done, and of what was looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from systemprompt.cli.people.listings import condition, how_many, status_of, why
from systemprompt.cli.people.page import Page
from systemprompt.operations.active_runs import ActiveRun, ActiveRuns
from systemprompt.operations.audit_jobs import AuditReport
from systemprompt.operations.database import DbStatus
from systemprompt.operations.doctor import Diagnosis
from systemprompt.operations.list_nodes import NodeEntry, NodeList
from systemprompt.operations.run_jobs import RunJobsResult
from systemprompt.operations.run_logs import RunLogs
from systemprompt.wording import counted, duration

__all__ = ["active", "audit", "checks", "databases", "logs", "nodes", "runs"]


def runs(page: Page, data: RunJobsResult) -> None:
    page.heading(page.title)
    page.table(
        ["JOB", "STATUS", "TOOK", "RUN", "PROCESSED", "FAILED", "MESSAGE"],
        [
            [
                run.job_name,
                status_of(page, run.status, run.reason, did_nothing=run.result is not None and run.result.did_nothing),
                duration(run.duration_ms),
                str(run.run_id or ""),
                str(run.result.items_processed) if run.result else "",
                str(run.result.items_failed) if run.result else "",
                page.cut(why(run.reason, run.error, run.result.message if run.result else None)),
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


def logs(page: Page, data: RunLogs) -> None:
    page.heading(
        page.title, f"{data.job_name}, {data.status}, {how_many(data.shown, data.total)} lines, {page.zone_name}"
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
    condition(page, data, bool(data.entries))


def nodes(page: Page, data: NodeList) -> None:
    page.heading(page.title, f"{data.serving} serving, {page.zone_name}")
    if not data.entries:
        page.line("No node lives: sp serve starts one.")
        return
    page.table(
        ["NODE", "STATE", "WHERE", "LABELS", "SINCE", "VERSION", "ZONE DATA", "CLOCK", "DEGRADED", "RUNS"],
        [
            [
                Text(node.node_id, style="bold"),
                page.status(_COLOUR.get(node.state, node.state), node.state),
                f"{node.host}, pid {node.pid}",
                ", ".join(node.labels),
                page.short_time(node.started_at),
                node.version,
                node.zone_data or "unknown",
                f"{node.clock_offset_s:+.3f} s" if abs(node.clock_offset_s) >= _SEEN_S else "0 s",
                page.status("warn", ", ".join(node.degraded)) if node.degraded else "",
                _what_runs(node),
            ]
            for node in data.entries
        ],
        optional=("ZONE DATA", "CLOCK", "DEGRADED", "VERSION", "SINCE"),
    )
    for node in data.entries:
        if node.draining_by is not None:
            why = f" ({node.draining_why})" if node.draining_why else ""
            page.line(page.status("warn", f"node {node.node_id}"), f" drains, as {node.draining_by} asked{why}")


_COLOUR = {"serving": "ok", "draining": "warn", "silent": "fail", "gone": "warn"}


def _what_runs(node: NodeEntry) -> str:
    if not node.runs:
        return f"0 of {node.capacity}"
    named = ", ".join(f"{run.job_name} (run {run.run_id})" for run in node.runs[:3])
    more = f" and {len(node.runs) - 3} more" if len(node.runs) > 3 else ""
    return f"{len(node.runs)} of {node.capacity}: {named}{more}"


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


def _holder(page: Page, run: ActiveRun) -> Text:
    if run.node_id is None:
        return page.status("warn", run.waits_for) if run.waits_for else Text("")
    shown = f"{run.node_id} on {run.node_host}" if run.node_host else run.node_id
    return Text(shown) if run.node_state == "serving" else page.status("warn", f"{shown}, {run.node_state}")


def _how_far(progress: Mapping[str, Any] | None) -> str:
    if progress is None:
        return ""
    of = f" of {progress['total']}" if progress.get("total") else ""
    return f"{progress['done']}{of}" + (f", {progress['note']}" if progress.get("note") else "")


def _failures(page: Page, count: int) -> Text:
    return page.status("failed", f"{count} failed") if count else Text("0 failed")


def _size(number: int) -> str:
    if number >= 2**20:
        return f"{number / 2**20:.1f} MiB"
    return f"{number / 2**10:.0f} KiB" if number else ""


_SEEN_S = 0.0005
"""What a clock stands off by less than this is shown as nothing."""
