"""A real node in this process: threads, the machine's clock, a ledger in a file; and ways to wait for what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.ledger_stage import EVERY_SECOND, audit_finds_nothing
from support.sqlite_engine import SqliteEngine
from support.waiting import Heard
from systemprompt.clock import SystemClock
from systemprompt.discovery.definition import Catalogue, JobDefinition, JobSource
from systemprompt.jobs.job import FunctionJob
from systemprompt.jobs.policies import Policies
from systemprompt.jobs.settings import JobSettings
from systemprompt.ledger.records import Change, JobSpec
from systemprompt.ledger.views import HistoryQuery, RunView
from systemprompt.nodes.events import Listeners, NodeEvent
from systemprompt.nodes.hooks import Pace
from systemprompt.nodes.node import Node, NodeSettings
from systemprompt.planning.planner import Planner
from systemprompt.runner.run_logs import RunLogs


def definition(function: Callable[..., Any], schedule: str = EVERY_SECOND, **policies: Any) -> JobDefinition:
    name = function.__name__
    return JobDefinition(
        name=name,
        schedule=schedule,
        policies=Policies(**policies),
        source=JobSource(kind="module", name="tests"),
        job=FunctionJob(function, {"name": name}),
    )


def catalogue(*definitions: JobDefinition) -> Catalogue:
    return Catalogue(jobs={one.name: one for one in definitions})


class NodeStage:
    """One installation with any number of nodes in this process."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.db"
        self._engine = SqliteEngine(self.path)
        self.clock = SystemClock()
        self.ledger = self._engine.open_again()
        self.heard = Heard()
        self.events: list[NodeEvent] = self.heard.events
        self.listeners = Listeners(self.heard)
        self._nodes: list[Node] = []

    def declare(self, *definitions: JobDefinition) -> None:
        specs = [
            JobSpec(
                name=one.name,
                description="",
                schedule=one.schedule,
                time_zone=one.time_zone,
                enabled=one.enabled,
                policies=one.policies,
            )
            for one in definitions
        ]
        self.ledger.sync_catalogue(specs, [], self.clock.now(), Planner().decide, Change(actor="test"))

    def node(self, *definitions: JobDefinition, kind: str = "serve", declared: bool = True, **more: Any) -> Node:
        """Build a node that has these jobs; the ledger is told of them first."""
        if declared:
            self.declare(*definitions)
        pace = Pace(poll=0.02, heartbeat=0.1, lease=more.pop("lease", 30.0))
        ledger = self._engine.open_again()
        node = Node(
            ledger=ledger,
            clock=self.clock,
            settings=NodeSettings(kind=kind, pace=pace, kill_grace=0.3, **more),
            job_settings=JobSettings(),
            database=None,
            child_database=None,
            logs=RunLogs(None, ledger_id=""),
            catalogue=catalogue(*definitions),
            listeners=self.listeners,
        )
        self._nodes.append(node)
        return node

    def wait(self, kind: str, job_name: str | None = None, count: int = 1) -> list[Any]:
        """Wait until so many events of this kind (of this job's runs) have come; return them."""

        def found() -> list[NodeEvent]:
            runs = {getattr(e, "run_id", 0) for e in self.events if job_name and getattr(e, "job_name", "") == job_name}
            mine = [e for e in self.events if e.kind == kind]
            return [e for e in mine if job_name is None or getattr(e, "run_id", 0) in runs]

        self.heard.until(lambda: len(found()) >= count, (kind, job_name))
        return found()

    def runs(self, name: str) -> list[RunView]:
        entries = self.ledger.history(HistoryQuery(job_names=(name,), limit=1_000)).entries
        return [entry for entry in entries if isinstance(entry, RunView)]

    def close(self) -> None:
        for node in self._nodes:
            node.close()
            assert node.error is None, node.error
        audit_finds_nothing(self.ledger, self.clock.now())
        self._engine.close()
