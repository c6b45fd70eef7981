"""What people paste from other programs: said for what it is, with what to write here."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from systemprompt.cron import CronError, Schedule
from systemprompt.cron.expression import parse

PASTED: list[list[str | None]] = json.loads((Path(__file__).parent / "pasted.json").read_text("utf-8"))


@pytest.mark.parametrize("case", PASTED, ids=lambda case: repr(case[0]))
def test_a_foreign_text_is_named_and_answered_with_what_to_write(case: list[str | None]) -> None:
    with pytest.raises(CronError) as caught:
        Schedule(str(case[0]))
    assert [caught.value.expression, caught.value.reason, caught.value.hint] == case


@pytest.mark.parametrize("case", PASTED, ids=lambda case: repr(case[0]))
def test_what_is_proposed_can_be_read(case: list[str | None]) -> None:
    written = re.match(r"write '(.+?)'", case[2] or "")
    if written:
        Schedule(written[1])


@given(st.text(alphabet="0123456789 *,-/#HLWPTMDS@~()?.:'\"，–ſrootevyday", max_size=40))
def test_no_text_gets_another_error_or_a_proposal_that_is_refused(text: str) -> None:
    try:
        Schedule(text)
    except CronError as error:
        written = re.match(r"write '([^']+)'(;|$)", error.hint or "")
        if written and "instead of" not in str(error.hint):
            parse(written[1])


@pytest.mark.parametrize("text", ["@sundae", "@thirdly", "@fortnightly"])
def test_a_macro_gets_a_neighbour_only_for_one_wrong_letter(text: str) -> None:
    with pytest.raises(CronError) as caught:
        Schedule(text)
    assert "did you mean" not in str(caught.value.hint)
