"""What the content jobs share when they end: rows of files that are gone, and the account that each gives of its work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from systemprompt.builtin.tables.changing import delete_rows
from systemprompt.builtin.tables.cutoff import cutoff_before
from systemprompt.builtin.tables.table import find_table
from systemprompt.clock import Instant
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.result import JobResult
from systemprompt.wording import counted

__all__ = ["SHOWN_PROBLEMS", "account", "account_of_files", "purge_removed"]

SHOWN_PROBLEMS = 5
"""How many problems a message names; the log has all of them."""


def account(
    message: str, done: int, problems: Sequence[str], *, failed: int | None = None, lost: bool = False
) -> JobResult:
    """Return how a job ended: a failure where something failed and nothing worked, or a whole source was lost.

    failed   how many failed; None where `problems` has them all
    """
    failed = len(problems) if failed is None else failed
    if failed:
        more = f"; and {failed - SHOWN_PROBLEMS} more in the log" if failed > SHOWN_PROBLEMS else ""
        message += f"; {failed} failed: {'; '.join(problems[:SHOWN_PROBLEMS])}{more}"
    nothing_worked = lost or (failed > 0 and done == 0)
    result = JobResult.failure(message) if nothing_worked else JobResult.success().with_message(message)
    return result.with_stats(done, failed)


def account_of_files(
    verb: str, counts: Mapping[str, int], problems: Sequence[str], *, failed: int | None = None, lost: bool
) -> JobResult:
    """Return how a job ended that takes in files; `counts` has `new`, `changed`, `unchanged`, and what else there is to tell."""
    taken = counts["new"] + counts["changed"] + counts["unchanged"]
    message = f"{verb} {counted(taken, 'file')}"
    parts = [f"{number} {word}" for word, number in counts.items() if number]
    if parts and parts != [f"{taken} new"]:
        message += f" ({', '.join(parts)})"
    return account(message, taken, problems, failed=failed, lost=lost)


def purge_removed(ctx: JobContext, table: str, now: Instant) -> int:
    """Delete the rows of files that were marked as gone longer than `retention.content_removed_days` ago."""
    rows = find_table(ctx, table, needs=("id", "removed_at"))
    cutoff = cutoff_before(now, days=ctx.settings.retention.content_removed_days)
    return delete_rows(ctx, rows, rows.before("removed_at", cutoff)).done
