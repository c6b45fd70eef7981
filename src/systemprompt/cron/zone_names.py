"""What to write instead of a time zone that is not known: a neighbour for a slip, none for an offset or an abbreviation."""

from __future__ import annotations

import re
from zoneinfo import available_timezones

from systemprompt.cron.zones import MACHINE_FILES
from systemprompt.wording import did_you_mean

__all__ = ["zone_hint"]


def zone_hint(name: str) -> str:
    """Return the way out for a name that is no time zone.

    `GMT+2` is no slip for `Etc/GMT+2`, which is two hours behind UTC, and `CEST` none for `EST`: who obeyed such a hint would
    have a valid profile and wrong hours. For these the hint says how a zone is named.
    """
    word = name.strip()[:64]
    if word.lower() in _UTC:
        return "write UTC"
    offset = _OFFSET.fullmatch(word)
    if offset:
        return f"{_BY_CITY}{_fixed_zone(*offset.groups())}"
    if any(digit.isdigit() for digit in word) or word.lower().endswith((" time", " zeit")):
        return _BY_CITY
    by_lower = {zone.lower(): zone for zone in sorted(available_timezones() - MACHINE_FILES)}
    written = word.lower().replace(" ", "_")
    same = by_lower.get(written) or next(
        (zone for lower, zone in by_lower.items() if lower.endswith("/" + written)), None
    )
    if same is not None:
        return f"did you mean {same!r}?"
    if word.isalpha() and len(word) <= 5:
        return f"{word!r} reads like an abbreviation, and those mean different zones to different people; {_BY_CITY}"
    near = did_you_mean(written, by_lower)
    return f"did you mean {by_lower[near]!r}?" if near else _BY_CITY


_UTC = {"z", "zulu time", "utc+0", "utc-0", "utc+00:00", "utc-00:00", "+00:00", "-00:00", "+0000", "gmt+00:00", "utc0"}
_BY_CITY = "a zone is named by a city, such as Europe/Berlin"
_OFFSET = re.compile(r"(?:etc/)?(?:[a-z]{1,5})?\s*([+-])\s*(\d{1,2})(?::?(\d\d))?", re.IGNORECASE)


def _fixed_zone(sign: str, hours: str, minutes: str | None) -> str:
    """Name the fixed zone of an offset as ISO 8601 writes it. The zone's own name has the sign the other way round."""
    count = int(hours)
    if int(minutes or 0) or not 1 <= count <= (14 if sign == "+" else 12):
        return ""
    side, own = ("ahead of", "-") if sign == "+" else ("behind", "+")
    return f"; Etc/GMT{own}{count} is the zone {count} hour{'s' if count > 1 else ''} {side} UTC"
