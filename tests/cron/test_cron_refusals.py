"""What is refused, and in which words: the whole message, the way out, and the parts that programs read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from systemprompt.cron import CronError, Schedule

REFUSALS: list[dict[str, str | None]] = json.loads((Path(__file__).parent / "refusals.json").read_text("utf-8"))


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: repr(case["expression"]))
def test_a_refusal_says_what_is_wrong_what_is_allowed_and_what_to_write(case: dict[str, str | None]) -> None:
    with pytest.raises(CronError) as caught:
        Schedule(str(case["expression"]))
    error = caught.value
    told = {
        "message": str(error),
        "hint": error.hint,
        "field": error.field,
        "value": error.value,
        "allowed": error.allowed,
    }
    assert told == {name: text for name, text in case.items() if name != "expression"}
