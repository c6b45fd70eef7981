"""Scheduled jobs that can account for themselves."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.cron import CronError, Schedule
    from systemprompt.jobs.context import JobCancelled, JobContext
    from systemprompt.jobs.job import Job, job, submit_job
    from systemprompt.jobs.result import JobResult

__version__ = "0.1.0"

__all__ = ["CronError", "Job", "JobCancelled", "JobContext", "JobResult", "Schedule", "job", "submit_job"]

_HOMES = {
    "CronError": "systemprompt.errors",
    "Job": "systemprompt.jobs.job",
    "JobCancelled": "systemprompt.jobs.context",
    "JobContext": "systemprompt.jobs.context",
    "JobResult": "systemprompt.jobs.result",
    "Schedule": "systemprompt.cron",
    "job": "systemprompt.jobs.job",
    "submit_job": "systemprompt.jobs.job",
}


def __getattr__(name: str) -> object:
    # Names load when first used: `import systemprompt` costs a command nothing.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import sys

    __import__(_HOMES[name])
    value = getattr(sys.modules[_HOMES[name]], name)
    globals()[name] = value
    return value
