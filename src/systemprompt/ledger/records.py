"""What goes into the ledger and what comes out of a turn: plain frozen values, instants in microseconds UTC."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from systemprompt.clock import Instant
from systemprompt.jobs.policies import Policies
from systemprompt.ledger.node_identity import NodeIdentity
from systemprompt.ledger.reasons import REASONS, STATUSES
from systemprompt.record import record

__all__ = [
    "INTERRUPTIONS",
    "REASONS",
    "STATUSES",
    "Change",
    "Claimed",
    "ClockEvent",
    "Closing",
    "Decide",
    "Decision",
    "JobSpec",
    "JobToPlan",
    "ManualStart",
    "NodeIdentity",
    "PlannedRange",
    "PlannedRun",
    "QuarantineNotice",
    "Rescued",
    "StopAsked",
    "SyncReport",
    "Turn",
    "ZoneDataStanding",
]

INTERRUPTIONS = 5
"""How often a run may be interrupted, by nodes that are lost or stop, whatever `on_lost` says: the fifth closes it."""

Decide: TypeAlias = Callable[["JobToPlan", Instant], "Decision"]
"""The planner: what is owed of one job up to this instant. Pure; called inside the ledger's transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Who acts, and why: every method by which somebody acts takes one.

    actor              a person (`cli:alice`), a program that embeds a node, or the scheduler itself
    why                free text for people; nothing is read out of it
    request_id         the same id does the act once: asked again it gets the first answer, and another act under it is refused
    expected_version   the job's version that the actor has seen; refused where the job has another one now
    noticed_by         the node or command that noticed a change of code or profile
    """

    actor: str
    why: str = ""
    request_id: str | None = None
    expected_version: int | None = None
    noticed_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """What code and profile say of a job now; `sync_catalogue` turns a change into a new version.

    described      what it is, as JSON: command, parameters and the like; for whoever looks, no part of a version
    profile_sets   what the profile says of `schedule`, `time_zone`, `enabled` and each policy, by name: the code says the rest
    """

    name: str
    description: str
    schedule: str
    time_zone: str
    enabled: bool
    policies: Policies
    tags: tuple[str, ...] = ()
    owner: str | None = None
    source: str = ""
    profile_sets: tuple[str, ...] = ()
    described: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineNotice:
    """A job (by name) or everything last seen from a source (name None) cannot be loaded."""

    name: str | None
    source: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What a synchronisation changed, by job name. All empty: nothing was written."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()
    quarantined: tuple[str, ...] = ()
    released: tuple[str, ...] = ()


@record
class JobToPlan:
    """One due job, as the planner sees it. The version names the fire times after `planned_through`.

    open_run      the run in the way of the next one, None where there is none: the lowest open one, or a closed one whose code
                  still runs because it cannot be stopped
    open_runs     how many are open
    catching_up   whether an open run was queued by catch-up
    """

    job_id: int
    job_name: str
    version: int
    schedule: str
    time_zone: str
    policies: Policies
    enabled: bool
    quarantined: bool
    planned_through: Instant
    open_run: int | None = None
    open_runs: int = 0
    catching_up: bool = False


@record
class PlannedRun:
    """A row to write: `queued`, or closed at once with its reason; `blocked_by` is the run that was in the way."""

    fire_at: Instant
    status: str
    origin: str = "schedule"
    reason: str | None = None
    blocked_by: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRange:
    """A range row to write: `count` fire times from `first_at` to `last_at`, both included."""

    first_at: Instant
    last_at: Instant
    count: int
    status: str
    reason: str


@record
class Decision:
    """What is owed of one job. Rows, ranges and the cursor commit together or not at all.

    next_due   when to look again, None for never; next_run   the next fire time that will start, None where none will
    """

    planned_through: Instant
    next_due: Instant | None
    next_run: Instant | None
    runs: tuple[PlannedRun, ...] = ()
    ranges: tuple[PlannedRange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualStart:
    """A start by hand, as asked for."""

    job_name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    enforce: bool | None = None
    origin: str = "manual"


class Claimed(NamedTuple):
    """A run that this node now holds. The commit that made it is durable: code may start.

    fire_at is None for a manual start; `fence` is the token with which the run must be closed.
    reruns: others may start it again when this node is lost (`on_lost: rerun` under the run's version).
    """

    run_id: int
    job_name: str
    version: int
    origin: str
    fire_at: Instant | None
    attempt: int
    fence: int
    started_at: Instant
    actor: str
    parameters: Mapping[str, Any]
    enforce: bool | None
    reruns: bool = False


@record
class Closing:
    """The end of a run, as its node saw it. Accepted only under the run's current fence; otherwise kept as a late result.

    abandoned   the account closes although the code still runs; when it ends, the node reports a late result
    again       it failed, and its job's `retry` covers such a failure, as far as its node knows; or it was interrupted, and others
                may start it again. Whether the run waits to be tried again is for the ledger to say
    did_nothing it succeeded and had nothing to do
    dry_run     the job only said what it would do
    lines_dropped   lines of its log that were dropped until it ended
    """

    run_id: int
    attempt: int
    fence: int
    status: str
    reason: str | None = None
    started_at: Instant | None = None
    finished_at: Instant
    duration_ms: int | None = None
    items_processed: int = 0
    items_failed: int = 0
    message: str | None = None
    error: str | None = None
    exit_code: int | None = None
    output: str | None = None
    abandoned: bool = False
    did_nothing: bool = False
    dry_run: bool = False
    lines_dropped: int = 0
    again: bool = False


@record
class Turn:
    """What one transaction of a node did.

    closed     run ids whose closing was accepted; late   those whose fence had passed to another
    again      of the closed ones those that are tried again, their accounts are open; each with the instant from which it may begin
    odd        runs whose closing the ledger refuses: they stay open, and their jobs are quarantined (`ledger_conflict`)
    planned    rows and ranges written; claimed   runs to start now
    next_due   when the next job is due, None where none is; more   whether due jobs were left for the next turn
    """

    closed: tuple[int, ...] = ()
    late: tuple[int, ...] = ()
    again: tuple[tuple[int, Instant], ...] = ()
    odd: tuple[int, ...] = ()
    planned: int = 0
    claimed: tuple[Claimed, ...] = ()
    next_due: Instant | None = None
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAsked:
    """What became of a request to stop a run.

    status   `cancelled`: it was waiting, and its account is closed; `running`: its node was told, and begins to stop the work
    """

    run_id: int
    job_name: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescued:
    """A run taken from a lost node: `failed` (node_lost), or `queued` again where the job says `on_lost: rerun`."""

    run_id: int
    job_name: str
    node_id: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneDataStanding:
    """What a node's time zone data let it do.

    may_plan    no serving node has newer data
    took_over   its data were put in force just now: it has every job to look at again, due or not
    """

    may_plan: bool
    took_over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockEvent:
    """A jump of the wall clock against the monotonic one. `delta_us` is negative for backward."""

    seen_at: Instant
    kind: str
    delta_us: int
    action: str
    node_id: str
