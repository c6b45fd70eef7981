"""Rules: only nodes with the newest time zone data plan, and which data that is stands in the ledger."""

from __future__ import annotations

from support.ledger_stage import EVERY_MINUTE, ME, MINUTE, Stage, berlin_spec, node, spec

OLD, NEW = "2026a", "2026b"


def joins(stage: Stage, name: str, zone_data: str, **more: object) -> bool:
    """Let a node join that has this release; return whether it may plan."""
    stage.ledger.join(node(name, stage.now, zone_data=zone_data, **more))
    return stage.ledger.plan_by_zone_data(name, stage.now).may_plan


def may_plan(stage: Stage, name: str) -> bool:
    return stage.ledger.plan_by_zone_data(name, stage.now).may_plan


def in_force(stage: Stage) -> list[tuple[str, str]]:
    return [(change.zone_data, change.node_id) for change in stage.ledger.zone_data_changes()]


class ZoneDataRules:
    """Nodes whose machines have different releases of the IANA data."""

    def test_a_node_with_newer_data_takes_over_and_the_others_stand_back(self, stage: Stage) -> None:
        assert joins(stage, "old", OLD)
        assert joins(stage, "new", NEW)

        assert not may_plan(stage, "old")
        assert may_plan(stage, "new")
        assert in_force(stage) == [(OLD, "old"), (NEW, "new")]

    def test_once_the_last_with_the_newest_is_gone_the_newest_of_the_living_plan(self, stage: Stage) -> None:
        joins(stage, "old", OLD)
        joins(stage, "new", NEW)
        joins(stage, "other", NEW)
        stage.ledger.leave("new", stage.now)
        assert not may_plan(stage, "old")

        stage.lose("other")

        assert may_plan(stage, "old")
        assert in_force(stage)[-1] == (OLD, "old")

    def test_data_that_say_no_release_are_the_oldest(self, stage: Stage) -> None:
        assert joins(stage, "old", OLD)
        assert not joins(stage, "unknown", "")

    def test_what_does_not_plan_holds_nobody_back(self, stage: Stage) -> None:
        """A command that runs a job by hand, and a node that drains."""
        joins(stage, "old", OLD)
        stage.ledger.join(node("hand", stage.now, zone_data=NEW, kind="run"))
        assert may_plan(stage, "old")
        joins(stage, "new", NEW)
        stage.ledger.drain("new", stage.now, ME)

        assert may_plan(stage, "old")

    def test_from_the_takeover_on_a_node_that_has_not_heard_of_it_plans_nothing_and_does_not_spin(
        self, stage: Stage
    ) -> None:
        joins(stage, "old", OLD)
        stage.declare(spec("job", EVERY_MINUTE))
        joins(stage, "new", NEW)
        before = stage.job("job").planned_through
        stage.wait(MINUTE)

        by_old = stage.turn(node="old")

        assert (by_old.claimed, by_old.planned, by_old.more, by_old.next_due) == ((), 0, False, None)
        assert stage.job("job").planned_through == before
        (run,) = stage.turn(node="new").claimed
        stage.finish(run, node="new")

    def test_a_node_that_stands_back_runs_what_waits(self, stage: Stage) -> None:
        joins(stage, "old", OLD)
        stage.declare(spec("job", ""))
        joins(stage, "new", NEW)
        stage.ask("job", change=ME)

        (run,) = stage.turn(node="old", plan=False).claimed

        stage.finish(run, node="old")

    def test_a_takeover_looks_again_at_each_job_whose_zone_is_not_utc(self, stage: Stage) -> None:
        """When its next fire time comes was computed by the data of before."""
        joins(stage, "old", OLD)
        stage.declare(
            berlin_spec("zoned", "0 0 3 * * *"), spec("utc", "0 0 3 * * *"), berlin_spec("off", enabled=False)
        )
        zoned, utc = stage.job("zoned").next_due, stage.job("utc").next_due
        stage.wait(1)

        joins(stage, "new", NEW)

        assert stage.job("zoned").next_due == stage.now
        assert stage.job("utc").next_due == utc
        assert stage.turn(node="new").claimed == ()
        assert stage.job("zoned").next_due == zoned

    def test_a_node_that_stands_back_says_so(self, stage: Stage) -> None:
        joins(stage, "new", NEW)
        joins(stage, "old", OLD)
        assert stage.ledger.beat("old", stage.now)
        assert said(stage, "old") == ("zone_data",)

        stage.ledger.leave("new", stage.now)
        may_plan(stage, "old")
        assert stage.ledger.beat("old", stage.now)

        assert said(stage, "old") == ()

    def test_a_takeover_is_written_once_with_its_instant(self, stage: Stage) -> None:
        joins(stage, "one", NEW)
        joins(stage, "two", NEW)
        may_plan(stage, "one")

        (change,) = stage.ledger.zone_data_changes()

        assert (change.zone_data, change.node_id, change.seen_at) == (NEW, "one", stage.now)


def said(stage: Stage, name: str) -> tuple[str, ...]:
    found = stage.ledger.node(name)
    assert found is not None
    return found.degraded
