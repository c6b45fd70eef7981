"""Much of it, in any script: ten thousand jobs of one module, names that no ASCII holds, parameters of a megabyte."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from support.campaign import LONG
from support.cli_session import Answer, CliSession
from support.installation import Installation, serving

MANY = 10_000
MEGABYTE = "x" * 2**20
SCRIPTS = (
    "مهمة_ليلية",
    "夜間報告",
    "отчёт",
    "🧨",
    "e\u0301te\u0301",
    "\u202eevil",
    "ＦＵＬＬ",
    "n" * 101,
    "a b",
    "-a",
    "",
)


def test_ten_thousand_jobs_of_one_module_load_fire_and_are_accounted_for(tmp_path: Path) -> None:
    installation = Installation(tmp_path, "entry_points: false\n")
    installation.job_file(
        "many.py",
        f"for number in range({MANY}):\n"
        '    job(name=f"one_of_many_{number}", schedule="0 0 3 1 1 *")(lambda: None)\n\n\n'
        '@job(schedule="* * * * * *")\nasync def steady():\n    pass\n',
    )
    with serving(installation) as node:
        for _ in range(3):
            node.run_of("steady")
        ran = installation.sp("jobs", "run", "one_of_many_7", "one_of_many_9999")["data"]
        assert ran["succeeded"] == 2
        node.signal(signal.SIGTERM)
        assert node.ended() == 0

    missing = installation.sp("jobs", "show", "one_of_mny_77", code=3)["error"]
    assert "did you mean 'one_of_many_77'?" in missing["hint"]
    if LONG:
        assert installation.sp("jobs", "list")["data"]["total"] > MANY
        assert installation.sp("jobs", "audit")["data"]["findings"] == []


ODD = """
from systemprompt import Job, job, submit_job

class Odd(Job):
    name = {name!r}

    def execute(self, ctx):
        pass

submit_job(Odd)

@job()
def fine():
    pass
"""


@pytest.mark.parametrize("name", SCRIPTS, ids=ascii)
def test_a_job_name_that_is_not_permitted_is_refused_with_the_rule(tmp_path: Path, name: str) -> None:
    cli = CliSession(tmp_path, jobs=ODD.format(name=name))
    rule = "100 are allowed" if len(name) > 100 else "has no name" if not name else "a-z, 0-9, '_', '-' and '.'"

    made = cli.sp("--json jobs new --", name)
    assert made.code == 4
    assert rule in made.error["message"]
    with cli.system() as system:
        (refused,) = (one for one in system.catalogue.quarantined if one.source.kind == "file")
    assert rule in refused.error
    assert cli.sp("jobs list").code == cli.sp("jobs run fine").code == 0


@pytest.mark.parametrize("folder", ["مهمة", "夜間 報告", "🧨e\u0301", "n" * 200, "%41?#&='\"", "new\nline"], ids=ascii)
def test_an_installation_may_lie_in_a_folder_of_any_name(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    cli = CliSession(tmp_path / folder)
    (cli.home / "jobs/تقرير.py").write_text(
        "from systemprompt import job\n\n\n@job(tags=['夜間'], description='отчёт 🧨')\ndef fine():\n    return 'é\u202e🧨'\n",
        encoding="utf-8",
    )

    assert cli.sp("--json jobs run --tag", "夜間").data["jobs_run"][0]["result"]["message"] == "é\u202e🧨"
    assert cli.sp("jobs list").code == cli.sp("doctor").code == 0
    assert cli.sp("jobs disable fine --why", "\u202eпочему 🧨\n").code == 0
    assert cli.sp("--json jobs audit").data["clean"]


def test_an_installation_in_a_folder_whose_name_is_no_text_works_or_says_so(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe"))
    folder.mkdir()
    cli = CliSession(folder)

    for line in ("jobs list", "jobs run by_hand", "doctor", "serve", "init other", "jobs new fresh"):
        for form in ("", "--json "):
            answer = cli.sp(f"{form}{line}")
            assert answer.code in (0, 1, 4, 6), answer
            assert "Traceback" not in answer.err


TELLS = """
from systemprompt import job

@job()
def in_thread(ctx):
    return str(len(ctx.get_parameter("big", default="")))

@job(isolation="process")
def in_process(ctx):
    return str(len(ctx.get_parameter("big", default="")))
"""
COMMAND = "    as_command: {command: [sh, -c, 'printf %s \"$SP_PARAM_BIG\" | wc -c']}\n"


def told(answer: Answer) -> dict[str, tuple[str, str]]:
    return {
        run["job_name"]: (run["status"], run["result"]["message"] or run["error"]) for run in answer.data["jobs_run"]
    }


def test_a_parameter_of_a_megabyte_reaches_the_job_or_its_run_says_the_limit(tmp_path: Path) -> None:
    profile = (
        f"database: sqlite:///data/app.db\nextensions: [jobs/]\nentry_points: false\nscheduler:\n  jobs:\n{COMMAND}"
    )
    cli = CliSession(tmp_path, jobs=TELLS, profile=profile, real_time=True)

    answer = told(cli.sp("--json jobs run in_thread in_process as_command", "-p", f"big={MEGABYTE}"))

    assert answer["in_thread"] == answer["in_process"] == ("success", str(len(MEGABYTE)))
    # What the system lets a program's environment hold is its own limit: 128 KiB a variable on Linux.
    status, message = answer["as_command"]
    assert status == "failed"
    assert "SP_PARAM_BIG has 1,048,576 characters" in message
    assert told(cli.sp("--json jobs run as_command", "-p", "big=" + "x" * 100_000)) == {
        "as_command": ("success", "100000")
    }
    assert cli.sp("--json jobs audit").data["clean"]


def test_a_parameter_of_a_megabyte_in_the_profile_is_refused_with_the_limit_and_half_of_it_works(
    tmp_path: Path,
) -> None:
    profile = "database: sqlite:///data/app.db\nextensions: [jobs/]\nscheduler: {jobs: {in_thread: {parameters: {big: %s}}}}\n"
    cli = CliSession(tmp_path, jobs=TELLS, profile=profile % MEGABYTE, real_time=True)

    refused = cli.sp("--json jobs list")
    assert (refused.code, refused.error["code"]) == (4, "profile_invalid")
    assert "larger than 1,048,576 bytes" in refused.error["message"]

    cli.profile.write_text(profile % MEGABYTE[: 2**19])
    assert told(cli.sp("--json jobs run in_thread")) == {"in_thread": ("success", str(2**19))}
