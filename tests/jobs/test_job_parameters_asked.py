"""What a run is asked with is what the job declares, read as what it declares; anything else is refused before it begins."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from support.installation import Installation
from systemprompt.errors import JobDefinitionError, ParameterError
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.parameters import check_variables, laid_over

JOBS = """
@job(parameters={"region": "eu", "days": 3, "dry": False, "tags": ["a"]})
def report(ctx):
    return repr([ctx.get_parameter(name) for name in ("region", "days", "dry", "tags")])


@job(parameters={"region": "eu", "*": None})
def open_minded(ctx):
    return repr(sorted(ctx.parameters.items()))


@job()
def says_nothing(ctx):
    return repr(sorted(ctx.parameters.items()))
"""


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    installation = Installation(tmp_path)
    installation.job_file("report.py", JOBS)
    return installation


def message(installation: Installation, *words: str) -> str:
    (run,) = installation.sp("jobs", "run", *words)["data"]["jobs_run"]
    said: str = run["result"]["message"]
    return said


def test_what_is_asked_for_arrives_as_what_is_declared(installation: Installation) -> None:
    assert message(installation, "report") == "['eu', 3, False, ['a']]"
    asked = ("-p", "region=no", "-p", "days=07", "-p", "dry=yes", "-p", "tags=b, c")
    assert message(installation, "report", *asked) == "['no', 7, True, ['b', 'c']]"
    installation.write_profile("scheduler: {jobs: {report: {parameters: {days: 9}, isolation: process}}}\n")
    assert message(installation, "report", "-p", "dry=1") == "['eu', 9, True, ['a']]"


@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--detach",)])
def test_a_parameter_that_a_job_does_not_have_is_refused_with_the_nearest(
    installation: Installation, more: tuple[str, ...]
) -> None:
    error = installation.sp("jobs", "run", "report", "-p", "regoin=us", *more, code=2)["error"]
    assert error["message"] == "job 'report' has no parameter 'regoin'"
    assert error["hint"] == "did you mean 'region'? it has days, dry, region, tags"
    error = installation.sp("jobs", "run", "report", "-p", "days=many", *more, code=2)["error"]
    assert error["message"] == "job 'report': parameter days='many' is not a number"
    assert installation.sp("jobs", "history")["data"]["entries"] == []


def test_a_job_that_declares_none_or_any_takes_what_it_is_given(installation: Installation) -> None:
    assert message(installation, "open_minded", "-p", "x=1") == "[('region', 'eu'), ('x', '1')]"
    assert message(installation, "says_nothing", "-p", "x=1") == "[('x', '1')]"


def test_a_dry_run_shows_what_each_job_would_run_with(installation: Installation) -> None:
    (run,) = installation.sp("jobs", "run", "report", "-p", "days=5", "--dry-run")["data"]["jobs_run"]
    assert run["parameters"] == {"region": "eu", "days": 5, "dry": False, "tags": ["a"]}


def test_the_profile_sets_only_what_a_job_has(installation: Installation) -> None:
    installation.write_profile("scheduler: {jobs: {report: {parameters: {regoin: us}}}}\n")
    error = installation.sp("jobs", "show", "report")["data"]["quarantine_error"]
    assert "scheduler.jobs.report.parameters: job 'report' has no parameter 'regoin'" in error
    assert "did you mean 'region'?" in error


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("22:30", "22:30"),
        ("no", "no"),
        ("On", "On"),
        ("0123", "0123"),
        ("1_000", "1_000"),
        ("1.10", "1.10"),
        ("+5", "+5"),
        ("1:30.5", "1:30.5"),
        ("0x1F", "0x1F"),
        ("${COUNTRY}", "no"),
        ("2026-01-01", "2026-01-01"),
        ("true", True),
        ("12", 12),
        ("-1.5", -1.5),
        ('"12"', "12"),
        ("${NOPE:-${COUNTRY}}", "no"),
        ("${NOPE:-a${NOPE:-b}c}", "abc"),
        ("~", None),
    ],
)
def test_a_value_of_a_profile_means_what_is_written(installation: Installation, written: str, value: Any) -> None:
    installation.environ["COUNTRY"] = "no"
    installation.write_profile(
        f"scheduler: {{jobs: {{says_nothing: {{parameters: {{it: {written}}}}}}}}}\n".replace(written, f'"{written}"')
        if "${NOPE" in written
        else f"scheduler:\n  jobs:\n    says_nothing:\n      parameters:\n        it: {written}\n"
    )
    assert message(installation, "says_nothing") == repr([("it", value)])


def test_two_parameters_of_a_command_never_share_a_variable() -> None:
    with pytest.raises(JobDefinitionError, match="'a-b' and 'a_b' would both be SP_PARAM_A_B"):
        check_variables(["a-b", "c", "a_b"])


def test_a_command_refuses_parameters_that_share_a_variable(installation: Installation) -> None:
    installation.write_profile("scheduler: {jobs: {shell: {command: [env], parameters: {a-b: 1}}}}\n")
    error = installation.sp("jobs", "run", "shell", "-p", "a_b=2", code=2)["error"]
    assert "would both be SP_PARAM_A_B" in error["message"]


def test_a_line_for_a_shell_is_the_shells_own(installation: Installation) -> None:
    installation.write_profile(
        "scheduler:\n  jobs:\n    lines:\n      shell: /bin/sh\n"
        '      command: \'for f in a b; do printf %s "${f}"; done; test $$ -gt 1 && echo " ${NOPE:-none}"\'\n'
    )
    (run,) = installation.sp("jobs", "run", "lines")["data"]["jobs_run"]
    assert run["result"]["message"] == "ab none"


@pytest.mark.parametrize(
    ("declared", "asked", "read"),
    [
        (3, "4", 4),
        (3, "1e9", 1_000_000_000),
        (3, "0.5", 0.5),
        (0.5, "2", 2.0),
        (True, "off", False),
        (timedelta(minutes=1), "90s", timedelta(seconds=90)),
        ("x", "12", "12"),
        (None, "12", "12"),
        (3, 4.5, 4.5),
    ],
)
def test_text_is_read_as_what_is_declared_and_values_stay(declared: object, asked: object, read: object) -> None:
    assert laid_over("x", {"it": declared}, {"it": asked}) == {"it": read}


def test_without_a_kind_a_parameter_is_what_it_is() -> None:
    context = JobContext(job_name="x", parameters={"flag": False, "number": 3, "text": "3"})
    assert context.get_parameter("flag") is False
    assert context.get_parameter("number") == 3
    assert context.get_parameter("text") == "3"
    assert context.get_parameter("text", default=1) == 3
    assert context.get_parameter("absent", default=1) == 1
    with pytest.raises(ParameterError):
        context.get_parameter("absent")
