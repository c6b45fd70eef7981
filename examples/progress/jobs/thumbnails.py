"""A job that says how far it is, and stops between two pieces of work when it is told to."""

from __future__ import annotations

from systemprompt import JobContext, JobResult, job


@job(schedule="0 0 3 * * *", parameters={"pictures": 40}, timeout="1m")
def make_thumbnails(ctx: JobContext) -> JobResult:
    """Makes the thumbnails of the day's pictures."""
    pictures = [f"picture-{number:03}.jpg" for number in range(1, ctx.get_parameter("pictures", int) + 1)]
    failed = 0
    for done, name in enumerate(pictures, start=1):
        ctx.raise_if_cancelled()  # Ctrl-C, a timeout, a stopping node
        if not shrink(ctx, name):
            ctx.logger.warning("cannot read %s", name)
            failed += 1
        ctx.progress(done, len(pictures), name)
    return JobResult.success().with_message(f"{len(pictures) - failed} thumbnails").with_stats(len(pictures), failed)


def shrink(ctx: JobContext, name: str) -> bool:
    ctx.cancel.wait(0.02)  # stands for the work, and ends at once when the job is told to stop
    return not name.endswith("13.jpg")
