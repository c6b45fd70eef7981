"""`sp jobs run` tells what the ledger says, also where others took the process for lost in mid-run."""

from __future__ import annotations

from pathlib import Path

import pytest

from systemprompt.operations.context import OperationContext
from systemprompt.operations.run_jobs import RunJobsParams, run_jobs
from systemprompt.system import open_system

JOBS = '''
from systemprompt import job
from systemprompt.ledger.sqlite.ledger import SqliteLedger


@job(name="outlives_its_lease", on_lost="{on_lost}")
def outlives_its_lease():
    """Does to its own node what another does that saw it silent for a lease."""
    ledger = SqliteLedger({ledger!r})
    (node,) = ledger.living_nodes()
    ledger.rescue(node.node_id, node.beat, node.started_at, max_attempts=5)
    ledger.close()
'''


@pytest.mark.parametrize(("on_lost", "told"), [("fail", ("failed", "node_lost")), ("rerun", ("queued", None))])
def test_a_success_that_came_too_late_is_not_told_as_one(
    tmp_path: Path, on_lost: str, told: tuple[str, str | None]
) -> None:
    ledger = str(tmp_path / "app.ledger.db")
    (tmp_path / "jobs.py").write_text(JOBS.format(ledger=ledger, on_lost=on_lost))
    (tmp_path / "profile.yaml").write_text("name: late\ndatabase: sqlite:///app.db\nextensions: [jobs.py]\n")
    environ = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "USER": "me"}
    with open_system(str(tmp_path / "profile.yaml"), environ=environ) as system:
        result = run_jobs(OperationContext.of(system), RunJobsParams(names=("outlives_its_lease",)))
        (run,) = result.jobs_run
        assert (run.status, run.reason) == told
        assert run.error == "this process was taken for lost; its success came too late and is kept with attempt 1"
        assert (result.succeeded, result.failed) == (0, 1)
        assert run.run_id is not None
        assert [attempt.late_result for attempt in system.ledger.attempts(run.run_id)] == ["success"]
