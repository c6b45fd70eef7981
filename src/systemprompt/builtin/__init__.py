"""The jobs that come with the house, each written as a user would write one."""

from __future__ import annotations

__all__ = ["BUILTIN_MODULES"]

BUILTIN_MODULES: tuple[str, ...] = (
    "systemprompt.builtin.behavioral_analysis",
    "systemprompt.builtin.cleanup_anonymous_users",
    "systemprompt.builtin.cleanup_empty_contexts",
    "systemprompt.builtin.cleanup_inactive_sessions",
    "systemprompt.builtin.content_ingestion",
    "systemprompt.builtin.database_cleanup",
    "systemprompt.builtin.file_ingestion",
    "systemprompt.builtin.ledger_audit",
    "systemprompt.builtin.log_cleanup",
    "systemprompt.builtin.malicious_ip_blacklist",
    "systemprompt.builtin.prune_history",
    "systemprompt.builtin.publish_content",
    "systemprompt.builtin.session_cleanup",
)
"""The modules that discovery loads, by name: importing this package loads none of them."""
