"""Broken tries again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from breaking import Breakage, Breaker

from systemprompt.jobs.retry import Retry
from systemprompt.ledger import bookkeeping
from systemprompt.ledger.policy_texts import policies_of
from systemprompt.ledger.rows import OpenRun
from systemprompt.ledger.stored import nodes, retrying


def _waits(change: Callable[[Callable[..., float], Retry, int, int], float]) -> Callable[[Breaker], None]:
    """Let a failed run wait otherwise."""
    return lambda breaker: breaker.patch(
        Retry, "wait_s", lambda real: lambda self, run_id, tried: change(real, self, run_id, tried)
    )


def _counts(**changed: int) -> Callable[[Breaker], None]:
    """Let the engine think that a run failed, or was interrupted, so often before."""
    return lambda breaker: breaker.found(
        "runs_to_try_again",
        lambda rows: [{name: row[name] for name in row.keys()} | changed for row in rows],  # noqa: SIM118
    )


def _next_fire_time(breaker: Breaker) -> None:
    breaker.decision(retrying._next_fire_time, lambda real: lambda *arguments: None)


def _any_failure(breaker: Breaker) -> None:
    """Jobs that say nothing of it are tried again once."""

    def make(real: Callable[..., Any]) -> Callable[..., Any]:
        def waits(row: Any, closing: Any, now: Any, decide: Any) -> Any:
            usual = real(row, closing, now, decide)
            if usual is None and closing.status == "failed" and row["job_name"] == "brittle":
                return retrying.Waits(max(now, row["started_at"]), max(now, row["started_at"]) + 1)
            return usual

        return waits

    breaker.decision(retrying._waits, make)


def _lost_and_run_again(breaker: Breaker) -> None:
    def make(real: Callable[..., Any]) -> Callable[..., Any]:
        def settled(row: Any, node_id: str, now: int, *, max_attempts: int) -> Any:
            if policies_of(row["policies"]).retry is None:
                return real(row, node_id, now, max_attempts=max_attempts)
            return bookkeeping.lost(OpenRun.leading(row), again=True, now=now, error="its node was lost")

        return settled

    breaker.decision(nodes._settled, make)


OF_RETRIES = (
    Breakage(
        what="runs again what its node lost, because the job may be tried again when it fails",
        area="retry",
        kinds=("unexplained",),
        plant=_lost_and_run_again,
    ),
    Breakage(
        what="tries again without an end",
        area="retry",
        kinds=("retry",),
        plant=_counts(failed=0),
    ),
    Breakage(
        what="tries again at once",
        area="retry",
        kinds=("retry",),
        plant=_waits(lambda real, self, run_id, tried: 0.0),
    ),
    Breakage(
        what="does not double the wait",
        area="retry",
        kinds=("retry",),
        plant=_waits(lambda real, self, run_id, tried: real(self, run_id, 1)),
    ),
    Breakage(
        what="lets all that failed together wait equally long",
        area="retry",
        kinds=("retry",),
        plant=_waits(lambda real, self, run_id, tried: min(self.after_s * 2 ** (tried - 1), self.cap_s)),
    ),
    Breakage(
        what="tries again past the next fire time",
        area="retry",
        kinds=("retry",),
        plant=_next_fire_time,
    ),
    Breakage(
        what="tries again once more than the policy says, and soon",
        area="retry",
        kinds=("retry",),
        plant=_any_failure,
    ),
)
