"""Answers as people read them: tables, cards and sentences. `rich` loads here and nowhere else."""

from __future__ import annotations

from systemprompt.cli.people.listings import chosen
from systemprompt.cli.people.page import Page
from systemprompt.cli.settings import CliSettings
from systemprompt.operations.answers import Answer
from systemprompt.operations.operation import load

__all__ = ["VIEWS", "shown"]

VIEWS: dict[str, str] = {
    "JobList": "listings:jobs",
    "JobDetails": "cards:job",
    "RunJobsResult": "tables:runs",
    "History": "listings:history",
    "Upcoming": "listings:upcoming",
    "RunLogs": "tables:logs",
    "ActiveRuns": "tables:active",
    "AuditReport": "tables:audit",
    "FireTimeExplained": "cards:fire_time",
    "NodeList": "tables:nodes",
    "NodeDrain": "texts:drained",
    "ScheduleDescribed": "cards:schedule",
    "DbStatus": "tables:databases",
    "Diagnosis": "tables:checks",
    "ProfileShown": "texts:profile",
    "JobSwitched": "texts:switched",
    "RunCancelled": "texts:cancelled",
    "SessionCleanup": "texts:cleanup",
    "LogCleanup": "texts:cleanup",
    "NewJob": "texts:steps",
    "Initialised": "texts:steps",
    "ProfileCheck": "texts:message",
    "DbMigrated": "texts:migrated",
    "DbBackup": "texts:backed_up",
    "DbRestore": "texts:restored",
    "DbMove": "texts:moved",
    "ServeResult": "texts:node",
    "Schemas": "texts:schemas",
    "Completion": "texts:script",
}
"""Result type -> how it looks, `module:function` below this package: a list of jobs loads none of what runs them.
A test holds that every command's result has one."""


def shown(settings: CliSettings, answer: Answer, time_zone: str) -> str:
    """Return an answer as text for this terminal, or for a pipe: then without colour, and nothing is cut."""
    page = Page(settings, title=answer.title, time_zone=time_zone)
    if answer.fields:
        chosen(page, answer.result, answer.fields, answer.entries())
    else:
        view = load(f"systemprompt.cli.people.{VIEWS[type(answer.result).__name__]}")
        view(page, answer.result)
    return page.text()
