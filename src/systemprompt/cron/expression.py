"""Read a cron expression into bit masks. Pure text to numbers: no zone, no clock, no search.

    ┌ second 0-59        `*`  `5`  `1-5`  `*/10`  `1-30/7`  `5/15` (5, 20, 35, 50)  `1,2,30-40`
    │ ┌ minute 0-59
    │ │ ┌ hour 0-23
    │ │ │ ┌ day of month 1-31    also `?`  `L`  `L-3`  `15W`  `LW`  `L-3W`
    │ │ │ │ ┌ month 1-12         also JAN-DEC
    │ │ │ │ │ ┌ day of week 0-7  also SUN-SAT  `?`  `5L` (last Friday)  `1#2` (second Monday)
    * * * * * *

Five fields mean second 0. Names and letters may be in any case. Where engines differ, this is what holds here:

- `n/step` runs from n to the field's end; in the day of week that end is 7, so `5/2` is Friday and Sunday (cronsim, croner).
- A step larger than its range leaves the first value alone: `*/100` in minutes is minute 0.
- Sunday is 0 and 7. As the end of a range that starts later in the week it is 7: `FRI-SUN`.
- `W` names the weekday (Monday to Friday) nearest to its day and never leaves the month; a month without that day has none.
- Day of month and day of week both given: either matches, unless one of them starts with `*` or is `?`; then both must (Debian).
- `L`, `W` and `#` stand in lists beside anything else, but take no range and no step.
"""

from __future__ import annotations

from systemprompt.cron.fields import DAY, HOUR, MINUTE, MONTH, SECOND, WEEKDAY, shortened
from systemprompt.errors import CronError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["MACROS", "Expression", "parse"]

MACROS = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
    "@minutely": "0 * * * * *",
    "@secondly": "* * * * * *",
}
"""What each macro stands for."""


class Expression:
    """A cron expression as bit masks: bit n is set where value n matches. Immutable, shared between schedules.

    `every` is the period in seconds of an `@every` expression, else 0; then the masks mean nothing. `days` has bits 1-31,
    `days_from_end` bit n for `L-n`, `near_weekdays` bit n for `nW`, `near_weekdays_from_end` bit n for `L-nW`; `weekdays`
    has bits 0-6 (Sunday is 0), `last_weekdays` the same for `5L`, `nth_weekdays` bit 7 * (nth - 1) + weekday for `1#2`.
    `both_days` says that day of month and day of week must both match. `elapsed` says that the schedule follows elapsed time.
    """

    __slots__ = (
        "both_days",
        "days",
        "days_from_end",
        "elapsed",
        "every",
        "fields",
        "hours",
        "last_weekdays",
        "minutes",
        "months",
        "near_weekdays",
        "near_weekdays_from_end",
        "nth_weekdays",
        "seconds",
        "weekdays",
    )

    def __init__(self, *, fields: tuple[str, ...] = (), every: int = 0) -> None:
        self.fields = fields
        self.every = every
        self.seconds = self.minutes = self.hours = self.months = 0
        self.days = self.days_from_end = self.near_weekdays = self.near_weekdays_from_end = 0
        self.weekdays = self.last_weekdays = self.nth_weekdays = 0
        self.both_days = self.elapsed = True


def parse(text: str) -> Expression:
    """Read an expression of five or six fields, a macro or `@every`.

    Raises CronError for anything else, with the field, the value and what is allowed; never another error, whatever the
    text, and in time linear in its length. Whether any date can match is not decided here: see `days`. For a text of another
    program the error says what it is and what to write: see `pasted`.
    """
    try:
        return _read(text)
    except CronError as error:
        from systemprompt.cron.pasted import recognised  # it loads `re`, which a schedule that is right has no need of

        raise recognised(error, _can_be_read) from None


def _can_be_read(text: str) -> bool:
    try:
        _read(text)
    except CronError:
        return False
    return True


def _read(text: str) -> Expression:
    words = text.split()
    if not words:
        raise CronError(text, "it is empty", hint="five or six fields: [second] minute hour day month weekday")
    if words[0].startswith("@"):
        return _parse_macro(text, words)
    if len(words) == 5:
        words.insert(0, "0")
    if len(words) != 6:
        _refuse_field_count(text, len(words))
    return _parse_fields(text, words)


def _parse_fields(text: str, words: list[str]) -> Expression:
    expression = Expression(fields=tuple(words))
    expression.seconds = SECOND.mask(words[0], text)
    expression.minutes = MINUTE.mask(words[1], text)
    expression.hours = HOUR.mask(words[2], text)
    _parse_days(expression, words[3], text)
    expression.months = MONTH.mask(words[4], text)
    _parse_weekdays(expression, words[5], text)
    # A star at the start is what counts, as in Debian's cron: `*/2` and `*,5` have it, `0-59` and `5,*` do not.
    expression.both_days = words[3][0] in "*?" or words[5][0] in "*?"
    expression.elapsed = words[1][0] == "*" or words[2][0] == "*"
    return expression


def _refuse_field_count(text: str, count: int) -> NoReturn:
    fields = "1 field" if count == 1 else f"{count} fields"
    hint = "[second] minute hour day-of-month month day-of-week, or a macro such as @daily"
    if count == 7:
        hint = f"a field for the year is not supported; {hint}"
    raise CronError(text, f"it has {fields}, allowed are 5 or 6", value=str(count), allowed="5 or 6", hint=hint)


# --- the two day fields ----------------------------------------------------------------------------------------------


def _parse_days(expression: Expression, word: str, text: str) -> None:
    """Read the day of month: `?`, or a list of `L`, `L-3`, `15W`, `LW`, `L-3W` and plain items."""
    if word == "?":
        word = "*"
    for item in DAY.items(word, text):
        if item[0] == "L":
            _parse_from_end(expression, item, text)
        elif item[-1] == "W" and item[:-1].isdigit():
            expression.near_weekdays |= 1 << DAY.number(item[:-1], item, text)
        elif item[-1] == "W":
            DAY.refuse(text, item, "is not one day before its W", hint="15W is the weekday nearest to the 15th")
        elif item[-1] == "L":
            DAY.refuse(text, item, "has L after it", hint="L is the last day, L-3 three days before it")
        else:
            expression.days |= DAY.item_mask(item, text)


def _parse_from_end(expression: Expression, item: str, text: str) -> None:
    near = item[-1] == "W"
    rest = item[1:-1] if near else item[1:]
    before_last = 0
    if rest:
        digits = rest[1:].lstrip("0") or "0"
        if rest[0] != "-" or not rest[1:].isdigit():
            DAY.refuse(text, item, "is not understood", hint="L, L-3, LW: L takes no range and no step")
        before_last = int(digits) if len(digits) < 4 else 1000
        if before_last > 30:
            raise CronError(
                text,
                f"day of month {shortened(item)}: {shortened(rest[1:])} is outside 0-30, the days before the last (L-0 to L-30)",
                field="day of month",
                value=rest[1:],
                allowed="0-30",
            )
    if near:
        expression.near_weekdays_from_end |= 1 << before_last
    else:
        expression.days_from_end |= 1 << before_last


def _parse_weekdays(expression: Expression, word: str, text: str) -> None:
    """Read the day of week: `?`, or a list of `5L`, `1#2` and plain items."""
    if word == "?":
        word = "*"
    for item in WEEKDAY.items(word, text):
        if "#" in item:
            day_word, _, nth_word = item.partition("#")
            day = WEEKDAY.number(day_word, item, text) % 7
            expression.nth_weekdays |= 1 << (7 * (_nth(item, nth_word, text) - 1) + day)
        elif item[-1] == "L" and len(item) > 1:
            expression.last_weekdays |= 1 << WEEKDAY.number(item[:-1], item, text) % 7
        elif item in ("L", "LW") or (item[0] == "L" and not item[1].isalpha()):
            WEEKDAY.refuse(text, item, "does not say which day", hint="5L or FRIL is the last Friday of the month")
        elif item[-1] == "W" and item[:-1].isdigit():
            WEEKDAY.refuse(text, item, "has a W, which belongs to the day of month")
        elif item == "*":
            expression.weekdays |= 0x7F
        else:
            mask = WEEKDAY.item_mask(item, text)
            expression.weekdays |= (mask | mask >> 7) & 0x7F


def _nth(item: str, word: str, text: str) -> int:
    digits = word.lstrip("0") or "0"
    if word.isdigit() and len(digits) == 1 and 1 <= int(digits) <= 5:
        return int(digits)
    if not word.lstrip("-").isdigit():
        WEEKDAY.refuse(text, item, "has no number after its #", hint="1#2 is the second Monday, # takes 1-5")
    raise CronError(
        text,
        f"day of week {shortened(item)}: {shortened(word)} is outside 1-5, the weeks of a month",
        field="day of week",
        value=word,
        allowed="1-5",
    )


# --- macros ----------------------------------------------------------------------------------------------------------


def _parse_macro(text: str, words: list[str]) -> Expression:
    name = words[0].lower() if words[0].isascii() else words[0]
    if name == "@every" and len(words) == 2:
        return Expression(fields=("@every", words[1]), every=_period(text, words[1]))
    if name == "@every":
        raise CronError(text, "@every takes one duration without spaces", field="@every", hint="@every 1h30m")
    if name == "@reboot":
        raise CronError(
            text,
            "@reboot names no instant",
            value=name,
            hint="list the job under scheduler.reboot_jobs in the profile: it then runs once for each start of the machine",
        )
    fields = MACROS.get(name)
    if fields is None:
        every = ", ".join(MACROS)
        raise CronError(
            text,
            f"{shortened(words[0])} is not a macro",
            value=words[0],
            allowed=f"{every}, @every",
            hint=f"macros: {every}, @every 90s",
        )
    if len(words) > 1:
        raise CronError(text, f"{shortened(words[0])} takes nothing after it", value=" ".join(words[1:]))
    return _parse_fields(text, fields.split())


def _period(text: str, word: str) -> int:
    """Return the seconds of a duration such as `90s`, `1h30m` or `1d`: units in falling order, each once."""
    total = 0
    units = list(_UNITS)
    digits = ""
    for letter in word.lower():
        if letter in "0123456789":
            digits += letter
        elif letter in units and digits:
            total += (int(digits) if len(digits) < 12 else 10**12) * _UNITS[letter]
            units = units[units.index(letter) + 1 :]
            digits = ""
        else:
            digits = "?"
            break
    if digits:
        raise CronError(
            text,
            f"@every {shortened(word)} is not a duration",
            field="@every",
            value=word,
            allowed="whole numbers with d, h, m, s, in this order",
            hint="@every 90s, @every 1h30m, @every 1d",
        )
    if not 1 <= total <= _LONGEST_PERIOD:
        raise CronError(
            text,
            f"@every {shortened(word)} is outside 1s-{_LONGEST_PERIOD // 86_400}d",
            field="@every",
            value=word,
            allowed=f"1s-{_LONGEST_PERIOD // 86_400}d",
        )
    return total


_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_LONGEST_PERIOD = 36_525 * 86_400
