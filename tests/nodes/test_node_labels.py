"""A real node with labels: which bootstrap jobs it starts, and what it takes from the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.node_stage import NodeStage, definition
from systemprompt.ledger.records import Change, ManualStart


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[NodeStage]:
    stage = NodeStage(tmp_path)
    yield stage
    stage.close()


def train() -> None: ...


def anywhere() -> None: ...


def test_a_node_starts_only_the_bootstrap_jobs_that_it_may_run(stage: NodeStage) -> None:
    jobs = (definition(train, "", runs_on=("gpu",)), definition(anywhere, ""))
    stage.node(*jobs).start(bootstrap=["train", "anywhere"])
    stage.wait("run_finished", "anywhere")
    assert stage.runs("train") == []
    stage.node(*jobs, labels=("gpu",)).start(bootstrap=["train"])
    stage.wait("run_finished", "train")


def test_a_run_that_was_asked_for_is_taken_by_the_node_that_has_the_labels(stage: NodeStage) -> None:
    jobs = (definition(train, "", runs_on=("gpu",)), definition(anywhere, ""))
    plain, labelled = stage.node(*jobs), stage.node(*jobs, labels=("eu", "gpu"))
    plain.start()
    labelled.start()
    stage.ledger.ask_for_runs(stage.clock.now(), [ManualStart(job_name="train")], Change(actor="me"))
    stage.wait("run_finished", "train")
    (run,) = stage.runs("train")
    assert (run.status, run.node_id) == ("success", labelled.node_id)
