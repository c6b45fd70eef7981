"""A schedule in words: an own table of the common forms, then `cron-descriptor` for the rest.

The table reads masks, not text: `0 3 * * *`, `0 0 3 * * *` and `0 0 03 ? * ?` are all "Daily at 3:00 AM".
"""

from __future__ import annotations

from systemprompt.cron.day_times import bits
from systemprompt.cron.expression import Expression, parse

__all__ = ["describe"]


def describe(text: str) -> str:
    """Return a valid expression in English words, without its time zone. Raises CronError for an invalid one."""
    expression = parse(text)
    if expression.every:
        return _every_period(expression.every)
    days = _days(expression)
    if days == _DAILY:
        repeated = _repeated(expression)
        if repeated is not None:
            return repeated
    time = _time(expression)
    if days is not None and time is not None:
        return f"{days} at {time}"
    return _other(expression)


_ALL_60 = (1 << 60) - 1
_ALL_HOURS = (1 << 24) - 1
_ALL_DAYS = 0xFFFF_FFFE
_ALL_MONTHS = 0b1_1111_1111_1110
_ALL_WEEKDAYS = 0x7F
_MONDAY_TO_FRIDAY = 0b0111110
_SATURDAY_SUNDAY = 0b1000001

_DAILY = "Daily"
_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_NTH = ("first", "second", "third", "fourth", "fifth")
_MONTHS = (
    *("", "January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


def _every_period(seconds: int) -> str:
    parts = []
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append((count, word))
    if len(parts) == 1:
        return _every(*parts[0])
    return "Every " + " ".join(f"{count} {word}{'s' if count > 1 else ''}" for count, word in parts)


def _every(count: int, word: str) -> str:
    return f"Every {word}" if count == 1 else f"Every {count} {word}s"


def _repeated(expression: Expression) -> str | None:
    """Return "Every 15 minutes" and its like. Only for steps that divide the field evenly: others have a shorter last step."""
    seconds, minutes, hours = expression.seconds, expression.minutes, expression.hours
    every_minute = minutes == _ALL_60 and hours == _ALL_HOURS
    if every_minute and (step := _step(seconds, 60)):
        return _every(step, "second")
    if seconds == 1 and hours == _ALL_HOURS and (step := _step(minutes, 60)):
        return _every(step, "minute")
    if seconds == minutes == 1 and (step := _step(hours, 24)):
        return _every(step, "hour")
    if seconds == 1 and hours == _ALL_HOURS and minutes.bit_count() == 1:
        minute = minutes.bit_length() - 1
        return f"Every hour at {minute} minute{'s' if minute > 1 else ''} past"
    return None


def _step(mask: int, size: int) -> int | None:
    """Return n where the mask is exactly every nth value from 0 and n divides the field, and there is more than one."""
    for step in range(1, size):
        if size % step == 0 and mask == sum(1 << value for value in range(0, size, step)):
            return step
    return None


def _days(expression: Expression) -> str | None:
    plain_days = not (expression.days_from_end or expression.near_weekdays or expression.near_weekdays_from_end)
    plain_weekdays = not (expression.last_weekdays or expression.nth_weekdays)
    any_day = expression.days == _ALL_DAYS
    any_weekday = expression.weekdays == _ALL_WEEKDAYS
    if not (expression.both_days and (any_day or any_weekday)):
        return None
    if expression.months != _ALL_MONTHS:
        return _yearly(expression) if any_weekday and plain_days else None
    if any_day and any_weekday:
        return _DAILY
    if any_day:
        return _weekly(expression.weekdays) if plain_weekdays else _monthly_weekday(expression)
    return _monthly(expression)


def _yearly(expression: Expression) -> str | None:
    leap_day = expression.months == 1 << 2 and expression.days == 1 << 29
    if expression.months.bit_count() == expression.days.bit_count() == 1 and not leap_day:
        return f"Yearly on {_MONTHS[expression.months.bit_length() - 1]} {expression.days.bit_length() - 1}"
    return None


def _weekly(weekdays: int) -> str:
    if weekdays == _MONDAY_TO_FRIDAY:
        return "Weekdays"
    if weekdays == _SATURDAY_SUNDAY:
        return "Weekends"
    return f"Weekly on {_listed([_WEEKDAYS[day] for day in bits(weekdays)])}"


def _monthly_weekday(expression: Expression) -> str | None:
    names = [f"{_NTH[bit // 7]} {_WEEKDAYS[bit % 7]}" for bit in bits(expression.nth_weekdays)]
    names += [f"last {_WEEKDAYS[day]}" for day in bits(expression.last_weekdays)]
    return None if expression.weekdays else f"Monthly on the {_listed(names)}"


def _monthly(expression: Expression) -> str | None:
    if expression.days.bit_count() > 5:
        return None
    names = [_ordinal(day) for day in bits(expression.days)]
    names += [f"weekday nearest the {_ordinal(day)}" for day in bits(expression.near_weekdays)]
    if expression.days_from_end > 1 or expression.near_weekdays_from_end > 1:
        return None
    if expression.days_from_end:
        names.append("last day")
    if expression.near_weekdays_from_end:
        names.append("last weekday")
    return f"Monthly on the {_listed(names)}"


def _time(expression: Expression) -> str | None:
    """Return "3:00 AM", "midnight" or a short list of such times."""
    if expression.seconds.bit_count() > 1 or expression.minutes.bit_count() > 1 or expression.hours.bit_count() > 4:
        return None
    second, minute = expression.seconds.bit_length() - 1, expression.minutes.bit_length() - 1
    return _listed([_clock(hour, minute, second) for hour in bits(expression.hours)])


def _clock(hour: int, minute: int, second: int) -> str:
    if minute == second == 0 and hour in (0, 12):
        return "noon" if hour else "midnight"
    seconds = f":{second:02}" if second else ""
    return f"{hour % 12 or 12}:{minute:02}{seconds} {'AM' if hour < 12 else 'PM'}"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _ordinal(number: int) -> str:
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _other(expression: Expression) -> str:
    """Ask `cron-descriptor`. It knows fewer forms than we do; for the rest the expression itself is the best description."""
    from cron_descriptor import CasingTypeEnum, Options, get_description
    from cron_descriptor.Exception import FormatError, WrongArgumentError

    # Never the language of whoever runs the program: the text is part of JSON.
    options = Options(locale_code="en_US", use_24hour_time_format=False, casing_type=CasingTypeEnum.Sentence)
    fields = " ".join(field.upper() for field in expression.fields)
    if _is_beyond_the_library(expression):
        return f"At the times of {fields}"
    try:
        return str(get_description(fields, options))
    except (FormatError, WrongArgumentError, ValueError, IndexError, KeyError, TypeError):
        return f"At the times of {fields}"


def _is_beyond_the_library(expression: Expression) -> bool:
    """Say whether `cron-descriptor` would drop a part: it reads one special day a field, and has no "both must match"."""
    days, weekdays = expression.fields[3].upper(), expression.fields[5].upper()
    listed = ("," in days and ("L" in days or "W" in days)) or (
        "," in weekdays and ("L" in weekdays or "#" in weekdays)
    )
    narrowed = expression.days != _ALL_DAYS and expression.weekdays != _ALL_WEEKDAYS
    return listed or bool(expression.near_weekdays_from_end & ~1) or (expression.both_days and narrowed)
