"""`with systemprompt.node(...)`: a node inside a program of threads."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

import systemprompt
from support.embedded_node import Held, audit_is_clean, nothing_is_left_running, profile_in
from support.installation import environ_of, sp
from support.waiting import WAIT_S, Heard
from systemprompt import Job, JobContext, JobResult, job
from systemprompt.embedding.program import program_name
from systemprompt.errors import (
    ConflictError,
    DatabaseUnreachable,
    JobAlreadyRunning,
    JobDefinitionError,
    JobNotFound,
    LedgerReplaced,
    ProfileInvalid,
    ProfileNotFound,
    RunNotFound,
    UsageError,
)


@job(parameters={"name": "world"})
def greet(ctx: JobContext) -> JobResult:
    """Greets."""
    return JobResult.success().with_message(f"hello {ctx.get_parameter('name')}")


@job()
async def fails_async() -> None:
    raise ValueError("no luck")


@job(isolation="process")
def elsewhere() -> str:
    return "in a process of its own"


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    return profile_in(tmp_path)


def test_what_a_program_starts_is_its_own_doing(profile: Path) -> None:
    with systemprompt.node(profile, jobs=[greet]) as node:
        assert node.run("greet").actor == f"program:{program_name()}"


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["shop.py"], "shop"),
        (["-m", "shop"], "shop"),
        (["-m", "market"], "market"),
        (["-m", "market.stall"], "market.stall"),
        (["-c", "import shop"], "python"),
    ],
    ids=str,
)
def test_a_program_is_called_as_its_script_or_module(tmp_path: Path, command: list[str], name: str) -> None:
    text = "from systemprompt.embedding.program import program_name\nprint(program_name())\n"
    (tmp_path / "market").mkdir()
    for file in ("shop.py", "market/__main__.py", "market/stall.py"):
        (tmp_path / file).write_text(text)
    told = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert told.stdout == f"{name}\n"


def test_entering_returns_a_node_that_serves_and_leaving_leaves_nothing(profile: Path) -> None:
    heard = Heard()
    with nothing_is_left_running():
        with systemprompt.node(profile, jobs=[greet], on_event=heard) as node:
            assert heard.kinds() == ["serving"]
            assert heard.events[0].node_id == node.node_id
            before = node.draining
        assert (before, node.draining) == (False, True)
    assert heard.kinds() == ["serving", "draining"]
    audit_is_clean(profile)


def test_a_job_runs_on_its_schedule(profile: Path) -> None:
    ran = threading.Event()

    @job(schedule="* * * * * *")
    def tick() -> None:
        ran.set()

    with systemprompt.node(profile, jobs=[tick]) as node:
        assert ran.wait(WAIT_S)
        run = node.result(node.history("tick")[-1].run_id)
        assert run.succeeded
        assert run.origin == "schedule"
        assert run.fire_at is not None
        assert run.started_at is not None
        assert timedelta(0) <= run.started_at - run.fire_at < timedelta(seconds=10)
    audit_is_clean(profile)


def test_run_waits_for_the_end_and_returns_the_account(profile: Path) -> None:
    with systemprompt.node(profile, jobs=[greet, fails_async]) as node:
        run = node.run("greet", {"name": "you"})
        assert (run.status, run.message, run.parameters) == ("success", "hello you", {"name": "you"})
        failed = node.run("fails_async")
        assert not failed.succeeded
        assert (failed.reason, failed.message) == ("exception", "ValueError: no luck")
        assert "Traceback" in (failed.error or "")
        assert [one.run_id for one in node.history(limit=2)] == [failed.run_id, run.run_id]
    audit_is_clean(profile)


def test_a_job_given_as_an_object_can_run_in_a_process_of_its_own(profile: Path) -> None:
    with systemprompt.node(profile, jobs=[elsewhere]) as node:
        run = node.run("elsewhere")
    assert run.message == "in a process of its own", run.error


def test_wrong_names_numbers_and_moments_are_refused(profile: Path) -> None:
    held = Held()
    with systemprompt.node(profile, jobs=[held]) as node:
        with pytest.raises(JobNotFound, match="no job is named 'hold'"):
            node.run("hold")
        with pytest.raises(JobNotFound):
            node.history("hold")
        with pytest.raises(RunNotFound, match="4711"):
            node.result(4711)
        run_id = node.start("held")
        with pytest.raises(JobAlreadyRunning):
            node.start("held")
        with pytest.raises(TimeoutError, match=f"run {run_id} has not ended within 0 s"):
            node.result(run_id, timeout=0)
        held.gate.set()
        assert node.result(run_id).message == "let go"
    with pytest.raises(ConflictError, match="was left"):
        node.run("held")
    with pytest.raises(ConflictError, match="was left"):
        node.history()


def test_leaving_lets_running_jobs_finish_within_the_grace(profile: Path) -> None:
    held, heard = Held(), Heard()

    def let_go() -> None:
        heard.wait("draining")
        held.gate.set()

    opener = threading.Thread(target=let_go)
    opener.start()
    with systemprompt.node(profile, jobs=[held], grace=WAIT_S, on_event=heard) as node:
        node.start("held")
    opener.join()
    assert heard.wait("run_finished").status == "success"
    audit_is_clean(profile)


def test_leaving_with_an_exception_still_drains_and_the_exception_passes(profile: Path) -> None:
    held, heard = Held(), Heard()

    def program() -> None:
        with systemprompt.node(profile, jobs=[held], grace=0, on_event=heard) as node:
            node.start("held")
            assert held.begun.wait(WAIT_S)
            raise ZeroDivisionError

    with nothing_is_left_running(), pytest.raises(ZeroDivisionError):
        program()
    ended = heard.wait("run_finished")
    assert (ended.status, ended.reason) == ("cancelled", "shutdown")
    audit_is_clean(profile)


def test_a_draining_node_starts_nothing(profile: Path) -> None:
    held = Held()
    refused: list[bool] = []

    def hear(event: systemprompt.NodeEvent) -> None:
        if event.kind == "draining":
            with pytest.raises(ConflictError, match="is draining"):
                node.start("held")
            refused.append(True)

    with systemprompt.node(profile, jobs=[held], on_event=hear) as node:
        pass
    assert refused


def test_a_node_that_is_asked_to_drain_leaves_after_its_runs_and_waiting_for_it_ends(profile: Path) -> None:
    held, heard = Held(), Heard()
    with systemprompt.node(profile, jobs=[held], on_event=heard) as node:
        run_id = node.start("held")
        assert node.call("drain_node", node=node.node_id, why="new kernel").state == "draining"
        assert heard.wait("drain_asked").why == "new kernel"
        assert node.draining
        with pytest.raises(ConflictError, match="is draining"):
            node.start("held")
        held.gate.set()
        node.wait()
        assert heard.wait("left").clean
        assert node.result(run_id).succeeded
        node.wait()
        assert [one.node_id for one in node.call("list_nodes").entries] == []
    audit_is_clean(profile)


def test_a_run_of_this_node_that_is_cancelled_through_the_node_is_stopped_at_once(profile: Path) -> None:
    held, heard = Held(), Heard()
    with systemprompt.node(profile, jobs=[held], on_event=heard) as node:
        run_id = node.start("held")
        assert held.begun.wait(WAIT_S)
        node.call("cancel_run", run_id=run_id)
        assert node.result(run_id, timeout=WAIT_S).status == "cancelled"


def test_a_node_is_entered_once(profile: Path) -> None:
    embedded = systemprompt.node(profile)
    with embedded, pytest.raises(UsageError, match="entered before"), embedded:
        pass
    with pytest.raises(UsageError, match="entered before"), embedded:
        pass


def test_two_nodes_of_one_profile_share_the_work_and_never_a_run(profile: Path) -> None:
    with (
        nothing_is_left_running(),
        systemprompt.node(profile, jobs=[greet]) as one,
        systemprompt.node(profile, jobs=[greet]) as two,
    ):
        assert one.node_id != two.node_id
        assert one.run("greet").succeeded
        assert two.run("greet").succeeded
        assert len(one.history("greet")) == len(two.history("greet")) == 2
    audit_is_clean(profile)


def test_two_nodes_of_two_profiles_know_nothing_of_each_other(tmp_path: Path) -> None:
    here, there = profile_in(tmp_path / "here"), profile_in(tmp_path / "there")
    held = Held()
    with systemprompt.node(here, jobs=[greet]) as one:
        with systemprompt.node(there, jobs=[held]) as two, pytest.raises(JobNotFound):
            two.run("greet")
        assert one.run("greet").succeeded
        assert one.history() == one.history("greet")


def test_a_node_that_ended_by_itself_says_so(profile: Path) -> None:
    heard = Heard()

    def program() -> None:
        with systemprompt.node(profile, jobs=[greet], on_event=heard) as node:
            (profile.parent / "app.ledger.db").unlink()
            with pytest.raises(LedgerReplaced):
                node.wait(WAIT_S)
            assert isinstance(node.error, LedgerReplaced)

    with nothing_is_left_running(), pytest.raises(LedgerReplaced):
        program()
    assert "failed" in heard.kinds()


def test_waiting_for_a_while_is_no_error(profile: Path) -> None:
    with systemprompt.node(profile) as node:
        node.wait(0)


def broken_yaml(folder: Path) -> Path:
    (folder / "bad.yaml").write_text("database: 7\n")
    return folder / "bad.yaml"


def no_database(folder: Path) -> Path:
    profile = profile_in(folder)
    (folder / "app.ledger.db").write_text("this is no database, and long enough to be seen as none" * 30)
    return profile


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda folder: folder / "absent.yaml", ProfileNotFound),
        (broken_yaml, ProfileInvalid),
        (no_database, DatabaseUnreachable),
    ],
    ids=["absent", "faulty", "no database"],
)
def test_what_cannot_start_raises_and_leaves_nothing(
    tmp_path: Path, make: Callable[[Path], Path], error: type[Exception]
) -> None:
    with nothing_is_left_running(), pytest.raises(error), systemprompt.node(make(tmp_path)):
        pytest.fail("it was entered")


def test_without_a_profile_it_is_found_as_sp_finds_it(
    profile: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("SYSTEMPROMPT_PROFILE", str(profile))
    with systemprompt.node() as node:
        assert node.history() == []
    monkeypatch.delenv("SYSTEMPROMPT_PROFILE")
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))
    with pytest.raises(ProfileNotFound), systemprompt.node():
        pytest.fail("it was entered")


class Nameless(Job):
    schedule = "@daily"

    def execute(self, ctx: JobContext) -> None:
        pass


def plain() -> None:
    pass


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (plain, "was given as a job and is none"),
        ("greet", "was given as a job and is none"),
        (types, "was given for its jobs and has none"),
        (Nameless, "name"),
    ],
)
def test_what_is_no_job_is_refused_before_anything_starts(profile: Path, thing: object, words: str) -> None:
    with nothing_is_left_running(), pytest.raises(JobDefinitionError, match=words):
        systemprompt.node(profile, jobs=[thing]).__enter__()


def test_a_module_stands_for_its_jobs_and_a_job_is_taken_once(profile: Path) -> None:
    module = types.ModuleType("some_jobs")
    exec(
        "from systemprompt import job\n@job()\ndef first():\n    return 1\n@job()\ndef second():\n    return 2\n",
        module.__dict__,
    )
    with systemprompt.node(profile, jobs=[module, module.first]) as node:
        assert (node.run("first").message, node.run("second").message) == ("1", "2")


def test_the_profiles_word_on_a_given_job_counts(tmp_path: Path) -> None:
    profile = profile_in(tmp_path, "scheduler:\n  jobs:\n    greet: {parameters: {name: profile}}\n")
    with systemprompt.node(profile, jobs=[greet]) as node:
        assert node.run("greet").message == "hello profile"


def test_sp_shows_jobs_given_as_objects_and_leaves_them_alone(profile: Path) -> None:
    with systemprompt.node(profile, jobs=[greet]) as node:
        assert "greet" in [job["name"] for job in sp(environ_of(profile), "jobs", "list")["data"]["jobs"]]
        assert "only that program can run it" in str(sp(environ_of(profile), "jobs", "run", "greet", code=6))
        sp(environ_of(profile), "jobs", "disable", "log_cleanup")
        assert node.run("greet").succeeded
        with systemprompt.node(profile):
            assert node.run("greet").succeeded
    with systemprompt.node(profile, jobs=[]) as node, pytest.raises(JobNotFound):
        node.run("greet")


def test_a_job_that_the_profile_has_too_is_taken_once_if_it_is_the_same_and_refused_if_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "from systemprompt import job\n\n\n@job()\ndef shared():\n    return 'once'\n"
    (tmp_path / "embedding_shared_jobs.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("embedding_shared_jobs")
    profile = profile_in(tmp_path, "extensions: [embedding_shared_jobs]\n")
    with systemprompt.node(profile, jobs=[module.shared]) as node:
        assert node.run("shared").message == "once"

    @job(name="shared")
    def other() -> None:
        pass

    with (
        nothing_is_left_running(),
        pytest.raises(JobDefinitionError, match="two jobs are named 'shared'"),
        systemprompt.node(profile, jobs=[other]),
    ):
        pytest.fail("it was entered")


def test_a_program_calls_the_operations_of_the_catalogue(profile: Path) -> None:
    with systemprompt.node(profile, jobs=[greet]) as node:
        node.run("greet")
        assert node.call("disable_job", name="greet", why="holiday").changed
        assert {job.name: job.enabled for job in node.call("list_jobs").jobs}["greet"] is False
        (entry,) = node.call("history", job="greet").entries
        assert (entry.status, entry.origin) == ("success", "manual")
        with pytest.raises(UsageError, match="`limit` -1 is less than 0"):
            node.call("history", limit=-1)
        with pytest.raises(UsageError, match="no operation 'histroy'") as wrong:
            node.call("histroy")
        assert wrong.value.hint == "did you mean 'history'?"
        with pytest.raises(UsageError, match="for a terminal alone"):
            node.call("serve")
        assert node.run("greet").succeeded
    audit_is_clean(profile)
