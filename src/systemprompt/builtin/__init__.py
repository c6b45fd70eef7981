"""The jobs that come with the house, each written as a user would write one."""

from __future__ import annotations

from systemprompt.jobs.settings import JobSettings

__all__ = ["BUILTIN_MODULES", "lacking"]

BUILTIN_MODULES: tuple[str, ...] = (
    "systemprompt.builtin.sessions.behavioral_analysis",
    "systemprompt.builtin.sessions.cleanup_anonymous_users",
    "systemprompt.builtin.sessions.cleanup_empty_contexts",
    "systemprompt.builtin.sessions.cleanup_inactive_sessions",
    "systemprompt.builtin.content.content_ingestion",
    "systemprompt.builtin.upkeep.database_cleanup",
    "systemprompt.builtin.content.file_ingestion",
    "systemprompt.builtin.upkeep.ledger_audit",
    "systemprompt.builtin.upkeep.log_cleanup",
    "systemprompt.builtin.sessions.malicious_ip_blacklist",
    "systemprompt.builtin.upkeep.prune_history",
    "systemprompt.builtin.content.publish_content",
    "systemprompt.builtin.sessions.session_cleanup",
)
"""The modules that discovery loads, by name: importing this package loads none of them."""


def lacking(settings: JobSettings) -> dict[str, str]:
    """Return which of these jobs have nothing to do in an installation, each with what its profile would have to name."""
    needs = {
        "content_ingestion": ("content.sources", settings.content_sources),
        "file_ingestion": ("files.sources", settings.file_sources),
        "publish_content": ("content.publish", settings.publish),
    }
    return {name: place for name, (place, given) in needs.items() if not given}
