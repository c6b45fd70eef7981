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

from systemprompt.errors import CronError, did_you_mean

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
    text, and in time linear in its length. Whether any date can match is not decided here: see `days`.
    """
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
    expression.seconds = _SECOND.mask(words[0], text)
    expression.minutes = _MINUTE.mask(words[1], text)
    expression.hours = _HOUR.mask(words[2], text)
    _parse_days(expression, words[3], text)
    expression.months = _MONTH.mask(words[4], text)
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


# --- one field -------------------------------------------------------------------------------------------------------


class _Field:
    """One field's name, range and names, and the masks already read for it."""

    __slots__ = ("_memo", "first", "last", "name", "names", "span")

    def __init__(self, name: str, first: int, last: int, names: str = "") -> None:
        self.name = name
        self.first = first
        self.last = last
        self.span = f"{first}-{last}"
        self.names = {word: number for number, word in enumerate(names.split(), first)}
        self._memo: dict[str, int] = {}

    def mask(self, word: str, text: str) -> int:
        """Return the bits of a field that takes only numbers, names, ranges and steps."""
        known = self._memo.get(word)
        if known is not None:
            return known
        mask = 0
        for item in self.items(word, text):
            mask |= self.item_mask(item, text)
        # Most of a hundred thousand schedules repeat the same few fields. Bounded, since a field is anybody's text.
        if len(self._memo) < _MEMO_LIMIT and len(word) < 64:
            self._memo[word] = mask
        return mask

    def items(self, word: str, text: str) -> list[str]:
        """Return the upper-cased items of a list."""
        # Before upper(), which turns a dotless i into an ASCII letter.
        if not word.isascii():
            strange = next(letter for letter in word if not letter.isascii())
            self.refuse(text, word, f"has a character that cron does not know: {strange!r}")
        items = word.upper().split(",")
        if "" in items:
            self.refuse(text, word, "has an empty place in its list")
        return items

    def item_mask(self, item: str, text: str) -> int:
        """Return the bits of `*`, `5`, `1-5`, and each with a step."""
        base, slash, step_word = item.partition("/")
        step = self._step(item, step_word, text) if slash else 1
        if base == "*":
            first, last = self.first, self.last
        elif base.find("-", 1) > 0:
            first, last = self._range(item, base, text)
        else:
            first = self.number(base, item, text)
            last = self.last if slash else first
        # Steps beyond the range leave the first value; the mask stays small whatever the step.
        return sum(1 << value for value in range(first, last + 1, min(step, 100)))

    def number(self, word: str, item: str, text: str) -> int:
        """Return the value of a number or a name."""
        if word.isdigit():
            digits = word.lstrip("0") or "0"
            value = int(digits) if len(digits) < 4 else 1000
            if not self.first <= value <= self.last:
                self._refuse_number(text, word, item)
            return value
        value_of_name = self.names.get(word)
        if value_of_name is None:
            self._refuse_word(text, word, item)
        return value_of_name

    def refuse(self, text: str, value: str, what: str, *, hint: str | None = None) -> NoReturn:
        """Raise CronError: this field, this value, what is wrong with it, what is allowed."""
        allowed = self.allowed
        raise CronError(
            text,
            f"{self.name} {_short(value)} {what} (allowed: {allowed})",
            field=self.name,
            value=value,
            allowed=allowed,
            hint=hint,
        )

    @property
    def allowed(self) -> str:
        names = list(self.names)
        return f"{self.span} or {names[0]}-{names[-1]}" if names else self.span

    def _step(self, item: str, word: str, text: str) -> int:
        digits = word.lstrip("0")
        if word.isdigit() and not digits:
            raise CronError(
                text,
                f"{self.name} {_short(item)} has step 0, a step is 1 or more (allowed: {self.span})",
                field=self.name,
                value=word,
                allowed="1 or more",
            )
        if not word.isdigit():
            self.refuse(text, item, "has no whole number as its step")
        return int(digits) if len(digits) < 4 else 1000

    def _range(self, item: str, base: str, text: str) -> tuple[int, int]:
        at = base.find("-", 1)
        first_word, last_word = base[:at], base[at + 1 :]
        if not first_word or not last_word or "-" in last_word.lstrip("-"):
            self.refuse(text, item, "is not a range")
        first = self.number(first_word, item, text)
        last = self.number(last_word, item, text)
        if self is _WEEKDAY and last_word == "SUN" and first > 0:
            last = 7
        if first > last:
            self._refuse_reversed(text, item, first_word, last_word)
        return first, last

    def _refuse_number(self, text: str, word: str, item: str) -> NoReturn:
        where = f" in {_short(item)}" if item != word else ""
        shown = word if len(word) <= 40 else f"{word[:37]}..."
        raise CronError(
            text,
            f"{self.name} {shown}{where} is outside {self.span}",
            field=self.name,
            value=word,
            allowed=self.span,
        )

    def _refuse_word(self, text: str, word: str, item: str) -> NoReturn:
        if word.startswith("-") and word[1:].isdigit():
            self._refuse_number(text, word, item)
        if not word:
            self.refuse(text, item, "is not complete")
        owner = next((f for f in _NAMED if word in f.names and f is not self), None)
        near = did_you_mean(word, self.names) if self.names and word.isalpha() else None
        hint = f"did you mean {near!r}?" if near else None
        if owner is not None:
            hint = f"{word} is a name for the {owner.name} field"
        elif word == "?":
            hint = "'?' stands alone, and only for the day of month or the day of week"
        self.refuse(text, item, "is not understood", hint=hint)

    def _refuse_reversed(self, text: str, item: str, first: str, last: str) -> NoReturn:
        base, slash, step = item.partition("/")
        low, high = self.number(first, item, text), self.number(last, item, text)
        spelled = f"{_span(low, 6 if self is _WEEKDAY else self.last)},{_span(self.first, high)}"
        if self is _WEEKDAY and high == 0:
            spelled = f"{low}-7"
        elif self is _WEEKDAY and low == 7:
            spelled = _span(0, high)
        if slash:
            # A step would start anew in the second part: say which values the whole round has.
            size = 7 if self is _WEEKDAY else self.last - self.first + 1
            stride = min(int(step) if len(step) < 4 else 1000, size)
            start = low % 7 if self is _WEEKDAY else low
            steps = range(0, (high - start) % size + 1, max(stride, 1))
            values = {(start - self.first + n) % size + self.first for n in steps}
            spelled = ",".join(str(value) for value in sorted(values))
        self.refuse(
            text, item, "is a range from high to low", hint=f"write {spelled!r} instead of {base + slash + step!r}"
        )


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _short(value: str) -> str:
    return repr(value if len(value) <= 60 else f"{value[:57]}...")


_MEMO_LIMIT = 4096

_SECOND = _Field("second", 0, 59)
_MINUTE = _Field("minute", 0, 59)
_HOUR = _Field("hour", 0, 23)
_DAY = _Field("day of month", 1, 31)
_MONTH = _Field("month", 1, 12, "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")
_WEEKDAY = _Field("day of week", 0, 7, "SUN MON TUE WED THU FRI SAT")
_NAMED = (_MONTH, _WEEKDAY)


# --- the two day fields ----------------------------------------------------------------------------------------------


def _parse_days(expression: Expression, word: str, text: str) -> None:
    """Read the day of month: `?`, or a list of `L`, `L-3`, `15W`, `LW`, `L-3W` and plain items."""
    if word == "?":
        word = "*"
    for item in _DAY.items(word, text):
        if item[0] == "L":
            _parse_from_end(expression, item, text)
        elif item[-1] == "W" and item[:-1].isdigit():
            expression.near_weekdays |= 1 << _DAY.number(item[:-1], item, text)
        elif item[-1] == "W":
            _DAY.refuse(text, item, "is not one day before its W", hint="15W is the weekday nearest to the 15th")
        elif item[-1] == "L":
            _DAY.refuse(text, item, "has L after it", hint="L is the last day, L-3 three days before it")
        else:
            expression.days |= _DAY.item_mask(item, text)


def _parse_from_end(expression: Expression, item: str, text: str) -> None:
    near = item[-1] == "W"
    rest = item[1:-1] if near else item[1:]
    before_last = 0
    if rest:
        digits = rest[1:].lstrip("0") or "0"
        if rest[0] != "-" or not rest[1:].isdigit():
            _DAY.refuse(text, item, "is not understood", hint="L, L-3, LW: L takes no range and no step")
        before_last = int(digits) if len(digits) < 4 else 1000
        if before_last > 30:
            raise CronError(
                text,
                f"day of month {_short(item)}: {_short(rest[1:])} is outside 0-30, the days before the last (L-0 to L-30)",
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
    for item in _WEEKDAY.items(word, text):
        if "#" in item:
            day_word, _, nth_word = item.partition("#")
            day = _WEEKDAY.number(day_word, item, text) % 7
            expression.nth_weekdays |= 1 << (7 * (_nth(item, nth_word, text) - 1) + day)
        elif item[-1] == "L" and len(item) > 1:
            expression.last_weekdays |= 1 << _WEEKDAY.number(item[:-1], item, text) % 7
        elif item[0] == "L":
            _WEEKDAY.refuse(text, item, "does not say which day", hint="5L or FRIL is the last Friday of the month")
        elif item[-1] == "W" and item[:-1].isdigit():
            _WEEKDAY.refuse(text, item, "has a W, which belongs to the day of month")
        elif item == "*":
            expression.weekdays |= 0x7F
        else:
            mask = _WEEKDAY.item_mask(item, text)
            expression.weekdays |= (mask | mask >> 7) & 0x7F


def _nth(item: str, word: str, text: str) -> int:
    digits = word.lstrip("0") or "0"
    if word.isdigit() and len(digits) == 1 and 1 <= int(digits) <= 5:
        return int(digits)
    if not word.lstrip("-").isdigit():
        _WEEKDAY.refuse(text, item, "has no number after its #", hint="1#2 is the second Monday, # takes 1-5")
    raise CronError(
        text,
        f"day of week {_short(item)}: {_short(word)} is outside 1-5, the weeks of a month",
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
            hint="list the job under scheduler.bootstrap_jobs in the profile: it then runs at each start of a node",
        )
    fields = MACROS.get(name)
    if fields is None:
        near = did_you_mean(name[:40], [*MACROS, "@every"])
        every = ", ".join(MACROS)
        raise CronError(
            text,
            f"{_short(words[0])} is not a macro",
            value=words[0],
            allowed=f"{every}, @every",
            hint=f"did you mean {near!r}?" if near else f"macros: {every}, @every 90s",
        )
    if len(words) > 1:
        raise CronError(text, f"{_short(words[0])} takes nothing after it", value=" ".join(words[1:]))
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
            f"@every {_short(word)} is not a duration",
            field="@every",
            value=word,
            allowed="whole numbers with d, h, m, s, in this order",
            hint="@every 90s, @every 1h30m, @every 1d",
        )
    if not 1 <= total <= _LONGEST_PERIOD:
        raise CronError(
            text,
            f"@every {_short(word)} is outside 1s-{_LONGEST_PERIOD // 86_400}d",
            field="@every",
            value=word,
            allowed=f"1s-{_LONGEST_PERIOD // 86_400}d",
        )
    return total


_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_LONGEST_PERIOD = 36_525 * 86_400
