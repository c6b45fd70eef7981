"""Jobs and their versions: what the catalogue says now becomes what the ledger plans by."""

from __future__ import annotations

import json
from functools import lru_cache
from operator import itemgetter

from systemprompt.errors import JobNotFound
from systemprompt.ledger.records import SyncReport
from systemprompt.ledger.sqlite.clockwork import plan_new, plan_one

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence
    from typing import Any

    from systemprompt.clock import Instant
    from systemprompt.ledger.records import Decide, JobSpec, QuarantineNotice
    from systemprompt.ledger.sqlite.store import Store

__all__ = ["NOTHING", "is_current", "set_enabled", "sync"]

NOTHING = SyncReport()


def is_current(
    store: Store, specs: Sequence[JobSpec], quarantined: Sequence[QuarantineNotice], keep: str | None
) -> bool:
    """Say whether a synchronisation would change nothing."""
    wanted = {spec.name for spec in specs}
    rows, kept = _rows(store, wanted, keep)
    notices = _Notices(quarantined, kept)
    return (
        all(spec.name in rows and not _differs(rows[spec.name], spec) for spec in specs)
        and all(notices.error_of(row) == row["quarantine_error"] for name, row in rows.items() if name not in wanted)
        and all(row["retired_at"] or notices.error_of(row) for name, row in rows.items() if name not in wanted)
        and all(name in rows for name in notices.by_name)
        and {row["source"]: row["error"] for row in store.run("quarantined_sources")} == notices.by_source
    )


def sync(
    store: Store,
    specs: Sequence[JobSpec],
    quarantined: Sequence[QuarantineNotice],
    now: Instant,
    decide: Decide,
    *,
    actor: str,
    keep: str | None,
) -> SyncReport:
    wanted = {spec.name for spec in specs}
    rows, kept = _rows(store, wanted, keep)
    notices = _Notices(quarantined, kept)
    added: Sequence[str] = ()
    changed: list[str] = []
    retired: list[str] = []
    held: list[str] = []
    released: list[str] = []
    new = [spec for spec in specs if spec.name not in rows]
    if new:
        _add(store, new, now, decide, actor=actor)
        added = [spec.name for spec in new]
    for spec in specs:
        row = rows.get(spec.name)
        if row is not None and _differs(row, spec):
            (released if row["quarantine_error"] else changed).append(spec.name)
            _change(store, row, spec, now, decide, actor=actor)
    for name, row in rows.items():
        error = notices.error_of(row)
        if name in wanted or (error == row["quarantine_error"] and (error or row["retired_at"])):
            continue
        if error:
            _quarantine(store, row, error, now, decide)
            held.append(name)
        else:
            _retire(store, row, now, decide)
            retired.append(name)
    for name in notices.by_name.keys() - rows.keys() - wanted:
        _add_quarantined(store, name, notices, now, decide, actor=actor)
        held.append(name)
    _sync_sources(store, notices, now)
    return SyncReport(
        added=tuple(added),
        changed=tuple(changed),
        retired=tuple(retired),
        quarantined=tuple(held),
        released=tuple(released),
    )


def set_enabled(
    store: Store, job_name: str, enabled: bool, now: Instant, decide: Decide, *, actor: str, why: str
) -> None:
    rows = {row["job_name"]: row for row in store.run("all_jobs_for_sync").fetchall() if row["retired_at"] is None}
    if job_name not in rows:
        raise JobNotFound(job_name, rows)
    row = rows[job_name]
    if bool(row["enabled"]) == enabled:
        return
    cursor = plan_one(store, row["id"], now, decide)
    store.run("set_job_enabled", {"job_id": row["id"], "enabled": enabled, "version": row["version"] + 1, "now": now})
    why = why or ("enabled" if enabled else "disabled")
    _next_version(store, row["id"], _stated(row) | {"enabled": enabled}, row["version"], cursor, actor=actor, why=why)
    plan_one(store, row["id"], now, decide)


def _rows(store: Store, wanted: set[str], keep: str | None) -> tuple[dict[str, sqlite3.Row], set[str]]:
    """Return the jobs to hold against the catalogue by name, and the names of those to leave as they are."""
    rows = {row["job_name"]: row for row in store.run("all_jobs_for_sync").fetchall()}
    if keep is None:
        return rows, set()
    kept = {
        name
        for name, row in rows.items()
        if name not in wanted and row["retired_at"] is None and row["source"].startswith(keep)
    }
    return {name: row for name, row in rows.items() if name not in kept}, kept


class _Notices:
    def __init__(self, quarantined: Sequence[QuarantineNotice], kept: set[str]) -> None:
        self.by_name = {
            notice.name: notice for notice in quarantined if notice.name is not None and notice.name not in kept
        }
        self.by_source = {notice.source: notice.error for notice in quarantined if notice.name is None}

    def error_of(self, row: sqlite3.Row) -> str | None:
        if row["retired_at"] is not None:
            return None
        notice = self.by_name.get(row["job_name"])
        return notice.error if notice is not None else self.by_source.get(row["source"])


_STATED = ("schedule", "time_zone", "policies", "enabled")


def _stated(row: sqlite3.Row) -> dict[str, Any]:
    return {name: row[name] for name in _STATED}


def _wanted(row: sqlite3.Row, spec: JobSpec) -> dict[str, Any]:
    # The last writer wins: `sp jobs disable` holds until the code or the profile changes its own word.
    declared_again = bool(row["declared_enabled"]) != spec.enabled or row["retired_at"] is not None
    return {
        "schedule": spec.schedule,
        "time_zone": spec.time_zone,
        "policies": _text(spec.policies),
        "enabled": int(spec.enabled if declared_again else row["enabled"]),
    }


def _shown(spec: JobSpec) -> dict[str, Any]:
    return {
        "description": spec.description,
        "tags": _tags(spec.tags),
        "owner": spec.owner,
        "source": spec.source,
        "declared_enabled": int(spec.enabled),
    }


def _differs(row: sqlite3.Row, spec: JobSpec) -> bool:
    held: tuple[object, ...] = _held(row)
    return held != (
        None,
        None,
        int(spec.enabled),
        spec.schedule,
        spec.time_zone,
        _text(spec.policies),
        spec.description,
        _tags(spec.tags),
        spec.owner,
        spec.source,
    )


_held = itemgetter(
    "retired_at",
    "quarantine_error",
    "declared_enabled",
    "schedule",
    "time_zone",
    "policies",
    "description",
    "tags",
    "owner",
    "source",
)


def _add(store: Store, specs: Sequence[JobSpec], now: Instant, decide: Decide, *, actor: str) -> None:
    # All of them in four statements: an installation's first start may add a hundred thousand.
    store.run_many("add_job", (_added(spec, now) for spec in specs))
    opened = {"version": 1, "valid_from": now, "actor": actor, "why": "added"}
    store.run_many("open_version", (opened | {"job_id": _id_of(spec.name)} | _first(spec) for spec in specs))
    plan_new(store, [_id_of(spec.name) for spec in specs], now, decide)


def _added(spec: JobSpec, now: Instant) -> dict[str, Any]:
    values = {"job_id": _id_of(spec.name), "name": spec.name, "version": 1, "now": now, "quarantine_error": None}
    return values | _first(spec) | _shown(spec)


def _first(spec: JobSpec) -> dict[str, Any]:
    return {
        "schedule": spec.schedule,
        "time_zone": spec.time_zone,
        "policies": _text(spec.policies),
        "enabled": int(spec.enabled),
    }


def _change(store: Store, row: sqlite3.Row, spec: JobSpec, now: Instant, decide: Decide, *, actor: str) -> None:
    job_id, stated, version = row["id"], _wanted(row, spec), row["version"]
    new_version = row["retired_at"] is not None or stated != _stated(row)
    if row["retired_at"] is None:
        cursor = plan_one(store, job_id, now, decide)
    else:
        # While it was away no version was open, so nothing was owed: the cursor moves to the present.
        cursor = max(now, row["planned_through"])
        store.run("move_cursors", {"rows": json.dumps([(job_id, cursor, None, None, row["planned_through"])])})
    values = {"job_id": job_id, "version": version + 1 if new_version else version, "now": now}
    store.run("update_job", values | stated | _shown(spec))
    if new_version:
        # `back` also tells the audit that nothing was owed between the last version and this one.
        changes = ["back"] if row["retired_at"] is not None else []
        changes += [name for name in _STATED if stated[name] != row[name]]
        _next_version(store, job_id, stated, version, cursor, actor=actor, why=f"changed: {', '.join(changes)}")
    plan_one(store, job_id, now, decide)


def _quarantine(store: Store, row: sqlite3.Row, error: str, now: Instant, decide: Decide) -> None:
    plan_one(store, row["id"], now, decide)
    store.run("quarantine_job", {"job_id": row["id"], "error": error, "now": now})
    plan_one(store, row["id"], now, decide)


def _retire(store: Store, row: sqlite3.Row, now: Instant, decide: Decide) -> None:
    cursor = plan_one(store, row["id"], now, decide)
    store.run("close_version", {"job_id": row["id"], "valid_until": cursor})
    store.run("cancel_queued_of_job", {"job_id": row["id"], "now": now})
    store.run("retire_job", {"job_id": row["id"], "now": now})


def _add_quarantined(store: Store, name: str, notices: _Notices, now: Instant, decide: Decide, *, actor: str) -> None:
    # A job nobody has ever seen whole: shown with its error, without a schedule until it is mended.
    notice = notices.by_name[name]
    job_id = _id_of(name)
    stated = {"schedule": "", "time_zone": "UTC", "policies": "{}", "enabled": 1}
    shown = {"description": "", "tags": "[]", "owner": None, "source": notice.source}
    values = {"job_id": job_id, "name": name, "version": 1, "now": now, "quarantine_error": notice.error}
    store.run("add_job", values | stated | shown)
    _open_version(store, job_id, stated, 1, now, actor=actor, why="quarantined when first seen")
    plan_one(store, job_id, now, decide)


def _sync_sources(store: Store, notices: _Notices, now: Instant) -> None:
    present = {row["source"]: row["error"] for row in store.run("quarantined_sources").fetchall()}
    for source, error in notices.by_source.items():
        if present.get(source) != error:
            store.run("quarantine_source", {"source": source, "error": error, "now": now})
    for source in present.keys() - notices.by_source.keys():
        store.run("release_source", {"source": source})


def _next_version(
    store: Store, job_id: str, stated: Mapping[str, Any], version: int, cursor: Instant, *, actor: str, why: str
) -> None:
    store.run("close_version", {"job_id": job_id, "valid_until": cursor})
    _open_version(store, job_id, stated, version + 1, cursor, actor=actor, why=why)


def _open_version(
    store: Store, job_id: str, stated: Mapping[str, Any], version: int, valid_from: Instant, *, actor: str, why: str
) -> None:
    values = {"job_id": job_id, "version": version, "valid_from": valid_from, "actor": actor, "why": why}
    store.run("open_version", values | dict(stated))


def _id_of(name: str) -> str:
    return f"job_{name}"


def _text(policies: Mapping[str, object]) -> str:
    return _policies(**policies)


# Thousands of jobs share a handful of texts. `typed`, since 60 and 60.0 are equal and written differently.
@lru_cache(maxsize=1024, typed=True)
def _policies(**policies: object) -> str:
    return _encode(policies)


@lru_cache(maxsize=1024)
def _tags(tags: tuple[str, ...]) -> str:
    return _encode(list(tags))


_encode = json.JSONEncoder(sort_keys=True).encode
