"""`sp jobs explain`: one fire time, read out."""

from __future__ import annotations

import os
import pwd

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
        "Fire time of nightly_report, 2026-01-15 03:00:00 CET, in 14 h",
        "",
        (
            "Version 1 (0 0 3 * * *, Europe/Berlin) fires at 2026-01-15T02:00:00Z; "
            f"it is valid from 2026-01-14T12:00:00Z, added by code, noticed by cli:{pwd.getpwuid(os.getuid()).pw_name}"
        ),
        "It is still to come: planned so far is everything up to 2026-01-14T12:00:00Z",
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
