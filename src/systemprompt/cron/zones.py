"""A time zone as a list of stretches with one offset each, so that cron needs plain arithmetic and no guess.

Where a stretch begins comes from the zone's TZif file (RFC 9636) as far as that reaches; beyond it the file holds only a
yearly rule, and the changes are found by asking `zoneinfo` at ten-day steps and halving. Offsets always come from `zoneinfo`
itself: this module and a datetime in that zone can not disagree.
"""

from __future__ import annotations

from _thread import allocate_lock
from bisect import bisect_right
from datetime import UTC, datetime, timedelta

TYPE_CHECKING = False
if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

__all__ = ["FIRST_SECOND", "LAST_SECOND", "MACHINE_FILES", "Zone", "load_zone"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

FIRST_SECOND = -62_135_596_800
"""0001-01-01T00:00:00Z in seconds since the Unix epoch: no fire time lies before it."""

LAST_SECOND = 253_402_300_799
"""9999-12-31T23:59:59Z: no fire time lies after it."""

MACHINE_FILES = frozenset({"localtime", "posixrules", "Factory"})
"""Files among the zone data that mean another zone on each machine, or none: not names of zones."""

_DAY = 86_400
_STEP = 10 * _DAY
_YEAR = 366 * _DAY
# zoneinfo answers only where local time too is a date of the calendar.
_FIRST_ASKED = FIRST_SECOND + 2 * _DAY
_LAST_ASKED = LAST_SECOND - 2 * _DAY


class Zone:
    """The offsets of one zone. Times are whole seconds since the epoch, UTC; a wall time is such a second plus the offset.

    Stretch i runs from `starts[i]` until the next one starts and is `offsets[i]` ahead of UTC. `walls[i]` is the wall time
    that the clocks of the zone had reached before: where stretch i starts beyond it, the wall times between do not exist (the
    spring gap); where it starts below it, they come again (the autumn fold). The lists grow on demand, under a lock.
    """

    __slots__ = (
        "_known_until",
        "_learning",
        "_quiet_after",
        "_rule_is_over",
        "info",
        "offsets",
        "starts",
        "utc_epoch",
        "walls",
    )

    def __init__(self, info: ZoneInfo | None, changes: tuple[int, ...] | None = ()) -> None:
        self.info = info
        self.utc_epoch = _EPOCH
        self._learning = allocate_lock()
        self.starts = [FIRST_SECOND - _YEAR]
        self.offsets = [self._offset_at(_FIRST_ASKED)]
        self.walls = [self.starts[0] + self.offsets[0]]
        for change in changes or ():
            self._add(change)
        self._known_until = changes[-1] if changes else _BEFORE_TIME_ZONES
        self._rule_is_over = info is None
        # With a file only its yearly rule is left to learn: two years without a change say that there is none.
        # Without one, every year until that of the newest rules must be asked.
        self._quiet_after = self._known_until if changes is not None else _AFTER_OLD_RULES

    def tzinfo(self) -> ZoneInfo:
        """Return the zone as datetimes carry it: `info`, which UTC has only from the first call on."""
        if self.info is None:
            from zoneinfo import ZoneInfo

            self.info = ZoneInfo("UTC")
            # Between datetimes that share a tzinfo, subtracting is plain and quick: right in UTC, and in no other zone.
            self.utc_epoch = datetime(1970, 1, 1, tzinfo=self.info)
        return self.info

    def index(self, second: int) -> int:
        """Return the number of the stretch that holds this second."""
        if second >= self._known_until and not self._rule_is_over:
            self._learn_until(second)
        return bisect_right(self.starts, second) - 1

    def start_after(self, index: int) -> int:
        """Return when the stretch after this one starts, or a second past the calendar where there is none."""
        if index + 1 == len(self.starts) and not self._rule_is_over:
            self._learn_until(self._known_until + 2 * _YEAR)
        return self.starts[index + 1] if index + 1 < len(self.starts) else LAST_SECOND + _YEAR

    def _learn_until(self, second: int) -> None:
        """Find the changes after the last one known, up to this second and a year more."""
        with self._learning:
            at = self._known_until
            until = min(second + _YEAR, _LAST_ASKED)
            while at < until and not self._rule_is_over:
                ahead = min(at + _STEP, _LAST_ASKED)
                if self._offset_at(ahead) != self.offsets[-1]:
                    self._add(self._change_between(at, ahead))
                # A rule changes the clocks every year or never.
                quiet_since = max(self.starts[-1], self._quiet_after)
                self._rule_is_over = ahead - quiet_since > 2 * _YEAR or ahead == _LAST_ASKED
                at = ahead
            self._known_until = max(at, self._known_until)

    def _change_between(self, low: int, high: int) -> int:
        """Return the first second at which the offset is no longer that of `low`."""
        offset = self._offset_at(low)
        while high - low > 1:
            middle = (low + high) // 2
            if self._offset_at(middle) == offset:
                low = middle
            else:
                high = middle
        return high

    def _add(self, change: int) -> None:
        offset = self._offset_at(change)
        # Many changes are of the name or of the DST flag alone.
        if offset == self.offsets[-1] or not self.starts[-1] < change <= LAST_SECOND:
            return
        self.walls.append(max(self.walls[-1], change + self.offsets[-1]))
        self.offsets.append(offset)
        # Last, so that a thread that sees the start finds the rest.
        self.starts.append(change)

    def _offset_at(self, second: int) -> int:
        if self.info is None:
            return 0
        asked = min(max(second, _FIRST_ASKED), _LAST_ASKED)
        offset = (_EPOCH + timedelta(0, asked)).astimezone(self.info).utcoffset()
        assert offset is not None
        return offset // timedelta(0, 1)


_BEFORE_TIME_ZONES = -4_000_000_000
_AFTER_OLD_RULES = 4_100_000_000


def load_zone(key: str) -> Zone:
    """Return the zone of this IANA name, loaded once a process. UTC needs no zone data and no `zoneinfo`.

    Raises LookupError where the name is no time zone, or not the same one on every machine.
    """
    zone = _zones.get(key)
    if zone is None:
        zone = _zones[key] = Zone(None) if key == "UTC" else _load(key)
    return zone


_zones: dict[str, Zone] = {}

_LONGEST_NAME = 128
"""No zone's name is half as long. `zoneinfo` imports a package for each `/` in a name, and runs out of stack after some hundred."""


def _load(key: str) -> Zone:
    from zoneinfo import ZoneInfo

    if len(key) > _LONGEST_NAME or key in MACHINE_FILES or key.startswith(("right/", "posix/")):
        raise LookupError(key)
    try:
        info = ZoneInfo(key)
    except (OSError, ValueError, LookupError) as problem:
        # A folder of the zone data ("America"), a path that leaves it, a file of another kind, a name nobody knows.
        raise LookupError(key) from problem
    return Zone(info, _changes_in_file(key))


def _changes_in_file(key: str) -> tuple[int, ...] | None:
    """Return the seconds at which the zone's TZif file has a change, rising; None where there is no file to read.

    The file is the one that `zoneinfo` reads: the first on its path, else that of the `tzdata` package.
    """
    import os
    import zoneinfo
    from importlib.util import find_spec

    roots = list(zoneinfo.TZPATH)
    package = find_spec("tzdata")
    if package is not None and package.origin is not None:
        roots.append(os.path.join(os.path.dirname(package.origin), "zoneinfo"))
    for root in roots:
        path = os.path.join(root, *key.split("/"))
        if os.path.isfile(path):
            with open(path, "rb") as file:
                return _changes(file.read())
    return None


def _changes(data: bytes) -> tuple[int, ...]:
    """Return the transition times of a TZif file: those of the 64-bit block, if the file has one."""
    import struct

    def counts(at: int) -> tuple[int, ...]:
        return struct.unpack_from(">6l", data, at + 20)

    at, letter = 0, "l"
    if data[4:5] >= b"2":
        utc_flags, standard_flags, leaps, times, types, letters = counts(0)
        at = 44 + times * 5 + types * 6 + letters + leaps * 8 + standard_flags + utc_flags
        letter = "q"
    times = counts(at)[3]
    found = struct.unpack_from(f">{times}{letter}", data, at + 44)
    return tuple(second for second in found if _FIRST_ASKED < second < _LAST_ASKED)
