"""How a call is read: which command, which flags, and what is said where it is wrong."""

from __future__ import annotations

import pytest

from systemprompt.cli.parse import GLOBAL_FLAGS, flags_of, parse
from systemprompt.cli.table import COMMANDS, GROUPS, Command, Group
from systemprompt.errors import UsageError
from systemprompt.operations.history import HistoryParams
from systemprompt.operations.run_jobs import RunJobsParams
from systemprompt.operations.show_job import ShowJobParams


def parameters(line: str) -> object:
    return parse(line.split()).parameters


@pytest.mark.parametrize(
    "line",
    [
        "--json --profile p.yaml infra jobs history -n 5",
        "infra --json jobs --profile=p.yaml history -n 5",
        "jobs history -n 5 --profile p.yaml --json",
        "--profile p.yaml jobs history --limit=5 --json",
        "--json jobs --profile p.yaml history -n5",
        "jobs history --json --limit 5 --profile p.yaml",
        "jobs history -n=5 --json --profile p.yaml --",
    ],
)
def test_global_flags_work_before_after_and_between(line: str) -> None:
    call = parse(line.split())

    assert call.target.path == ("infra", "jobs", "history")
    assert call.globals == {"--json": "", "--profile": "p.yaml"}
    assert call.parameters == HistoryParams(limit=5)


def test_jobs_is_short_for_infra_jobs() -> None:
    assert parse(["jobs", "show", "x"]).target is parse(["infra", "jobs", "show", "x"]).target


def test_names_flags_and_key_value_pairs_mix_in_any_order() -> None:
    assert parameters("jobs run a -p k=v b --sequential -p limit=a=b --tag x --tag y c") == RunJobsParams(
        names=("a", "b", "c"), parameters={"k": "v", "limit": "a=b"}, sequential=True, tag=("x", "y")
    )


def test_after_two_dashes_everything_is_an_argument() -> None:
    assert parameters("jobs show -- --json") == ShowJobParams(name="--json")


def test_short_switches_may_be_written_together() -> None:
    assert parse(["-qv", "jobs", "list"]).globals == {"--quiet": "", "--verbose": ""}


def test_help_is_found_anywhere_even_where_an_argument_is_missing() -> None:
    for line in ("jobs show --help", "-h jobs show", "jobs -h show", "help jobs show", "jobs show x --nope -h"):
        call = parse(line.split())
        assert call.target.path == ("infra", "jobs", "show")
        assert "--help" in call.globals


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        (
            "jobs lst",
            "'lst' is not a command of 'sp jobs'",
            "did you mean 'list'? sp jobs --help shows all",
        ),
        (
            "jobs hist",
            "'hist' is not a command of 'sp jobs'",
            "did you mean 'history'? sp jobs --help shows all",
        ),
        ("joobs list", "'joobs' is not a command of 'sp'", "did you mean 'jobs'? sp --help shows all"),
        ("xyzzy", "'xyzzy' is not a command of 'sp'", "sp --help shows all"),
        ("--jsn jobs list", "'sp' has no flag '--jsn'", "did you mean '--json'? sp --help shows all"),
        (
            "jobs history --jb x",
            "'sp jobs history' has no flag '--jb'",
            "did you mean '--job'? sp jobs history --help shows all",
        ),
        ("jobs show", "sp jobs show needs NAME", "for example: sp jobs show database_cleanup"),
        (
            "jobs show a b",
            "sp jobs show does not know what to do with 'b'",
            "sp jobs show --help explains it",
        ),
        ("jobs history -n many", "-n 'many' is not a whole number", None),
        ("jobs history -n 5 --limit 6", "--limit is given twice and takes one value: 5 or '6'?", None),
        ("jobs history --since a --since b", "--since is given twice and takes one value: 'a' or 'b'?", None),
        ("jobs history -n", "-n needs a value", "write it: -n N"),
        ("jobs history --job --json", "--job needs a value, and '--json' follows", "write it: --job NAME"),
        ("jobs list --all=yes", "--all takes no value, and 'yes' was given", None),
        ("--json=1 jobs list", "--json takes no value, and '1' was given", None),
        ("jobs run a -p k", "-p 'k' is not KEY=VALUE", "for example: -p limit=10"),
        ("jobs upcoming --hours nan", "--hours 'nan' is not a number", None),
    ],
)
def test_a_wrong_call_is_told_what_is_wrong_and_the_way_out(line: str, message: str, hint: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        parse(line.split())

    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_no_command_has_a_flag_that_is_also_a_global_one_and_none_has_one_twice() -> None:
    taken = {name for entry in GLOBAL_FLAGS for name in entry[:2] if name}
    for command in COMMANDS:
        own = [name for flag in flags_of(command) if not flag.positional for name in (flag.long, flag.short)]
        names = [name for name in own if name]
        assert not taken & set(names), command.name
        assert len(names) == len(set(names)), command.name


def test_every_parameter_of_every_command_is_explained() -> None:
    for command in COMMANDS:
        for flag in flags_of(command):
            assert len(flag.help) > 5, f"{command.name} {flag.long}"


def test_every_group_of_the_table_gathers_commands_and_every_command_has_its_groups() -> None:
    groups = {group.path for group in GROUPS}

    commands = {command.path for command in COMMANDS}

    assert groups == {path[:depth] for path in commands for depth in range(len(path))} - commands


def test_every_example_is_a_call_that_can_be_read() -> None:
    import shlex

    entries: tuple[Command | Group, ...] = (*COMMANDS, *GROUPS)
    for entry in entries:
        example = entry.example.removeprefix("source <(").removesuffix(")")
        program, *words = shlex.split(example)
        assert program == "sp"
        target = parse(words).target
        assert target.path[: len(entry.path)] == entry.path, example


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("nodes", ("nodes",)),
        ("nodes --fields node_id", ("nodes",)),
        ("--json nodes --help", ("nodes",)),
        ("nodes drain a1", ("nodes", "drain")),
        ("nodes --json drain a1", ("nodes", "drain")),
        ("nodes drain --help", ("nodes", "drain")),
    ],
)
def test_a_command_may_have_others_below_it(line: str, path: tuple[str, ...]) -> None:
    assert parse(line.split()).target.path == path
