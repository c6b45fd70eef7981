"""Which release of the IANA time zone data this process reads: two nodes with different releases may name different fire times."""

from __future__ import annotations

import os
import re
import zoneinfo

try:
    from tzdata import IANA_VERSION  # type: ignore[import-untyped]  # the package has no types
except ImportError:
    IANA_VERSION = ""

__all__ = ["zone_release"]


def zone_release() -> str:
    """Return the release, such as `2025b`; empty where the data does not say which it is.

    `zoneinfo` reads the first folder of its path that has a zone, and the `tzdata` package where none has it. A folder says
    its release in `tzdata.zi` (most systems) or in `+VERSION` (BSD, macOS).
    """
    for folder in zoneinfo.TZPATH:
        if os.path.exists(os.path.join(folder, "Europe", "Berlin")):
            return _said_in(folder)
    return _release_in(str(IANA_VERSION))


def _said_in(folder: str) -> str:
    for name, before in (("tzdata.zi", "# version "), ("+VERSION", "")):
        try:
            with open(os.path.join(folder, name), encoding="ascii", errors="replace") as stream:
                line = stream.readline(100).strip()
        except OSError:
            continue
        if line.startswith(before):
            return _release_in(line.removeprefix(before))
    return ""


def _release_in(text: str) -> str:
    """Return the year and the letter alone: `2024a-rearguard` holds the same zones as `2024a`. So releases sort as text."""
    found = re.match(r"\d{4}[a-z]+", text)
    return "" if found is None else found[0]
