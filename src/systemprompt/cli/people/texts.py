"""Sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from json import dumps
from typing import Any

from systemprompt.cli.completion import Completion
from systemprompt.cli.people.page import Page
from systemprompt.cli.schema import Schemas
from systemprompt.operations.answers import plain
from systemprompt.operations.backup import DbBackup
from systemprompt.operations.cancel_run import RunCancelled
from systemprompt.operations.cleanup import LogCleanup, SessionCleanup
from systemprompt.operations.database import DbMigrated
from systemprompt.operations.drain_node import NodeDrain
from systemprompt.operations.init_profile import Initialised
from systemprompt.operations.move import DbMove
from systemprompt.operations.new_job import NewJob
from systemprompt.operations.profile import ProfileCheck, ProfileShown
from systemprompt.operations.restore import DbRestore
from systemprompt.operations.serve import ServeResult
from systemprompt.operations.switch_job import JobSwitched

__all__ = [
    "backed_up",
    "cancelled",
    "cleanup",
    "drained",
    "message",
    "migrated",
    "moved",
    "node",
    "profile",
    "restored",
    "schemas",
    "script",
    "steps",
    "switched",
]


def switched(page: Page, data: JobSwitched) -> None:
    page.line(data.message)
    if data.next_run is not None and not data.dry_run:
        page.line(page.dim(f"next run: {page.time_and_zone(data.next_run)}"))


def cancelled(page: Page, data: RunCancelled) -> None:
    page.line(data.message)
    if data.status == "running" and not data.dry_run:
        page.line(page.dim(f"its node begins to stop it within a second: sp jobs logs {data.run_id}"))


def drained(page: Page, data: NodeDrain) -> None:
    page.line(data.message)
    if data.state == "draining" and not data.dry_run:
        page.line(page.dim("it hears of it within a second; how far it is: sp nodes"))


def cleanup(page: Page, data: SessionCleanup | LogCleanup) -> None:
    page.line(page.status("failed", data.message) if data.error else data.message)
    if data.error:
        page.line(page.dim(f"what it said: sp jobs logs {data.run_id}"))


def steps(page: Page, data: Initialised | NewJob) -> None:
    page.line(data.message)
    page.blank()
    page.line(page.dim("next:"))
    for command in data.next_commands:
        page.command(command)


def message(page: Page, data: ProfileCheck) -> None:
    page.line(page.status("ok", data.message))
    for remark in data.remarks:
        page.line(page.status("warn", "remark"), f": {remark}")
    if data.changed:
        page.blank()
        page.line("schedules that are new or changed since the last check:")
    for one in data.changed:
        page.line(f"  {one.job_name}: {one.sentence}", page.dim(f"  {one.schedule}, {one.time_zone}"))
        times = ", ".join(
            f"{time.local_time[:19].replace('T', ' ')} {time.local_time[19:]}" for time in one.next_fire_times
        )
        page.line(page.dim(f"    next: {times or 'none before the year 10000'}"))
        for remark in one.remarks:
            page.line(page.status("warn", f"    note: {remark}"))


def migrated(page: Page, data: DbMigrated) -> None:
    page.line(data.message)
    for one in data.databases:
        page.line(page.dim(f"  {one.name}  schema {one.after}  {one.path}"))


def backed_up(page: Page, data: DbBackup) -> None:
    page.line(data.message)
    for copy in data.copies:
        page.line(page.dim(f"  {copy.name}  schema {copy.schema}  {copy.size_bytes:,} bytes  sound"))
    if data.planned_through is not None:
        page.line(page.dim(f"  {data.runs:,} runs, accounts up to {page.time_and_zone(data.planned_through)}"))
    if data.audit is not None:
        page.line(page.status("ok" if data.clean else "fail", data.audit))
    if len(data.copies) == 1:
        page.line(page.dim("the application's database is not in it: --database FILE copies it too"))


def restored(page: Page, data: DbRestore) -> None:
    page.line(data.message)
    for one in data.databases:
        page.line(page.dim(f"  {one.name}  {one.path}" + (f"  the one before: {one.kept}" if one.kept else "")))
    if data.settled:
        page.line(page.dim(f"  runs that were open in the copy and are settled now: {data.settled}"))
    if data.planned_through is not None:
        page.line("fire times since then are treated as missed when a node starts: catch_up decides about each job's")


def moved(page: Page, data: DbMove) -> None:
    page.line(data.message)
    for one in data.databases:
        rows = sum(table.rows for table in data.tables if table.database == one.name)
        page.line(page.dim(f"  {one.name}  {one.source} -> {one.target}  {rows:,} rows"))
    page.line(page.dim(f"  seals: {data.seals:,}" + (f", the last {data.last_seal}" if data.last_seal else "")))
    page.line(page.status("ok" if data.clean else "fail", data.audit))
    if data.not_moved:
        page.line(f"the profile maps tables of the host, which stay where they are: {', '.join(data.not_moved)}")
    if not data.dry_run:
        page.line(
            "now write this in the profile, and start the nodes; the source is as it was, and still in the profile:"
        )
        for line in data.profile:
            page.line(f"  {line}")
        for key in data.without:
            page.line(f"  (and take out the line `{key}:`)")


def node(page: Page, data: ServeResult) -> None:
    ending = (
        "every run came to its end"
        if data.clean
        else "work was stopped before its end; sp jobs history has the account"
    )
    by = "a drain" if data.stopped_by == "drain" else data.stopped_by
    page.line(f"node {data.node_id} stopped by {by}: {ending}")


def schemas(page: Page, data: Schemas) -> None:
    page.verbatim(dumps(plain(data), indent=2))


def script(page: Page, data: Completion) -> None:
    page.verbatim(data.script)


def profile(page: Page, data: ProfileShown) -> None:
    page.heading(page.title, data.profile)
    page.blank()
    page.facts([(name, value) for name, value in _flat(data.settings)])


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{name}.")
        elif isinstance(value, (list, tuple)) and value and isinstance(value[0], dict):
            for number, held in enumerate(value):
                yield from _flat(held, f"{name}[{number}].")
        elif isinstance(value, (list, tuple, dict)):
            yield name, ", ".join(map(str, value)) or "none"
        else:
            yield name, _value(value)


def _value(value: object) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
