"""What the ledger shows of attempts and of what they left: for who looks into a run or audits. A list of runs loads none of it."""

from __future__ import annotations

from dataclasses import dataclass

from systemprompt.clock import Instant

__all__ = ["AttemptView", "LateView", "TextView"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """One try at a run: one that ended without closing it, the one that closed it, or the one that is running.

    result        None while it runs; `lost` where its node was lost, else as it ended
    recovered     the server had lost it, and its node's journal brought it back; it may be of another run with the same fire time
    late_result   what its holder brought after the fence had passed on, or after the account was closed; late_at when
    """

    run_id: int
    attempt: int
    fence: int
    node_id: str
    started_at: Instant
    ended_at: Instant | None
    result: str | None
    reason: str | None
    message: str | None
    late_result: str | None
    late_at: Instant | None
    recovered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LateView:
    """One late result, as it is kept: `ended_at` says its holder, `arrived_at` is the instant to whose day it belongs."""

    run_id: int
    attempt: int
    fence: int
    ended_at: Instant
    arrived_at: Instant
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextView:
    """One text that a closed run left, and the hash that its account, or its attempt, holds of it: None where it holds none."""

    run_id: int
    job_id: int
    attempt: int
    kind: str
    text: str
    hash: str | None
