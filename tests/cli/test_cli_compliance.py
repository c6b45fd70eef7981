"""The reference's compliance checklist in its Python form: one test a line."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

import systemprompt
from support.cli_session import CliSession
from systemprompt.cli.parse import flags_of
from systemprompt.cli.people import VIEWS
from systemprompt.cli.schema import command_schema
from systemprompt.cli.table import COMMANDS, Command
from systemprompt.operations.operation import Operation, load

SOURCE = Path(systemprompt.__file__).parent
ARTIFACT_TYPES = {"table", "presentation_card", "text"}


def signature(operation: Operation) -> ast.FunctionDef:
    module, _, name = operation.function.partition(":")
    path = SOURCE.parent / (module.replace(".", "/") + ".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_all_operations_take_their_context_and_their_params_and_return_their_result(command: Command) -> None:
    function = signature(command.operation)
    arguments = function.args.args

    assert [argument.arg for argument in arguments] == ["context", "params"]
    annotations = [
        ast.unparse(one) for one in (arguments[0].annotation, arguments[1].annotation, function.returns) if one
    ]
    assert annotations == [
        "OperationContext",
        command.operation.params.rpartition(":")[2],
        command.operation.result.rpartition(":")[2],
    ]
    assert command.operation.artifact_type in ARTIFACT_TYPES


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_all_output_types_are_frozen_records_with_a_json_schema(command: Command) -> None:
    result = load(command.operation.result)
    parameters = result.__dataclass_params__

    assert parameters.frozen
    assert "__slots__" in vars(result)
    assert result.__doc__
    schema = command_schema(command)
    assert json.loads(json.dumps(schema)) == schema
    assert schema["output"]["properties"]["data"] == {"$ref": f"#/$defs/{result.__name__}"}
    assert schema["input"]["$defs"][load(command.operation.params).__name__]["properties"].keys() == {
        flag.field for flag in flags_of(command)
    }


def test_every_result_has_a_view_for_people() -> None:
    assert set(VIEWS) == {command.operation.result.rpartition(":")[2] for command in COMMANDS}


def test_only_the_renderer_writes_to_the_terminal() -> None:
    writers = []
    for path in sorted(SOURCE.rglob("*.py")):
        name = str(path.relative_to(SOURCE))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                writers.append((name, "print"))
            if isinstance(node, ast.Attribute) and node.attr in ("write", "writelines"):
                owner = ast.unparse(node.value)
                if owner in ("sys.stdout", "sys.stderr", "sys.__stdout__") or owner.startswith("settings.std"):
                    writers.append((name, owner))

    # runner/child.py is a job's own process: its stderr is captured and becomes the run's log.
    assert {name for name, _ in writers} - {"runner/child.py"} == {"cli/render.py"}


def test_no_error_is_swallowed_and_none_reaches_a_user_without_its_context() -> None:
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                assert node.type is not None, f"{path}:{node.lineno}: a bare except"
                broad = ast.unparse(node.type) in ("Exception", "BaseException")
                silent = len(node.body) == 1 and isinstance(node.body[0], ast.Pass)
                assert not (broad and silent), f"{path}:{node.lineno}: an error is swallowed"


@pytest.mark.parametrize("command", [one for one in COMMANDS if one.name != "serve"], ids=lambda command: command.name)
def test_json_is_supported_by_every_command_and_keeps_to_its_schema(command: Command, live: CliSession) -> None:
    from jsonschema import Draft202012Validator

    live.sp("jobs run nightly_report")
    call = {
        "infra jobs show": "by_hand",
        "infra jobs run": "by_hand",
        "infra jobs cancel": "2",
        "infra jobs enable": "by_hand",
        "infra jobs disable": "by_hand",
        "infra jobs logs": "1",
        "infra jobs explain": "nightly_report",
        "cron": "@daily",
        "infra jobs new": "fresh_job",
        "init": "elsewhere",
        "completion": "bash",
        "db backup": str(live.folder / "copy.db"),
        "db restore": f"{live.folder / 'before.db'} --replace",
        "db move": f"--to {live.folder / 'moved.db'}",
        "nodes drain": "a1b2",
    }
    if command.name == "nodes drain":
        live.left("a1b2")
    if command.name == "infra jobs cancel":
        live.sp("jobs run by_hand --detach")
    if command.name == "db restore":
        live.sp(f"db backup {live.folder / 'before.db'}")
    answer = live.sp(f"--json {command.name} {call.get(command.name, '')}")

    Draft202012Validator(command_schema(command)["output"]).validate(answer.document)
    assert answer.out.count("\n") == 1
    assert answer.document["artifact_type"] == command.operation.artifact_type


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_an_error_of_any_command_keeps_to_the_schema_of_errors(command: Command, cli: CliSession) -> None:
    from jsonschema import Draft202012Validator

    from systemprompt.cli.schema import ERROR_SCHEMA

    answer = cli.sp(f"--json {command.name} --no-such-flag")

    assert answer.code == 2
    Draft202012Validator(ERROR_SCHEMA).validate(answer.document)


def test_what_changes_data_or_schedules_can_be_tried_dry() -> None:
    for name in ("run", "enable", "disable", "cleanup-sessions", "log-cleanup", "restore"):
        command = next(one for one in COMMANDS if one.path[-1] == name)
        assert "dry_run" in {flag.field for flag in flags_of(command)}
