"""Look at a job's runs and ranges in their order: what was open when, who was first, what stood in the way of what."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

from systemprompt.audit.case import JobCase
from systemprompt.audit.reasons import LATE_CLOSING
from systemprompt.clock import SECOND, Instant, iso
from systemprompt.ledger.attempt_views import AttemptView
from systemprompt.ledger.views import RangeView, RunView

__all__ = ["Course", "LastClaim"]

_KEPT = 16
"""Runs that stay in view. At most one of a job runs at a time, so what could be in the way of a run is near it, as a rule."""

_PLANNED = ("schedule", "catch_up")


class LastClaim:
    """The latest claim of a planned run, of any job. Whoever makes one has planned what was due, in the same transaction."""

    def __init__(self) -> None:
        self.started_at: Instant | None = None
        self.due_at: Instant = 0

    def see(self, run: RunView, attempt: AttemptView) -> None:
        if run.origin in _PLANNED and (self.started_at is None or attempt.started_at > self.started_at):
            self.started_at, self.due_at = attempt.started_at, run.due_at


class Course:
    """One job's runs (by due_at) and ranges (by first_at), each seen once; a range may come a little before or after its place.

    `begins` and `ends` say whether the view reaches back to the job's first account, and on to its cursor. Memory does not grow
    with what is seen, but for ranges that wait for the run that explains them.
    """

    def __init__(self, case: JobCase, last_claim: LastClaim, *, begins: bool, ends: bool) -> None:
        self._case = case
        self._last_claim = last_claim
        self._begins, self._ends = begins, ends
        self._started: deque[tuple[RunView, AttemptView]] = deque(maxlen=_KEPT)
        self._opened: deque[_Opened] = deque(maxlen=_KEPT)
        self._longest: _Opened | None = None
        self._fires: deque[RunView] = deque(maxlen=2)
        self._first_fence: tuple[int, RunView] | None = None
        self._superseded: deque[RangeView] = deque()
        self._blocked: deque[RangeView] = deque()
        self._unexplained: list[RangeView] = []
        self._latest: tuple[int, RunView] | None = None
        self._ended = 0
        self._abandoned: deque[tuple[RunView, Instant]] = deque(maxlen=_KEPT)
        self._last_end: Instant = 0

    def run(self, run: RunView, attempts: Sequence[AttemptView]) -> None:
        self._settle_blocked(run.due_at)
        self._check_turn_in_line(run, attempts)
        if run.status not in ("skipped", "missed"):
            self._check_alone_in_queue(run)
            opened = _Opened(_since(run, attempts), _in_the_way_until(self._case, run, attempts), run)
            self._opened.append(opened)
            if self._longest is None or opened.until > self._longest.until:
                self._longest = opened
        for attempt in attempts:
            self._check_alone(run, attempt)
            self._check_after_abandoned(run, attempt)
            self._started.append((run, attempt))
            self._last_claim.see(run, attempt)
            self._last_end = max(self._last_end, attempt.ended_at or 0)
        if run.finished_at is not None and attempts:
            self._ended += 1
            fence = max(attempt.fence for attempt in attempts)
            if self._latest is None or fence > self._latest[0]:
                self._latest = (fence, run)
        if run.abandoned:
            self._abandoned.append((run, _came_back(self._case, attempts)))
        if run.fire_at is not None:
            self._fires.append(run)
            self._settle_superseded(run)

    def range(self, account: RangeView) -> None:
        if account.reason == "superseded":
            self._superseded.append(account)
            for run in self._fires:
                self._settle_superseded(run)
        version = self._case.by_number.get(account.version)
        if account.reason == "down" and version is not None and version.policies.get("catch_up", "latest") == "latest":
            self._blocked.append(account)

    def finish(self) -> None:
        self._settle_blocked(None)
        self._settle_unexplained()
        if self._ends:
            while self._superseded:
                self._case.found_range(
                    "unexplained", self._superseded.popleft(), "says superseded, but nothing ran in its place"
                )
        self._check_summary()

    def check_passed_over(self) -> None:
        """Ask, when all jobs have been seen: has this job, or its queue, been left waiting while later ones were begun?"""
        claim, job = self._last_claim, self._case.job
        if claim.started_at is None or job.retired_at is not None:
            return
        since = min(claim.started_at, self._case.setting.latest) - self._case.setting.stall - _PATIENCE
        if job.next_due is not None and job.next_due < since:
            sentence = f"it is due since {iso(job.next_due)}, yet nodes have planned and begun others up to {iso(claim.started_at)}"
            self._case.found("passed_over", sentence, at=job.next_due)
        waiting = [run for run in self._case.open_runs if run.status == "queued"][:1]
        if job.running or job.quarantine is not None or job.job_id in self._case.setting.run_on.values():
            return
        if self._latest is None and job.last_run_id is not None:
            return  # its last run is pruned: nobody knows when code of it came back that could not be stopped
        for run in waiting:
            free = max(run.queued_at, job.updated_at, self._last_end, *(until for _, until in self._abandoned))
            if free < since and run.due_at < claim.due_at:
                sentence = f"run {run.run_id} is queued since {iso(free)}, yet a later one was begun at {iso(claim.started_at)}"
                self._case.found("passed_over", sentence, at=run.due_at, run_id=run.run_id)

    # -- runs -----------------------------------------------------------------------------------------------------------

    def _check_turn_in_line(self, run: RunView, attempts: Sequence[AttemptView]) -> None:
        """What the planner queues is begun in due order."""
        if run.origin not in _PLANNED or not attempts:
            return
        fence = min(attempt.fence for attempt in attempts)
        if self._first_fence is not None and fence < self._first_fence[0]:
            earlier = self._first_fence[1]
            said = f"was begun with fence {fence}, before run {earlier.run_id} (fence {self._first_fence[0]})"
            self._case.found_run("fence_order", run, f"{said}, which was due earlier")
        else:
            self._first_fence = (fence, run)

    def _check_alone_in_queue(self, run: RunView) -> None:
        """Unless the job works off a backlog, nothing is queued while an earlier run of it is open."""
        version = self._case.by_number.get(run.version)
        if (
            run.origin not in _PLANNED
            or run.attempt > 1
            or version is None
            or version.policies.get("catch_up") == "all"
        ):
            return
        queued_at = run.queued_at + self._case.setting.stall
        for other in [opened.run for opened in self._open_after(queued_at)]:
            if other.run_id < run.run_id and _end(other) > queued_at:
                said = f"was queued at {iso(run.queued_at)} while run {other.run_id} was open: overlap is skip"
                self._case.found_run("concurrent", run, said)
                return

    def _check_after_abandoned(self, run: RunView, attempt: AttemptView) -> None:
        """Nothing of a job begins while code of it that could not be stopped still runs."""
        stall = self._case.setting.stall
        for other, until in self._abandoned:
            if other.run_id != run.run_id and (other.fence or 0) < attempt.fence and attempt.started_at + stall < until:
                said = f"began at {iso(attempt.started_at)}, while code of run {other.run_id} still ran that could not be stopped"
                self._case.found_run("concurrent", run, said)
                return

    def _check_alone(self, run: RunView, attempt: AttemptView) -> None:
        """At most one run of a job runs at a time: the later of two tries begins after the earlier one has ended."""
        stall = self._case.setting.stall
        for other_run, other in self._started:
            later_run, earlier, later = (
                (run, other, attempt) if other.fence < attempt.fence else (other_run, attempt, other)
            )
            if other_run.run_id == run.run_id or (earlier.ended_at is None and later.ended_at is None):
                continue  # looked at elsewhere
            if earlier.ended_at is None or earlier.ended_at > later.started_at + stall:
                until = "is still running" if earlier.ended_at is None else f"ran until {iso(earlier.ended_at)}"
                said = f"began at {iso(later.started_at)}, but run {earlier.run_id} {until}"
                self._case.found_run("concurrent", later_run, said)
                return

    def _check_summary(self) -> None:
        """What the job shows of its last run, and how many have begun and are closed."""
        job, latest = self._case.job, self._latest
        whole = self._begins and self._ends
        if job.run_count < self._ended or (whole and job.run_count != self._ended):
            self._case.found("cursor", f"it counts {job.run_count} runs that have ended, there are {self._ended}")
        if job.running or latest is None:
            return
        run = latest[1]
        if job.last_run_id != run.run_id:
            if self._ends and not self._begun_later_out_of_view(latest[0]):
                shown = "none" if job.last_run_id is None else f"run {job.last_run_id}"
                self._case.found("cursor", f"it shows {shown} as the last, but run {run.run_id} was begun later")
        elif job.last_status != run.status:
            shown = f"it shows {job.last_status} as its last status, but run {run.run_id} is {run.status}"
            self._case.found("cursor", shown)

    def _begun_later_out_of_view(self, fence: int) -> bool:
        """Say whether the run that the job shows as its last may be due before this view begins, or pruned, and begun later."""
        run_id, ledger = self._case.job.last_run_id, self._case.setting.ledger
        if self._begins or run_id is None:
            return False
        if ledger.run(run_id) is None:
            return self._case.pruned
        return max((attempt.fence for attempt in ledger.attempts(run_id)), default=0) > fence

    # -- ranges ---------------------------------------------------------------------------------------------------------

    def _settle_superseded(self, run: RunView) -> None:
        """The fire time that follows what was superseded is the one that ran in its place."""
        while self._superseded and run.fire_at is not None and self._superseded[0].last_at < run.fire_at:
            account = self._superseded.popleft()
            version = self._case.by_number.get(account.version)
            oracle = None if version is None else self._case.oracle(version)
            if oracle is None:
                continue
            following = oracle.first_in(account.last_at, run.fire_at)
            if following != run.fire_at or run.status in ("skipped", "missed"):
                self._case.found_range(
                    "unexplained", account, "says superseded, but the fire time after it did not run"
                )

    def _settle_blocked(self, due_at: Instant | None) -> None:
        """Under `catch_up: latest` nothing is down but what an open run stood in the way of."""
        slack = self._case.setting.stall
        while self._blocked and (due_at is None or due_at > self._blocked[0].written_at + slack):
            account = self._blocked.popleft()
            still_open = self._open_after(account.written_at - slack)
            in_the_way = [opened for opened in still_open if opened.since <= account.written_at + slack]
            begun_before = any(attempt.started_at < account.written_at - slack for _, attempt in self._started)
            if not in_the_way and (self._begins or begun_before):
                self._unexplained.append(account)

    def _settle_unexplained(self) -> None:
        """Look at all runs of the job again, for what was in the way may have left the view: a backlog is longer than that."""
        if not self._unexplained:
            return
        slack, written_at = self._case.setting.stall, attrgetter("written_at")
        accounts = sorted(self._unexplained, key=written_at)
        left, last = list(accounts), list[_Opened | None]((None,) * len(accounts))
        for run, attempts in self._case.tried_runs():
            if run.status not in ("skipped", "missed"):
                opened = _Opened(_since(run, attempts), _in_the_way_until(self._case, run, attempts), run)
                low, high = opened.since - slack, opened.until + slack
                del left[bisect_left(left, low, key=written_at) : bisect_left(left, high, key=written_at)]
                following = bisect_left(accounts, opened.since, key=written_at)
                if following < len(accounts):
                    last[following] = max(opened, last[following] or opened, key=attrgetter("since"))
        held_up_until: dict[int, Instant] = {}
        before: Instant = -(2**62)
        for account, opened_before in zip(accounts, last, strict=True):
            before = before if opened_before is None else opened_before.until
            held_up_until[account.range_id] = before + LATE_CLOSING
        for account in left:
            # The closing of the last run before it may have been held up, with every node that could have written it.
            if held_up_until[account.range_id] < account.written_at:
                self._case.found_range(
                    "unexplained", account, "says down, but the job says catch_up: latest and no run of it was open"
                )

    def _open_after(self, at: Instant) -> list[_Opened]:
        """Return the runs in view that were still in the way after this instant."""
        longest = [] if self._longest is None else [self._longest]
        return [opened for opened in (*longest, *self._opened) if opened.until > at]


_PATIENCE = 120 * SECOND
"""How long a due job or a queued run may wait although nodes are at work: many jobs at once are planned a thousand at a time."""


class _Opened(NamedTuple):
    """A run, and from when to when it was in the way of others: while it was open, and while its code could not be stopped."""

    since: Instant
    until: Instant
    run: RunView


def _since(run: RunView, attempts: Sequence[AttemptView]) -> Instant:
    """Return since when a run was open. One that was queued again was open before that."""
    return min([run.queued_at, *(attempt.started_at for attempt in attempts)])


def _came_back(case: JobCase, attempts: Sequence[AttemptView]) -> Instant:
    """Return by when the code of an abandoned run had ended: its late result came, or its node was gone.

    Of a node that retention took nobody knows when it stopped.
    """
    last = attempts[-1]
    node = case.setting.nodes.get(last.node_id)
    if node is None:
        return 0
    return min([at for at in (last.late_at, node.stopped_at) if at is not None], default=2**62)


def _in_the_way_until(case: JobCase, run: RunView, attempts: Sequence[AttemptView]) -> Instant:
    """Return until when, at most, a run was in the way."""
    if not run.abandoned:
        return _end(run)
    if case.setting.nodes.get(attempts[-1].node_id) is None:
        return max(_end(run), attempts[-1].late_at or 2**62)
    return max(_end(run), _came_back(case, attempts))


def _end(run: RunView) -> Instant:
    return 2**62 if run.finished_at is None else run.finished_at
