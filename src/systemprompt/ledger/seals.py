"""Seals: what is said of a closed day, and the digests that tie it to its rows and to the day before. Pure.

Both digests are SHA-256 in hex, over lines of JSON as `json.dumps(value, separators=(",", ":"))` writes them:
    content   one line a row: ["run", ...], by due_at and run id; ["attempt", ...], by day_at, run id, number and kind;
              ["range", ...], by last_at and range id. Columns as in `RUN_COLUMNS`, `ATTEMPT_COLUMNS`, `RANGE_COLUMNS`. Texts are
              left out and their hashes are in: a text may be deleted before its account
    digest    one line: [previous, seal, format, day, from_at, until_at, runs, attempts, ranges, fire_times, counts, content,
              sealed_at]
The first seal's `previous` is the digest of the line ["ledger", ledger_id].
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from typing import Any

from systemprompt.clock import SECOND, Instant, iso
from systemprompt.ledger.rows import AttemptRow, ClosedRun

__all__ = [
    "ATTEMPT_COLUMNS",
    "DAY",
    "FORMAT",
    "RANGE_COLUMNS",
    "RUN_COLUMNS",
    "DayContent",
    "Seal",
    "SealDraft",
    "SealState",
    "chained",
    "day_of",
    "digest_of",
    "first_previous",
    "read_content",
]

DAY = 86_400 * SECOND
"""A UTC day in microseconds."""

FORMAT = 1
"""How content and digest are made, as described above. A seal names the format that it was made by."""

RUN_COLUMNS: tuple[str, ...] = ClosedRun._fields
ATTEMPT_COLUMNS: tuple[str, ...] = AttemptRow._fields
RANGE_COLUMNS: tuple[str, ...] = (
    "range_id",
    "job_id",
    "version",
    "first_at",
    "last_at",
    "count",
    "status",
    "reason",
    "written_at",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayContent:
    """What a stretch of the ledger holds.

    runs, attempts, ranges   rows; fire_times   those that rows and ranges account for
    counts                   canonical JSON by status and reason: rows for runs, fire times for ranges
    content                  the digest of all rows
    """

    runs: int
    attempts: int
    ranges: int
    fire_times: int
    counts: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """One sealed day: the instants in [from_at, until_at), which end with that UTC day."""

    seal: int
    format: int
    day: str
    from_at: Instant
    until_at: Instant
    runs: int
    attempts: int
    ranges: int
    fire_times: int
    counts: str
    content: str
    sealed_at: Instant
    previous: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SealDraft:
    """A day that may be sealed, as one snapshot saw it.

    last_run, last_range, last_attempt, versions   the highest ids then, and how many versions had begun before the day's end: a
                                     day to which something was added since is not sealed
    """

    from_at: Instant
    until_at: Instant
    content: DayContent
    last_run: int
    last_range: int
    last_attempt: int
    versions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SealState:
    """How far sealing and pruning are.

    seals, sealed_until   how many seals were made and the end of the last; 0 and 0 before the first
    pruned_until          everything due before may be gone; never past `sealed_until`
    last_run, last_range, last_attempt   the highest ids ever given
    """

    ledger_id: str
    seals: int
    sealed_until: Instant
    pruned_until: Instant
    last_run: int
    last_range: int
    last_attempt: int


def read_content(
    runs: Iterable[Sequence[Any]], attempts: Iterable[Sequence[Any]], ranges: Iterable[Sequence[Any]]
) -> DayContent:
    """Count and digest rows, given in the columns and the order named above. Memory does not grow with their number."""
    status, reason, fire_at = (RUN_COLUMNS.index(name) for name in ("status", "reason", "fire_at"))
    hashed, encode = sha256(), json.JSONEncoder(separators=(",", ":")).encode
    of_runs: Counter[str] = Counter()
    of_ranges: Counter[str] = Counter()
    fire_times = tries = spans = 0
    for row in runs:
        hashed.update(f"{encode(('run', *row))}\n".encode())
        of_runs[_fate(row[status], row[reason])] += 1
        fire_times += row[fire_at] is not None
    for row in attempts:
        hashed.update(f"{encode(('attempt', *row))}\n".encode())
        tries += 1
    status, reason, count = (RANGE_COLUMNS.index(name) for name in ("status", "reason", "count"))
    for row in ranges:
        hashed.update(f"{encode(('range', *row))}\n".encode())
        of_ranges[_fate(row[status], row[reason])] += row[count]
        spans += 1
    return DayContent(
        runs=sum(of_runs.values()),
        attempts=tries,
        ranges=spans,
        fire_times=fire_times + sum(of_ranges.values()),
        counts=json.dumps({"ranges": of_ranges, "runs": of_runs}, sort_keys=True, separators=(",", ":")),
        content=hashed.hexdigest(),
    )


def chained(draft: SealDraft, *, seal: int, previous: str, sealed_at: Instant) -> Seal:
    """Return the seal of a day, with its place in the chain."""
    made = Seal(
        seal=seal,
        format=FORMAT,
        day=day_of(draft.until_at - 1),
        from_at=draft.from_at,
        until_at=draft.until_at,
        **asdict(draft.content),
        sealed_at=sealed_at,
        previous=previous,
        digest="",
    )
    return replace(made, digest=digest_of(made))


def digest_of(seal: Seal) -> str:
    """Return the digest that this seal must carry."""
    return _line(seal.previous, *(getattr(seal, name) for name in _CHAINED))


def first_previous(ledger_id: str) -> str:
    """Return what the first seal of a ledger follows."""
    return _line("ledger", ledger_id)


def day_of(at: Instant) -> str:
    """Return the UTC day of an instant, as `2026-01-14`."""
    return iso(at)[:10]


_CHAINED = tuple(field.name for field in fields(Seal) if field.name not in ("previous", "digest"))


def _line(*values: object) -> str:
    return sha256(f"{json.dumps(values, separators=(',', ':'))}\n".encode()).hexdigest()


def _fate(status: str, reason: str | None) -> str:
    return status if reason is None else f"{status} {reason}"
