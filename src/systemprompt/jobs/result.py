"""What a job says of its own work."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["JobResult"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """The outcome a job returns. Build it from `success()` or `failure()`; each `with_` returns a new one.

    succeeded        False makes the run `failed` with reason `reported`
    message          one line for people; on failure it is the run's error
    items_processed, items_failed   whole numbers, 0 where the job counts nothing
    duration_ms      the job's own measure; where None, the runner's is kept
    did_nothing      True where a success had nothing to do; people see it wherever they see the run
    final            True where a failure is not to be tried again, whatever the job's `retry` says
    dry_run          True where the job only said what it would do; people see it wherever they see the run
    """

    succeeded: bool
    message: str | None = None
    items_processed: int = 0
    items_failed: int = 0
    duration_ms: int | None = None
    dry_run: bool = False
    did_nothing: bool = False
    final: bool = False

    @classmethod
    def success(cls) -> JobResult:
        """Return a success to which message, stats and duration may be added."""
        return cls(succeeded=True)

    @classmethod
    def nothing(cls, message: str | None = None) -> JobResult:
        """Return a success that says there was nothing to do."""
        return cls(succeeded=True, message=message, did_nothing=True)

    @classmethod
    def failure(cls, message: str, *, final: bool = False) -> JobResult:
        """Return a failure with the reason in the job's own words; a final one is not tried again."""
        return cls(succeeded=False, message=message, final=final)

    def with_message(self, message: str) -> JobResult:
        return replace(self, message=message)

    def with_stats(self, processed: int, failed: int) -> JobResult:
        return replace(self, items_processed=processed, items_failed=failed)

    def with_duration(self, duration_ms: int) -> JobResult:
        return replace(self, duration_ms=duration_ms)

    def with_dry_run(self, dry_run: bool = True) -> JobResult:
        return replace(self, dry_run=dry_run)
