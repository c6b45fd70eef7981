"""Texts of other programs that are refused here: what such a text is, and what to write instead.

Asked only once an expression was refused, so that reading a good one costs nothing more. What would be refused too is not proposed.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from systemprompt.cron.zones import load_zone
from systemprompt.errors import CronError
from systemprompt.wording import did_you_mean

Reads = Callable[[str], bool]

__all__ = ["recognised"]


def recognised(error: CronError, reads: Reads) -> CronError:
    """Return the error for this text that says what the text is and what to write; the same error for an unknown one.

    reads   says whether a text is an expression that can be read
    """
    if len(error.expression) > _LONGEST:
        return error
    found = _recognise(" ".join(error.expression.split()), reads)
    if found is None:
        return error
    return CronError(
        error.expression,
        found.reason or error.reason,
        field=error.field,
        value=error.value,
        allowed=error.allowed,
        hint=found.hint,
    )


_LONGEST = 1_000
# Only ASCII: a long s would else be the letter of a unit.
_LETTERS = re.IGNORECASE | re.ASCII


class _Pasted:
    """What a text is (empty where the parser said it well), what to write (None where nothing fits), and what else to know."""

    __slots__ = ("note", "reason", "write")

    def __init__(self, reason: str, write: str | None, note: str = "") -> None:
        self.reason = reason
        self.write = write
        self.note = note

    @property
    def hint(self) -> str | None:
        return "; ".join(part for part in (f"write {self.write!r}" if self.write else "", self.note) if part) or None


def _recognise(text: str, reads: Reads, depth: int = 3) -> _Pasted | None:
    for form in _FORMS:
        found = form(text, reads)
        if found is None:
            continue
        if found.write is not None and not reads(found.write):
            # One thing was taken off: the rest may be another program's as well.
            inner = _recognise(found.write, reads, depth - 1) if depth else None
            if inner is None or inner.write is None:
                found.write = None
            else:
                found.write = inner.write
                found.note = "; ".join(part for part in (found.note, inner.note) if part)
        if found.hint is not None:
            return found
    return None


# --- what stands around an expression ----------------------------------------------------------------------------------


def _quoted(text: str, reads: Reads) -> _Pasted | None:
    bare = text.translate(dict.fromkeys(map(ord, "\"'`“”‘’«»"), None)).strip()
    return _Pasted("it has quotes in the text", bare) if bare != text and reads(bare) else None


def _zoned(text: str, reads: Reads) -> _Pasted | None:  # noqa: ARG001  # as every form
    found = re.fullmatch(r"(?:CRON_TZ|TZ)=(\S+) (.+)", text, _LETTERS)
    return found and _Pasted("the zone is not part of the expression", found[2], f"and time_zone: {found[1]}")


def _zone_last(text: str, reads: Reads) -> _Pasted | None:
    before, _, zone = text.rpartition(" ")
    if not (zone[:1].isupper() and zone.isascii() and reads(before)):
        return None
    try:
        load_zone(zone)
    except LookupError:
        return None
    return _Pasted("the zone is not part of the expression", before, f"and time_zone: {zone}")


def _typographic(text: str, reads: Reads) -> _Pasted | None:  # noqa: ARG001
    strange = next((letter for letter in text if letter in _PLAIN), None)
    if strange is None:
        return None
    plain = "".join(_PLAIN.get(letter, letter) for letter in text)
    kind = _KINDS.get(strange, "a character that only looks like one of cron's")
    return _Pasted(
        f"{strange!r} is {kind}", plain, f"the plain character is {_PLAIN[strange]!r}" if _PLAIN[strange] else ""
    )


_KINDS = {"，": "a full-width comma"}
_PLAIN = {
    **{chr(ord(letter) + 0xFEE0): letter for letter in "0123456789,*/-?#@"},
    **dict.fromkeys("‐‑‒–—−", "-"),
    **dict.fromkeys("、،", ","),
    **dict.fromkeys("∗＊✱", "*"),
    **dict.fromkeys("⁄∕", "/"),
    **dict.fromkeys("\u200b\u200c\u200d\ufeff\u2060", ""),
}


def _commented(text: str, reads: Reads) -> _Pasted | None:  # noqa: ARG001
    before, hash_sign, _ = text.partition(" #")
    return _Pasted("a comment is not part of the expression", before.strip()) if hash_sign and before.strip() else None


def _with_command(text: str, reads: Reads) -> _Pasted | None:
    words = text.split()
    for count in (1,) if text.startswith("@") else (5, 6):
        rest = words[count:]
        if not rest or not _is_command(rest[0]) or not reads(" ".join(words[:count])):
            continue
        user = ""
        if len(rest) > 1 and rest[0] in _USERS:
            user = f"; the user {rest.pop(0)!r} is whoever runs the node"
        elif len(rest) > 1 and rest[1][0] == "/" and rest[0].isidentifier():
            user = f"; leave {rest[0]!r} out if it is the user"
        command = " ".join(rest)
        shown = command if len(command) < 80 else f"{command[:77]}..."
        return _Pasted(
            "a command follows the expression", " ".join(words[:count]), f"the command goes into command: {shown}{user}"
        )
    return None


_USERS = {"root", "www-data", "nobody", "daemon", "postgres", "mysql", "nginx", "apache", "ubuntu", "git"}


def _is_command(word: str) -> bool:
    named = word[:3].upper() in (*_WEEKDAYS, *_MONTHS) and not word[3:4].isalpha()
    return bool(re.match(r"[/.~$\[(]|[a-zA-Z_][\w.-]+$", word)) and not named


# --- other programs' forms ---------------------------------------------------------------------------------------------


def _aws(text: str, reads: Reads) -> _Pasted | None:  # noqa: ARG001
    found = re.fullmatch(r"cron\((.*)\)", text, _LETTERS)
    if not found:
        return None
    words = found[1].split()
    days = _from_quartz(words[4]) if len(words) == 6 else ""
    write = " ".join([*words[:4], days]).replace("?", "*") if len(words) == 6 else None
    return _Pasted("cron(...) is AWS's form", write, _about_year(words[5:]) + _about_weekday(words[4:5], days, "AWS"))


def _period(text: str, reads: Reads) -> _Pasted | None:  # noqa: ARG001
    found = re.fullmatch(
        r"(?:rate\(|@?every[ _]?|each )?(?:(\d+) ?)?(s|sec|second|m|min|minute|h|hr|hour|d|day)s?\)?", text, _LETTERS
    )
    if found:
        count, unit = int((found[1] or "1")[:12]), found[2][0].lower()
        # A day that somebody speaks of begins at midnight on the wall, and not in UTC.
        spoken = text.lower().startswith(("every", "each"))
        write = _ONE[unit] if count == 1 and spoken else f"@every {count}{unit}"
        return _Pasted("a period is written with @every", write)
    found = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", text, _LETTERS)
    if found and any(found.groups()):
        parts = "".join(f"{count}{unit}" for count, unit in zip(found.groups(), "dhms", strict=True) if count)
        return _Pasted("a period is written with @every", f"@every {parts}")
    weeks = re.fullmatch(r"P(\d{1,4})W", text, _LETTERS)
    if weeks:
        return _Pasted("a period is written with @every", f"@every {int(weeks[1]) * 7}d")
    if re.fullmatch(r"(?:\d+[dhms])+", text, _LETTERS):
        return _Pasted("a period is written with @every", f"@every {text}")
    return None


_ONE = {"s": "@secondly", "m": "@minutely", "h": "@hourly", "d": "@daily"}


def _systemd(text: str, reads: Reads) -> _Pasted | None:  # noqa: ARG001
    if text.lower() in _SYSTEMD_WORDS:
        return _Pasted("systemd's words are macros here", _SYSTEMD_WORDS[text.lower()])
    found = re.fullmatch(r"(?:\*-\*-\* )?\*:(\d\d?(?:/\d+)?)(?::00?)?", text, re.ASCII)
    if found:
        return _Pasted("it is systemd's form", f"{_number(found[1])} * * * *")
    found = re.fullmatch(
        r"(?:([A-Za-z.,-]+) )?(?:\*-(\*|\d\d?)-(\*|\d\d?(?:\.\.\d\d?)?) ?)?(?:(\d\d?(?:/\d+)?):(\d\d(?:/\d+)?)(?::(\d\d))?)?",
        text,
        re.ASCII,
    )
    if not found or not any(found.groups()) or (found[1] and not any(found.groups()[1:])):
        return None
    days, month, day, hour, minute, second = found.groups()
    try:
        weekdays = ",".join(
            "-".join(one[:3].upper() for one in re.split(r"\.\.|-", part)) for part in (days or "*").split(",")
        )
    except IndexError:
        return None
    seconds = f"{int(second)} " if second and int(second) else ""
    if days and day not in (None, "*"):
        note = "there both days must match, and here that is so only where one of them starts with '*'"
        return _Pasted("it is systemd's form", None, note)
    fields = [_number(one) for one in (minute or "0", hour or "0", day or "*", month or "*")] + [weekdays]
    return _Pasted("it is systemd's form" if month or days else "it is a time of day", seconds + " ".join(fields))


def _number(text: str) -> str:
    if ".." in text:
        return "-".join(str(int(one)) for one in text.split(".."))
    start, slash, step = text.partition("/")
    start = start if start == "*" else str(int(start))
    return f"*/{step}" if slash and start == "0" else start + slash + step


def _time_of_day(text: str, reads: Reads) -> _Pasted | None:  # noqa: ARG001
    found = re.fullmatch(r"(?:(?:daily |every day )?at )?(\d\d?)(?::(\d\d))? ?(am|pm)", text, _LETTERS)
    if not found or not 1 <= int(found[1]) <= 12:
        return None
    hour = int(found[1]) % 12 + (12 if found[3].lower() == "pm" else 0)
    return _Pasted("it is a time of day", f"{int(found[2] or 0)} {hour} * * *")


_SYSTEMD_WORDS = {
    **{
        word: f"@{word}"
        for word in ("minutely", "hourly", "daily", "weekly", "monthly", "yearly", "annually", "midnight")
    },
    "quarterly": "0 0 1 1,4,7,10 *",
    "semiannually": "0 0 1 1,7 *",
    "noon": "0 12 * * *",
}


def _macro(text: str, reads: Reads) -> _Pasted | None:  # noqa: ARG001
    name = re.sub(r"^(?:@|every |each |on )|s$", "", text.lower()) if not text.startswith("@") else text.lower()[1:]
    found = _MACROS.get(f"@{name}")
    return _Pasted("" if text.startswith("@") else "it is not a cron expression", found) if found else None


_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_LONG_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MACROS = {
    **{f"@{name}": f"0 0 * * {short}" for name, short in zip(_LONG_WEEKDAYS, _WEEKDAYS, strict=True)},
    **{f"@{short.lower()}": f"0 0 * * {short}" for short in _WEEKDAYS},
    **dict.fromkeys(("@weekday", "@weekdays", "@workday", "@workdays", "@businessdays"), "0 0 * * MON-FRI"),
    **dict.fromkeys(("@weekend", "@weekends"), "0 0 * * SAT,SUN"),
    "@quarterly": "0 0 1 1,4,7,10 *",
    **dict.fromkeys(("@semiannually", "@biannually", "@halfyearly"), "0 0 1 1,7 *"),
    "@bimonthly": "0 0 1 */2 *",
    "@noon": "0 12 * * *",
    **dict.fromkeys(("@every_minute", "@minute"), "@minutely"),
    **dict.fromkeys(("@every_hour", "@hour"), "@hourly"),
    **dict.fromkeys(("@every_second", "@second"), "@secondly"),
    **dict.fromkeys(("@every_day", "@day", "@nightly"), "@daily"),
    "@week": "@weekly",
    "@month": "@monthly",
    **dict.fromkeys(("@year", "@annual"), "@yearly"),
}


def _spread(text: str, reads: Reads) -> _Pasted | None:  # noqa: ARG001
    words = text.split()
    spread = [word for word in words if re.fullmatch(r"H(\(.*\))?(/\d+)?|[RS]|\d*~\d*(/\d+)?", word, _LETTERS)]
    if not spread or len(words) not in (5, 6):
        return None
    usual = ["0", "7", "3", "1", "1", "1"][6 - len(words) :]
    chosen = [_chosen(word, start) if word in spread else word for word, start in zip(words, usual, strict=True)]
    what = "a minute" if words[-5] in spread else "a value"
    return _Pasted(f"another program spreads the start over {spread[0]!r}", " ".join(chosen), f"choose {what} yourself")


def _chosen(word: str, start: str) -> str:
    _, slash, step = word.partition("/")
    bounds = re.search(r"(\d+)[~-]", word)
    first = bounds[1] if bounds and int(bounds[1]) else ""
    return f"{first or '*'}/{step}" if slash else first or start


def _with_year(text: str, reads: Reads) -> _Pasted | None:
    words = text.split()
    if len(words) == 7 and re.fullmatch(rf"[*?]|{_YEARS}", words[6]):
        days = _from_quartz(words[5])
        quartz = "?" in words[3:6]  # only there one of both day fields must be `?`
        write = " ".join([*words[:5], days if quartz else words[5]])
        if not reads(write):
            return None
        return _Pasted(
            "", write, _about_year(words[6:]) + (_about_weekday(words[5:6], days, "Quartz") if quartz else "")
        )
    if len(words) == 6 and re.fullmatch(_YEARS, words[5]) and reads(" ".join(words[:5])):
        return _Pasted("", " ".join(words[:5]), _about_year(words[5:]))
    return None


_YEARS = r"(?:19|20)\d\d(?:[-,/](?:(?:19|20)\d\d|\d))*"


def _about_year(words: list[str]) -> str:
    if words and words[0] in ("*", "?"):
        return "there is no field for the year"
    return "there is no field for the year, so this fires in every year"


def _about_weekday(words: list[str], here: str, program: str) -> str:
    if not words or words[0] == here:
        return ""
    return f"; {program} counts Sunday as 1, so {words[0]!r} there is {here!r} here"


def _from_quartz(field: str) -> str:
    """Return a day of week of Quartz by names: there Sunday is 1. A step and what follows a `#` are no days."""
    return re.sub(r"(?<![#/\d])[1-7](?!\d)", lambda digit: _WEEKDAYS[int(digit[0]) - 1], field)


def _split(text: str, reads: Reads) -> _Pasted | None:
    closed = re.sub(r" ?([,/-]) ?", r"\1", text)
    return _Pasted("", closed, "no blanks within a field") if closed != text and reads(closed) else None


def _one_letter_off(text: str, reads: Reads) -> _Pasted | None:
    """A macro with one wrong, missing or double letter, or two that changed places: anything farther is another word."""
    if not text.startswith("@") or not reads("@daily"):
        return None
    near = did_you_mean(text.lower()[:40], _KNOWN_MACROS)
    return _Pasted("", None, f"did you mean {near!r}?") if near and _distance_is_one(text.lower(), near) else None


_KNOWN_MACROS = (
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@midnight",
    "@hourly",
    "@minutely",
    "@secondly",
)


def _distance_is_one(word: str, other: str) -> bool:
    if len(word) == len(other):
        wrong = [n for n in range(len(word)) if word[n] != other[n]]
        swapped = (
            len(wrong) == 2
            and wrong[1] == wrong[0] + 1
            and sorted(word[wrong[0] :][:2]) == sorted(other[wrong[0] :][:2])
        )
        return len(wrong) == 1 or swapped
    short, long = sorted((word, other), key=len)
    return len(long) - len(short) == 1 and any(long[:n] + long[n + 1 :] == short for n in range(len(long)))


_FORMS = (
    *(_quoted, _zoned, _zone_last, _typographic, _aws, _macro, _period, _time_of_day, _systemd, _commented),
    *(_split, _with_year, _spread, _with_command, _one_letter_off),
)
