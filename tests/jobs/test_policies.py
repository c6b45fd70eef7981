"""Policies stand in one record, and whatever names them has the same ones."""

from __future__ import annotations

import json
from dataclasses import fields
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

from systemprompt import Job, job
from systemprompt.discovery.checking import define_job
from systemprompt.discovery.given import given_jobs
from systemprompt.errors import JobDefinitionError
from systemprompt.jobs.policies import POLICIES, Policies, Policy
from systemprompt.jobs.retry import Retry

USUAL = {policy.written: getattr(Policies(), policy.name) for policy in POLICIES}


def unusual(policy: Policy) -> Any:
    """A value that is not the default, where there is one."""
    structures = {
        "labels": ("gpu",),
        "retry": Retry(times=2, after_s=5.0, on=("TimeoutError", 75)),
        "exit_codes": ((75, "again"), (77, "nothing")),
    }
    if policy.structure:
        return structures[policy.structure]
    return policy.choices[-1] if policy.choices else 90.0


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_what_an_author_says_of_a_policy_is_what_the_job_gets(policy: Policy) -> None:
    decorated: Any = job(**{policy.written: unusual(policy)})
    by_class = type("Made", (Job,), {"name": "made", "execute": lambda _self: None, policy.written: unusual(policy)})
    (found, source), *_ = given_jobs([decorated(lambda: None)])
    for written in (found, by_class()):
        definition = define_job(written, source, None, "UTC")  # type: ignore[arg-type]  # both are jobs
        assert definition.policies == Policies(**{policy.name: unusual(policy)})


def test_a_class_and_the_decorator_have_every_policy_with_its_default() -> None:
    arguments = {name: one for name, one in signature(job).parameters.items() if one.kind is one.KEYWORD_ONLY}
    assert {name: getattr(Job, name) for name in USUAL} == USUAL
    assert {name: arguments[name].default for name in USUAL} == USUAL
    attributes = set(Job.__annotations__)
    assert set(arguments) == attributes, "each argument of @job is an attribute of Job"
    others = {"name", "description", "schedule", "enabled", "tags", "time_zone", "parameters"}
    assert attributes - others == set(USUAL), "a policy is a field of the record first"


def test_the_authors_page_names_every_policy_and_every_choice() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "writing-jobs.md").read_text(encoding="utf-8")
    for policy in POLICIES:
        (row,) = [line for line in page.splitlines() if line.startswith("|") and f"`{policy.written}`" in line]
        assert all(f"`{choice}`" in row for choice in policy.choices), policy.written


def test_a_version_that_says_nothing_has_the_defaults() -> None:
    assert Policies.from_version({}) == Policies()


def test_a_version_is_read_as_it_was_written() -> None:
    policies = Policies(**{policy.name: unusual(policy) for policy in POLICIES})
    assert Policies.from_version(json.loads(json.dumps(policies.as_dict()))) == policies
    assert list(policies.as_dict()) == [one.name for one in fields(Policies)]


@pytest.mark.parametrize(
    "said",
    [
        {"catch_up": "some"},
        {"timeout_s": "soon"},
        {"timeout_s": -1},
        {"runs_on": "gpu"},
        {"runs_on": ["GPU!"]},
        {"retry": {"times": 3, "until": "noon"}},
        {"fire": "twice"},
    ],
)
def test_what_only_a_newer_program_knows_reads_as_the_default(said: dict[str, object]) -> None:
    assert Policies.from_version(said | {"on_lost": "rerun"}) == Policies(on_lost="rerun")


@pytest.mark.parametrize(
    ("policies", "message", "hint"),
    [
        ({"catch_up": "latset"}, "catch_up 'latset' is not one of latest, skip, all", "did you mean 'latest'?"),
        ({"overlap": None}, "overlap None is not one of skip", None),
        ({"timeout_s": 0}, "timeout 0 is not a positive number of seconds", None),
        ({"timeout_s": "5m"}, "timeout '5m' is not a positive number of seconds", None),
        ({"runs_on": "gpu"}, "labels 'gpu' are not a list", "write a list: [gpu]"),
        ({"runs_on": None}, "labels None are not a list", "write a list: [gpu]"),
        ({"runs_on": [7]}, "label 7 is not text", "write words such as gpu or eu-west"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused(policies: dict[str, Any], message: str, hint: str | None) -> None:
    with pytest.raises(JobDefinitionError) as caught:
        Policies(**policies)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_one_duration_is_written_alike_whatever_its_type() -> None:
    assert repr(Policies(timeout_s=60)) == repr(Policies(timeout_s=60.0))


def test_the_same_labels_make_the_same_policies_however_they_are_written() -> None:
    assert Policies(runs_on=["gpu", "eu", "gpu"]) == Policies(runs_on=("eu", "gpu"))  # type: ignore[arg-type]  # as JSON has them
    assert Policies(runs_on=("gpu", "eu")).as_dict()["runs_on"] == ["eu", "gpu"]


@pytest.mark.parametrize("label", ["", "GPU", "-gpu", "a b", "ä", "x" * 64, "a\n"])
def test_a_label_is_a_short_word_that_can_stand_in_a_shell_line(label: str) -> None:
    with pytest.raises(JobDefinitionError, match="is not 1 to 63 of a-z"):
        Policies(runs_on=(label,))


def test_labels_of_an_author_that_are_no_list_of_words_are_refused_with_the_jobs_name() -> None:
    wrong: Any = job(name="train", runs_on="gpu")
    ((found, source), *_) = given_jobs([wrong(lambda: None)])
    with pytest.raises(JobDefinitionError) as caught:
        define_job(found, source, None, "UTC")  # type: ignore[arg-type]  # it is a job
    assert caught.value.message == "job 'train': runs_on: labels 'gpu' are not a list"
    assert caught.value.hint == "write a list: [gpu]"
