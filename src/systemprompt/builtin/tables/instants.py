"""How a table keeps its instants, and what that means for SQL: the one place that compares them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Protocol, TypeAlias

from systemprompt.clock import SECOND, Instant, from_datetime, iso
from systemprompt.databases.dialect import OUR_SCHEMA, dialect_named

__all__ = ["Instants", "instants_of"]

Compared: TypeAlias = tuple[str, dict[str, Any]]
"""SQL that is true, false or NULL, and its parameters."""


class Instants(Protocol):
    """One way to keep an instant in a column."""

    def before(self, column: str, cutoff: Instant, prefix: str) -> Compared:
        """Compare: is the column's instant before `cutoff`? NULL and unreadable text never are.

        `prefix` begins the names of the parameters.
        """
        ...

    def read(self, column: str) -> str:
        """Return the SQL to select the column by, for `instant`."""
        ...

    def stored(self, at: Instant) -> Any:
        """Return an instant as the column keeps it."""
        ...

    def instant(self, value: Any) -> Instant:
        """Return a value that was selected as an instant.

        Raises:
            ValueError, TypeError: it is none.
        """
        ...


def instants_of(time_format: str, dialect: str, column_type: str) -> Instants:
    """Return how a column keeps instants: on PostgreSQL its type says so where it is one of dates, else `time_format`."""
    if column_type in _WITHOUT_ZONE:
        return _Timestamps(has_zone=False)
    if column_type in _WITH_ZONE:
        return _Timestamps(has_zone=True)
    if time_format == "iso":
        return _IsoText() if dialect == "sqlite" else _IsoTextOnPostgres()
    return _Seconds() if time_format == "seconds" else _Micros()


class _Plain:
    def read(self, column: str) -> str:
        return column


class _Micros(_Plain):
    def before(self, column: str, cutoff: Instant, prefix: str) -> Compared:
        return f"{column} < :{prefix}cutoff", {f"{prefix}cutoff": cutoff}

    def stored(self, at: Instant) -> int:
        return at

    def instant(self, value: Any) -> Instant:
        return int(value)


class _Seconds(_Plain):
    def before(self, column: str, cutoff: Instant, prefix: str) -> Compared:
        whole, rest = divmod(cutoff, SECOND)
        return f"{column} < :{prefix}cutoff", {f"{prefix}cutoff": cutoff / SECOND if rest else whole}

    def stored(self, at: Instant) -> int:
        return at // SECOND  # without its fraction: a host's column may be of whole numbers

    def instant(self, value: Any) -> Instant:
        return round(float(value) * SECOND)


class _IsoText(_Plain):
    """ISO text on SQLite. Text of one instant differs in separator, fraction and zone mark, so SQLite reads it."""

    def before(self, column: str, cutoff: Instant, prefix: str) -> Compared:
        # To the millisecond. The plain comparison before it is true of every earlier date and lets an index on the column serve.
        day_after = iso(cutoff + 86_400 * SECOND)[:10]
        return (
            f"{column} < :{prefix}day_after AND {_ISO_MILLIS.format(column=column)} < :{prefix}cutoff",
            {f"{prefix}day_after": day_after, f"{prefix}cutoff": -(-cutoff // 1000)},
        )

    def stored(self, at: Instant) -> str:
        return iso(at)

    def instant(self, value: Any) -> Instant:
        """Text without a zone is UTC."""
        at = datetime.fromisoformat(value)
        return from_datetime(at if at.tzinfo else at.replace(tzinfo=UTC))


class _IsoTextOnPostgres(_IsoText):
    """The same, read by a function of ours: a cast would fail on unreadable text, and take the session's zone where none stands."""

    def before(self, column: str, cutoff: Instant, prefix: str) -> Compared:
        at = dialect_named("postgresql").stored(cutoff)
        return f"{OUR_SCHEMA}.instant_of({column}) < :{prefix}cutoff", {f"{prefix}cutoff": at}


class _Timestamps:
    """PostgreSQL's own types. One without a zone is UTC, whatever the session's zone is."""

    def __init__(self, *, has_zone: bool) -> None:
        self._has_zone = has_zone

    def before(self, column: str, cutoff: Instant, prefix: str) -> Compared:
        # `-infinity` is before everything, and no date that a row was made at.
        return f"(isfinite({column}) AND {column} < :{prefix}cutoff)", {f"{prefix}cutoff": self.stored(cutoff)}

    def read(self, column: str) -> str:
        # As microseconds: the driver cannot give an infinite date, nor one before the year 1, and would fail the whole answer.
        return f"CASE WHEN isfinite({column}) THEN CAST(extract(epoch FROM {column}) * 1000000 AS bigint) END"

    def stored(self, at: Instant) -> datetime:
        stored: datetime = dialect_named("postgresql").stored(at)
        return stored if self._has_zone else stored.replace(tzinfo=None)

    def instant(self, value: Any) -> Instant:
        return int(value)


_ISO_MILLIS = (
    "(CAST(strftime('%s', {column}) AS INTEGER) * 1000"
    " + CAST(round((strftime('%f', {column}) - strftime('%S', {column})) * 1000) AS INTEGER))"
)
_WITH_ZONE = frozenset({"timestamp with time zone"})
_WITHOUT_ZONE = frozenset({"timestamp without time zone", "date"})
