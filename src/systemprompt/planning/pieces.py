"""Cut the stretch of time that a job owes into pieces, in each of which one answer holds for every fire time. Pure."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from systemprompt.clock import Instant

__all__ = ["Piece", "cut"]


class Piece(NamedTuple):
    """The instants in (after, until]. All that a fire time is judged by is the same throughout.

    on_time   they are no older than the grace
    newest    of the fire times owed it has the newest, and no other
    too_late  they are older than the job's `start_deadline`
    """

    after: Instant
    until: Instant
    on_time: bool
    newest: bool
    too_late: bool = False


def cut(
    after: Instant, until: Instant, *, newest: Instant, late_until: Instant, too_late_until: Instant | None = None
) -> list[Piece]:
    """Return the pieces of (after, until] in order, without a gap: there are as many as edges lie within, and one more.

    newest       the newest fire time up to `until`
    late_until   what is due up to this instant is older than the grace; too_late_until   older than the job's `start_deadline`
    """
    before_newest = newest - 1
    last_chance = after if too_late_until is None else too_late_until
    edges = sorted({edge for edge in (late_until, before_newest, last_chance) if after < edge < until})
    return [
        Piece(start, end, on_time=start >= late_until, newest=start >= before_newest, too_late=start < last_chance)
        for start, end in pairwise((after, *edges, until))
    ]
