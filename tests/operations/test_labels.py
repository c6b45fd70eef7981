"""`runs_on` and `node.labels`: what `sp` runs itself, what it refuses, and what it shows of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.cli_session import PROFILE, CliSession

JOBS = """
from systemprompt import job

@job(runs_on=["gpu", "eu"], tags=["nightly"])
def train(): ...

@job(tags=["nightly"])
def anywhere(): ...
"""


def session(folder: Path, labels: str = "") -> CliSession:
    return CliSession(folder, jobs=JOBS, profile=PROFILE + (f"node: {{labels: {labels}}}\n" if labels else ""))


def test_a_job_that_is_named_and_not_for_this_node_is_refused_and_asking_for_it_is_not(tmp_path: Path) -> None:
    cli = session(tmp_path, "[gpu]")
    for line in ("jobs run train", "jobs run train --dry-run", "jobs run anywhere train"):
        refused = cli.sp(f"--json {line}")
        assert (refused.code, refused.error["code"]) == (6, "labels_lacking")
        assert (
            refused.error["message"]
            == "job 'train' runs only on nodes with the labels eu and gpu, and this node lacks eu"
        )
        assert refused.error["details"] == {"job_name": "train", "runs_on": ["eu", "gpu"], "lacking": ["eu"]}
    assert refused.error["hint"].endswith("sp jobs run train --detach")
    assert cli.sp("--json jobs history").data["total"] == 0, "nothing was started"
    asked = cli.sp("--json jobs run train --detach")
    assert (asked.code, asked.data["jobs_run"][0]["status"]) == (0, "queued")


def test_a_job_runs_by_hand_where_the_profile_gives_its_nodes_the_labels(tmp_path: Path) -> None:
    cli = session(tmp_path, "[gpu, eu, fast]")
    assert cli.sp("--json jobs run train").data["jobs_run"][0]["status"] == "success"


@pytest.mark.parametrize("choice", ["--all", "--tag nightly"])
def test_a_choice_of_many_leaves_out_what_is_not_for_this_node_and_says_so(tmp_path: Path, choice: str) -> None:
    cli = session(tmp_path)
    answer = cli.sp(f"--json jobs run {choice} --dry-run")
    names = [run["job_name"] for run in answer.data["jobs_run"]]
    assert "anywhere" in names
    assert "train" not in names
    assert answer.err == "warning: train is left out: it runs only on nodes with the labels eu and gpu\n"


def test_the_labels_of_a_job_are_shown_with_its_policies_and_the_profile_wins(tmp_path: Path) -> None:
    cli = session(tmp_path)
    assert cli.sp("--json jobs show train").data["policies"]["runs_on"] == ["eu", "gpu"]
    assert "nodes with the labels eu and gpu" in cli.sp("jobs show train").out
    assert "runs on" not in cli.sp("jobs show anywhere").out
    cli.profile.write_text(PROFILE + "    train: {runs_on: [cpu]}\n", encoding="utf-8")
    assert cli.sp("--json jobs show train").data["policies"]["runs_on"] == ["cpu"]
    (first, second) = cli.sp("--json jobs show train --versions").data["changes"]
    assert (first["cause"], second["cause"], second["fields"], second["actor"]) == (
        "added",
        "changed",
        ["runs_on"],
        "profile",
    )
