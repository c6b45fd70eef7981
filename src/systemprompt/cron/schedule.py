"""A schedule: a cron expression in a time zone, and the fire times it names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from systemprompt.cron.expression import parse
from systemprompt.cron.fields import shortened
from systemprompt.cron.fire_times import FireTimes, PeriodicFireTimes
from systemprompt.cron.zones import load_zone
from systemprompt.errors import CronError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

    from systemprompt.cron.zones import Zone

__all__ = ["Schedule"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000
_GAPS = ("run", "skip")
_FOLDS = ("first", "second", "both")


class Schedule:
    """A cron expression in a time zone. Immutable, hashable, equal to another with the same four values.

    `expression` has five or six fields (seconds first), or is a macro such as `@daily`, or `@every 90s`;
    `systemprompt.cron.expression` describes the syntax. `tz` is an IANA name.

    Fire times are strictly rising and always exist on the wall. When clocks change, Debian's cron is the rule. A schedule
    whose minute or hour field starts with `*` fires as the clocks show: nothing in the spring gap, both passes of the autumn
    fold. Any other is a fixed time, and for it `dst_gap` says what becomes of wall times in the gap (`run`: one run at the
    gap's end; `skip`: none), `dst_fold` which pass of a fold counts (`first`, `second` or `both`). `@every` counts from the
    Unix epoch and heeds no wall.

    Raises CronError when built, for anything that is wrong with any of the four, and for an expression that no date can match.
    """

    __slots__ = ("_hash", "_times", "_zone", "dst_fold", "dst_gap", "expression", "tz")

    expression: str
    tz: str
    dst_gap: str
    dst_fold: str
    _hash: int
    _times: FireTimes | PeriodicFireTimes
    _zone: Zone

    def __init__(self, expression: str, tz: str = "UTC", *, dst_gap: str = "run", dst_fold: str = "first") -> None:
        _check_texts(expression, tz)
        parsed = parse(expression)
        if dst_gap not in _GAPS:
            raise _unknown_option(expression, "dst_gap", dst_gap, _GAPS)
        if dst_fold not in _FOLDS:
            raise _unknown_option(expression, "dst_fold", dst_fold, _FOLDS)
        try:
            zone = load_zone(tz)
        except LookupError as problem:
            raise _unknown_zone(expression, tz) from problem
        _set(self, "expression", expression)
        _set(self, "tz", tz)
        _set(self, "dst_gap", dst_gap)
        _set(self, "dst_fold", dst_fold)
        _set(self, "_zone", zone)
        times = (
            PeriodicFireTimes(parsed.every, zone)
            if parsed.every
            else FireTimes(parsed, expression, zone, gap=dst_gap, fold=dst_fold)
        )
        _set(self, "_times", times)
        _set(self, "_hash", hash(self._key()))  # the planner asks its caches by schedule, thousands of times in a turn

    # --- aware datetimes ---------------------------------------------------------------------------------------------

    def after(self, instant: datetime) -> datetime:
        """Return the first fire time after this instant, in the schedule's zone.

        Raises ValueError for a naive datetime, CronError where the calendar ends (year 9999) before the next one.
        """
        zone = self._zone
        try:
            since = instant - zone.utc_epoch
        except TypeError:
            since = _since_epoch(instant)
        found = self._times.next(since.days * 86_400 + since.seconds + 1)
        if found is None:
            self._off_the_calendar("after", instant)
        return datetime.fromtimestamp(found, zone.info or zone.tzinfo())

    def before(self, instant: datetime) -> datetime:
        """Return the last fire time before this instant, in the schedule's zone.

        Raises ValueError for a naive datetime, CronError where the calendar (year 1) has none before.
        """
        since = _since_epoch(instant)
        found = self._times.previous(since.days * 86_400 + since.seconds - (not since.microseconds))
        if found is None:
            self._off_the_calendar("before", instant)
        return datetime.fromtimestamp(found, self._zone.tzinfo())

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Yield the fire times after `start` up to and including `end`, in order, in the schedule's zone, as they are asked for.

        Raises ValueError at once for a naive datetime.
        """
        since, until = _since_epoch(start), _since_epoch(end)
        return self._datetimes(since.days * 86_400 + since.seconds + 1, until.days * 86_400 + until.seconds)

    def describe(self) -> str:
        """Return the schedule in words, such as "Daily at 3:00 AM". The time zone is no part of them."""
        from systemprompt.cron.describe import describe

        return describe(self.expression)

    # --- instants: microseconds since the epoch, UTC -----------------------------------------------------------------

    def next_after(self, at: int) -> int | None:
        """Return the first fire time after this instant, or None past the calendar (year 9999)."""
        found = self._times.next(at // _SECOND + 1)
        return None if found is None else found * _SECOND

    def last_before(self, at: int) -> int | None:
        """Return the last fire time strictly before this instant, or None before the calendar (year 1)."""
        found = self._times.previous((at - 1) // _SECOND)
        return None if found is None else found * _SECOND

    def instants_between(self, start: int, end: int) -> Iterator[int]:
        """Yield the fire times after `start` up to and including `end`, in order, as they are asked for."""
        times = self._times
        second, last = start // _SECOND + 1, end // _SECOND
        for _ in range(_FEW):
            found = times.next(second)
            if found is None or found > last:
                return
            yield found * _SECOND
            second = found + 1
        for wall, offset, _, seconds in times.chunks(second, last, _SECOND.__mul__):
            yield from map(((wall - offset) * _SECOND).__add__, seconds)

    def count_between(self, start: int, end: int) -> int:
        """Return how many fire times come after `start` up to and including `end`: by arithmetic, without a walk."""
        return self._times.count(start // _SECOND + 1, end // _SECOND)

    # -----------------------------------------------------------------------------------------------------------------

    def _datetimes(self, second: int, last: int) -> Iterator[datetime]:
        zone, times = self._zone.tzinfo(), self._times
        for _ in range(_FEW):
            found = times.next(second)
            if found is None or found > last:
                return
            yield datetime.fromtimestamp(found, zone)
            second = found + 1
        epoch = datetime(1970, 1, 1, tzinfo=zone)
        for wall, offset, again, seconds in times.chunks(second, last, _seconds):
            if again:
                # Only the zone knows which pass it is.
                base = epoch + timedelta(0, wall - offset)
                yield from (zone.fromutc(base + later) for later in seconds)
            else:
                # Adding to an aware datetime moves the wall clock: right here, where no change of the clocks lies between.
                yield from map((epoch + timedelta(0, wall)).__add__, seconds)

    def _off_the_calendar(self, side: str, instant: datetime) -> NoReturn:
        raise CronError(self.expression, f"it has no fire time {side} {instant.isoformat()} in years 1 to 9999")

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Schedule) else NotImplemented

    def __hash__(self) -> int:
        return self._hash

    def _key(self) -> tuple[str, str, str, str]:
        return self.expression, self.tz, self.dst_gap, self.dst_fold

    def __repr__(self) -> str:
        options = "".join(
            f", {name}={value!r}"
            for name, value, usual in (("dst_gap", self.dst_gap, "run"), ("dst_fold", self.dst_fold, "first"))
            if value != usual
        )
        return f"Schedule({self.expression!r}, {self.tz!r}{options})"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a schedule never changes: build another one instead of setting {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a schedule never changes: {name!r} stays")

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, self._key()


_set = object.__setattr__

# A tick asks for a few fire times; tables that make many cheap would make these dear.
_FEW = 4


def _rebuild(expression: str, tz: str, dst_gap: str, dst_fold: str) -> Schedule:
    return Schedule(expression, tz, dst_gap=dst_gap, dst_fold=dst_fold)


def _seconds(number: int) -> timedelta:
    return timedelta(0, number)


def _since_epoch(instant: datetime) -> timedelta:
    if not isinstance(instant, datetime):
        raise TypeError(f"{instant!r} is no datetime")
    try:
        return instant - _EPOCH
    except TypeError as problem:
        raise ValueError(f"{instant!r} has no time zone: an instant needs one") from problem


def _check_texts(expression: object, tz: object) -> None:
    if not isinstance(expression, str):
        raise CronError(str(expression), f"it is of type {type(expression).__name__}, not text")
    if not isinstance(tz, str):
        hint = f"pass its name: {tz}" if hasattr(tz, "utcoffset") else None
        raise CronError(expression, f"time zone {tz!r} is of type {type(tz).__name__}, not text", field="tz", hint=hint)


def _unknown_option(expression: str, name: str, value: str, allowed: tuple[str, ...]) -> CronError:
    either = ", ".join(allowed)
    return CronError(expression, f"{name} {value!r} is none of {either}", field=name, value=str(value), allowed=either)


def _unknown_zone(expression: str, tz: str) -> CronError:
    from systemprompt.cron.zone_names import zone_hint

    return CronError(
        expression,
        f"time zone {shortened(tz)} is not known",
        field="tz",
        value=tz,
        allowed="names of the IANA time zone database",
        hint=zone_hint(tz),
    )
