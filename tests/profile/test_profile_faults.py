"""What a wrong profile is told: every fault, each with its line, its place and what would be right."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from systemprompt.errors import ProfileInvalid, ProfileNotFound
from systemprompt.profile.load import load_profile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DATABASE = "database: sqlite:///a.db\n"


def faults(folder: Path, text: str | bytes, environ: Mapping[str, str] | None = None) -> list[str]:
    path = folder / "profile.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ProfileInvalid) as caught:
        load_profile(str(path), environ or {})
    return list(caught.value.faults)


def test_all_faults_come_in_one_report_in_the_order_of_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(
        """name: 5
databse: sqlite:///app.db
time_zone: Berlin
extensions: [jobs/, "a b"]
scheduler:
  jobs:
    - name: a
      catch_up: lates
    - name: a
      enabled: yess
    - schedule: "* * * * *"
    - name: B x
      command: echo hi | wc
    - name: c
      working_dir: x
      schedule: every day
  bootstrap_jobs: one
limits:
  lease: 1:30
  lease: 5
  batch_size: 0
  kill_grace: ${KG}
tables:
  user_session: {table: x}
  user_sessions: {table: "x; drop"}
content:
  publish: {base_url: foo}
"""
    )
    with pytest.raises(ProfileInvalid) as caught:
        load_profile(str(path), {})
    error = caught.value
    found = list(error.faults)
    schedule = found.pop(11)
    assert schedule.startswith("line 16: scheduler.jobs[4].schedule: 'every day' is not a cron expression: ")
    assert found == [
        "line 1: name: '5' is a number, not text; put it in quotes: '5'",
        "line 1: database: it is missing; write database: sqlite:///data/app.db",
        "line 2: databse: there is no such key; did you mean 'database'?",
        "line 3: time_zone: time zone 'Berlin' is not known; did you mean 'Europe/Berlin'?",
        "line 4: extensions: 'a b' is neither a module nor a path; write acme.jobs, jobs/feeds.py or jobs/",
        "line 8: scheduler.jobs[0].catch_up: 'lates' is not one of latest, skip, all; did you mean 'latest'?",
        "line 9: scheduler.jobs[1]: job 'a' is already at scheduler.jobs[0]; put both into one",
        "line 10: scheduler.jobs[1].enabled: 'yess' is neither true nor false; write true or false, without quotes",
        "line 11: scheduler.jobs[2].name: it is missing; write name: and the job's name",
        (
            "line 12: scheduler.jobs[3]: job name 'B x' has ' ', 'B'; a name is made of a-z, 0-9, '_', '-' and '.', "
            "and begins with a letter or a digit; 'b_x' would do"
        ),
        "line 15: scheduler.jobs[4].working_dir: it is for commands only, and this job has no command; remove it",
        "line 17: scheduler.bootstrap_jobs: 'one' is not a list; write [first, second]",
        "line 19: limits.lease: '1:30' is not a duration; write a number of seconds, or 90s, 5m, 1h30m, 2d",
        "line 20: limits.lease: it is written twice, first on line 19; keep one",
        "line 21: limits.batch_size: '0' is outside 1 to 100,000; write a number within",
        "line 22: limits.kill_grace: the environment variable KG is not set; set it, or write ${KG:-default}",
        "line 24: tables.user_session: there is no such table; did you mean 'user_sessions'?",
        (
            "line 25: tables.user_sessions.table: 'x; drop' is not a table's name; "
            "write letters, digits and '_', with a schema before a dot if need be"
        ),
        "line 27: content.publish.base_url: 'foo' is not a web address; write one such as https://example.org",
        "line 27: content.publish.path: it is missing; write path: ...",
    ]
    assert error.message.startswith(f"profile '{path}' has 21 faults:\n  line 1: name: ")
    assert error.hint == "mend the profile, then: sp profile check"


def test_a_job_whose_schedule_is_wrong_is_named_by_its_key_in_the_mapping_form(tmp_path: Path) -> None:
    [fault] = faults(tmp_path, DATABASE + 'scheduler:\n  jobs:\n    feeds:\n      schedule: "0 0 24 * * *"\n')
    assert fault.startswith("line 5: scheduler.jobs.feeds.schedule: '0 0 24 * * *' is not a cron expression: ")
    assert "24" in fault
    assert "0-23" in fault


def wrong_values() -> list[tuple[str, str]]:
    with open(os.path.join(os.path.dirname(__file__), "wrong_values.txt"), encoding="utf-8") as file:
        _, *cases = file.read().strip().split("\n\n")
    return [(text, expected) for text, _, expected in (case.partition("\n=> ") for case in cases)]


@pytest.mark.parametrize(("text", "expected"), wrong_values())
def test_a_wrong_value_is_named_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    line = 1
    if not text.startswith("database"):
        text, line = DATABASE + text, 2
    assert faults(tmp_path, text + "\n") == [f"line {line}: {expected}".replace("{home}", str(tmp_path))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", "the file is empty; sp init writes a profile to start from"),
        (b"# only a comment\n", "the file is empty; sp init writes a profile to start from"),
        (b"name: x\nowner: \xff\n", "line 2: byte 0xff is not UTF-8; save the file in UTF-8"),
        (b"just words\n", "line 1: 'just words' stands here; write a mapping: key: value, each on a line of its own"),
        (b"- a\n", "line 1: a list stands here; write a mapping: key: value, each on a line of its own"),
        (b"name: [a\n", "line 2, column 1: not YAML: did not find expected ',' or ']'"),
        (
            b"name:\n\tx: 1\n",
            "line 2, column 1: not YAML: found character that cannot start any token; indent with spaces, not with tabs",
        ),
        (
            b"schedule: */5 * * * *\n",
            (
                "line 1, column 12: not YAML: did not find expected alphabetic or numeric character; "
                "put it in quotes: schedule: '*/5 * * * *'"
            ),
        ),
        (
            b"schedule: @daily\n",
            "line 1, column 11: not YAML: found character that cannot start any token; put it in quotes: schedule: '@daily'",
        ),
        (
            b"limits: {lease: ${LEASE}}\n",
            "line 1, column 18: not YAML: did not find expected ',' or '}'; inside { } put ${...} in quotes",
        ),
        (
            b'name: "a \\% b"\n',
            (
                "line 1, column 10: not YAML: found unknown escape character; a crontab needs the backslash before a percent "
                "sign, here % means itself: write % alone"
            ),
        ),
        (
            b'name: "a \\d b"\n',
            (
                "line 1, column 10: not YAML: found unknown escape character; between double quotes a backslash begins an "
                "escape: write it twice, or use single quotes"
            ),
        ),
        (b"name: *nobody\n", "line 1, column 7: not YAML: found undefined alias; put it in quotes: name: '*nobody'"),
        (b"a: b\n---\nc: d\n", "line 2, column 1: not YAML: but found another document"),
    ],
)
def test_a_file_that_is_no_profile_says_why(tmp_path: Path, text: bytes, expected: str) -> None:
    [fault] = [fault for fault in faults(tmp_path, text) if "missing" not in fault]
    assert fault == expected


def test_a_folder_is_not_a_profile(tmp_path: Path) -> None:
    with pytest.raises(ProfileInvalid) as caught:
        load_profile(str(tmp_path), {})
    assert caught.value.faults == ("the file is a folder; name the profile.yaml in it",)


def test_a_profile_that_may_not_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(DATABASE)
    path.chmod(0)
    if os.geteuid() == 0:  # root may read anything: let the kernel's answer come from elsewhere

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(ProfileInvalid) as caught:
        load_profile(str(path), {})
    monkeypatch.undo()
    assert caught.value.faults == ("the file cannot be read: Permission denied",)


def test_a_profile_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(ProfileNotFound) as caught:
        load_profile(str(tmp_path / "no.yaml"), {})
    assert caught.value.message == f"profile '{tmp_path}/no.yaml' does not exist"


def test_aliases_cannot_unfold_to_more_than_the_file_is_worth(tmp_path: Path) -> None:
    lists = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"] + [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    body = "".join(f"        {line}\n" for line in lists)
    found = faults(tmp_path, DATABASE + "scheduler:\n  jobs:\n    j:\n      parameters:\n" + body)
    assert found == ["line 1: its aliases unfold to more than 50,000 values; write them out"]


@pytest.mark.parametrize("loop", ["&a [*a]", "&a [*a, *a]", "&a {b: *a}", "&a {<<: *a}", "&a {<<: [*a, *a]}"])
def test_an_alias_that_holds_itself_is_refused(tmp_path: Path, loop: str) -> None:
    text = DATABASE + f"scheduler:\n  jobs:\n    j:\n      parameters: {{x: {loop}}}\n"
    assert faults(tmp_path, text) == ["line 1: its aliases unfold to more than 50,000 values; write them out"]


def test_a_file_that_nests_or_grows_without_end_is_refused_early(tmp_path: Path) -> None:
    assert faults(tmp_path, "a: " + "[" * 100_000) == ["line 1: lists and mappings nest deeper than 40 levels"]
    assert faults(tmp_path, "#" * 1_100_000) == ["the file is larger than 1,048,576 bytes; a profile is a page or two"]
