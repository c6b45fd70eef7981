"""Answers as people read them: tables, cards and sentences. `rich` loads here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from systemprompt.cli.people import cards, tables, texts
from systemprompt.cli.people.page import Page
from systemprompt.cli.settings import CliSettings
from systemprompt.operations.answers import Answer

__all__ = ["VIEWS", "shown"]

VIEWS: dict[str, Callable[[Page, Any], None]] = {
    "JobList": tables.jobs,
    "JobDetails": cards.job,
    "RunJobsResult": tables.runs,
    "History": tables.history,
    "Upcoming": tables.upcoming,
    "RunLogs": tables.logs,
    "ActiveRuns": tables.active,
    "AuditReport": tables.audit,
    "FireTimeExplained": cards.fire_time,
    "ScheduleDescribed": cards.schedule,
    "DbStatus": tables.databases,
    "Diagnosis": tables.checks,
    "ProfileShown": cards.profile,
    "JobSwitched": texts.switched,
    "RunCancelled": texts.cancelled,
    "SessionCleanup": texts.cleanup,
    "LogCleanup": texts.cleanup,
    "NewJob": texts.steps,
    "Initialised": texts.steps,
    "ProfileCheck": texts.message,
    "DbMigrated": texts.migrated,
    "DbBackup": texts.backed_up,
    "DbRestore": texts.restored,
    "ServeResult": texts.node,
    "Schemas": texts.schemas,
    "Completion": texts.script,
}
"""Result type -> how it looks. A test holds that every command's result has one."""


def shown(settings: CliSettings, answer: Answer, time_zone: str) -> str:
    """Return an answer as text for this terminal, or for a pipe: then without colour, and nothing is cut."""
    page = Page(settings, title=answer.title, time_zone=time_zone)
    if answer.fields:
        tables.chosen(page, answer.result, answer.fields, answer.entries())
    else:
        VIEWS[type(answer.result).__name__](page, answer.result)
    return page.text()
