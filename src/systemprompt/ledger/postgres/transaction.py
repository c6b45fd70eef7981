"""The transaction that a thread is in: what is gathered in it, and whether others should hear of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection

from systemprompt.clock import Instant
from systemprompt.ledger.stored.store import Row

__all__ = ["QUEUES", "Transaction"]

QUEUES = ("write_open_runs", "write_usual_open_runs")
"""The statements that write open runs: whether these wait is told by their rows."""


@dataclass(slots=True)
class Transaction:
    """The transaction that a thread is in.

    server_now   what the server's clock said as it began
    waiting      writes that are gathered to be one statement
    spare        due jobs, each with a run id and a fence that nobody uses yet
    is_news      others should look once it is committed; queues   somebody may take what it left waiting
    """

    connection: Connection[Any]
    server_now: Instant
    gathers: int = 0
    waiting: list[tuple[str, dict[str, str], int]] = field(default_factory=list)
    is_news: bool = False
    queues: bool = False
    spare: list[Row] = field(default_factory=list)

    def noted(self, name: str) -> None:
        """Take it that this statement is run."""
        self.is_news = self.is_news or name in _NEWS


_NEWS = frozenset(
    (
        "ask_to_stop",
        "share_catalogue",
        "close_version",
        "drain_node",
        "open_version",
        "point_to_version",
        "quarantine_for_conflict",
        "quarantine_job",
        "release_job",
        "requeue_runs",
        "retire_job",
        "update_job",
    )
)
"""What others should look at: jobs that changed, runs that wait, stops that somebody asked for."""
