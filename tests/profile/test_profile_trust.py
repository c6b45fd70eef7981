"""A profile that is found, not named, is obeyed only if nobody else may change it, its job files or their folders."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cli_session import Answer, sp
from support.second_user import STRANGER, as_user, needs_second_user, shared_folder
from systemprompt import node
from systemprompt.errors import ConfigurationError, ProfileNotFound, ProfileNotTrusted
from systemprompt.profile.find import LOCAL_PROFILE, find_profile
from systemprompt.system import open_system

JOBS = "from systemprompt import job\nopen({mark!r}, 'w').close()\n\n@job(name='{name}')\ndef work():\n    pass\n"


@pytest.fixture
def shared() -> Iterator[Path]:
    with shared_folder() as folder:
        yield folder


def project(folder: Path, extra: str = "") -> Path:
    """Write a project with a job file that leaves a mark when it is imported; return its profile."""
    profile = folder / LOCAL_PROFILE
    (profile.parent / "jobs").mkdir(parents=True)
    profile.write_text(f"database: sqlite:///data/app.db\nentry_points: false\nextensions: [jobs/]\n{extra}")
    (profile.parent / "jobs/mine.py").write_text(JOBS.format(mark=str(folder / "imported"), name="mine"))
    return profile


def given_to(stranger: int, folder: Path) -> None:
    for at, folders, files in os.walk(folder):
        for name in (".", *folders, *files):
            os.chown(os.path.join(at, name), stranger, stranger)


def jobs_list(folder: Path, *words: str, **environ: str) -> Answer:
    return sp([*words, "--json", "jobs", "list"], folder, {"HOME": str(folder.parent / "home"), **environ})


def names(answer: Answer) -> set[str]:
    loaded = (one["name"] for one in answer.data["jobs"] if not one["quarantined"])
    return {"mine", "theirs"}.intersection(loaded)


# -- where the search ends ----------------------------------------------------------------------------------------------


def test_the_search_ends_at_the_home_folder(tmp_path: Path) -> None:
    project(tmp_path)
    (tmp_path / "home/below").mkdir(parents=True)

    assert find_profile(None, {}, str(tmp_path / "home/below")) == str(tmp_path / LOCAL_PROFILE)
    with pytest.raises(ProfileNotFound, match=f"stands at or above '{tmp_path}/home/below', up to '{tmp_path}/home'"):
        find_profile(None, {"HOME": str(tmp_path / "home")}, str(tmp_path / "home/below"))


def test_a_profile_in_the_home_folder_itself_is_found_through_a_link_to_it_too(tmp_path: Path) -> None:
    found = project(tmp_path / "home")
    (tmp_path / "home/below").mkdir()
    (tmp_path / "link").symlink_to("home")

    assert find_profile(None, {"HOME": str(tmp_path / "link")}, str(tmp_path / "home/below")) == str(found)


def test_the_search_ends_at_the_end_of_a_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path)
    (tmp_path / "mounted/below").mkdir(parents=True)
    real = os.stat

    def stat(path: str, **how: object) -> os.stat_result:
        seen = real(path, **how)  # type: ignore[arg-type]
        fields = list(seen)
        fields[2] = -1
        return os.stat_result(fields) if str(path).startswith(str(tmp_path / "mounted")) else seen

    monkeypatch.setattr(os, "stat", stat)
    with pytest.raises(ProfileNotFound, match=r"up to '.*/mounted'"):
        find_profile(None, {}, str(tmp_path / "mounted/below"))


# -- the profile --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [LOCAL_PROFILE, ".systemprompt", ".systemprompt/profiles/local", "."])
def test_a_profile_that_everybody_may_change_is_refused_before_anything_is_imported(tmp_path: Path, place: str) -> None:
    project(tmp_path)
    (tmp_path / place).chmod((tmp_path / place).stat().st_mode | 0o002)

    answer = jobs_list(tmp_path)

    assert (answer.code, answer.error["code"]) == (4, "profile_not_trusted")
    assert "may be written by everybody" in answer.error["message"]
    assert "--profile PATH" in answer.error["hint"]
    assert not (tmp_path / "imported").exists()


@needs_second_user
def test_root_in_a_strangers_folder_runs_nothing_of_theirs(shared: Path) -> None:
    project(shared / "theirs")
    given_to(STRANGER, shared / "theirs")
    (shared / "theirs/below").mkdir()

    answer = jobs_list(shared / "theirs/below")

    assert answer.error["code"] == "profile_not_trusted"
    assert f"belongs to user {STRANGER}" in answer.error["message"]
    assert not (shared / "theirs/imported").exists()


@needs_second_user
def test_a_profile_that_a_stranger_puts_into_a_shared_folder_is_refused(shared: Path) -> None:
    shared.chmod(0o1777)
    as_user(lambda: project(shared))
    (shared / "mine").mkdir()

    with pytest.raises(ProfileNotTrusted, match=f"belongs to user {STRANGER}"):
        find_profile(None, {}, str(shared / "mine"))


@needs_second_user
def test_a_sticky_folder_is_safe_for_what_is_owned_in_it(shared: Path) -> None:
    shared.chmod(0o1777)
    found = project(shared / "mine")

    assert find_profile(None, {}, str(shared / "mine")) == str(found)


@needs_second_user
def test_roots_files_are_obeyed_by_everybody_and_a_users_own_by_that_user(shared: Path) -> None:
    roots, theirs = project(shared / "roots"), project(shared / "theirs")
    given_to(STRANGER, shared / "theirs")

    assert as_user(lambda: find_profile(None, {}, str(shared / "roots"))) == str(roots)
    assert as_user(lambda: find_profile(None, {}, str(shared / "theirs"))) == str(theirs)


@needs_second_user
def test_root_by_sudo_obeys_who_called_it(shared: Path) -> None:
    theirs = project(shared / "theirs")
    given_to(STRANGER, shared / "theirs")

    assert find_profile(None, {"SUDO_UID": str(STRANGER)}, str(shared / "theirs")) == str(theirs)
    with pytest.raises(ProfileNotTrusted):
        find_profile(None, {"SUDO_UID": str(STRANGER + 1)}, str(shared / "theirs"))


def test_an_embedded_node_obeys_no_profile_that_everybody_may_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path).chmod(0o666)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SYSTEMPROMPT_PROFILE", raising=False)

    async def enter() -> None:
        async with node():
            pass

    with pytest.raises(ProfileNotTrusted):
        asyncio.run(enter())


# -- on purpose ---------------------------------------------------------------------------------------------------------


def test_a_profile_that_is_named_is_obeyed_with_its_job_files(tmp_path: Path) -> None:
    profile = project(tmp_path)
    for path in (profile, profile.parent / "jobs", profile.parent / "jobs/mine.py"):
        path.chmod(0o777)

    for answer in (
        jobs_list(tmp_path, "--profile", str(profile)),
        jobs_list(tmp_path, SYSTEMPROMPT_PROFILE=str(profile)),
    ):
        assert names(answer) == {"mine"}


@pytest.mark.parametrize("line", ["{profile}", "{folder}", "{home}/../{name}/", "~/../{name}"])
def test_a_profile_in_the_users_safe_profiles_is_obeyed_with_its_job_files(tmp_path: Path, line: str) -> None:
    folder, home = tmp_path / "shop", tmp_path / "home"
    profile = project(folder)
    (profile.parent / "jobs/mine.py").chmod(0o666)
    profile.chmod(0o666)
    (home / ".config/systemprompt").mkdir(parents=True)
    listed = line.format(profile=profile, folder=folder, home=home, name=folder.name)
    (home / ".config/systemprompt/safe_profiles").write_text(f"# mine\n\n/elsewhere\n{listed}\n")

    assert names(jobs_list(folder)) == {"mine"}


def test_the_list_of_safe_profiles_is_itself_obeyed_only_if_nobody_else_may_write_it(tmp_path: Path) -> None:
    profile = project(tmp_path)
    profile.chmod(0o666)
    listed = tmp_path / "config/systemprompt/safe_profiles"
    listed.parent.mkdir(parents=True)
    listed.write_text(str(profile))
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    assert find_profile(None, environ, str(tmp_path)) == str(profile)

    listed.chmod(0o666)
    with pytest.raises(ConfigurationError, match=r"is not obeyed: .* may be written by everybody"):
        find_profile(None, environ, str(tmp_path))


def test_a_relative_path_in_the_list_is_refused_since_it_would_mean_any_folder(tmp_path: Path) -> None:
    project(tmp_path)
    listed = tmp_path / "config/systemprompt/safe_profiles"
    listed.parent.mkdir(parents=True)
    listed.write_text("# all\n.\n")

    with pytest.raises(ConfigurationError, match=r"safe_profiles', line 2: '\.' is a relative path"):
        find_profile(None, {"XDG_CONFIG_HOME": str(tmp_path / "config")}, str(tmp_path))


# -- job files, and what else a profile leads to ------------------------------------------------------------------------


def test_a_job_file_that_everybody_may_change_is_quarantined_and_the_rest_runs_on(tmp_path: Path) -> None:
    jobs = project(tmp_path).parent / "jobs"
    (jobs / "theirs.py").write_text(JOBS.format(mark=str(tmp_path / "ran"), name="theirs"))
    (jobs / "theirs.py").chmod(0o666)

    assert names(jobs_list(tmp_path)) == {"mine"}
    assert not (tmp_path / "ran").exists()

    (jobs / "theirs.py").chmod(0o644)
    assert names(jobs_list(tmp_path)) == {"mine", "theirs"}, "the rights were put right, and that is noticed"


def test_a_folder_whose_rights_are_put_right_is_noticed(tmp_path: Path) -> None:
    jobs = project(tmp_path).parent / "jobs"
    jobs.chmod(0o777)
    assert names(jobs_list(tmp_path)) == set()
    assert not (tmp_path / "imported").exists()

    jobs.chmod(0o755)
    assert names(jobs_list(tmp_path)) == {"mine"}


@needs_second_user
def test_a_job_file_of_a_stranger_is_not_imported_and_in_a_sticky_folder_ones_own_is(shared: Path) -> None:
    jobs = shared / "jobs"
    profile = project(shared / "mine", f"name: {jobs.name}\n")
    profile.write_text(profile.read_text().replace("[jobs/]", f"[{jobs}/]"))
    jobs.mkdir()
    jobs.chmod(0o1777)
    (jobs / "mine.py").write_text(JOBS.format(mark=str(shared / "imported"), name="mine"))
    as_user(lambda: (jobs / "theirs.py").write_text(JOBS.format(mark=str(shared / "ran"), name="theirs")))

    assert names(jobs_list(shared / "mine")) == {"mine"}
    assert not (shared / "ran").exists()


@needs_second_user
def test_a_job_file_imports_nothing_from_beside_it_that_a_stranger_wrote(shared: Path) -> None:
    jobs = project(shared / "mine").parent / "jobs"
    (jobs / "mine.py").write_text("import beside_of_a_stranger\n")
    (jobs / "_beside.py").write_text("")
    beside = jobs / "beside_of_a_stranger"
    beside.mkdir()
    (beside / "__init__.py").write_text(f"open({str(shared / 'ran')!r}, 'w').close()\n")
    given_to(STRANGER, beside)

    assert names(jobs_list(shared / "mine")) == set()
    assert not (shared / "ran").exists()
    assert str(jobs) not in sys.path


@pytest.mark.parametrize("which", ["program", "variables", "variables_of_all"])
def test_a_program_or_a_file_of_variables_that_everybody_may_change_is_not_obeyed(tmp_path: Path, which: str) -> None:
    jobs = {
        "program": "  jobs:\n    mine_command: {command: [./program], working_dir: .}\n",
        "variables": "  jobs:\n    mine_command: {command: ['true'], environment_file: variables}\n",
        "variables_of_all": "  jobs:\n    mine_command: {command: ['true']}\nenvironment_file: variables\n",
    }
    profile = project(tmp_path, f"scheduler:\n{jobs[which]}")
    file = profile.parent / ("program" if which == "program" else "variables")
    file.write_text("A=1\n")

    def loaded() -> bool:
        with open_system(str(profile), environ={}, is_wary=True) as system:
            return "mine_command" in system.catalogue.jobs

    file.chmod(0o755)
    assert loaded()
    file.chmod(0o777)
    assert not loaded()


def test_a_running_node_takes_nothing_from_a_profile_that_everybody_may_change_since(tmp_path: Path) -> None:
    profile = project(tmp_path)
    with open_system(str(profile), environ={}, is_wary=True) as system:
        profile.chmod(0o666)
        with pytest.raises(ProfileNotTrusted):
            system.reload()
        profile.chmod(0o644)
        (profile.parent / "jobs/mine.py").chmod(0o666)
        catalogue, _ = system.reload()

    assert [one.error for one in catalogue.quarantined if "everybody" in one.error]


def test_a_process_of_its_own_looks_again_before_it_loads_the_job(tmp_path: Path) -> None:
    from dataclasses import asdict

    from systemprompt.discovery.definition import JobSource
    from systemprompt.discovery.discovery import load_job
    from systemprompt.errors import JobDefinitionError

    file = project(tmp_path).parent / "jobs/mine.py"
    with open_system(str(tmp_path / LOCAL_PROFILE), environ={}, is_wary=True) as system:
        sent = asdict(system.catalogue.jobs["mine"].source)
    file.chmod(0o666)

    with pytest.raises(JobDefinitionError, match="may be written by everybody"):
        load_job(JobSource(**sent), "mine")


# -- what the doctor says of it -----------------------------------------------------------------------------------------


def other_users(folder: Path, *words: str) -> list[str]:
    environ = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    checks = sp([*words, "--json", "doctor"], folder, environ).data["checks"]
    return [check["message"].removeprefix(f"{folder}/") for check in checks if check["name"] == "other users"]


def test_the_doctor_names_what_others_may_change(tmp_path: Path) -> None:
    profile = project(tmp_path, "scheduler:\n  jobs:\n    a: {command: [./program], working_dir: .}\n")
    here = profile.parent
    (here / "program").write_text("")
    (here / "data").mkdir()
    (tmp_path / ".config/systemprompt").mkdir(parents=True)
    (tmp_path / ".config/systemprompt/safe_profiles").write_text("")
    assert other_users(tmp_path, "--profile", str(profile)) == []

    for path in ("jobs/mine.py", "program", "data", "profile.yaml"):
        (here / path).chmod(0o777)
    (tmp_path / ".config/systemprompt/safe_profiles").chmod(0o666)

    below = ".systemprompt/profiles/local"
    assert other_users(tmp_path, "--profile", str(profile)) == [
        f"{below}/profile.yaml may be written by everybody",
        f"{below}/jobs/mine.py may be written by everybody",
        f"{below}/program may be written by everybody",
        f"{below}/data may be written by everybody",
        ".config/systemprompt/safe_profiles may be written by everybody",
    ]


@needs_second_user
def test_the_doctor_names_a_ledger_that_everybody_may_read_unless_a_folder_keeps_them_out(shared: Path) -> None:
    profile = project(shared)
    with open_system(str(profile), environ={}) as system:
        _ = system.database
        ledger = system.profile.ledger.path
    assert other_users(shared) == []

    os.chmod(ledger, 0o644)
    assert other_users(shared) == [
        ".systemprompt/profiles/local/data/app.ledger.db may be read by everybody, who can hold up its nodes"
    ]

    shared.chmod(0o700)
    assert other_users(shared) == []
