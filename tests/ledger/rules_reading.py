"""Reading: pages and snapshots."""

from __future__ import annotations

import pytest

from support.ledger_stage import EVERY_SECOND, HOUR, START, Stage, at, spec
from systemprompt.ledger.records import Change, ManualStart
from systemprompt.ledger.views import HistoryQuery, Place, RangeView, RunView


def lived(stage: Stage) -> None:
    """Two jobs over ten minutes: one always well, one failing every other time, a start by hand, an hour of downtime."""
    stage.declare(spec("well"), spec("ill"), spec("by_hand", ""))
    for minute in range(10):
        stage.wait(60)
        for run in stage.turn().claimed:
            bad = run.job_name == "ill" and minute % 2
            stage.turn(stage.end(run, *(("failed", "exception") if bad else ("success",))), plan=False, room=0)
    stage.finish(*stage.start("by_hand"))
    stage.wait(HOUR)
    stage.finish(*stage.turn().claimed)


class ReadingRules:
    """What readers see."""

    def test_history_is_newest_first_with_runs_and_ranges_mixed(self, stage: Stage) -> None:
        lived(stage)
        page = stage.ledger.history(HistoryQuery(limit=1_000))
        instants = [one.last_at if isinstance(one, RangeView) else one.due_at for one in page.entries]
        assert instants == sorted(instants, reverse=True)
        assert page.total == len(page.entries) == 20 + 1 + 2 + 2
        assert sum(isinstance(one, RangeView) for one in page.entries) == 2

    def test_history_counts_all_that_match_and_shows_what_was_asked_for(self, stage: Stage) -> None:
        lived(stage)
        page = stage.ledger.history(HistoryQuery(limit=3))
        assert (len(page.entries), page.total) == (3, 25)
        assert page.entries == stage.ledger.history(HistoryQuery(limit=1_000)).entries[:3]

    @pytest.mark.parametrize(
        ("query", "total"),
        [
            ({"job_names": ("ill",)}, 12),
            ({"job_names": ("nobody",)}, 0),
            ({"statuses": ("failed",)}, 5),
            ({"statuses": ("missed",)}, 2),
            ({"statuses": ("missed",), "job_names": ("well",)}, 1),
            ({"statuses": ("failed", "missed")}, 7),
            ({"job_names": ("ill", "by_hand", "ill")}, 13),
            ({"origins": ("manual", "catch_up")}, 1),
            ({"statuses": ("running",)}, 0),
            ({"origins": ("manual",)}, 1),
            ({"origins": ("catch_up",)}, 0),
            ({"origins": ("schedule",)}, 24),
            ({"since": at(300)}, 6 * 2 + 1 + 2 + 2),
            ({"until": at(300)}, 4 * 2),
            (
                {
                    "since": at(60),
                    "until": at(61),
                    "job_names": ("well",),
                    "statuses": ("success",),
                    "origins": ("schedule",),
                },
                1,
            ),
        ],
        ids=str,
    )
    def test_history_is_filtered_by_all_that_is_asked(self, stage: Stage, query: dict[str, object], total: int) -> None:
        lived(stage)
        page = stage.ledger.history(HistoryQuery(limit=1_000, **query))  # type: ignore[arg-type]  # fields by name
        assert (page.total, len(page.entries)) == (total, total)

    def test_the_pages_of_a_history_follow_each_other_whatever_is_written_between(self, stage: Stage) -> None:
        lived(stage)
        whole = stage.ledger.history(HistoryQuery(limit=1_000)).entries
        seen: list[RunView | RangeView] = []
        after = None
        while page := stage.ledger.history(HistoryQuery(limit=4, after=after)).entries:
            seen += page
            after = Place.of(page[-1])
            stage.wait(60)
            stage.finish(*stage.turn().claimed)
        assert seen == list(whole)

    def test_runs_between_excludes_its_start_and_includes_its_end(self, stage: Stage) -> None:
        lived(stage)
        found = list(stage.ledger.runs_between(at(60), at(120)))
        assert {(run.job_name, run.due_at) for run in found} == {("ill", at(120)), ("well", at(120))}
        assert len(found) == 2
        assert [run.job_name for run in stage.ledger.runs_between(START, at(60), job_id=stage.job_id("well"))] == [
            "well"
        ]

    def test_runs_come_by_job_and_due_at_open_and_closed_together(self, stage: Stage) -> None:
        lived(stage)
        stage.wait(60)
        assert len(stage.turn(room=1).claimed) == 1
        order = [(run.job_id, run.due_at) for run in stage.runs()]
        assert order == sorted(order)
        assert {run.status for run in stage.runs()} == {"success", "failed", "queued", "running"}
        tried = list(stage.ledger.tried_runs_between(-1, 2**62))
        assert [run for run, _ in tried] == stage.runs()

    def test_the_attempts_of_a_run_are_the_same_alone_among_all_and_beside_their_run(self, stage: Stage) -> None:
        stage.declare(spec("again", EVERY_SECOND, on_lost="rerun"), spec("well", EVERY_SECOND))
        stage.wait(1)
        held = stage.turn().claimed
        stage.ledger.rescue("a", 0, stage.now, max_attempts=5)
        stage.turn(*map(stage.end, held), node="b", plan=False)
        stage.wait(1)
        stage.turn(node="b")
        beside = [attempt for _, tries in stage.ledger.tried_runs_between(-1, 2**62) for attempt in tries]
        everywhere = list(stage.ledger.attempts())
        alone = [attempt for run in stage.runs() for attempt in stage.ledger.attempts(run.run_id)]
        assert [one.fence for one in everywhere] == sorted(one.fence for one in everywhere)
        assert sorted(beside, key=lambda one: one.fence) == sorted(alone, key=lambda one: one.fence) == everywhere
        assert {(one.attempt, one.result, one.late_result) for one in everywhere} >= {
            (1, "lost", "success"),
            (2, None, None),
        }

    def test_ranges_between_are_those_that_touch(self, stage: Stage) -> None:
        lived(stage)
        (gap,) = stage.ranges("well")
        job_id = stage.job_id("well")
        touching = [
            (gap.first_at - 1, gap.first_at),
            (gap.last_at - 1, gap.last_at + 9),
            (gap.first_at, gap.last_at - 1),
        ]
        for start, end in touching:
            assert list(stage.ledger.ranges_between(start, end, job_id=job_id)) == [gap]
        for start, end in ((gap.last_at, gap.last_at + 9), (START, gap.first_at - 1)):
            assert list(stage.ledger.ranges_between(start, end, job_id=job_id)) == []

    def test_a_snapshot_shows_one_state_whatever_others_write(self, stage: Stage) -> None:
        lived(stage)
        reader = stage.engine.open_again()
        with reader.snapshot():
            before = reader.history(HistoryQuery(limit=1_000))
            stage.wait(60)
            stage.finish(*stage.turn().claimed)
            assert reader.history(HistoryQuery(limit=1_000)) == before
            assert len(list(reader.runs_between(-1, 2**62))) == 23
        assert reader.history(HistoryQuery(limit=1_000)).total == before.total + 2

    def test_a_reader_that_takes_its_time_holds_nobody_up(self, stage: Stage) -> None:
        lived(stage)
        slow = stage.ledger.runs_between(-1, 2**62)
        next(slow)
        other = stage.engine.open_again()
        stage.wait(60)
        claimed = other.turn("b", stage.now, stage.decide, room=9).claimed
        stage.finish(*claimed, node="b")
        assert len(list(slow)) == 22, "a view of its own, from when it began"

    def test_the_change_marker_tells_of_others_and_not_of_oneself(self, stage: Stage) -> None:
        stage.declare(spec("job", ""))
        other = stage.engine.open_again()
        mine, theirs = stage.ledger.change_marker(), other.change_marker()
        assert (stage.ledger.change_marker(), other.change_marker()) == (mine, theirs)
        stage.ledger.start_manual("a", stage.now, [ManualStart(job_name="job")], Change(actor="me"))
        assert stage.ledger.change_marker() == mine
        assert other.change_marker() != theirs

    def test_a_turn_with_nothing_to_do_changes_nothing_for_others(self, stage: Stage) -> None:
        stage.declare(spec("job"))
        other = stage.engine.open_again()
        marker = other.change_marker()
        stage.turn()
        assert other.change_marker() == marker

    def test_the_high_water_mark_never_falls(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND))
        stage.wait(100)
        stage.finish(*stage.turn().claimed)
        stage.clock.step(-50)
        stage.turn()
        assert stage.ledger.high_water() == at(100)

    def test_absent_things_are_none(self, stage: Stage) -> None:
        assert stage.ledger.job("nobody") is None
        assert stage.ledger.run(99) is None
        assert list(stage.ledger.attempts(99)) == []
