"""What a storm must leave behind: a ledger that agrees with the witness line by line, and that was late only where it was hit."""

from __future__ import annotations

import json
from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from crash_checks import EVER, alive
from storm_acts import LEASE, Answer, Spell, Storm

from support.ledger_stage import audit_finds_nothing
from systemprompt.clock import SECOND, from_datetime
from systemprompt.ledger.attempt_views import AttemptView
from systemprompt.ledger.reader import LedgerReader
from systemprompt.ledger.views import JobView, RangeView, RunView


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The ledger after the storm, without the built-in jobs, which write no witness."""

    jobs: dict[int, str]
    runs: dict[int, RunView]
    ranges: list[RangeView]
    attempts: dict[int, AttemptView]
    reruns: set[tuple[int, int]]
    retries: dict[tuple[int, int], int]
    catches_all: set[tuple[int, int]]


PERIODS = {
    "async_fail": 1,
    "async_rerun": 1,
    "async_all": 1,
    "async_skip": 1,
    "async_long": 2,
    "async_10s": 10,
    "plain_fail": 1,
    "plain_rerun": 1,
    "plain_all": 2,
    "plain_long": 1,
    "plain_5s": 5,
    "plain_berlin": 6,
    "process_rerun": 4,
    "command_fail": 2,
    "command_rerun": 3,
    "command_long": 5,
}
"""Jobs that nobody edits, and how many seconds lie between their fire times."""


def check_all(ledger: LedgerReader, now: int, storm: Storm) -> tuple[Account, dict[str, Any]]:
    """Check everything that holds after any storm over a server; return the account, and what there was."""
    check_ledger(ledger, now)
    account = read_account(ledger)
    ends = check_witness(account, Path(storm.environ["WITNESS"]))
    check_starts(account)
    since: dict[int, int] = {}
    for version in ledger.versions():
        since[version.job_id] = min(version.valid_from, since.get(version.job_id, version.valid_from))
    check_fire_times(account, ledger.jobs(), since, PERIODS)
    return account, what_there_was(account, storm, ends)


def what_there_was(account: Account, storm: Storm, ends: Counter[str]) -> dict[str, Any]:
    """Check what the commands answered; count that and everything else, the most frequent first."""
    answers = check_answers(account, storm.answers)
    results = Counter(f"{run.status}/{run.reason}" if run.reason else run.status for run in account.runs.values())
    return {
        "jobs": len(account.jobs),
        "fire_times": fire_times(account),
        "runs": dict(results.most_common()),
        "attempts": dict(ends.most_common()),
        "acts": dict(storm.done.most_common()),
        "answers": dict(answers.most_common()),
    }


def read_account(ledger: LedgerReader) -> Account:
    ours = {job.job_id: job.name for job in ledger.jobs(retired=True) if not job.source.startswith("builtin:")}
    versions = [version for version in ledger.versions() if version.job_id in ours]
    with ledger.snapshot():
        runs = {run.run_id: run for run in ledger.runs_between(0, EVER) if run.job_id in ours}
        return Account(
            jobs=ours,
            runs=runs,
            ranges=[span for span in ledger.ranges_between(0, EVER) if span.job_id in ours],
            attempts={attempt.fence: attempt for attempt in ledger.attempts() if attempt.run_id in runs},
            reruns={(one.job_id, one.version) for one in versions if one.policies.get("on_lost") == "rerun"},
            retries={
                (one.job_id, one.version): retry["times"]
                for one in versions
                if isinstance(retry := one.policies.get("retry"), dict)
            },
            catches_all={(one.job_id, one.version) for one in versions if one.policies.get("catch_up") == "all"},
        )


def check_ledger(ledger: LedgerReader, now: int) -> None:
    audit_finds_nothing(ledger, now, alive)
    assert ledger.upkeep.faults() == []
    assert ledger.open_runs() == []


def check_witness(account: Account, witness: Path) -> Counter[str]:
    """Hold witness and ledger against each other, both ways; return how often each end came about."""
    lines = [json.loads(line) for line in witness.read_text().splitlines()]
    starts = {line["fence"]: line for line in lines if "fence" in line}
    ends = {line["end"]: line for line in lines if "end" in line}
    assert len(starts) + len(ends) == len(lines), "a fence was started, or ended, twice"
    for fence, line in starts.items():
        _agree(line, account.attempts[fence], account.runs)
    assert ends.keys() <= starts.keys(), "an end without a start"
    found: Counter[str] = Counter()
    for fence, attempt in account.attempts.items():
        run, end = account.runs[attempt.run_id], ends.get(fence)
        if attempt.result == "success":
            assert fence in starts, f"run {run.run_id} succeeded and never started"
            assert end is not None, f"run {run.run_id} succeeded and never ended"
            assert end["whole"], f"run {run.run_id} succeeded and was stopped"
        elif end is not None and end["whole"]:
            # It did all its work. Then it had not reached the ledger when its node died, or the ledger says what was wrong with it.
            known = attempt.result in ("lost", "interrupted") or run.reason in (
                "exit_nonzero",
                "timeout",
                "lease_lost",
                "shutdown",
                "interrupted",
                "requested",
            )
            assert known, f"run {run.run_id} did its work and is {run.status} ({run.reason})"
        found[f"{attempt.result}{', late ' + attempt.late_result if attempt.late_result else ''}"] += 1
    return found


def check_fire_times(
    account: Account, jobs: list[JobView], since: Mapping[int, int], periods: Mapping[str, int]
) -> None:
    """Each fire time of these jobs, which fire every so many seconds from `since` on, has one account and not two."""
    for job in jobs:
        if job.name not in periods:
            continue
        period = periods[job.name] * SECOND
        runs = [run.fire_at for run in account.runs.values() if run.job_id == job.job_id and run.fire_at is not None]
        assert len(set(runs)) == len(runs), f"{job.name}: a fire time has two accounts"
        accounted = len(runs) + sum(span.count for span in account.ranges if span.job_id == job.job_id)
        owed = job.planned_through // period - since[job.job_id] // period
        assert accounted == owed, f"{job.name}: {accounted} accounts of {owed} fire times"


def check_starts(account: Account) -> None:
    """Nothing was started twice without a reason: each try but the last was lost, interrupted or failed where the job says so."""
    tries = defaultdict(list)
    for attempt in account.attempts.values():
        tries[attempt.run_id].append(attempt)
    for run_id, attempts in tries.items():
        run = account.runs[run_id]
        again = Counter(one.result for one in attempts[:-1])
        assert again.keys() <= {"lost", "interrupted", "failed"}, f"run {run_id} was tried again unasked"
        version = (run.job_id, run.version)
        assert again.keys() <= {"failed"} or version in account.reruns, f"run {run_id}: on_lost: fail starts once"
        assert again["failed"] <= account.retries.get(version, 0), f"run {run_id} was tried again too often"


def check_answers(account: Account, answers: list[Answer]) -> Counter[str]:
    """What a command told its user is what the ledger says; and no command failed but for a reason of its own."""
    found: Counter[str] = Counter()
    for answer in answers:
        found[f"sp jobs {answer.words[0]}: {'killed' if answer.code < 0 else answer.code}"] += 1
        if answer.code < 0:
            continue
        error = answer.document.get("error")
        told = f"{answer.words} ended with {answer.code}: {error or answer.document}\n{answer.said[-2_000:]}"
        if answer.disturbed and answer.code == 5:
            assert error, told  # its database was away, and it says so; what it did before that has its account
            continue
        if answer.words[0] == "run":
            assert answer.code in (0, 1, 6), told
            assert answer.code != 6 or (error and error["code"] in ("job_already_running", "conflict")), told
            for each in answer.document.get("data", {}).get("jobs_run", ()):
                # Left out: what somebody else started, and what is to be run again after this process was taken for lost.
                if each["run_id"] is not None:
                    run = account.runs[each["run_id"]]
                    known = (run.status, run.reason) == (each["status"], each["reason"])
                    assert known or each["status"] in ("queued", "running"), told
        elif answer.words[0] == "cancel":
            _check_cancelled(account, answer, told)
        elif answer.words[0] == "audit":
            kinds = {one["kind"] for one in _findings(answer)}
            assert answer.code == 0 or (answer.code == 1 and kinds == {"open_without_node"}), told
        else:
            assert answer.code == 0, told
    return found


def _check_cancelled(account: Account, answer: Answer, told: str) -> None:
    """A run whose stop was asked for says so, and one that waited is cancelled. The audit sees that none starts again."""
    if answer.code != 0:
        assert (answer.code, answer.document["error"]["code"]) in ((6, "run_closed"), (3, "run_not_found")), told
        return
    run = account.runs[int(answer.words[1])]
    assert run.stop_asked_at is not None, told
    if answer.document["data"]["status"] == "cancelled":
        assert (run.status, run.reason, run.started_at) == ("cancelled", "requested", None), told


def _findings(answer: Answer) -> list[dict[str, Any]]:
    document = answer.document
    data = document["error"]["details"] if "error" in document else document["data"]
    findings: list[dict[str, Any]] = data["findings"]
    return findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """How late the first starts of some fire times were, in seconds, and how many fire times were missed."""

    starts: int
    missed: int
    p50: float
    p99: float
    most: float

    def __str__(self) -> str:
        times = f"p50 {self.p50:.3f}, p99 {self.p99:.3f}, max {self.most:.3f} s"
        return f"{self.starts} starts, {times}; {self.missed} missed"


def lateness(account: Account, spells: list[Spell]) -> Lateness:
    """Measure the fire times inside of these times. Jobs that work off a backlog are late by their own will: left out."""
    late, missed = [], 0
    first = {attempt.run_id: attempt for attempt in account.attempts.values() if attempt.attempt == 1}
    inside = _Inside(spells)
    for run in account.runs.values():
        if run.fire_at is None or (run.job_id, run.version) in account.catches_all or not inside(run.fire_at):
            continue
        if run.run_id in first:
            late.append((first[run.run_id].started_at - run.fire_at) / SECOND)
        missed += run.status == "missed"
    for span in account.ranges:
        missed += sum(
            span.count for at in (span.first_at,) if span.status == "missed" and inside(at) and inside(span.last_at)
        )
    late.sort()
    return Lateness(
        starts=len(late),
        missed=missed,
        p50=late[len(late) // 2] if late else 0.0,
        p99=late[int(len(late) * 0.99)] if late else 0.0,
        most=late[-1] if late else 0.0,
    )


def with_a_node(untouched: list[Spell], joined: dict[int, list[int]]) -> list[Spell]:
    """Return when at least one node was there whole: begun, not touched, and with the time to see what others left."""
    whole = []
    for spell in untouched:
        began = [at for at in joined.get(spell.node, ()) if spell.start <= at < spell.end]
        start = max(began, default=spell.start) + round(2 * LEASE * SECOND)
        if start < spell.end - SECOND:
            whole.append(Spell(spell.node, start, spell.end - SECOND))
    return whole


class _Inside:
    """Whether an instant lies inside one of many times."""

    def __init__(self, spells: list[Spell]) -> None:
        merged: list[tuple[int, int]] = []
        for start, end in sorted((spell.start, spell.end) for spell in spells):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        self._starts = [start for start, _ in merged]
        self._ends = [end for _, end in merged]

    def __call__(self, at: int) -> bool:
        index = bisect(self._starts, at) - 1
        return index >= 0 and at < self._ends[index]


def fire_times(account: Account) -> int:
    rows = sum(run.fire_at is not None for run in account.runs.values())
    return rows + sum(span.count for span in account.ranges)


def _agree(line: dict[str, Any], attempt: AttemptView, runs: dict[int, RunView]) -> None:
    run = runs[attempt.run_id]
    fire_at = line["fire_at"] if "fire_at" in line else _instant(line["at"])
    assert (run.run_id, attempt.attempt) == (line["run_id"], line["attempt"])
    assert (run.job_name, run.fire_at) == (line["job"], fire_at)


def _instant(text: str) -> int | None:
    return from_datetime(datetime.fromisoformat(text)) if text else None
