"""Threads that a node gave up on: a real node says so, stops at its limit, and doctor names the runs."""

from __future__ import annotations

import signal
from pathlib import Path

from support.installation import Installation, serving


def test_doctor_names_runs_whose_code_goes_on_and_the_node_starts_no_more_at_its_limit(tmp_path: Path) -> None:
    installation = Installation(tmp_path, "limits: {kill_grace: 0s, max_abandoned_threads: 1}\n")
    installation.job_file(
        "stubborn.py",
        "import time\n\n\n"
        '@job(timeout="1s")\ndef stubborn():\n    time.sleep(600)\n\n\n'
        "@job()\ndef plain():\n    return 'ran'\n",
    )
    with serving(installation) as node:
        installation.sp("jobs", "run", "stubborn", "--detach")
        given_up = node.end_of("stubborn")
        assert (given_up["status"], given_up["reason"]) == ("failed", "timeout")
        installation.sp("jobs", "run", "plain", "--detach")
        refused = node.end_of("plain")
        assert (refused["status"], refused["reason"]) == ("failed", "spawn_error")
        (check,) = [check for check in installation.sp("doctor")["data"]["checks"] if check["name"] == "abandoned runs"]
        assert check["status"] == "warn"
        assert (
            check["message"]
            == f"1 did not stop when told to, and their code goes on: stubborn (run {given_up['run_id']})"
        )
        assert "(limits.max_abandoned_threads)" in check["mend"]
        node.signal(signal.SIGTERM)
        assert node.ended() == 0
    assert "abandoned runs" not in {check["name"] for check in installation.sp("doctor")["data"]["checks"]}
    assert installation.sp("jobs", "audit")["data"]["findings"] == []
