"""Load a profile: read, check, and build the records; all faults at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from systemprompt.cron import Schedule
from systemprompt.discovery.as_written import as_written
from systemprompt.discovery.fingerprint import fingerprint_of
from systemprompt.discovery.overrides import Around, JobOverride
from systemprompt.errors import CronError, ProfileInvalid
from systemprompt.jobs.policies import POLICIES, Policies
from systemprompt.jobs.settings import ContentSource, FileSource, HostTable, PublishTarget, Retention
from systemprompt.profile.addresses import address_beside
from systemprompt.profile.check import Checked, check
from systemprompt.profile.document import Values, double_quoted, parse, read_bytes
from systemprompt.profile.profile import SCHEMA, Limits, Profile
from systemprompt.profile.reader import Reader
from systemprompt.profile.schema import HOST_TABLES, PROFILE
from systemprompt.wording import did_you_mean

Source = TypeVar("Source", ContentSource, FileSource)

__all__ = ["load_profile"]


def load_profile(path: str, environ: Mapping[str, str]) -> Profile:
    """Return the checked profile. Nothing outside the file is touched: no database, no job module.

    Raises:
        ProfileNotFound: there is no such file.
        ProfileInvalid: it has faults; every one of them is in the error, each with its line and place.
    """
    path = os.path.abspath(path)
    try:
        path.encode()
    except UnicodeEncodeError as error:
        # The ledger keeps where each job came from, and SQLite takes no file name that is not text.
        raise ProfileInvalid(path, ["its path is not text in UTF-8; rename the folder"]) from error
    fingerprint = fingerprint_of(path)
    values = Values(environ)
    checked = check(parse(path, read_bytes(path)), PROFILE, Reader(values, os.path.dirname(path)))
    profile = _build(path, fingerprint, checked, values)
    if checked.faults or profile is None:
        checked.faults.sort(key=lambda fault: fault[0])
        raise ProfileInvalid(path, [as_written(text, values.filled) for _, text in checked.faults])
    return profile


def _build(path: str, fingerprint: str, checked: Checked, values: Values) -> Profile | None:
    """Check what one key alone cannot show, and build the records; None where the database is missing or wrong."""
    said = checked.values
    zone = said.get("time_zone", "UTC")
    scheduler, content = said.get("scheduler", {}), said.get("content", {})
    jobs = {
        name: _override(name, place, section, zone, checked, said.get("shell"), values.filled)
        for name, place, section in scheduler.get("jobs", ())
    }
    sources = _sources(content.get("sources", ()), ContentSource, checked)
    publish = content.get("publish")
    tables = _tables(said.get("tables", ()), checked)
    if "database" not in said:
        return None
    database = said["database"]
    ledger = said.get("ledger") or address_beside(database)
    if ledger == database and ledger.engine == "sqlite":
        checked.fault("ledger", f"{str(ledger)!r} is the database itself; give the ledger a file of its own")
    return Profile(
        path=path,
        fingerprint=fingerprint,
        name=said.get("name") or os.path.basename(os.path.dirname(path)) or "local",
        database=database,
        ledger=ledger,
        ledger_schema=said.get("ledger_schema", SCHEMA),
        listen=said.get("listen"),
        group=said.get("group"),
        labels=said.get("node", {}).get("labels", ()),
        around=Around(
            environment=said.get("environment", {}),
            environment_files=(said["environment_file"],) if "environment_file" in said else (),
        ),
        time_zone=zone,
        extensions=said.get("extensions", ()),
        entry_points=said.get("entry_points", True),
        jobs=jobs,
        bootstrap_jobs=tuple(dict.fromkeys(scheduler.get("bootstrap_jobs", ()))),
        reboot_jobs=tuple(dict.fromkeys(scheduler.get("reboot_jobs", ()))),
        limits=Limits(**said.get("limits", {})),
        content_sources=sources,
        file_sources=_sources(said.get("files", {}).get("sources", ()), FileSource, checked),
        publish=PublishTarget(**publish) if publish and "path" in publish else None,
        tables=tables,
        retention=Retention(**said.get("retention", {})),
        environment_read=dict(values.read),
        filled=values.filled,
    )


def _tables(said: Iterable[tuple[str, str, dict[str, Any]]], checked: Checked) -> dict[str, HostTable]:
    tables = {}
    for name, place, section in said:
        for ours in section.get("columns", ()):
            if ours not in HOST_TABLES[name]:
                near = did_you_mean(ours, HOST_TABLES[name])
                known = f"did you mean {near!r}?" if near else f"there are: {', '.join(HOST_TABLES[name])}"
                checked.fault(f"{place}.columns", f"our {name} has no column {ours!r} to stand in for; {known}")
        if "table" in section:
            tables[name] = HostTable(**section)
    return tables


def _override(
    name: str,
    place: str,
    said: dict[str, Any],
    zone: str,
    checked: Checked,
    shell: str | None,
    filled: Mapping[str, str],
) -> JobOverride:
    policies = {policy.name: said.pop(policy.written) for policy in POLICIES if policy.written in said}
    schedule = said.get("schedule")
    if schedule:
        _check_schedule(f"{place}.schedule", schedule, said.get("time_zone", zone), policies, checked)
    if "command" in said:
        said["command"] = _words(said["command"], said.pop("shell", None), shell, place, checked)
    else:
        for key in _FOR_COMMANDS:
            if said.pop(key, None) is not None:
                checked.fault(f"{place}.{key}", "it is for commands only, and this job has no command; remove it")
    if "environment_file" in said:
        said["environment_files"] = (said.pop("environment_file"),)
    return JobOverride(name=name, policies=policies, filled=filled, **said)


_FOR_COMMANDS = ("shell", "environment", "environment_file", "working_dir", "user", "stdin", "output")


def _words(
    command: tuple[str, ...] | str, own: str | None, shared: str | None, place: str, checked: Checked
) -> tuple[str, ...]:
    """Return the argument list: of a line, its shell's."""
    if not isinstance(command, str):
        if own is not None:
            checked.fault(
                f"{place}.shell", "the command is a list, which no shell reads; write it as one line, or remove this"
            )
        return command
    shell = own or shared
    if shell is None:
        line = double_quoted(command if len(command) <= 60 else command[:57] + "...")
        checked.fault(
            f"{place}.command",
            f"{line} is one line, and no shell is named to read it; write `shell: /bin/sh` here or for the whole profile, "
            f"or [sh, -c, {line}]",
        )
    return (shell or "sh", "-c", command)


def _check_schedule(place: str, schedule: str, zone: str, policies: dict[str, Any], checked: Checked) -> None:
    chosen = Policies(**policies)
    try:
        Schedule(schedule, zone, dst_gap=chosen.dst_gap, dst_fold=chosen.dst_fold)
    except CronError as error:
        advice = f"; {error.hint}" if error.hint else ""
        checked.fault(place, f"{schedule!r} is not a cron expression: {error.reason}{advice}")


def _sources(found: Any, kind: type[Source], checked: Checked) -> tuple[Source, ...]:
    sources: dict[str, Source] = {}
    for place, section in found:
        if "name" not in section or "path" not in section:
            continue  # that is a fault already
        if section["name"] in sources:
            checked.fault(f"{place}.name", f"{section['name']!r} names another source already; choose another name")
        sources[section["name"]] = kind(**section)
    return tuple(sources.values())
