"""One field of an expression: numbers, names, ranges and steps to bits, or a refusal that says what is allowed."""

from __future__ import annotations

from systemprompt.errors import CronError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["DAY", "HOUR", "MINUTE", "MONTH", "SECOND", "WEEKDAY", "Field", "shortened"]


class Field:
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
            f"{self.name} {shortened(value)} {what} (allowed: {allowed})",
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
                f"{self.name} {shortened(item)} has step 0, a step is 1 or more (allowed: {self.span})",
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
        if self is WEEKDAY and last_word == "SUN" and first > 0:
            last = 7
        if first > last:
            self._refuse_reversed(text, item, first_word, last_word)
        return first, last

    def _refuse_number(self, text: str, word: str, item: str) -> NoReturn:
        where = f" in {shortened(item)}" if item != word else ""
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
        # MONDAY and SEPT are short of nothing; JUE is Thursday in Spanish, and its neighbour TUE is another day.
        begins = next((name for name in self.names if word.startswith(name)), None) if word.isalpha() else None
        hint = f"did you mean {begins!r}?" if begins else None
        if self.names and word.isalpha() and len(word) > 1 and not begins:
            hint = f"the names are English: {' '.join(self.names)}"
        if owner is not None:
            hint = f"{word} is a name for the {owner.name} field"
        elif word == "?":
            hint = "'?' stands alone, and only for the day of month or the day of week"
        self.refuse(text, item, "is not understood", hint=hint)

    def _refuse_reversed(self, text: str, item: str, first: str, last: str) -> NoReturn:
        base, slash, step = item.partition("/")
        low, high = self.number(first, item, text), self.number(last, item, text)
        spelled = f"{_span(low, 6 if self is WEEKDAY else self.last)},{_span(self.first, high)}"
        if self is WEEKDAY and high == 0:
            spelled = f"{low}-7"
        elif self is WEEKDAY and low == 7:
            spelled = _span(0, high)
        if slash:
            # A step would start anew in the second part: say which values the whole round has.
            size = 7 if self is WEEKDAY else self.last - self.first + 1
            stride = min(int(step) if len(step) < 4 else 1000, size)
            start = low % 7 if self is WEEKDAY else low
            steps = range(0, (high - start) % size + 1, max(stride, 1))
            values = {(start - self.first + n) % size + self.first for n in steps}
            spelled = ",".join(str(value) for value in sorted(values))
        self.refuse(
            text, item, "is a range from high to low", hint=f"write {spelled!r} instead of {base + slash + step!r}"
        )


def shortened(value: str) -> str:
    """Return a value as a message shows it: quoted, and not a page long."""
    return repr(value if len(value) <= 60 else f"{value[:57]}...")


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


_MEMO_LIMIT = 4096

SECOND = Field("second", 0, 59)
MINUTE = Field("minute", 0, 59)
HOUR = Field("hour", 0, 23)
DAY = Field("day of month", 1, 31)
MONTH = Field("month", 1, 12, "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")
WEEKDAY = Field("day of week", 0, 7, "SUN MON TUE WED THU FRI SAT")
_NAMED = (MONTH, WEEKDAY)
