"""Errors: two lines on stderr for people, one envelope on stdout for programs, and an exit code that says the kind."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.cli_session import CliSession
from systemprompt import errors
from systemprompt.cli.exit_codes import EXIT_CODES, exit_code_of
from systemprompt.ledger.records import Change


@pytest.mark.parametrize(
    ("line", "code", "kind"),
    [
        ("jobs lst", 2, "usage"),
        ("jobs run", 2, "usage"),
        ("jobs history --status sucess", 2, "usage"),
        ("jobs history --since yesterday", 2, "usage"),
        ("jobs show nightly_reprot", 3, "job_not_found"),
        ("jobs history --job nope", 3, "job_not_found"),
        ("jobs upcoming --job nope", 3, "job_not_found"),
        ("jobs audit --job nope", 3, "job_not_found"),
        ("jobs enable nope", 3, "job_not_found"),
        ("jobs run by_hand nope", 3, "job_not_found"),
        ("jobs logs 99", 3, "run_not_found"),
        ("--profile nowhere.yaml jobs list", 4, "profile_not_found"),
        ("jobs new UPPER", 4, "job_definition"),
    ],
)
def test_the_exit_code_and_the_code_say_what_kind_of_error_it_is(
    cli: CliSession, line: str, code: int, kind: str
) -> None:
    for_people, for_programs = cli.sp(line), cli.sp(f"--json {line}")

    assert for_people.code == for_programs.code == code
    assert for_people.out == ""
    assert for_people.err.startswith("error: ")
    assert for_programs.err == ""
    assert for_programs.error["code"] == kind
    assert f"error: {for_programs.error['message']}\n" in for_people.err
    assert set(for_programs.document) == {"error"}


def test_people_read_the_error_and_the_way_out(cli: CliSession) -> None:
    answer = cli.sp("jobs show nightly_reprot")

    assert answer.err == (
        "error: no job is named 'nightly_reprot'\nhint: did you mean 'nightly_report'? sp jobs list shows all\n"
    )


def test_programs_read_the_same_with_its_values(cli: CliSession) -> None:
    assert cli.sp("jobs show nightly_reprot --json").document == {
        "error": {
            "code": "job_not_found",
            "message": "no job is named 'nightly_reprot'",
            "hint": "did you mean 'nightly_report'? sp jobs list shows all",
            "details": {"job_name": "nightly_reprot", "did_you_mean": "nightly_report"},
        }
    }


def test_all_faults_of_a_profile_come_in_one_report(cli: CliSession) -> None:
    cli.profile.write_text("database: sqlite:///a.db\ntime_zone: Mars/Base\nextentions: []\n", encoding="utf-8")

    answer = cli.sp("profile check --json")

    assert answer.code == 4
    assert answer.error["code"] == "profile_invalid"
    assert len(answer.error["details"]["faults"]) == 2


def test_a_file_that_is_no_database_is_exit_5(cli: CliSession) -> None:
    (cli.home / "data").mkdir()
    (cli.home / "data/app.ledger.db").write_bytes(b"this is no database" * 100)

    answer = cli.sp("--json jobs list")

    assert answer.code == 5
    assert answer.error["code"].startswith("database")
    assert "app.ledger.db" in answer.error["message"]


def test_a_job_that_is_running_is_refused_with_exit_6(cli: CliSession) -> None:
    from systemprompt.ledger.records import ManualStart
    from systemprompt.nodes.identity import this_process

    with cli.system() as system:
        now = system.clock.now()
        node = this_process(kind="run", program="test", lease_s=30, capacity=1, now=now)
        system.ledger.join(node)
        system.ledger.start_manual(node.node_id, now, [ManualStart(job_name="by_hand")], Change(actor="me"))

    answer = cli.sp("--json jobs run by_hand")

    assert answer.code == 6
    assert answer.error["code"] == "job_already_running"


def test_what_nobody_foresaw_is_an_answer_too_and_its_traceback_is_for_those_who_ask(
    cli: CliSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("systemprompt.operations.list_jobs.list_jobs", break_down)
    quiet, verbose = cli.sp("--json jobs list"), cli.sp("--json jobs list -v")

    assert quiet.code == verbose.code == 70
    assert quiet.error["code"] == "internal"
    assert quiet.error["message"] == "ZeroDivisionError: division by zero"
    assert quiet.err == ""
    assert "Traceback" in verbose.err
    assert "break_down" in verbose.err


def test_control_c_is_exit_130(cli: CliSession, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("systemprompt.operations.list_jobs.list_jobs", interrupted)
    answer = cli.sp("--json jobs list")

    assert (answer.code, answer.error["code"]) == (130, "interrupted")


def test_a_reader_that_leaves_early_is_no_error(cli: CliSession) -> None:
    cli.sp("jobs list")
    command = f"{sys.executable} -m systemprompt --help | true; exit ${{PIPESTATUS[0]}}"

    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, cwd=cli.folder)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("line", ["--json jobs --help", "jobs --help", "--json jobs nope"])
def test_an_answer_that_cannot_be_written_is_said_on_stderr(line: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m systemprompt {line} > /dev/full"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (70, "error: the answer cannot be written: No space left on device\n")


def test_every_family_of_errors_has_its_exit_code() -> None:
    families = {
        errors.UsageError: 2,
        errors.NotFoundError: 3,
        errors.ConfigurationError: 4,
        errors.DatabaseError: 5,
        errors.ConflictError: 6,
        errors.ConfirmationNeeded: 7,
        errors.Interrupted: 130,
    }

    assert dict(EXIT_CODES) == families
    ours = [kind for kind in errors.SystempromptError.__subclasses__() if kind.__module__ == errors.__name__]
    assert len(ours) == len(families)
    for family in ours:
        assert exit_code_of(family("x")) in families.values(), family
    assert exit_code_of(RuntimeError("x")) == 70
