"""Broken versions and retention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from breaking import Breakage, Breaker, Guard

from systemprompt.clock import SECOND
from systemprompt.ledger import bookkeeping, seals
from systemprompt.ledger.rows import OpenRun

_HOUR, _DAY = 3_600 * SECOND, 86_400 * SECOND


def opened(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Breaker], None]:
    """Open each version with something changed."""
    return lambda breaker: breaker.given("open_version", lambda values: values | change(values))


def closed(valid_until: Callable[[int], int]) -> Callable[[Breaker], None]:
    return lambda breaker: breaker.given(
        "close_version", lambda values: values | {"valid_until": valid_until(values["valid_until"])}
    )


def _edit_in_place(breaker: Breaker) -> None:
    """A job's first new schedule is written into the version that is open. With a second one all might be as it was."""
    edited: dict[int, str] = {}
    once: set[int] = set()

    def instead(values: Any) -> Any:
        if values["cause"] != "changed" or values["job_id"] in once:
            return values
        once.add(values["job_id"])
        edited[values["job_id"]] = values["schedule"]
        return None

    def shown(values: Any) -> Any:
        return values | {"version": values["version"] - 1} if values["job_id"] in edited else values

    def rewritten(values: Any) -> str:
        schedule = edited.pop(values["job_id"], None)
        if schedule is None:
            return ""
        job = f"job_id = {values['job_id']}"
        former = f"version = (SELECT max(v.version) FROM job_versions v WHERE v.{job})"
        return f"UPDATE job_versions SET schedule = '{schedule}', valid_until = NULL WHERE {job} AND {former}"

    breaker.given("open_version", instead)
    breaker.given("update_job", shown)
    breaker.afterwards("update_job", rewritten)


def _never_planned_up_to(real: Callable[..., int]) -> Callable[..., int]:
    return lambda store, job_id, now, decide: now


def _skip_a_number(breaker: Breaker) -> None:
    """From the second version on, every number is one higher."""
    higher: set[int] = set()

    def open_(values: Any) -> Any:
        if values["version"] != 2:
            return values
        higher.add(values["job_id"])
        return values | {"version": 3}

    def point(values: Any) -> Any:
        return values | {"version": 3} if values["job_id"] in higher and values["version"] == 2 else values

    breaker.given("open_version", open_)
    breaker.given("update_job", point)
    breaker.given("point_to_version", point)


def _wrong_counts(real: Callable[..., Any]) -> Callable[..., Any]:
    def chained(draft: Any, **more: Any) -> Any:
        return real(replace(draft, content=replace(draft.content, runs=draft.content.runs + 1)), **more)

    return chained


def _unchained(real: Callable[..., Any]) -> Callable[..., Any]:
    return lambda draft, **more: real(draft, **{**more, "previous": "0" * 64})


def _version_one(real: Callable[..., OpenRun]) -> Callable[..., OpenRun]:
    return lambda run, **more: real(run, **{**more, "version": 1})


def _after_sealing(sql: str) -> Callable[[Breaker], None]:
    """What an engine would do that writes where it must not."""
    return lambda breaker: breaker.afterwards("count_seal", lambda values: sql)


def pruned(change: Callable[[Any], Any]) -> Callable[[Breaker], None]:
    return lambda breaker: breaker.given("mark_jobs_pruned", change)


def _newest_first(breaker: Breaker) -> None:
    breaker.given("prune_batch", lambda values: values | {"limit": 10**9})
    breaker.found("prune_batch", lambda rows: rows[:-21:-1])


OF_VERSIONS = (
    Breakage(
        what="lets a version end after the next began",
        area="version",
        kinds=("versions",),
        guards=(Guard.versions_apart,),
        plant=closed(lambda at: at + 60 * SECOND),
    ),
    Breakage(
        what="leaves a second between two versions",
        area="version",
        kinds=("versions",),
        plant=closed(lambda at: at - SECOND),
    ),
    Breakage(
        what="lets a version begin late",
        area="version",
        kinds=("versions",),
        plant=opened(lambda values: {"valid_from": values["valid_from"] + 10 * SECOND}),
    ),
    Breakage(
        what="edits a version in place",
        area="version",
        kinds=("extra",),
        guards=(Guard.versions_stay,),
        plant=_edit_in_place,
    ),
    Breakage(
        what="changes a job without planning it up to the change",
        area="version",
        kinds=("cursor",),
        plant=lambda breaker: breaker.decision(breaker.engine.parts["plan_one"], _never_planned_up_to),
    ),
    Breakage(
        what="leaves the former version open",
        area="version",
        kinds=("versions",),
        guards=(Guard.one_open_version, Guard.versions_apart),
        plant=lambda breaker: breaker.rows("close_version", lambda rows: []),
    ),
    Breakage(
        what="leaves the version of a retired job open",
        area="version",
        kinds=("versions",),
        guards=(Guard.versions_stay,),
        plant=lambda breaker: breaker.afterwards(
            "retire_job",
            lambda values: (
                f"UPDATE job_versions SET valid_until = NULL WHERE job_id = {values['job_id']} "
                f"AND version = (SELECT j.version FROM jobs j WHERE j.job_id = {values['job_id']})"
            ),
        ),
    ),
    Breakage(
        what="skips a version's number",
        area="version",
        kinds=("versions",),
        plant=_skip_a_number,
    ),
    Breakage(
        what="shows the former version as the present one",
        area="version",
        kinds=("versions",),
        plant=lambda breaker: breaker.given(
            "point_to_version", lambda values: None if values["version"] == 3 and values["job_id"] > 1 else values
        ),
    ),
    Breakage(
        what="keeps a schedule that nobody can read",
        area="version",
        kinds=("unreadable",),
        plant=opened(lambda values: {"schedule": values["schedule"].replace("0 * * * * *", "0 * * * * MOON")}),
    ),
    Breakage(
        what="opens a version with a policy that nobody knows",
        area="version",
        kinds=("unknown_policy",),
        plant=opened(lambda values: {"policies": values["policies"].replace("{", '{"hurry": 1, ', 1)}),
    ),
    Breakage(
        what="plans by a version that is over",
        area="version",
        kinds=("wrong_version",),
        plant=lambda breaker: breaker.decision(bookkeeping.planned, _version_one),
    ),
    Breakage(
        what="brings a job back as if it had never been away",
        area="version",
        kinds=("versions",),
        plant=opened(lambda values: {"cause": "changed"} if values["cause"] == "returned" else {}),
    ),
)

OF_RETENTION = (
    Breakage(
        what="deletes and does not say how far",
        area="retention",
        kinds=("missing",),
        plant=lambda breaker: breaker.rows("mark_jobs_pruned", lambda rows: []),
    ),
    Breakage(
        what="says that more was pruned than was",
        area="retention",
        kinds=("extra",),
        plant=pruned(lambda values: values | {"at": values["at"] + 300 * SECOND}),
    ),
    Breakage(
        what="says that it pruned past the cursor",
        area="retention",
        kinds=("cursor",),
        plant=pruned(lambda values: values | {"at": values["at"] + 40 * _DAY}),
    ),
    Breakage(
        what="deletes the newest first, and leaves a hole",
        area="retention",
        kinds=("missing",),
        plant=_newest_first,
    ),
    Breakage(
        what="deletes runs and forgets the ranges",
        area="retention",
        kinds=("extra",),
        plant=lambda breaker: breaker.rows("prune_ranges", lambda rows: []),
    ),
    Breakage(
        what="deletes ranges and forgets the runs",
        area="retention",
        kinds=("extra",),
        plant=lambda breaker: breaker.rows("prune_runs", lambda rows: []),
    ),
    Breakage(
        what="deletes a day that was never sealed",
        area="retention",
        kinds=("pruned",),
        guards=(Guard.prunes_sealed,),
        plant=lambda breaker: breaker.clause("prune_batch", "of sealed days", breaker.engine.an_hour_ago),
    ),
    Breakage(
        what="says that a day is pruned that was never sealed",
        area="retention",
        kinds=("pruned",),
        guards=(Guard.pruned_until,),
        plant=lambda breaker: breaker.given(
            "mark_ledger_pruned", lambda values: values | {"until": values["until"] + _DAY}
        ),
    ),
    Breakage(
        what="seals other counts than a day has",
        area="retention",
        kinds=("sealed_day",),
        plant=lambda breaker: breaker.decision(seals.chained, _wrong_counts),
    ),
    Breakage(
        what="seals with a digest that is not chained to the day before",
        area="retention",
        kinds=("seal_chain",),
        guards=(Guard.seals_follow,),
        plant=lambda breaker: breaker.decision(seals.chained, _unchained),
    ),
    Breakage(
        what="changes a row of a sealed day",
        area="retention",
        kinds=("sealed_day",),
        guards=(Guard.never_changes,),
        plant=_after_sealing(
            "UPDATE job_runs SET message = 'all went well' WHERE run_id = (SELECT min(run_id) FROM job_runs)"
        ),
    ),
    Breakage(
        what="changes a seal",
        area="retention",
        kinds=("seal_chain",),
        guards=(Guard.seals_final,),
        plant=_after_sealing("UPDATE ledger_seals SET runs = runs + 1"),
    ),
    Breakage(
        what="deletes a seal",
        area="retention",
        kinds=("seal_chain",),
        guards=(Guard.seals_stay,),
        plant=_after_sealing("DELETE FROM ledger_seals WHERE seal = (SELECT max(seal) FROM ledger_seals)"),
    ),
)
