"""Scheduled jobs that can account for themselves."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.cron import CronError, Schedule
    from systemprompt.embedding.node import node
    from systemprompt.embedding.serving_node import AsyncServingNode, ServingNode
    from systemprompt.jobs.context import JobCancelled, JobContext
    from systemprompt.jobs.job import Job, job, submit_job
    from systemprompt.jobs.result import JobResult
    from systemprompt.nodes.events import NodeEvent
    from systemprompt.operations.run import Run
    from systemprompt.version import __version__ as __version__

__all__ = [
    "AsyncServingNode",
    "CronError",
    "Job",
    "JobCancelled",
    "JobContext",
    "JobResult",
    "NodeEvent",
    "Run",
    "Schedule",
    "ServingNode",
    "job",
    "node",
    "submit_job",
]

_HOMES = {
    "AsyncServingNode": "systemprompt.embedding.serving_node",
    "CronError": "systemprompt.errors",
    "Job": "systemprompt.jobs.job",
    "JobCancelled": "systemprompt.jobs.context",
    "JobContext": "systemprompt.jobs.context",
    "JobResult": "systemprompt.jobs.result",
    "NodeEvent": "systemprompt.nodes.events",
    "Run": "systemprompt.operations.run",
    "Schedule": "systemprompt.cron",
    "ServingNode": "systemprompt.embedding.serving_node",
    "__version__": "systemprompt.version",
    "job": "systemprompt.jobs.job",
    "node": "systemprompt.embedding.node",
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
