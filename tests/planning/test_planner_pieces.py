"""A stretch is cut into pieces without a gap, in each of which every instant is judged alike; and cutting takes no walk."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from systemprompt.clock import SECOND, from_datetime
from systemprompt.cron import Schedule
from systemprompt.jobs.policies import Policies
from systemprompt.ledger.records import JobToPlan
from systemprompt.planning.pieces import Piece, cut
from systemprompt.planning.planner import Planner


@given(
    st.integers(0, 20),
    st.integers(1, 20),
    st.integers(0, 19),
    st.integers(-30, 45),
    st.one_of(st.none(), st.integers(-30, 45)),
)
def test_pieces_cover_the_stretch_and_each_instant_of_one_is_judged_alike(
    after: int, length: int, newest: int, late_until: int, too_late_until: int | None
) -> None:
    until = after + length
    newest = after + 1 + newest % length
    pieces = cut(after, until, newest=newest, late_until=late_until, too_late_until=too_late_until)
    last_chance = after if too_late_until is None else too_late_until
    instants = [at for piece in pieces for at in range(piece.after + 1, piece.until + 1)]
    assert instants == list(range(after + 1, until + 1))
    for piece in pieces:
        judged = {(at > late_until, at >= newest, at <= last_chance) for at in range(piece.after + 1, piece.until + 1)}
        assert judged == {(piece.on_time, piece.newest, piece.too_late)}
    facts = [(piece.on_time, piece.newest, piece.too_late) for piece in pieces]
    assert len(set(facts)) == len(facts), "no cut is made where nothing changes"


def test_a_stretch_is_cut_where_the_grace_begins_and_before_its_newest_fire_time() -> None:
    assert cut(0, 100, newest=90, late_until=60) == [
        Piece(0, 60, on_time=False, newest=False),
        Piece(60, 89, on_time=True, newest=False),
        Piece(89, 100, on_time=True, newest=True),
    ]
    assert cut(0, 100, newest=60, late_until=90) == [
        Piece(0, 59, on_time=False, newest=False),
        Piece(59, 90, on_time=False, newest=True),
        Piece(90, 100, on_time=True, newest=True),
    ]


@pytest.mark.parametrize("job", ["latest", "skip", "disabled", "open"])
def test_ten_years_without_a_node_are_decided_without_a_walk(monkeypatch: pytest.MonkeyPatch, job: str) -> None:
    walked: list[int] = []

    def walk(schedule: Schedule, start: int, end: int) -> Iterator[int]:
        for at in instants_between(schedule, start, end):
            walked.append(at)
            yield at

    instants_between = Schedule.instants_between
    monkeypatch.setattr(Schedule, "instants_between", walk)
    begin = from_datetime(datetime(2016, 1, 1, tzinfo=UTC))
    away = JobToPlan(
        job_id=1,
        job_name="job",
        version=1,
        schedule="* * * * * *",
        time_zone="Europe/Berlin",
        policies=Policies(catch_up="skip" if job == "skip" else "latest"),
        enabled=job != "disabled",
        quarantined=False,
        planned_through=begin,
        open_run=7 if job == "open" else None,
        open_runs=int(job == "open"),
    )
    now = from_datetime(datetime(2026, 1, 1, tzinfo=UTC))
    decision = Planner().decide(away, now)
    assert sum(span.count for span in decision.ranges) + len(decision.runs) == (now - begin) // SECOND
    assert len(walked) <= 11, "no more than the grace holds"
