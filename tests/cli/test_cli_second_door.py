"""A second, tiny door beside the command line: a dictionary in, a dictionary out. Both get the same data and the same errors."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from support.cli_session import CliSession
from systemprompt.cli.parse import flags_of
from systemprompt.cli.settings import user_name
from systemprompt.cli.table import COMMANDS, Command, spelled
from systemprompt.errors import SystempromptError
from systemprompt.nodes.events import Listeners, NodeEvent
from systemprompt.operations.answers import Answer, plain
from systemprompt.operations.catalogue import OPERATIONS, call, operation
from systemprompt.operations.context import OperationContext
from systemprompt.operations.operation import load
from systemprompt.operations.parameters import check, read


def door(cli: CliSession, name: str, values: dict[str, Any]) -> dict[str, Any]:
    """Call an operation as a door does that speaks JSON."""
    context = OperationContext(
        actor=f"cli:{user_name(cli.environ)}",
        environ=cli.environ,
        cwd=str(cli.folder),
        clock=cli.clock,
        profile=str(cli.profile),
    )
    one = operation(name)
    try:
        params = read(load(one.params), values)
        return Answer(one, params, call(context, one, params)).envelope()
    except SystempromptError as error:
        return {"error": {"code": error.code, "message": error.message, "hint": error.hint, "details": error.details}}


BY_OPERATION = {command.operation.name: command for command in COMMANDS}

LIFE: list[tuple[str, dict[str, Any]]] = [
    ("doctor", {}),
    ("db_status", {}),
    ("db_migrate", {}),
    ("check_profile", {}),
    ("show_profile", {}),
    ("list_jobs", {}),
    ("list_jobs", {"tag": ["reports", "feeds"], "all": True}),
    ("list_jobs", {"tags": []}),
    ("list_jobs", {"limit": 2, "fields": ["name", "next_run"]}),
    ("show_job", {"name": "nightly_report"}),
    ("show_job", {"name": "nightly_reprot"}),
    ("show_job", {}),
    ("show_job", {"name": 7}),
    ("run_jobs", {"names": ["by_hand"], "parameters": {"limit": "4"}, "why": "to see"}),
    ("run_jobs", {"names": ["broken_feed"]}),
    ("run_jobs", {"names": ["nobody"]}),
    ("run_jobs", {"names": ["by_hand"], "all": True}),
    ("run_jobs", {}),
    ("run_jobs", {"names": ["nightly_report"], "detach": True}),
    ("cancel_run", {"run_id": 3, "why": "not today"}),
    ("cancel_run", {"run_id": 3}),
    ("cancel_run", {"run_id": 99}),
    ("cancel_run", {"run_id": 0}),
    ("run_logs", {"run": "1"}),
    ("run_logs", {"run": "by_hand"}),
    ("active_runs", {}),
    ("active_runs", {"fields": ["elapsed"]}),
    ("run_logs", {"run": "1", "level": "loud"}),
    ("run_logs", {"run": "77"}),
    ("history", {}),
    ("history", {"status": ["failed"], "limit": 1}),
    ("history", {"status": ["failed", "success"], "job": ["by_hand", "broken_feed"], "limit": 1, "fields": ["run_id"]}),
    ("history", {"status": ["fialed"]}),
    ("history", {"origin": ["nonsense"]}),
    ("history", {"fields": ["job_name", "nmae"]}),
    ("history", {"cursor": "nonsense"}),
    ("history", {"limit": -1}),
    ("history", {"limit": "many"}),
    ("history", {"limit": 2**60}),
    ("history", {"since": "yesterday"}),
    ("history", {"since": "1h", "until": "2h"}),
    ("disable_job", {"name": "nightly_report", "why": "holiday"}),
    ("disable_job", {"name": "nightly_report", "dry_run": True}),
    ("disable_job", {"name": "nobody"}),
    ("upcoming", {"limit": 3}),
    ("upcoming", {"limit": 0}),
    ("upcoming", {"hours": -1}),
    ("upcoming", {"job": ["nobody"]}),
    ("upcoming", {"hours": 48, "fields": ["fire_at"]}),
    ("enable_job", {"name": "nightly_report"}),
    ("enable_job", {"name": "nobody"}),
    ("explain_fire_time", {"name": "nightly_report"}),
    ("explain_fire_time", {"name": "nightly_report", "at": "soon"}),
    ("list_nodes", {}),
    ("list_nodes", {"fields": ["state", "sate"]}),
    ("drain_node", {"node": "a1b2", "why": "new kernel"}),
    ("drain_node", {"node": "nobody"}),
    ("audit_jobs", {}),
    ("audit_jobs", {"start": "1h", "end": "2h"}),
    ("cleanup_sessions", {"hours": 2, "dry_run": True}),
    ("cleanup_sessions", {"hours": 2}),
    ("cleanup_sessions", {"hours": -2}),
    ("log_cleanup", {"dry_run": True}),
    ("log_cleanup", {"days": 3}),
    ("describe_schedule", {"expression": "0 */2 * * *", "zone": "Europe/Berlin", "count": 2}),
    ("describe_schedule", {"expression": "@sunday"}),
    ("describe_schedule", {"expression": "0 3 * * *", "zone": "GMT+2"}),
    ("new_job", {"name": "weekly"}),
    ("new_job", {"name": "weekly"}),
    ("new_job", {"name": "Not a name"}),
    ("db_backup", {"file": "copy.db"}),
    ("db_backup", {"file": "copy.db"}),
    ("db_restore", {"file": "copy.db"}),
    ("db_restore", {"file": "copy.db", "replace": True, "dry_run": True}),
    ("db_move", {"to": "moved.db"}),
    ("db_move", {"to": "moved.db"}),
    ("init_profile", {"dir": "elsewhere"}),
    ("init_profile", {"dir": "elsewhere"}),
    ("serve", {"grace": -1.0}),
]


def test_every_operation_goes_through_both_doors_with_a_success_and_with_an_error() -> None:
    named = {name for name, _ in LIFE}
    assert named == {one.name for one in OPERATIONS} == BY_OPERATION.keys() - {"schema", "completion"}


def test_a_life_through_each_door_has_the_same_answers(tmp_path: Path) -> None:
    here, there = CliSession(tmp_path / "here"), CliSession(tmp_path / "there")
    for session in (here, there):
        session.left("a1b2")
    failed: set[str] = set()
    answered: set[str] = set()
    for name, values in LIFE:
        mine, told = door(here, name, values), on_the_command_line(there, name, values)
        if told is None:
            assert mine["error"]["code"] == "usage", "a call that cannot be typed"
            continue
        assert masked(mine, here) == masked(told, there), (name, values)
        (failed if "error" in mine else answered).add(name)
    nothing_to_refuse = {
        "doctor",
        "db_status",
        "db_migrate",
        "check_profile",
        "show_profile",
        "log_cleanup",
        "list_jobs",
    }
    assert answered == {one.name for one in OPERATIONS} - {"serve"}
    assert failed == {one.name for one in OPERATIONS} - nothing_to_refuse


def on_the_command_line(cli: CliSession, name: str, values: dict[str, Any]) -> dict[str, Any] | None:
    """Type the same call. None where it cannot be: a value of another kind, an unknown name, one that is missing."""
    command = BY_OPERATION[name]
    flags = {flag.field: flag for flag in flags_of(command)}
    if not values.keys() <= flags.keys() or any(flag.required and flag.field not in values for flag in flags.values()):
        return None
    if not all(fits(flags[key].kind, value) for key, value in values.items()):
        return None
    words = typed(command, values)
    answer = cli.sp("--json", *words, "--profile", str(cli.profile))
    return answer.document


def fits(kind: str, value: object) -> bool:
    kinds: dict[str, type | tuple[type, ...]] = {
        "str": str,
        "int": int,
        "float": (int, float),
        "bool": bool,
        "list": list,
    }
    return isinstance(value, kinds.get(kind, dict))


def typed(command: Command, values: dict[str, Any]) -> list[str]:
    listed = {
        key: tuple(f"{name}={text}" for name, text in value.items()) if isinstance(value, dict) else value
        for key, value in values.items()
        if value is not False
    }
    words = spelled(command, {key: tuple(value) if isinstance(value, list) else value for key, value in listed.items()})
    return [*command.words, *(word.strip("'") for word in words)]


def masked(answer: dict[str, Any], cli: CliSession) -> dict[str, Any]:
    """Take out what no two installations share, and the spelling of parameters."""
    text = json.dumps(plain(answer)).replace(str(cli.folder), "FOLDER")
    text = re.sub(r'("(?:duration_ms|size_bytes|log_bytes|free_bytes|fence)": )\d+', r"\g<1>0", text)
    text = re.sub(
        r'("digest": ")[0-9a-f]{64}', r"\g<1>", text
    )  # of rows that hold the ledger's id, or the wall clock's time
    text = re.sub(r"free|[\d.]+ [GM]B", "", text)
    for flag in [flag for command in COMMANDS for flag in flags_of(command)]:
        text = text.replace(f"`{flag.field}`", flag.spelling)
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_node_serves_behind_the_second_door_until_a_signal(tmp_path: Path) -> None:
    cli = CliSession(tmp_path, real_time=True)

    def stop(event: NodeEvent) -> None:
        if event.kind == "serving":
            os.kill(os.getpid(), signal.SIGTERM)

    context = OperationContext(
        actor=f"cli:{user_name(cli.environ)}",
        environ=cli.environ,
        cwd=str(cli.folder),
        profile=str(cli.profile),
        listeners=Listeners(stop),
    )
    one = operation("serve")
    answer = plain(call(context, one, read(load(one.params), {"grace": 1})))
    assert (answer["stopped_by"], answer["clean"]) == ("SIGTERM", True)


@pytest.mark.parametrize("one", OPERATIONS, ids=lambda one: one.name)
def test_an_example_is_a_call_that_its_params_accept(one: Any) -> None:
    made = read(load(one.params), one.example)
    check(made)
    assert made
