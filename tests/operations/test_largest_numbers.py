"""A number past what makes sense is a usage error at once, whatever asks: nothing is started and nothing is computed for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.installation import Installation


@pytest.mark.parametrize(
    "command",
    [
        "jobs log-cleanup --days 99999999999999",
        "jobs cleanup-sessions --hours 99999999999999",
        "jobs upcoming -n 1000000000000",
        "cron @daily -n 1000000000000",
    ],
)
def test_a_number_past_what_makes_sense_is_refused_before_anything_runs(tmp_path: Path, command: str) -> None:
    installation = Installation(tmp_path)
    error = installation.sp(*command.split(), code=2)["error"]
    assert error["message"].endswith("the most that makes sense")
    assert installation.sp("jobs", "history")["data"]["entries"] == []
