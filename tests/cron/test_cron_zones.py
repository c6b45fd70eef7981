"""What a zone knows of its changes: as `zoneinfo` has them, whatever was asked before, with a file to read and without."""

from __future__ import annotations

import importlib.util
import struct
import time
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest

from systemprompt.cron import zones as module
from systemprompt.cron.expression import parse
from systemprompt.cron.fire_times import FireTimes
from systemprompt.cron.zones import Zone, load_zone

NAMES = [
    "Europe/Berlin",
    "America/New_York",
    "Africa/Casablanca",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Kathmandu",
]
FAR = 5_000_000_000
"""In 2128, long after what the files list."""


def offset(second: int, name: str) -> int:
    found = datetime.fromtimestamp(second, UTC).astimezone(ZoneInfo(name)).utcoffset()
    assert found is not None
    return found // timedelta(seconds=1)


@pytest.mark.parametrize("name", NAMES)
def test_a_stretch_starts_where_the_offset_changes_and_nowhere_else(name: str) -> None:
    zone = module._load(name)
    zone.index(FAR)
    assert len(zone.starts) == len(zone.offsets) == len(zone.walls)
    assert zone.starts == sorted(set(zone.starts))
    for number in range(1, len(zone.starts)):
        start = zone.starts[number]
        assert (offset(start - 1, name), offset(start, name)) == (zone.offsets[number - 1], zone.offsets[number])
        assert zone.offsets[number] != zone.offsets[number - 1]
        assert (zone.index(start - 1), zone.index(start)) == (number - 1, number)
        assert zone.start_after(number - 1) == start
    for second in range(-2_000_000_000, FAR, 20 * 86_400):
        assert zone.offsets[zone.index(second)] == offset(second, name)


@pytest.mark.parametrize("name", NAMES)
def test_the_wall_before_a_stretch_is_the_latest_that_was_shown(name: str) -> None:
    zone = module._load(name)
    zone.index(FAR)
    for number in range(1, len(zone.starts)):
        shown = max(zone.starts[n] + zone.offsets[n - 1] for n in range(1, number + 1))
        assert zone.walls[number] == shown


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("asked", [0, 1_700_000_000, 2_200_000_000, 3_000_000_000, 4_000_000_000, 4_900_000_000])
def test_the_stretch_after_one_is_known_however_far_the_first_question_was(name: str, asked: int) -> None:
    whole, zone = module._load(name), module._load(name)
    whole.index(FAR)
    index = zone.index(asked)
    assert zone.starts[index] == whole.starts[whole.index(asked)]
    while (start := zone.start_after(index)) < FAR:
        index += 1
        assert (zone.starts[index], zone.offsets[index]) == (start, offset(start, name))
    assert index >= whole.index(asked)
    assert zone.starts[: index + 1] == whole.starts[: index + 1]
    assert len([one for one in whole.starts if one < FAR]) == index + 1


@pytest.mark.parametrize("name", NAMES)
def test_a_zone_without_a_file_knows_the_same_changes(name: str) -> None:
    whole, bare = module._load(name), Zone(ZoneInfo(name), None)
    whole.index(FAR)
    bare.index(FAR)
    known = [one for one in whole.starts if one < FAR]
    assert bare.starts[: len(known)] == known
    assert bare.offsets[: len(known)] == whole.offsets[: len(known)]


@pytest.mark.parametrize("name", ["Etc/UTC", "Asia/Tokyo", "Africa/Lagos"])
def test_where_no_rule_changes_the_clocks_the_last_stretch_has_no_end(name: str) -> None:
    zone = module._load(name)
    last = zone.index(FAR)
    assert last == len(zone.starts) - 1
    assert zone.start_after(last) > module.LAST_SECOND


def test_a_zone_is_loaded_once_and_utc_without_zoneinfo() -> None:
    assert load_zone("Europe/Berlin") is load_zone("Europe/Berlin")
    assert load_zone("UTC") is load_zone("UTC")
    assert (Zone(None).info, Zone(None).index(0), Zone(None).offsets) == (None, 0, [0])


def test_once_utc_is_asked_for_its_zone_its_epoch_has_the_same_one() -> None:
    zone = Zone(None)
    info = zone.tzinfo()
    assert info is ZoneInfo("UTC") is zone.info is zone.utc_epoch.tzinfo
    assert zone.utc_epoch == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("year", range(2040, 2130, 6))
def test_a_fire_time_many_years_ahead_has_the_offset_of_its_season(year: int) -> None:
    # The 31st of July as a fifth Friday: every six years or so, and always in summer.
    times = FireTimes(parse("0 12 */30 7 5#5"), "", module._load("Europe/Berlin"), gap="run", fold="first")
    found = times.next(int(datetime(year, 8, 5, tzinfo=UTC).timestamp()))
    assert found is not None
    wall = datetime.fromtimestamp(found, ZoneInfo("Europe/Berlin"))
    assert (wall.month, wall.day, wall.weekday(), wall.hour, wall.minute) == (7, 31, 4, 12, 0)


@pytest.mark.parametrize(
    "name", ["America", "../UTC", "/etc/passwd", "Europe/Nowhere", "a/" * 70, "a/" * 300 + "b", "x" * 129, ""]
)
def test_what_is_no_time_zone_is_a_lookup_error(name: str) -> None:
    with pytest.raises(LookupError):
        load_zone(name)
    assert name not in module._zones


# -- where the changes come from ------------------------------------------------------------------------------------------


def tzif(version: bytes, *, leaps: int = 0, early: tuple[int, ...] = (), late: tuple[int, ...] = ()) -> bytes:
    """Write a TZif file with these changes in its 32-bit and in its 64-bit block (RFC 9636), and so many leap seconds."""

    def block(kind: str, changes: tuple[int, ...], leap: str) -> bytes:
        head = b"TZif" + version + b"\0" * 15 + struct.pack(">6l", 0, 0, leaps, len(changes), 1, 4)
        body = (
            struct.pack(f">{len(changes)}{kind}", *changes)
            + b"\0" * len(changes)
            + struct.pack(">lbb", 0, 0, 0)
            + b"UTC\0"
        )
        return head + body + struct.pack(leap, *[0] * 2) * leaps

    first = block("l", early, ">ll")
    return first + block("q", late, ">ql") if version >= b"2" else first


def test_a_file_of_the_first_version_has_one_block_of_short_numbers() -> None:
    assert module._changes(tzif(b"\0", early=(-5, 7, 1_000))) == (-5, 7, 1_000)


@pytest.mark.parametrize("version", [b"2", b"3", b"4"])
@pytest.mark.parametrize("leaps", [0, 1, 27])
def test_of_a_later_version_the_second_block_is_read_whatever_stands_before_it(version: bytes, leaps: int) -> None:
    file = tzif(version, leaps=leaps, early=(1, 2, 3), late=(-(2**40), 5, 2**35))
    assert module._changes(file) == (5, 2**35)


def test_changes_that_no_calendar_date_has_are_left_out() -> None:
    first, last = module._FIRST_ASKED, module._LAST_ASKED
    file = tzif(b"2", late=(first, first + 1, last - 1, last))
    assert module._changes(file) == (first + 1, last - 1)


@pytest.fixture
def no_path() -> Iterator[None]:
    """A system that has no zone data of its own."""
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(())
    yield
    zoneinfo.reset_tzpath(before)


@pytest.mark.usefixtures("no_path")
def test_without_zone_data_of_the_system_the_files_of_the_package_are_read() -> None:
    assert module._changes_in_file("Europe/Berlin")


@pytest.mark.usefixtures("no_path")
@pytest.mark.parametrize("found", [None, importlib.util.spec_from_loader("tzdata", None)])
def test_without_the_package_there_is_no_file_to_read(found: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    assert module._changes_in_file("Europe/Berlin") is None


class Fixed(tzinfo):
    """So many hours from UTC."""

    def __init__(self, hours: int) -> None:
        self.hours = hours

    def utcoffset(self, when: datetime | None) -> timedelta:
        return timedelta(hours=self.hours)

    def dst(self, when: datetime | None) -> None:
        return None

    def tzname(self, when: datetime | None) -> None:
        return None


class PutBackTwice(Fixed):
    """Clocks that are put back by ten hours, and soon after by an hour more."""

    def fromutc(self, when: datetime) -> datetime:
        second = (when.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
        hours = 10 if second < 100_000 else 0 if second < 101_000 else -1
        return (when + timedelta(hours=hours)).replace(tzinfo=Fixed(hours))


def test_the_wall_that_was_reached_never_falls_though_the_clocks_are_put_back_twice() -> None:
    zone = Zone(PutBackTwice(0), (100_000, 101_000))  # type: ignore[arg-type]  # whatever tells the offset
    assert zone.offsets == [36_000, 0, -3_600]
    assert zone.walls[1:] == [136_000, 136_000]


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process whose own clock is not that of UTC."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_tokyo")
def test_utc_is_utc_wherever_the_process_runs() -> None:
    assert Zone(None).offsets == [0]
