"""Instants as text: one rule for every answer."""

from __future__ import annotations

from datetime import datetime

import pytest

from systemprompt.clock import SECOND, from_datetime, iso

NOON = from_datetime(datetime.fromisoformat("2026-01-14T12:00:00Z"))


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "2026-01-14T12:00:00Z"),
        (10 * SECOND, "2026-01-14T12:00:10Z"),
        (500_000, "2026-01-14T12:00:00.5Z"),
        (123_000, "2026-01-14T12:00:00.123Z"),
        (100, "2026-01-14T12:00:00.0001Z"),
        (1, "2026-01-14T12:00:00.000001Z"),
    ],
)
def test_a_fraction_has_the_digits_that_it_needs(micros: int, text: str) -> None:
    assert iso(NOON + micros) == text
    assert from_datetime(datetime.fromisoformat(text)) == NOON + micros


def test_so_has_one_before_the_epoch() -> None:
    assert (iso(-SECOND), iso(-500_000)) == ("1969-12-31T23:59:59Z", "1969-12-31T23:59:59.5Z")
