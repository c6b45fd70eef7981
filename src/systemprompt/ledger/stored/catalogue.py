"""Jobs and their versions: what the catalogue says now becomes what the ledger plans by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from systemprompt.clock import Instant
from systemprompt.errors import JobNotFound, VersionChanged
from systemprompt.jobs.policies import POLICIES
from systemprompt.ledger.bookkeeping import Books, closed_waiting
from systemprompt.ledger.policy_texts import policies_of, text_of, unknown_in
from systemprompt.ledger.records import Change, Decide, JobSpec, QuarantineNotice, SyncReport
from systemprompt.ledger.rows import OpenRun
from systemprompt.ledger.stored.clockwork import plan_new, plan_one
from systemprompt.ledger.stored.closing import close_all
from systemprompt.ledger.stored.for_newer import ForNewer, refuse_unknown
from systemprompt.ledger.stored.store import Row, Store

__all__ = ["NOTHING", "is_current", "set_enabled", "sync"]

NOTHING = SyncReport()


def is_current(
    store: Store,
    for_newer: ForNewer,
    specs: Sequence[JobSpec],
    quarantined: Sequence[QuarantineNotice],
    keep: str | None,
) -> bool:
    """Say whether a synchronisation would change nothing."""
    specs, rows, notices = _compared(store, for_newer, specs, quarantined, keep)
    wanted = {spec.name for spec in specs}
    return (
        all(spec.name in rows and not _differs(rows[spec.name], spec) for spec in specs)
        and all(_is_settled(row, notices.error_of(row)) for name, row in rows.items() if name not in wanted)
        and all(name in rows for name in notices.by_name)
        and {row["source"]: row["error"] for row in store.run("quarantined_sources")} == notices.by_source
    )


def sync(
    store: Store,
    for_newer: ForNewer,
    specs: Sequence[JobSpec],
    quarantined: Sequence[QuarantineNotice],
    now: Instant,
    decide: Decide,
    change: Change,
    *,
    keep: str | None,
) -> SyncReport:
    specs, rows, notices = _compared(store, for_newer, specs, quarantined, keep)
    wanted = {spec.name for spec in specs}
    added: Sequence[str] = ()
    changed: list[str] = []
    retired: list[str] = []
    held: list[str] = []
    released: list[str] = []
    new = [spec for spec in specs if spec.name not in rows]
    if new:
        _add(store, new, now, decide, change)
        added = [spec.name for spec in new]
    for spec in specs:
        row = rows.get(spec.name)
        if row is not None and _differs(row, spec):
            (released if row["quarantine"] == "load" else changed).append(spec.name)
            _change(store, row, spec, now, decide, change)
    for name, row in rows.items():
        error = notices.error_of(row)
        if name in wanted or _is_settled(row, error):
            continue
        if error:
            _quarantine(store, row, error, now, decide)
            held.append(name)
        else:
            _retire(store, row, now, decide)
            retired.append(name)
    for name in notices.by_name.keys() - rows.keys() - wanted:
        _add_quarantined(store, name, notices, now, decide, change)
        held.append(name)
    _sync_sources(store, notices, now)
    return SyncReport(
        added=tuple(added),
        changed=tuple(changed),
        retired=tuple(retired),
        quarantined=tuple(held),
        released=tuple(released),
    )


def set_enabled(store: Store, job_name: str, enabled: bool, now: Instant, decide: Decide, change: Change) -> None:
    rows = {row["job_name"]: row for row in store.run("all_jobs_for_sync").fetchall() if row["retired_at"] is None}
    if job_name not in rows:
        raise JobNotFound(job_name, rows, [row["error"] for row in store.run("quarantined_sources")])
    row = rows[job_name]
    refuse_unknown(job_name, row["policies"])
    if change.expected_version is not None and change.expected_version != row["version"]:
        raise VersionChanged(job_name, seen=change.expected_version, present=row["version"])
    if enabled and row["quarantine"] == "ledger_conflict":
        plan_one(store, row["job_id"], now, decide)
        store.run("release_job", {"job_id": row["job_id"], "now": now})
        if row["enabled"]:
            plan_one(store, row["job_id"], now, decide)
    if bool(row["enabled"]) == enabled:
        # Said again for another reason: the later word is the one that people will look for.
        said = store.run("why_switched", {"job_id": row["job_id"], "version": row["version"]}).fetchone()["why"]
        if said is None or not change.why or change.why == said:
            return
    cursor = plan_one(store, row["job_id"], now, decide)
    opened = {"cause": "enabled" if enabled else "disabled", "actor": change.actor, "noticed_by": change.noticed_by}
    _next_version(store, row, _stated(row) | {"enabled": int(enabled)}, cursor, opened | {"why": change.why})
    store.run("point_to_version", {"job_id": row["job_id"], "version": row["version"] + 1, "now": now})
    plan_one(store, row["job_id"], now, decide)


def _compared(
    store: Store,
    for_newer: ForNewer,
    specs: Sequence[JobSpec],
    quarantined: Sequence[QuarantineNotice],
    keep: str | None,
) -> tuple[Sequence[JobSpec], dict[str, Row], _Notices]:
    """Return what to hold against one another: what is said of jobs, the ledger's jobs by name, and what could not be loaded.

    A job with a policy that only a newer release knows is left as it is, whatever is said of it here: this program's word would
    leave that policy out, and the newer one's would bring it back, in turns. A file with such a job is left as a whole where it
    cannot be loaded here: the newer release reads it.
    """
    rows = {row["job_name"]: row for row in store.run("all_jobs_for_sync").fetchall()}
    present = {name: row for name, row in rows.items() if row["retired_at"] is None}
    of_newer = {name for name, row in present.items() if unknown_in(row["policies"] or "{}")}
    wanted = {spec.name for spec in specs}
    here = _Notices(quarantined)
    absent = {name: row for name, row in present.items() if name not in wanted and here.error_of(row)}
    for_newer.unknown(present[name]["job_id"] for name in of_newer)
    for_newer.broken(here.by_source, here.by_name.keys() - wanted)
    their_files = {present[name]["source"] for name in of_newer} & here.by_source.keys()
    kept = of_newer | {name for name, row in absent.items() if row["source"] in their_files}
    if keep is not None:
        kept |= {name for name, row in present.items() if name not in wanted and row["source"].startswith(keep)}
    notices = [
        one for one in quarantined if (one.source not in their_files if one.name is None else one.name not in kept)
    ]
    return (
        [spec for spec in specs if spec.name not in of_newer],
        {name: row for name, row in rows.items() if name not in kept},
        _Notices(notices),
    )


class _Notices:
    def __init__(self, quarantined: Sequence[QuarantineNotice]) -> None:
        self.by_name = {notice.name: notice for notice in quarantined if notice.name is not None}
        self.by_source = {notice.source: notice.error for notice in quarantined if notice.name is None}

    def error_of(self, row: Row) -> str | None:
        if row["retired_at"] is not None:
            return None
        notice = self.by_name.get(row["job_name"])
        return notice.error if notice is not None else self.by_source.get(row["source"])


_STATED = ("schedule", "time_zone", "policies", "enabled")
"""What a version says of a job."""


def _is_settled(row: Row, error: str | None) -> bool:
    """Say whether a job that the catalogue does not have is held with this error already, or is retired.

    One that is held for a conflict in the ledger stays so: only a person releases it.
    """
    if error is None:
        return row["retired_at"] is not None
    return bool(row["quarantine"] == "ledger_conflict" or row["quarantine_error"] == error)


def _stated(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in _STATED}


def _wanted(row: Row, spec: JobSpec) -> dict[str, Any]:
    # The last writer wins: `sp jobs disable` holds until the code or the profile changes its own word.
    declared_again = bool(row["declared_enabled"]) != spec.enabled or row["retired_at"] is not None
    return {
        "schedule": spec.schedule,
        "time_zone": spec.time_zone,
        "policies": text_of(spec.policies),
        "enabled": int(spec.enabled if declared_again else row["enabled"]),
    }


def _shown(spec: JobSpec) -> dict[str, Any]:
    return {
        "description": spec.description,
        "tags": _tags(spec.tags),
        "owner": spec.owner,
        "source": spec.source,
        "declared_enabled": int(spec.enabled),
        "profile_sets": _tags(spec.profile_sets),
        "described": spec.described,
        "runs_on": _tags(spec.policies.runs_on),
    }


def _differs(row: Row, spec: JobSpec) -> bool:
    held: tuple[object, ...] = _held(row)
    return row["quarantine"] == "load" or held != (
        None,
        int(spec.enabled),
        spec.schedule,
        spec.time_zone,
        text_of(spec.policies),
        spec.description,
        _tags(spec.tags),
        spec.owner,
        spec.source,
        _tags(spec.profile_sets),
        spec.described,
    )


_held = itemgetter(
    "retired_at",
    "declared_enabled",
    "schedule",
    "time_zone",
    "policies",
    "description",
    "tags",
    "owner",
    "source",
    "profile_sets",
    "described",
)


def _add(store: Store, specs: Sequence[JobSpec], now: Instant, decide: Decide, change: Change) -> None:
    # All of them in a few statements: an installation's first start may add a hundred thousand.
    first = store.run("last_job_id").fetchone()["job_id"] + 1
    numbered = list(enumerate(specs, first))
    free = {"quarantine": None, "quarantine_error": None, "now": now}
    store.run_many(
        "add_jobs", (free | {"job_id": number, "name": spec.name} | _shown(spec) for number, spec in numbered)
    )
    store.run_many("add_cursors", ({"job_id": number, "now": now} for number, _ in numbered))
    store.run_many("open_version", (_first(number, spec, now, change) for number, spec in numbered))
    plan_new(store, first, first + len(numbered) - 1, now, decide)


def _first(number: int, spec: JobSpec, now: Instant, change: Change) -> dict[str, Any]:
    return {
        "job_id": number,
        "version": 1,
        "schedule": spec.schedule,
        "time_zone": spec.time_zone,
        "policies": text_of(spec.policies),
        "enabled": int(spec.enabled),
        "valid_from": now,
        "cause": "added",
        "actor": _whose(spec, spec.profile_sets if _is_of_profile(spec) else (), change),
        "noticed_by": change.noticed_by,
        "why": "",
    }


def _change(store: Store, row: Row, spec: JobSpec, now: Instant, decide: Decide, change: Change) -> None:
    job_id, stated, version = row["job_id"], _wanted(row, spec), row["version"]
    returned = row["retired_at"] is not None
    new_version = returned or stated != _stated(row)
    if returned:
        # While it was away no version was open, so nothing was owed: the cursor moves to the present.
        cursor = max(now, row["planned_through"])
        store.run_many("move_cursors", [(cursor, None, None, job_id, row["planned_through"])])
    else:
        cursor = plan_one(store, job_id, now, decide)
    if new_version:
        fields = [name for name in _STATED if stated[name] != row[name]]
        opened = {
            "cause": "returned" if returned else "changed",
            "actor": _whose(spec, _touched(row, spec, fields), change),
            "noticed_by": change.noticed_by,
            "why": ", ".join(fields),
        }
        _next_version(store, row, stated, cursor, opened)
    store.run("update_job", {"job_id": job_id, "version": version + new_version, "now": now} | _shown(spec))
    plan_one(store, job_id, now, decide)


def _touched(row: Row, spec: JobSpec, fields: Sequence[str]) -> list[str]:
    """Return which of the changed fields the profile sets, or has set until now."""
    sets = {*json.loads(row["profile_sets"]), *spec.profile_sets}
    before = policies_of(row["policies"])
    changed = {one.name for one in POLICIES if getattr(spec.policies, one.name) != getattr(before, one.name)}
    return sorted(sets & {*fields, *changed})


def _whose(spec: JobSpec, touched: Sequence[str], change: Change) -> str:
    """Say whose doing it is: the program's that was given the job as an object, the profile's, or the code's."""
    if spec.source.startswith("given:"):
        return change.actor
    return "profile" if touched or _is_of_profile(spec) else "code"


def _is_of_profile(spec: JobSpec) -> bool:
    return spec.source.startswith("command:")


def _quarantine(store: Store, row: Row, error: str, now: Instant, decide: Decide) -> None:
    plan_one(store, row["job_id"], now, decide)
    store.run("quarantine_job", {"job_id": row["job_id"], "error": error, "now": now})
    plan_one(store, row["job_id"], now, decide)


def _retire(store: Store, row: Row, now: Instant, decide: Decide) -> None:
    job_id = row["job_id"]
    cursor = plan_one(store, job_id, now, decide)
    store.run("close_version", {"job_id": job_id, "valid_until": cursor})
    books = Books()
    for waiting in store.run("waiting_runs_of_job", {"job_id": job_id}).fetchall():
        books.close(closed_waiting(OpenRun.leading(waiting), "cancelled", "retired", now=now))
    close_all(store, books)
    store.run("retire_job", {"job_id": job_id, "now": now})
    store.run("stop_cursor", {"job_id": job_id})


def _add_quarantined(store: Store, name: str, notices: _Notices, now: Instant, decide: Decide, change: Change) -> None:
    # A job nobody has ever seen whole: shown with its error, without a schedule until it is fixed.
    notice = notices.by_name[name]
    job_id = store.run("last_job_id").fetchone()["job_id"] + 1
    shown = {"description": "", "tags": "[]", "owner": None, "source": notice.source, "declared_enabled": 1}
    quarantine = {"quarantine": "load", "quarantine_error": notice.error, "profile_sets": "[]", "described": "{}"}
    row = {"job_id": job_id, "name": name, "runs_on": "[]", "now": now}
    store.run_many("add_jobs", [row | quarantine | shown])
    store.run_many("add_cursors", [{"job_id": job_id, "now": now}])
    stated = {"schedule": "", "time_zone": "UTC", "policies": "{}", "enabled": 1}
    opened = {"cause": "quarantined", "actor": "code", "noticed_by": change.noticed_by, "why": ""}
    store.run_many("open_version", [{"job_id": job_id, "version": 1, "valid_from": now} | stated | opened])
    plan_one(store, job_id, now, decide)


def _sync_sources(store: Store, notices: _Notices, now: Instant) -> None:
    present = {row["source"]: row["error"] for row in store.run("quarantined_sources").fetchall()}
    for source, error in notices.by_source.items():
        if present.get(source) != error:
            store.run("quarantine_source", {"source": source, "error": error, "now": now})
    for source in present.keys() - notices.by_source.keys():
        store.run("release_source", {"source": source})


def _next_version(
    store: Store, row: Row, stated: Mapping[str, Any], cursor: Instant, opened: Mapping[str, Any]
) -> None:
    job_id = row["job_id"]
    store.run("close_version", {"job_id": job_id, "valid_until": cursor})
    version = {"job_id": job_id, "version": row["version"] + 1, "valid_from": cursor}
    store.run_many("open_version", [version | dict(stated) | dict(opened)])


@lru_cache(maxsize=1024)
def _tags(tags: tuple[str, ...]) -> str:
    return json.dumps(list(tags))
