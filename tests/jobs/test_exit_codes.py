"""The policy `exit_codes`: how it is written, and what is refused."""

from __future__ import annotations

import pytest

from systemprompt.errors import JobDefinitionError
from systemprompt.jobs.exit_codes import exit_codes_of
from systemprompt.jobs.policies import Policies


@pytest.mark.parametrize(
    "said", [{77: "nothing", 75: "again"}, {"77": "nothing", "75": "again"}, ((77, "nothing"), (75, "again"))]
)
def test_codes_are_in_order_however_they_are_written(said: object) -> None:
    assert exit_codes_of(said) == ((75, "again"), (77, "nothing"))
    assert Policies(exit_codes=said).as_dict()["exit_codes"] == {"75": "again", "77": "nothing"}  # type: ignore[arg-type]  # as people do


@pytest.mark.parametrize("said", [None, "none", {}, ()])
def test_none_is_none(said: object) -> None:
    assert exit_codes_of(said) == ()
    assert "exit_codes" not in Policies(exit_codes=exit_codes_of(said)).as_dict()


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        (
            {0: "success"},
            "exit_codes 0 is not a whole number from 1 to 255",
            "write a mapping: {77: nothing, 75: again}",
        ),
        (
            {256: "nothing"},
            "exit_codes 256 is not a whole number from 1 to 255",
            "write a mapping: {77: nothing, 75: again}",
        ),
        (
            {True: "nothing"},
            "exit_codes True is not a whole number from 1 to 255",
            "write a mapping: {77: nothing, 75: again}",
        ),
        ({77: "noting"}, "exit_codes has no meaning 'noting'", "did you mean 'nothing'?"),
        ({77: 1}, "exit_codes has no meaning 1", "there are: success, nothing, again, final"),
        ([77], "exit_codes [77] is no mapping", "write a mapping: {77: nothing, 75: again}"),
    ],
)
def test_what_it_cannot_mean_is_refused(said: object, message: str, hint: str) -> None:
    with pytest.raises(JobDefinitionError) as caught:
        exit_codes_of(said)
    assert (caught.value.message, caught.value.hint) == (message, hint)
