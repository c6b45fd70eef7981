"""Fixtures for pytest: `job_node` and `job_context`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from systemprompt.clock import ManualClock
from systemprompt.jobs.context import JobContext
from systemprompt.simulation.simulated_system import simulated_system
from systemprompt.testing.job_node import START, JobNode, node

__all__ = ["job_context", "job_node"]


@pytest.fixture
def job_node() -> Iterator[Callable[..., JobNode]]:
    """Make nodes whose time passes by hand: `job_node(jobs=[...], start=...)`, with the arguments of `systemprompt.testing.node`.

    At the end of the test the accounts of each are audited, then it is closed.
    """
    nodes: list[JobNode] = []
    with ExitStack() as opened:

        def make(*arguments: Any, **options: Any) -> JobNode:
            nodes.append(opened.enter_context(node(*arguments, **options)))
            return nodes[-1]

        yield make
        for one in nodes:
            one.audit()


@pytest.fixture
def job_context(tmp_path: Path) -> Iterator[Callable[..., JobContext]]:
    """Make contexts to call a job function with: `job_context(name="feeds", limit=3)`; other keywords are its parameters.

    Each has the test's `tmp_path` as its home, and `db_pool` is a database there with the tables of the built-in jobs.
    """
    with simulated_system(str(tmp_path), ManualClock(), START, opened_by="test") as opened:

        def make(name: str = "job", *, enforce: bool = False, **parameters: Any) -> JobContext:
            return JobContext(
                job_name=name,
                parameters=parameters,
                enforce=enforce,
                settings=opened.settings,
                database=opened.database,
            )

        yield make
