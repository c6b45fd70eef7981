"""What a crontab line has around it: variables and files of them, another user, a home, stdin, and output that nobody wants."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.runner_stage import RunnerStage, at_home, python
from systemprompt.errors import ConfigurationError
from systemprompt.runner.executors import environment
from systemprompt.runner.executors.environment import read_environment_file

SHOW = python("import json, os; print(json.dumps([os.getcwd(), dict(os.environ), os.getresuid(), os.getgroups()]))")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may run as another user")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[RunnerStage]:
    with RunnerStage(settings=at_home(tmp_path)) as stage:
        yield stage


@pytest.fixture
def nobody(tmp_path: Path) -> pwd.struct_passwd:
    """A user who may enter the test's folder."""
    folder = tmp_path
    while folder.stat().st_mode & 0o001 == 0 or folder == tmp_path:  # pytest's own folders are for their owner alone
        folder.chmod(folder.stat().st_mode | 0o011)
        folder = folder.parent
    return pwd.getpwnam("nobody")


@pytest.fixture
def their_python(nobody: pwd.struct_passwd) -> str:
    """A Python that this user may start: the one that runs the tests may lie in a folder of root."""
    for path in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            subprocess.run(
                [path, "-c", ""], user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[], cwd="/", check=True
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return path
    pytest.skip("there is no Python that another user may start")


def shown(stage: RunnerStage, command: list[str] = SHOW, **given: Any) -> Any:
    end = stage.finished(stage.start(command, **given))
    assert end.outcome.status == "success", end.outcome
    return json.loads(end.outcome.output or "")


def test_logname_user_home_and_shell_are_set_where_a_service_has_none(
    stage: RunnerStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOGNAME", "USER", "HOME", "SHELL"):
        monkeypatch.delenv(name, raising=False)
    entry = pwd.getpwuid(os.geteuid())
    _, variables, *_ = shown(stage)
    found = [variables[name] for name in ("LOGNAME", "USER", "HOME", "SHELL")]
    assert found == [entry.pw_name, entry.pw_name, entry.pw_dir, entry.pw_shell]


def test_the_file_is_read_at_each_start_and_the_profile_wins_over_it(stage: RunnerStage, tmp_path: Path) -> None:
    file = tmp_path / "vars"
    given: dict[str, Any] = {"environment": {"B": "profile"}, "defined": {"environment_files": (str(file),)}}
    for value in ("one", "two"):
        file.write_text(f"A={value}\nB=file\n")
        _, variables, *_ = shown(stage, **given)
        assert (variables["A"], variables["B"]) == (value, "profile")

    file.unlink()
    end = stage.finished(stage.start(SHOW, **given))
    assert (end.outcome.status, end.outcome.reason) == ("failed", "spawn_error")
    assert (
        end.outcome.message == f"cannot start '{sys.executable}': environment file '{file}': No such file or directory"
    )
    assert "fix `environment_file` in the profile" in (end.outcome.error or "")


def test_the_home_is_the_one_that_the_variables_say(stage: RunnerStage, tmp_path: Path) -> None:
    (tmp_path / "home/sub").mkdir(parents=True)
    home = str(tmp_path / "home")
    assert shown(stage, working_dir="~", environment={"HOME": home})[0] == home
    assert shown(stage, working_dir="~/sub", environment={"HOME": home})[0] == f"{home}/sub"


def test_stdin_is_what_the_profile_says(stage: RunnerStage) -> None:
    end = stage.finished(stage.start(["cat"], defined={"stdin": "one\n\n two\n" * 20_000}))
    assert end.outcome.status == "success"
    assert (end.outcome.output or "").endswith("one\n\n two")


@pytest.mark.parametrize(
    ("output", "kept", "error"),
    [
        ("keep", {"out", "err"}, "err"),
        ("errors", {"err"}, "err"),
        ("discard", set(), "the command ended with exit code 3"),
    ],
)
def test_output_is_kept_as_far_as_the_profile_wants_it(
    stage: RunnerStage, output: str, kept: set[str], error: str
) -> None:
    end = stage.finished(stage.start(["sh", "-c", "echo out; echo err >&2; exit 3"], defined={"output": output}))
    assert (end.outcome.exit_code, end.outcome.error) == (3, error)
    assert set((end.outcome.output or "").split()) == kept


@as_root
def test_a_command_runs_as_the_user_with_their_home_and_without_our_variables(
    stage: RunnerStage, nobody: pwd.struct_passwd, their_python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "hunter2")
    given = {"defined": {"user": "nobody"}, "environment": {"COLOUR": "green", "HOME": "/"}, "working_dir": "~"}
    folder, variables, ids, groups = shown(stage, [their_python, *SHOW[1:]], **given)
    assert (folder, ids, groups) == ("/", [nobody.pw_uid] * 3, os.getgrouplist("nobody", nobody.pw_gid))
    assert [variables[name] for name in ("LOGNAME", "USER", "COLOUR", "PATH")] == [
        *("nobody", "nobody", "green"),
        os.environ["PATH"],
    ]
    assert "DATABASE_PASSWORD" not in variables
    assert variables["SP_JOB_NAME"] == "work"


@as_root
def test_what_a_user_puts_into_the_variables_never_reaches_the_guard(stage: RunnerStage, their_python: str) -> None:
    """The guard is root: with the user's LD_PRELOAD it would run their code."""
    given = {"defined": {"user": "nobody"}, "environment": {"LD_PRELOAD": "/no/such.so"}, "working_dir": "/"}
    code = "import os; print(os.environ['LD_PRELOAD'], os.stat(f'/proc/{os.getppid()}').st_uid)"
    end = stage.finished(stage.start([their_python, *python(code)[1:]], **given))
    assert end.outcome.message == "/no/such.so 0"
    assert (end.outcome.output or "").count("cannot be preloaded") == 1, "the loader complains for the command alone"


@as_root
def test_a_folder_that_the_user_may_not_enter_is_named(stage: RunnerStage, tmp_path: Path, nobody: object) -> None:
    (tmp_path / "closed").mkdir(mode=0o700)
    end = stage.finished(stage.start(["true"], working_dir="closed", defined={"user": "nobody"}))
    assert end.outcome.message == f"cannot start 'true': working folder '{tmp_path}/closed': Permission denied"


def test_a_user_who_does_not_exist_is_named(stage: RunnerStage) -> None:
    end = stage.finished(stage.start(["true"], defined={"user": "nosuchuser"}))
    assert (end.outcome.status, end.outcome.reason) == ("failed", "spawn_error")
    assert end.outcome.message == "cannot start 'true': this machine has no user 'nosuchuser'"


def test_without_being_root_only_the_own_user_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    own = pwd.getpwnam("daemon")
    monkeypatch.setattr(os, "geteuid", lambda: own.pw_uid)
    environment._own.cache_clear()
    try:
        assert environment.user_of("daemon").uid == own.pw_uid
        with pytest.raises(ConfigurationError) as refused:
            environment.user_of("nobody")
    finally:
        environment._own.cache_clear()
    assert refused.value.message == "only root may run a command as user 'nobody', and this node runs as 'daemon'"
    assert refused.value.hint is not None


def test_an_environment_file_is_read_as_people_write_it(tmp_path: Path) -> None:
    file = tmp_path / "vars"
    file.write_text('# comment\n\nexport A=1\nB = two words \nC=\'a # b\'\nD="x\\"y"\nE=\nF=$HOME\nG=a=b\n')
    assert read_environment_file(str(file)) == {
        "A": "1",
        "B": "two words",
        "C": "a # b",
        "D": 'x"y',
        "E": "",
        "F": "$HOME",
        "G": "a=b",
    }


@pytest.mark.parametrize("line", ["secret", "1A=x", "A='x", "=x", "A B=x", 'A="x" y'])
def test_a_line_that_is_no_variable_is_named_without_its_text(tmp_path: Path, line: str) -> None:
    file = tmp_path / "vars"
    file.write_text(f"A=1\n{line}\n")
    with pytest.raises(ConfigurationError, match=r"line 2 is not a variable$"):
        read_environment_file(str(file))


def test_a_pipe_in_the_place_of_an_environment_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "vars")
    with pytest.raises(ConfigurationError, match=r"vars': it is not a regular file$"):
        read_environment_file(str(tmp_path / "vars"))
