"""Every breakage that is planted, by area. docs/audit.md shows them as a table; `docs/make_reference.py` writes it."""

from __future__ import annotations

from breakages_of_ends import OF_CLOSINGS, OF_LATE_RESULTS
from breakages_of_numbers import OF_NUMBERS, OF_STOPS
from breakages_of_plans import OF_CURSORS, OF_PLANS, OF_RANGES
from breakages_of_retries import OF_RETRIES
from breakages_of_runs import OF_CLAIMS, OF_FENCES, OF_RESCUES
from breakages_of_time import OF_RETENTION, OF_VERSIONS
from breaking import Breakage

BREAKAGES: tuple[Breakage, ...] = (
    *OF_PLANS,
    *OF_CURSORS,
    *OF_CLAIMS,
    *OF_FENCES,
    *OF_CLOSINGS,
    *OF_RETRIES,
    *OF_LATE_RESULTS,
    *OF_STOPS,
    *OF_RESCUES,
    *OF_NUMBERS,
    *OF_RANGES,
    *OF_VERSIONS,
    *OF_RETENTION,
)
