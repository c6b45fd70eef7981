"""What can become of a run, and why: the closed lists. By themselves, since commands that only read need no record beside them."""

from __future__ import annotations

__all__ = ["REASONS", "STATUSES"]

STATUSES: tuple[str, ...] = ("queued", "running", "success", "failed", "skipped", "missed", "cancelled")
"""Every status of a run. The first two are open, the others closed."""

REASONS: dict[str, dict[str, str]] = {
    "failed": {
        "reported": "the job said so: it returned JobResult.failure",
        "exception": "the job raised; its traceback is kept",
        "timeout": "the job ran longer than its timeout",
        "exit_nonzero": "the command, or the job's process, ended with an exit code other than 0",
        "killed": "a signal ended the job's process",
        "spawn_error": "the job could not be started",
        "not_loaded": "the node that claimed the run could not load the job",
        "loop_blocked": "another async job blocked the event loop that it ran in",
        "node_lost": "the node died in mid-run; on_lost: fail",
    },
    "skipped": {
        "overlap": "an earlier run of the job was still open; blocked_by names it",
        "disabled": "the job was disabled",
        "quarantined": "the job could not be loaded",
    },
    "missed": {
        "down": "no node was there to start it in time, and catch_up is skip",
        "superseded": "no node was there to start it in time; a later fire time ran in its place",
        "clock_jump": "the wall clock jumped over it",
        "start_deadline": "it could not begin within the job's start_deadline",
    },
    "cancelled": {
        "shutdown": "the node was stopping and its grace was over",
        "interrupted": "`sp jobs run` was stopped by Ctrl-C or a signal",
        "requested": "somebody asked for it",
        "lease_lost": "the node could not renew its lease and stopped its own work",
        "retired": "the job left the installation before the run began",
    },
}
"""The closed list: status -> reason -> sentence. The table `reasons` holds the same list, and a test compares them."""
