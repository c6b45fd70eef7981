"""`sp jobs explain`: one fire time, read out."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from support.cli_session import CliSession


def test_without_an_instant_the_last_fire_time_is_explained(cli: CliSession) -> None:
    cli.sp("jobs list")
    cli.planned(after_s=3600)

    answer = cli.sp("--json jobs explain broken_feed")

    assert answer.code == 0
    assert answer.document["title"] == "Fire time of broken_feed"
    assert answer.data["at"] == "2026-01-14T13:00:00Z"
    assert (answer.data["named"], answer.data["status"], answer.data["version"]) == (True, "queued", 1)
    assert answer.data["before"] == "2026-01-14T12:45:00Z"


def test_a_missed_fire_time_is_explained_by_its_range(cli: CliSession) -> None:
    cli.sp("jobs list")
    cli.planned(after_s=3600)

    answer = cli.sp("--json jobs explain broken_feed 2026-01-14T13:15")  # Berlin's wall clock: 12:15 in UTC

    assert answer.data["at"] == "2026-01-14T12:15:00Z"
    assert (answer.data["status"], answer.data["reason"]) == ("missed", "superseded")
    assert answer.data["run_id"] is None
    assert answer.data["range_id"] == 1


def test_people_read_sentences(cli: CliSession) -> None:
    cli.sp("jobs list")

    lines = cli.sp("jobs explain nightly_report 2026-01-15T03:00").out.splitlines()

    assert lines == [
        "Fire time of nightly_report, 2026-01-15 03:00:00 Europe/Berlin, in 14 h",
        "",
        (
            "Version 1 (0 0 3 * * *, Europe/Berlin) fires at 2026-01-15 03:00:00 CET; "
            f"it is valid from 2026-01-14 13:00:00 CET, added by code, noticed by cli:{pwd.getpwuid(os.getuid()).pw_name}"
        ),
        "It is still to come: planned so far is everything up to 2026-01-14 13:00:00 CET",
    ]


def test_a_job_that_never_fired_is_explained_as_it_stands(cli: CliSession) -> None:
    cli.sp("jobs list")

    data = cli.sp("--json jobs explain by_hand").data

    assert (data["named"], data["status"]) == (False, None)
    assert data["sentences"][0].startswith("no version of 'by_hand' was valid at")


def test_a_wrong_name_and_a_wrong_instant_are_refused(cli: CliSession) -> None:
    cli.sp("jobs list")

    assert cli.sp("--json jobs explain nightly_repor").error["code"] == "job_not_found"
    assert cli.sp("jobs explain nightly_report noon").code == 2


CLOCKS = """\
from systemprompt import job


@job(name="fixed", schedule="30 2 * * *", time_zone="Europe/Berlin")
def fixed():
    pass


@job(name="skipping", schedule="30 2 * * *", time_zone="Europe/Berlin", dst_gap="skip")
def skipping():
    pass


@job(name="second", schedule="30 2 * * *", time_zone="Europe/Berlin", dst_fold="second")
def second():
    pass


@job(name="abroad", schedule="0 3 * * *", time_zone="Asia/Tokyo")
def abroad():
    pass
"""


def first_words(cli: CliSession, line: str) -> str:
    return str(cli.sp(f"--json jobs explain {line}").data["sentences"][0])


def test_a_time_that_spring_leaves_out_is_said_to_be_left_out(tmp_path: Path) -> None:
    cli = CliSession(tmp_path, jobs=CLOCKS)
    cli.sp("jobs list")

    gone = "02:30 does not exist on 2027-03-28 in Europe/Berlin: the clocks go forward over it; "
    assert first_words(cli, "fixed 2027-03-28T02:30") == gone + "the run is at 03:00, when the gap ends"
    assert cli.sp("--json jobs explain fixed 2027-03-28T02:30").data["at"] == "2027-03-28T01:00:00Z"
    assert first_words(cli, "skipping 2027-03-28T02:30") == gone + "a fixed time in the gap is skipped (dst_gap: skip)"


def test_a_time_that_autumn_shows_twice_is_told_with_the_pass_that_fires(tmp_path: Path) -> None:
    cli = CliSession(tmp_path, jobs=CLOCKS)
    cli.sp("jobs list")

    twice = "02:30 comes twice on 2026-10-25 in Europe/Berlin: this is the "
    assert first_words(cli, "fixed 2026-10-25T02:30") == twice + "first pass (+02:00)"
    assert first_words(cli, "second 2026-10-25T02:30") == twice + "second pass (+01:00)"


def test_an_instant_is_read_and_told_in_the_jobs_own_zone(tmp_path: Path) -> None:
    cli = CliSession(tmp_path, jobs=CLOCKS)
    cli.sp("jobs list")

    data = cli.sp("--json jobs explain abroad 2026-01-15T03:00").data
    assert (data["at"], data["local_time"], data["named"]) == (
        "2026-01-14T18:00:00Z",
        "2026-01-15T03:00:00+09:00",
        True,
    )
    lines = cli.sp("jobs explain abroad 2026-01-15T03:00").out.splitlines()
    assert "2026-01-15 03:00:00 Asia/Tokyo" in lines[0]
    assert "fires at 2026-01-15 03:00:00 JST" in lines[2]


def test_what_people_say_names_the_fire_time_at_or_before_it(cli: CliSession) -> None:
    cli.sp("jobs list")
    cli.planned(after_s=86_400)  # now it is 13:00 in Berlin on the 15th

    def at(*words: str) -> tuple[str, bool]:
        data = cli.sp("--json jobs explain", *words).data
        return data["local_time"], data["named"]

    assert at("nightly_report", "03:00") == ("2026-01-15T03:00:00+01:00", True)
    assert at("nightly_report", "14:00") == ("2026-01-14T14:00:00+01:00", False)
    assert at("broken_feed", "yesterday") == ("2026-01-14T23:45:00+01:00", True)
    assert at("broken_feed", "15s") == ("2026-01-15T12:45:00+01:00", True)
    assert at("broken_feed", "2h") == ("2026-01-15T11:00:00+01:00", True)
    assert at("broken_feed", "2h ago") == ("2026-01-15T11:00:00+01:00", True)


def test_a_fire_time_that_passed_unplanned_is_not_still_to_come(cli: CliSession) -> None:
    cli.sp("jobs list")
    cli.planned(after_s=60)
    assert cli.clock is not None
    cli.clock.advance(7_200)

    said = "\n".join(cli.sp("--json jobs explain broken_feed 14:30").data["sentences"])

    assert "it has passed and is not planned, as no node has served since 2026-01-14 13:01:00 CET" in said
    assert "still to come" not in said


def test_the_fire_times_of_a_disabled_job_start_nothing(cli: CliSession) -> None:
    cli.sp("jobs list")
    cli.sp("jobs disable nightly_report")

    said = cli.sp("--json jobs explain nightly_report 2026-01-16T03:00").data["sentences"]

    assert any("it will start nothing: the job is disabled" in sentence for sentence in said)


@pytest.mark.parametrize(
    "when", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00", "9999-12-31", "now", "24:00"]
)
def test_an_instant_at_the_calendars_ends_is_explained_or_refused(cli: CliSession, when: str) -> None:
    cli.sp("jobs list")

    assert cli.sp("--json jobs explain nightly_report", when).code in (0, 2)
