"""Hold a run that was tried again against its version's `retry`: how often, after which wait, and not past the next fire time.

The policy is read, and the wait worked out, by the audit itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from systemprompt.audit.case import JobCase
from systemprompt.clock import SECOND, Instant, iso
from systemprompt.ledger.attempt_views import AttemptView
from systemprompt.ledger.views import RunView, VersionView

__all__ = ["check_retries", "started_again_after"]


def started_again_after(version: VersionView | None) -> tuple[str, ...]:
    """Return how an attempt may end after which its run goes on: `lost` is held against `on_lost` elsewhere."""
    said = {} if version is None else version.policies
    failed = ("failed",) if said.get("retry") else ()
    return ("lost", *failed, *(("interrupted",) if said.get("on_lost") == "rerun" else ()))


def check_retries(case: JobCase, run: RunView, attempts: Sequence[AttemptView]) -> None:
    """Check one run (attempts by fence)."""
    version = case.by_number.get(run.version)
    retry: Any = None if version is None else version.policies.get("retry")
    over = [attempt for attempt in attempts if attempt.fence != run.fence]
    failed = sum(attempt.result == "failed" for attempt in over)
    if version is None or not isinstance(retry, dict) or not failed:
        return
    if failed > retry["times"]:
        case.found_run(
            "retry", run, f"was tried again after {failed} failures, but the job says retry.times: {retry['times']}"
        )
    if over[-1].result != "failed":
        return  # it was interrupted since, and starts again at once
    waits, asked = run.available_at - run.queued_at, _wait(retry, run.run_id, failed)
    if abs(waits - asked) > 1:
        case.found_run(
            "retry",
            run,
            f"waits {waits / SECOND:.3f} s after failure {failed}, but the job's retry says {asked / SECOND:.3f} s",
        )
    following = _next_fire_time(case, version, run.queued_at)
    if not retry.get("over_next") and following is not None and following <= run.available_at:
        said = f"waits until {iso(run.available_at)}, past the fire time {iso(following)} that takes its place"
        case.found_run("retry", run, f"{said}, but the job does not say retry.over_next")


def _wait(retry: dict[str, Any], run_id: int, failed: int) -> int:
    """Return the wait after so many failures, in microseconds: doubled each time up to the limit, and up to a tenth more."""
    share = ((run_id * 2_654_435_761 + failed * 40_503) % 2**32) / 2**32
    seconds: float = min(retry["after_s"] * 2.0 ** min(failed - 1, 64), retry["cap_s"]) * (1 + share / 10)
    return round(seconds * SECOND)


def _next_fire_time(case: JobCase, version: VersionView, after: Instant) -> Instant | None:
    if not version.schedule or not version.enabled:
        return None
    oracle = case.oracle(version)
    return None if oracle is None else oracle.first_after(after)
