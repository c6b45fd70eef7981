"""All that nodes do with a ledger, in one life of a few seconds."""

from __future__ import annotations

from support.ledger_stage import DAY, HOUR, HOURLY, ME, START, Stage, at, node, spec
from support.postgres_engine import PostgresEngine
from systemprompt.audit.sealing import seal_closed_days
from systemprompt.ledger.records import ClockEvent, QuarantineNotice


def lived(address: str) -> Stage:
    """Let nodes live with a ledger on PostgreSQL."""
    engine = PostgresEngine(address)
    stage = Stage(engine)
    try:
        live(stage)
        stage.sound()
    finally:
        engine.close()
    return stage


def live(stage: Stage) -> None:
    """Let nodes do all that nodes do, from a new catalogue to months that are pruned."""
    jobs = [spec("hourly", HOURLY), spec("again", HOURLY, on_lost="rerun"), spec("hand", "")]
    stage.declare(*jobs, quarantined=[QuarantineNotice(name=None, source="file:broken.py", error="SyntaxError")])
    stage.declare(*jobs)
    stage.ledger.record_clock_event(ClockEvent(seen_at=START, kind="forward", delta_us=1, action="", node_id="a"))
    stage.wait(HOUR)
    first = stage.turn().claimed
    stage.turn(*(stage.end(run, "failed", "exception", error="no", output="words") for run in first), plan=False)
    stage.enable("hourly", False, request_id="r1")
    stage.wait(HOUR)
    stage.enable("hourly", True)
    stage.wait(HOUR)
    lost = stage.turn(node="b").claimed
    stage.lose("b")
    stage.turn(*map(stage.end, lost), node="a", plan=False, room=0)
    stage.finish(*stage.turn().claimed)
    (waits,) = stage.ask("hand", change=ME)
    stage.stop(waits)
    (held,) = stage.start("hand")
    stage.stop(held.run_id)
    stage.turn(stage.end(held, "failed", "timeout", abandoned=True), plan=False, room=0)
    assert stage.ledger.beat("a", stage.now)
    while stage.ledger.fold(limit=3):
        pass
    for _ in range(10):
        stage.wait(7 * DAY)
        assert stage.ledger.beat("a", stage.now)
        while claimed := stage.turn().claimed:
            stage.finish(*claimed)
        stage.ledger.fold()
    assert seal_closed_days(stage.ledger, now=stage.now, alive=lambda _: None).sealed
    while stage.ledger.prune(at(65 * DAY), limit=5_000):
        pass
    stage.ledger.leave("a", stage.now)
    stage.join("c")
    stage.ledger.join(node("d", stage.now, zone_data="2026b"))
    assert stage.ledger.plan_by_zone_data("d", stage.now).may_plan
