"""The fire times of one day: hours, minutes and seconds as masks, looked up by bit arithmetic."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.cron.expression import Expression

__all__ = ["DayTimes", "bits", "day_times"]


class DayTimes:
    """The seconds of a day (0-86399) at which a schedule fires, on a day without a change of the clocks."""

    __slots__ = ("_hour", "first", "hours", "in_hour", "in_minute", "last", "minutes", "per_day", "seconds")

    def __init__(self, hours: int, minutes: int, seconds: int) -> None:
        self.hours = hours
        self.minutes = minutes
        self.seconds = seconds
        self.in_minute = seconds.bit_count()
        self.in_hour = self.in_minute * minutes.bit_count()
        self.per_day = self.in_hour * hours.bit_count()
        self.first = _lowest(hours) * 3600 + _lowest(minutes) * 60 + _lowest(seconds)
        self.last = (hours.bit_length() - 1) * 3600 + (minutes.bit_length() - 1) * 60 + seconds.bit_length() - 1
        # The first and the last fire time within an hour.
        self._hour = (_lowest(minutes) * 60 + _lowest(seconds), self.last % 3600)

    def next(self, second: int) -> int:
        """Return the first fire time at or after this second of the day, or -1."""
        if self.per_day == 86_400:
            return second
        hour, rest = divmod(second, 3600)
        if self.hours >> hour & 1:
            minute, rest = divmod(rest, 60)
            if self.minutes >> minute & 1:
                ahead = self.seconds >> rest
                if ahead:
                    return second + (ahead & -ahead).bit_length() - 1
            ahead = self.minutes >> (minute + 1)
            if ahead:
                return hour * 3600 + (minute + (ahead & -ahead).bit_length()) * 60 + self._hour[0] % 60
        ahead = self.hours >> (hour + 1)
        if ahead:
            return (hour + (ahead & -ahead).bit_length()) * 3600 + self._hour[0]
        return -1

    def previous(self, second: int) -> int:
        """Return the last fire time at or before this second of the day, or -1."""
        hour, rest = divmod(second, 3600)
        if self.hours >> hour & 1:
            minute, rest = divmod(rest, 60)
            if self.minutes >> minute & 1:
                behind = self.seconds & ((2 << rest) - 1)
                if behind:
                    return hour * 3600 + minute * 60 + behind.bit_length() - 1
            behind = self.minutes & ((1 << minute) - 1)
            if behind:
                return hour * 3600 + (behind.bit_length() - 1) * 60 + self._hour[1] % 60
        behind = self.hours & ((1 << hour) - 1)
        if behind:
            return (behind.bit_length() - 1) * 3600 + self._hour[1]
        return -1

    def before(self, second: int) -> int:
        """Return how many fire times of the day come before this second (0-86400)."""
        hour, rest = divmod(second, 3600)
        count = (self.hours & ((1 << hour) - 1)).bit_count() * self.in_hour
        if self.hours >> hour & 1:
            minute, rest = divmod(rest, 60)
            count += (self.minutes & ((1 << minute) - 1)).bit_count() * self.in_minute
            if self.minutes >> minute & 1:
                count += (self.seconds & ((1 << rest) - 1)).bit_count()
        return count

    def of_hour(self) -> tuple[int, ...]:
        """Return the fire times of an hour that has any, as seconds from its start."""
        seconds = bits(self.seconds)
        return tuple(minute * 60 + second for minute in bits(self.minutes) for second in seconds)

    def of_day(self) -> tuple[int, ...]:
        """Return all fire times of the day. Up to 86,400: for schedules that have few."""
        in_hour = self.of_hour()
        return tuple(hour * 3600 + second for hour in bits(self.hours) for second in in_hour)


def day_times(expression: Expression) -> DayTimes:
    """Return the fire times of this expression's hour, minute and second fields, shared between schedules."""
    key = (expression.hours, expression.minutes, expression.seconds)
    times = _known.get(key)
    if times is None:
        times = DayTimes(*key)
        if len(_known) < 65_536:
            _known[key] = times
    return times


_known: dict[tuple[int, int, int], DayTimes] = {}


def bits(mask: int) -> tuple[int, ...]:
    """Return the numbers of the bits that are set, rising."""
    return tuple(number for number in range(mask.bit_length()) if mask >> number & 1)


def _lowest(mask: int) -> int:
    return (mask & -mask).bit_length() - 1
