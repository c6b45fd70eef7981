"""The lists that `make mutants` reads. The mutants themselves are no part of `make test`."""

from __future__ import annotations

import mutants


def test_every_module_and_every_test_of_the_list_exists() -> None:
    for target in mutants.targets([]):
        assert (mutants.ROOT / target.path).is_file(), target.path
        for test in target.tests:
            assert (mutants.ROOT / test).exists(), test


def test_a_name_or_what_stands_before_its_slash_chooses_the_targets() -> None:
    assert [one.name for one in mutants.targets(["tallies"])] == ["tallies"]
    assert {one.name.partition("/")[0] for one in mutants.targets(["cron"])} == {"cron"}
    assert [one.module for one in mutants.targets(["cron/days"])] == ["systemprompt.cron.days"]


def test_every_explanation_belongs_to_a_module_of_the_list_and_says_why() -> None:
    names = {target.name for target in mutants.targets([])}
    for one in mutants.explanations():
        assert one.target in names, one
        assert one.why, one
