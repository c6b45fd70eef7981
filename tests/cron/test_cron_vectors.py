"""Cases that independent engines agree on: exact instants and exact offsets."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from systemprompt.clock import from_datetime
from systemprompt.cron import CronError, Schedule

HERE = Path(__file__).parent
VECTORS: list[dict[str, Any]] = json.loads((HERE / "vectors.json").read_text())
BAD: list[dict[str, str]] = json.loads((HERE / "bad.json").read_text())


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: f"{case['category']}: {case['expr']} {case['tz']}")
def test_fire_times_are_those_other_engines_agree_on(case: dict[str, Any]) -> None:
    schedule = Schedule(case["expr"], case["tz"])
    start = datetime.fromisoformat(case["start"])
    end = datetime.fromisoformat(case["expected"][-1])

    ahead, at = [], start
    for _ in case["expected"]:
        at = schedule.after(at)
        ahead.append(at.isoformat())
    back, at = [end.isoformat()], end
    for _ in case["expected"][1:]:
        at = schedule.before(at)
        back.insert(0, at.isoformat())

    assert ahead == case["expected"]
    assert back == case["expected"]
    assert [at.isoformat() for at in schedule.between(start, end)] == case["expected"]
    assert schedule.count_between(from_datetime(start), from_datetime(end)) == len(case["expected"])


@pytest.mark.parametrize("case", BAD, ids=lambda case: f"{case['category']}: {case['expr']!r}")
def test_what_every_engine_refuses_is_refused(case: dict[str, str]) -> None:
    with pytest.raises(CronError) as caught:
        Schedule(case["expr"])

    assert repr(case["expr"]) in str(caught.value)
    if case["category"] in {
        "out_of_range",
        "reversed_range",
        "bad_name",
        "huge_number",
        "never_fires",
        "zero_step",
        "bad_step",
    }:
        error = caught.value
        assert error.allowed is not None
        assert error.allowed in str(error)
        assert error.value is not None
        assert error.value in str(error)
        if error.field is not None:
            assert error.field in str(error)
