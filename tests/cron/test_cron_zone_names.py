"""A time zone that is not known: a neighbour for a slip, a sentence for what no zone is named by."""

from __future__ import annotations

import pytest

from systemprompt.cron import CronError, Schedule
from systemprompt.cron.zone_names import zone_hint
from systemprompt.discovery.names import check_time_zone
from systemprompt.errors import JobDefinitionError

AHEAD = "a zone is named by a city, such as Europe/Berlin; Etc/GMT-2 is the zone 2 hours ahead of UTC"


@pytest.mark.parametrize("name", ["GMT+2", "UTC+2", "UTC+02:00", "+02:00", "+0200", "utc +2", "Etc/UTC+2", "CET+2"])
def test_an_offset_gets_the_zone_that_is_as_far_ahead_and_no_neighbour(name: str) -> None:
    assert zone_hint(name) == AHEAD


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("GMT-5", "; Etc/GMT+5 is the zone 5 hours behind UTC"),
        ("UTC+1", "; Etc/GMT-1 is the zone 1 hour ahead of UTC"),
        ("UTC+05:30", ""),
        ("Etc/GMT+15", ""),
        ("CET-1CEST", ""),
        ("W. Europe Standard Time", ""),
    ],
)
def test_what_has_no_fixed_zone_gets_the_sentence_alone(name: str, end: str) -> None:
    assert zone_hint(name) == "a zone is named by a city, such as Europe/Berlin" + end


@pytest.mark.parametrize("name", ["CEST", "PDT", "BST", "IST", "AEST", "cest", "MESZ"])
def test_an_abbreviation_gets_no_neighbour(name: str) -> None:
    assert "did you mean" not in zone_hint(name)
    assert "Europe/Berlin" in zone_hint(name)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Berlin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("Europe/Berlni", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("utc", "UTC"),
        ("rome", "Europe/Rome"),
    ],
)
def test_a_slip_gets_its_neighbour(name: str, near: str) -> None:
    assert zone_hint(name) == f"did you mean {near!r}?"


@pytest.mark.parametrize("name", ["Z", "UTC+0", "+00:00"])
def test_no_offset_is_utc(name: str) -> None:
    assert zone_hint(name) == "write UTC"


@pytest.mark.parametrize("name", ["GMT+2", "CEST", "Berlin", "localtime", "posix/UTC", "Factory", "Nowhere/Nothing"])
def test_a_schedule_and_a_job_refuse_the_same_names_with_the_same_hint(name: str) -> None:
    with pytest.raises(CronError) as by_schedule:
        Schedule("0 3 * * *", name)
    with pytest.raises(JobDefinitionError) as by_job:
        check_time_zone(name)
    assert by_schedule.value.hint == by_job.value.hint == zone_hint(name)


@pytest.mark.parametrize("name", ["EST5EDT", "Etc/GMT-2", "GMT", "UTC", "CET"])
def test_a_name_of_the_data_base_that_looks_like_an_offset_is_a_zone(name: str) -> None:
    assert check_time_zone(name) == name
