"""Processes whose wall clock is wrong: libfaketime, from Debian's package `faketime`, says another time to them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_WHERE = "/usr/lib/*/faketime/libfaketime.so.1"
_SITE = Path(__file__).parent / "with_a_fake_clock"


def with_clock_off_by(seconds: float, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process whose wall clock is so far ahead; its monotonic clock is right.

    Without the library this fails: a test of wrong clocks that ran on right ones would have shown nothing.
    """
    found = next(Path("/").glob(_WHERE.lstrip("/")), None)
    if found is None:
        raise RuntimeError(f"no {_WHERE}: `apt-get install faketime` brings it")
    return {
        **environ,
        "LD_PRELOAD": str(found),
        "FAKETIME": f"{seconds:+g}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",  # files keep the times that everybody sees
        "PYTHONPATH": os.pathsep.join(filter(None, (str(_SITE), environ.get("PYTHONPATH")))),
    }
