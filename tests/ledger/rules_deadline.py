"""Rules: a fire time that cannot begin within its job's `start_deadline` is missed, planned late or waiting too long."""

from __future__ import annotations

from support.ledger_stage import HOUR, HOURLY, MINUTE, Stage, at, spec


class StartDeadlineRules:
    """What may begin, and what is too late."""

    def test_what_was_due_longer_ago_is_missed_under_every_catch_up(self, stage: Stage) -> None:
        stage.declare(*(spec(one, HOURLY, catch_up=one, start_deadline_s=600.0) for one in ("latest", "skip", "all")))
        stage.wait(2 * HOUR + 601)

        assert stage.turn().claimed == ()

        for name in ("latest", "skip", "all"):
            (span,) = stage.ranges(name)
            assert (span.status, span.reason, span.count) == ("missed", "start_deadline", 2), name
            assert stage.accounted(name) == 2

    def test_what_is_within_it_starts_as_its_catch_up_says(self, stage: Stage) -> None:
        stage.declare(
            spec("latest", HOURLY, start_deadline_s=5_000.0),
            spec("all", HOURLY, catch_up="all", start_deadline_s=5_000.0),
        )
        stage.wait(3 * HOUR + 600)

        begun = {(run.job_name, run.fire_at) for run in stage.turn().claimed}

        assert begun == {("latest", at(3 * HOUR)), ("all", at(2 * HOUR))}
        assert [(span.reason, span.count) for span in stage.ranges("latest")] == [
            ("start_deadline", 1),
            ("superseded", 1),
        ]
        assert [(span.reason, span.count) for span in stage.ranges("all")] == [("start_deadline", 1)]
        while claimed := stage.turn().claimed:
            stage.finish(*claimed)

    def test_to_the_microsecond(self, stage: Stage) -> None:
        stage.declare(spec("one", HOURLY, start_deadline_s=60.0))
        stage.wait(HOUR + MINUTE)
        assert stage.claim_one().fire_at == at(HOUR)
        stage.declare(spec("two", HOURLY, start_deadline_s=60.0), spec("one", HOURLY, start_deadline_s=60.0))
        stage.now = at(2 * HOUR + MINUTE) + 1
        assert [run.job_name for run in stage.turn().claimed] == []
        assert [span.reason for span in stage.ranges("two")] == ["start_deadline"]

    def test_what_waited_too_long_for_room_is_missed_once_there_is_room(self, stage: Stage) -> None:
        stage.declare(spec("job", HOURLY, start_deadline_s=60.0), spec("other", HOURLY))
        stage.wait(HOUR)
        stage.turn(room=0)
        assert [run.status for run in stage.runs("job")] == ["queued"]
        stage.wait(61)

        begun = stage.turn().claimed

        assert [run.job_name for run in begun] == ["other"]
        (run,) = stage.runs("job")
        assert (run.status, run.reason, run.attempt, run.run_id > 0) == ("missed", "start_deadline", 0, True)
        stage.finish(*begun)

    def test_what_has_begun_before_was_in_time(self, stage: Stage) -> None:
        stage.declare(spec("job", HOURLY, start_deadline_s=60.0, on_lost="rerun"))
        stage.wait(HOUR)
        run = stage.claim_one()
        stage.wait(61)
        stage.lose()
        assert stage.claim_one(node="b").run_id == run.run_id

    def test_a_start_by_hand_has_no_deadline(self, stage: Stage) -> None:
        stage.declare(spec("job", HOURLY, start_deadline_s=60.0))
        stage.ask("job")
        stage.wait(61)
        stage.turn(room=0, plan=False)
        assert stage.claim_one().origin == "manual"
