"""One thing, whole."""

from __future__ import annotations

import shlex

from rich.text import Text

from systemprompt.cli.people.page import Page
from systemprompt.operations.describe_schedule import NamedTime, ScheduleDescribed
from systemprompt.operations.explain_fire_time import FireTimeExplained
from systemprompt.operations.show_job import JobChange, JobDetails
from systemprompt.wording import labels_text

__all__ = ["fire_time", "job", "schedule"]


def job(page: Page, data: JobDetails) -> None:
    page.heading(page.title)
    if data.description:
        page.line(data.description)
    page.blank()
    rows: list[tuple[str, str | Text]] = [("state", _state(page, data))]
    if data.quarantine_error:
        rows.append(("error", page.status("quarantined", data.quarantine_error)))
    by_hand = "" if data.quarantine_error else "only by hand"  # what cannot be loaded may have one that cannot be read
    said = f"{data.schedule_human}  ({data.schedule}, {data.time_zone})" if data.schedule else by_hand
    rows += [
        ("schedule", said),
        ("clock changes", data.clock_rule),
        *(("note", page.status("warn", remark)) for remark in data.remarks),
        ("next run", _next_run(page, data)),
        ("last run", _last_run(page, data)),
        ("runs", str(data.run_count)),
    ]
    if data.last_error:
        rows.append(("last error", page.status("failed", data.last_error.strip().splitlines()[-1])))
    rows += [
        ("by hand", _switched(page, data.switched)),
        ("command", shlex.join(data.command) if data.command else ""),
        ("folder", data.working_dir or ""),
        ("variables", ", ".join(data.environment)),
        ("parameters", ", ".join(f"{name}={value!r}" for name, value in data.parameters.items())),
        ("enforce", "yes: it does what such jobs otherwise only report" if data.enforce else ""),
        ("tags", ", ".join(data.tags) or "none"),
        ("owner", data.owner or "nobody"),
        ("source", data.source),
        ("enforce", "yes, by the profile" if data.enforce else "no"),
        ("policies", ", ".join(_policy(name, value) for name, value in data.policies.items() if name != "runs_on")),
        ("runs on", _runs_on(data)),
        ("version", f"{data.version} of {data.versions}"),
        ("accounted up to", page.time_and_zone(data.planned_through)),
    ]
    page.facts([row for row in rows if row[1]])
    if data.changes:
        page.blank()
        page.table(
            ["VERSION", "SINCE", "WHAT", "BY", "WHY"],
            [
                [
                    str(one.version),
                    page.time(one.valid_from),
                    f"{one.cause}: {', '.join(one.fields)}" if one.fields else one.cause,
                    one.actor + (f", noticed by {one.noticed_by}" if one.noticed_by else ""),
                    one.why if one.cause in ("enabled", "disabled") else "",
                ]
                for one in data.changes
            ],
            right=("VERSION",),
        )
    if data.next_fire_times:
        page.blank()
        idle = "" if data.next_run else ", none of them starts it"
        page.line(Text("next fire times", style="bold"), page.dim(f"  {page.zone_name}{idle}"))
        for at in data.next_fire_times:
            page.line("  ", page.time(at), page.dim(f"  {page.relative(at)}"))


def fire_time(page: Page, data: FireTimeExplained) -> None:
    shown = data.local_time[:19].replace("T", " ")
    page.heading(f"{page.title}, {shown} {data.time_zone}, {page.relative(data.at)}")
    page.blank()
    for sentence in data.sentences:
        page.line(sentence[0].upper() + sentence[1:])


def schedule(page: Page, data: ScheduleDescribed) -> None:
    page.heading(data.sentence, f"{data.expression}, {data.time_zone}")
    for remark in data.remarks:
        page.line(page.status("warn", f"note: {remark}"))
    if data.next_fire_times:
        page.blank()
        page.line(Text("next fire times", style="bold"), page.dim(f"  {data.time_zone}"))
    for time in data.next_fire_times:
        page.line(f"  {_wall(time)}", page.dim(f"  {page.relative(time.fire_at)}"))
    if not data.clock_rule:
        return
    page.blank()
    page.line(Text("when clocks change", style="bold"), page.dim(f"  {data.clock_rule}"))
    for night in data.clock_nights:
        times = ", ".join(time.local_time[11:] for time in night.fire_times) or "none"
        more = f" and {night.more} more" if night.more else ""
        page.line(
            f"  {night.local_time[:10]}, {night.clocks} by {night.minutes} min, two hours around it: {times}{more}"
        )


def _switched(page: Page, change: JobChange | None) -> str:
    if change is None:
        return ""
    why = f": {change.why}" if change.why else ""
    return f"{change.cause} {page.time_and_zone(change.valid_from)} by {change.actor}{why}"


def _wall(time: NamedTime) -> str:
    return f"{time.local_time[:19].replace('T', ' ')} {time.local_time[19:]}"


def _state(page: Page, data: JobDetails) -> Text:
    if data.retired_at:
        return page.status("retired", f"left the installation {page.relative(data.retired_at)}")
    word = "quarantined" if data.quarantine_error else "enabled" if data.enabled else "disabled"
    shown = page.status(word)
    if data.enabled is not data.declared_enabled:
        shown.append(
            f" by hand; code and profile say {'enabled' if data.declared_enabled else 'disabled'}", style="dim"
        )
    if data.running:
        shown.append(f", {data.running} running", style="cyan")
    return shown


def _next_run(page: Page, data: JobDetails) -> str | Text:
    if page.is_overdue(data.next_run):
        return page.status("warn", f"{page.time_and_zone(data.next_run)}: overdue, no node seems to serve")
    return page.time_and_zone(data.next_run) or "none"


def _last_run(page: Page, data: JobDetails) -> Text:
    if data.last_run is None:
        return page.dim("never")
    shown = page.status(data.last_status or "")
    number = f", run {data.last_run_id}" if data.last_run_id is not None else ""
    return shown.append(f"  {page.time_and_zone(data.last_run)}{number}", style="default")


def _runs_on(data: JobDetails) -> str:
    labels = data.policies.get("runs_on")
    return f"nodes with the {labels_text(labels)}" if labels else ""


def _policy(name: str, value: object) -> str:
    if name == "exit_codes" and isinstance(value, dict):
        return "exit codes " + " ".join(f"{code} {meaning}" for code, meaning in value.items())
    if name == "retry" and isinstance(value, dict):
        said = f"retry {value['times']} times from {value['after_s']:g} s up to {value['cap_s']:g} s"
        said += f" on {' '.join(map(str, value['on']))}" if value["on"] else ""
        return f"{said} over the next fire time" if value["over_next"] else said
    if not name.endswith("_s"):
        return f"{name} {value}"
    written = name.removesuffix("_s")
    return f"no {written}" if value is None else f"{written} {value} s"
