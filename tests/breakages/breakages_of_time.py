"""Broken versions and retention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from wrench import RULES, Breakage, Wrench

from systemprompt.ledger.sqlite import catalogue, retention


def _cursor_without_planning(wrench: Wrench) -> None:
    def make(_: object) -> Callable[..., int]:
        def plan_one(store: Any, job_id: str, now: int, decide: object) -> int:
            return now

        return plan_one

    wrench.patch(catalogue, "plan_one", make)


def _edit_in_place(wrench: Wrench) -> None:
    def make(real: Callable[..., None]) -> Callable[..., None]:
        def next_version(store: Any, job_id: str, stated: Any, version: int, cursor: int, **more: Any) -> None:
            if more["why"] != "changed: schedule":
                return real(store, job_id, stated, version, cursor, **more)
            store.connection.execute(
                "UPDATE job_versions SET schedule = ? WHERE job_id = ? AND version = ?",
                [stated["schedule"], job_id, version],
            )
            store.connection.execute("UPDATE scheduled_jobs SET version = ? WHERE id = ?", [version, job_id])
            return None

        return next_version

    wrench.patch(catalogue, "_next_version", make)


def _wrong_counts(wrench: Wrench) -> None:
    def make(real: Callable[..., Any]) -> Callable[..., Any]:
        def chained(draft: Any, **more: Any) -> Any:
            return real(replace(draft, content=replace(draft.content, runs=draft.content.runs + 1)), **more)

        return chained

    wrench.patch(retention, "chained", make)


def _unchained(wrench: Wrench) -> None:
    def make(real: Callable[..., Any]) -> Callable[..., Any]:
        return lambda draft, **more: real(draft, **{**more, "previous": "0" * 64})

    wrench.patch(retention, "chained", make)


def _after_sealing(statement: str) -> Callable[[Wrench], None]:
    """What an engine would do that writes where it must not."""

    def make(real: Callable[..., Any]) -> Callable[..., Any]:
        def seal(store: Any, *arguments: Any) -> Any:
            made = real(store, *arguments)
            if made is not None:
                store.connection.execute(statement)
            return made

        return seal

    return lambda wrench: wrench.patch(retention, "seal", make)


def _skip_a_number(wrench: Wrench) -> None:
    wrench.statement("open_version", (":version,", ":version + (:version > 1),"))
    for name in ("update_job", "set_job_enabled"):
        wrench.statement(name, (" version = :version", " version = :version + (:version > version)"))


OF_VERSIONS = (
    Breakage(
        what="lets a version end after the next began",
        area="version",
        kinds=("versions",),
        guards=("job_versions_never_overlap",),
        plant=lambda wrench: wrench.statement("close_version", ("= :valid_until", "= :valid_until + 60000000")),
    ),
    Breakage(
        what="leaves a second between two versions",
        area="version",
        kinds=("versions",),
        plant=lambda wrench: wrench.statement(
            "close_version", ("= :valid_until", "= max(valid_from, :valid_until - 1000000)")
        ),
    ),
    Breakage(
        what="lets a version begin late",
        area="version",
        kinds=("versions",),
        plant=lambda wrench: wrench.statement("open_version", (":valid_from", ":valid_from + 10000000")),
    ),
    Breakage(
        what="edits a version in place",
        area="version",
        kinds=("missing",),
        guards=("job_versions_are_immutable",),
        plant=_edit_in_place,
    ),
    Breakage(
        what="changes a job without planning it up to the change",
        area="version",
        kinds=("cursor",),
        plant=_cursor_without_planning,
    ),
    Breakage(
        what="leaves the former version open",
        area="version",
        kinds=("versions",),
        guards=("job_versions_open", "job_versions_never_overlap"),
        plant=lambda wrench: wrench.statement("close_version", ("AND valid_until IS NULL", "AND 0")),
    ),
    Breakage(
        what="leaves the version of a retired job open",
        area="version",
        kinds=("versions",),
        plant=lambda wrench: wrench.patch(
            catalogue,
            "_retire",
            lambda _: lambda store, row, now, decide: store.run("retire_job", {"job_id": row["id"], "now": now}),
        ),
    ),
    Breakage(
        what="skips a version's number",
        area="version",
        kinds=("versions",),
        plant=_skip_a_number,
    ),
    Breakage(
        what="shows the schedule of the former version",
        area="version",
        kinds=("versions",),
        plant=lambda wrench: wrench.statement("update_job", ("SET schedule = :schedule", "SET schedule = schedule")),
    ),
    Breakage(
        what="keeps a schedule that nobody can read",
        area="version",
        kinds=("unreadable",),
        plant=lambda wrench: wrench.statement(
            "open_version", (":schedule,", "replace(:schedule, '0 * * * * *', '0 * * * * MOON'),")
        ),
    ),
    Breakage(
        what="plans by a version that is over",
        area="version",
        kinds=("wrong_version",),
        plant=lambda wrench: wrench.statement("write_runs", ("json_extract(value, '$[1]')", "1")),
    ),
    Breakage(
        what="brings a job back as if it had never been away",
        area="version",
        kinds=("versions",),
        plant=lambda wrench: wrench.statement("open_version", (":why)", "'changed')")),
    ),
)

OF_RETENTION = (
    Breakage(
        what="deletes and does not say how far",
        area="retention",
        kinds=("missing",),
        plant=lambda wrench: wrench.statement("mark_jobs_pruned", ("= gone.job_id", "= gone.job_id AND 0")),
    ),
    Breakage(
        what="says that more was pruned than was",
        area="retention",
        kinds=("extra",),
        plant=lambda wrench: wrench.statement(
            "mark_jobs_pruned", ("pruned_through = gone.at", "pruned_through = gone.at + 300000000")
        ),
    ),
    Breakage(
        what="says that it pruned past the cursor",
        area="retention",
        kinds=("cursor",),
        plant=lambda wrench: wrench.statement(
            "mark_jobs_pruned", ("pruned_through = gone.at", "pruned_through = planned_through + 1")
        ),
    ),
    Breakage(
        what="deletes the newest first, and leaves a hole",
        area="retention",
        kinds=("missing",),
        plant=lambda wrench: wrench.statement("prune_batch", ("ORDER BY at, id", "ORDER BY at DESC, id")),
    ),
    Breakage(
        what="deletes runs and forgets the ranges",
        area="retention",
        kinds=("extra",),
        plant=lambda wrench: wrench.statement("prune_ranges", ("range_id IN", "0 AND range_id IN")),
    ),
    Breakage(
        what="deletes ranges and forgets the runs",
        area="retention",
        kinds=("extra",),
        plant=lambda wrench: wrench.statement("prune_runs", ("run_id IN", "0 AND run_id IN")),
    ),
    Breakage(
        what="deletes a day that was never sealed",
        area="retention",
        kinds=("pruned",),
        guards=("job_runs_go_when_pruned", "job_run_ranges_go_when_pruned"),
        plant=lambda wrench: wrench.statement(
            "prune_batch",
            ("(SELECT pruned_until FROM ledger_state)", "(SELECT high_water - 3600000000 FROM ledger_state)"),
        ),
    ),
    Breakage(
        what="says that a day is pruned that was never sealed",
        area="retention",
        kinds=("pruned",),
        guards=("ledger_state_prunes_what_is_sealed",),
        plant=lambda wrench: wrench.statement(
            "mark_ledger_pruned", ("pruned_until = :until", "pruned_until = :until + 86400000000")
        ),
    ),
    Breakage(
        what="seals other counts than a day has",
        area="retention",
        kinds=("sealed_day",),
        plant=_wrong_counts,
    ),
    Breakage(
        what="seals with a digest that is not chained to the day before",
        area="retention",
        kinds=("seal_chain",),
        guards=("ledger_seals_follow_one_another",),
        plant=_unchained,
    ),
    Breakage(
        what="changes a row of a sealed day",
        area="retention",
        kinds=("sealed_day",),
        guards=(RULES,),
        plant=_after_sealing(
            "UPDATE job_runs SET message = 'all went well' WHERE run_id = (SELECT min(run_id) FROM job_runs)"
        ),
    ),
    Breakage(
        what="changes a seal",
        area="retention",
        kinds=("seal_chain",),
        guards=("ledger_seals_are_final",),
        plant=_after_sealing("UPDATE ledger_seals SET runs = runs + 1"),
    ),
    Breakage(
        what="deletes a seal",
        area="retention",
        kinds=("seal_chain",),
        guards=("ledger_seals_stay",),
        plant=_after_sealing("DELETE FROM ledger_seals WHERE seal = (SELECT max(seal) FROM ledger_seals)"),
    ),
)
