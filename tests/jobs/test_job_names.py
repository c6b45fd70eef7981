"""What a job and a time zone may be called."""

from __future__ import annotations

import pytest

from systemprompt.discovery.names import check_name, check_time_zone
from systemprompt.errors import JobDefinitionError


@pytest.mark.parametrize("name", ["a", "database_cleanup", "2fast", "a-b.c", "x" * 100])
def test_a_plain_name_is_taken(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("", "the job has no name", "set `name`, for example nightly_report"),
        (5, "job name 5 is not text", None),
        ("x" * 101, "job name 'xxxxxxxxxxxxxxxxxxxx...' has 101 characters and 100 are allowed", None),
        (
            "_x",
            "job name '_x' begins with '_'; a name is made of a-z, 0-9, '_', '-' and '.', and begins with a letter or a digit",
            "'x' would do",
        ),
        (
            "a/ü",
            "job name 'a/ü' has '/', 'ü'; a name is made of a-z, 0-9, '_', '-' and '.', and begins with a letter or a digit",
            "'a' would do",
        ),
        (
            "..",
            "job name '..' begins with '.'; a name is made of a-z, 0-9, '_', '-' and '.', and begins with a letter or a digit",
            None,
        ),
    ],
)
def test_any_other_name_is_refused_with_one_that_would_do(name: object, message: str, hint: str | None) -> None:
    with pytest.raises(JobDefinitionError) as caught:
        check_name(name)
    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"])
def test_an_iana_zone_is_taken(zone: str) -> None:
    assert check_time_zone(zone) == zone


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("europe/berlin", "did you mean 'Europe/Berlin'?"),
        ("New York", "did you mean 'America/New_York'?"),
        ("Europe/Berln", "did you mean 'Europe/Berlin'?"),
        ("", "a zone is named by a city, such as Europe/Berlin"),
        ("../../etc/passwd", "a zone is named by a city, such as Europe/Berlin"),
        ("/etc/localtime", "a zone is named by a city, such as Europe/Berlin"),
        ("localtime", None),
        ("right/Europe/Berlin", None),
        ("a\0b", "a zone is named by a city, such as Europe/Berlin"),
        ("Europe", None),
        ("/" * 60, None),
    ],
)
def test_no_other_zone_is_taken(zone: str, hint: str | None) -> None:
    with pytest.raises(JobDefinitionError) as caught:
        check_time_zone(zone)
    assert caught.value.message == f"time zone {zone!r} is not known"
    if hint is not None:
        assert caught.value.hint == hint


def test_a_name_of_a_thousand_slashes_is_no_zone_and_is_not_repeated_whole() -> None:
    with pytest.raises(JobDefinitionError, match=r"^time zone .{1,80} is not known$"):
        check_time_zone("a/" * 1_000)
