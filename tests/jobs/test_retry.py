"""The policy `retry`: how it is written, what it covers, and how long a run waits."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from support.installation import Installation
from systemprompt import job
from systemprompt.discovery.checking import define_job
from systemprompt.discovery.given import given_jobs
from systemprompt.errors import JobDefinitionError
from systemprompt.jobs.retry import Retry, retry_of

THRICE = Retry(times=3, after_s=10.0, cap_s=300.0, on=("TimeoutError", 75))


@pytest.mark.parametrize(
    ("said", "means"),
    [
        (3, Retry(times=3)),
        ({"times": 3, "after": "10s", "cap": "5m", "on": ["TimeoutError", 75]}, THRICE),
        ({"times": 3, "after": 10, "cap": 300.0, "on": ("TimeoutError", 75)}, THRICE),
        (THRICE.as_dict(), THRICE),
        ({"times": 1, "on": "OSError", "over_next": True}, Retry(times=1, on=("OSError",), over_next=True)),
        ("none", None),
        (None, None),
    ],
)
def test_it_is_a_number_or_a_section(said: object, means: Retry | None) -> None:
    assert retry_of(said) == means


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (0, "retry.times 0 is not a whole number from 1 to 100"),
        (True, "retry True is no policy"),
        ("often", "retry 'often' is no policy"),
        ({"after": "10s"}, "retry does not say how often to try"),
        ({"times": 101}, "retry.times 101 is not a whole number from 1 to 100"),
        ({"times": 2.0}, "retry.times 2.0 is not a whole number from 1 to 100"),
        ({"times": 1, "wait": "10s"}, "retry.wait is not known"),
        ({"times": 1, "after": "soon"}, "'soon' is not a duration"),
        ({"times": 1, "cap": "2y"}, "'2y' is not a duration"),
        ({"times": 1, "after": "400d"}, "retry.after of 3.456e+07 s is too long"),
        ({"times": 1, "on": ["Time Error"]}, "retry.on 'Time Error' is neither an exception nor an exit code"),
        ({"times": 1, "on": [0]}, "retry.on 0 is neither an exception nor an exit code"),
        ({"times": 1, "on": {"a": 1}}, "retry.on {'a': 1} is neither an exception nor an exit code"),
        ({"times": 1, "over_next": "yes"}, "retry.over_next 'yes' is not true or false"),
    ],
)
def test_what_it_cannot_mean_is_refused_with_the_value(said: object, message: str) -> None:
    with pytest.raises(JobDefinitionError) as caught:
        retry_of(said)
    assert caught.value.message == message


def test_what_an_author_cannot_mean_is_refused_with_the_jobs_name() -> None:
    wrong: Any = job(name="nightly", retry={"times": 0}, exit_codes={77: "noting"})
    ((found, source), *_) = given_jobs([wrong(lambda: None)])
    with pytest.raises(JobDefinitionError) as caught:
        define_job(found, source, None, "UTC")  # type: ignore[arg-type]  # it is a job
    assert caught.value.message == "job 'nightly': retry.times 0 is not a whole number from 1 to 100"


def test_it_covers_what_it_names_and_everything_where_it_names_nothing() -> None:
    assert Retry(times=1).covers((), None)
    assert THRICE.covers(("ConnectTimeout", "TimeoutError", "OSError", "Exception"), None)
    assert THRICE.covers((), 75)
    assert not THRICE.covers(("KeyError", "LookupError", "Exception"), None)
    assert not THRICE.covers((), 1)


def test_waits_double_up_to_the_cap_and_a_tenth_more() -> None:
    for run_id in (1, 2, 10**12):
        waits = [THRICE.wait_s(run_id, tried) for tried in (1, 2, 3, 6, 100)]
        for wait, least in zip(waits, (10, 20, 40, 300, 300), strict=True):
            assert least <= wait < least * 1.1
        assert waits == [THRICE.wait_s(run_id, tried) for tried in (1, 2, 3, 6, 100)]


def test_runs_that_failed_together_are_spread_over_that_tenth() -> None:
    waits = sorted(THRICE.wait_s(run_id, 1) - 10 for run_id in range(1, 101))
    assert max(later - earlier for earlier, later in pairwise(waits)) < 0.1


def test_a_profile_writes_it_the_same_way_and_takes_it_away(tmp_path: Path) -> None:
    jobs = """scheduler:
  jobs:
    one: {retry: {times: 2, after: 3s, on: [OSError]}}
    two: {retry: none}
"""
    place = Installation(tmp_path, jobs)
    place.job_file(
        "jobs.py",
        "@job(retry=5)\ndef one(): pass\n\n\n@job(retry=5)\ndef two(): pass\n\n\n@job(retry=5)\ndef three(): pass\n",
    )
    shown: dict[str, Any] = {
        name: place.sp("jobs", "show", name)["data"]["policies"].get("retry") for name in ("one", "two", "three")
    }
    assert shown == {
        "one": {"times": 2, "after_s": 3.0, "cap_s": 3600.0, "on": ["OSError"], "over_next": False},
        "two": None,
        "three": {"times": 5, "after_s": 10.0, "cap_s": 3600.0, "on": [], "over_next": False},
    }
