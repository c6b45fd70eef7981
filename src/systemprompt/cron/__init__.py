"""Cron schedules: what they say, when they fire, and what happens when clocks change. Pure: no clock, no database."""

from __future__ import annotations

from systemprompt.cron.schedule import Schedule
from systemprompt.errors import CronError

__all__ = ["CronError", "Schedule"]
