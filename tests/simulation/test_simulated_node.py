"""A simulated node: the real planner and ledger, no code of a job, and time that passes when it is told to."""

from __future__ import annotations

from pathlib import Path

from systemprompt import JobContext, job
from systemprompt.clock import SECOND, ManualClock, iso
from systemprompt.ledger.records import Claimed, Closing
from systemprompt.ledger.views import HistoryQuery, RunView
from systemprompt.simulation.simulated_node import SimulatedNode
from systemprompt.simulation.simulated_system import instant_of, simulated_system


@job(schedule="0 */10 * * * *")
def never_called(ctx: JobContext) -> None:
    raise AssertionError("a simulated node runs what it is given to carry out, not the job")


def test_runs_start_at_their_fire_times_and_end_when_they_are_said_to(tmp_path: Path) -> None:
    clock = ManualClock()
    began: list[str] = []

    def take_fifteen_minutes(claimed: Claimed) -> None:
        began.append(iso(clock.now()))
        node.advance_to(clock.now() + 900 * SECOND)
        end = clock.now()
        node.ended(
            Closing(
                run_id=claimed.run_id,
                attempt=claimed.attempt,
                fence=claimed.fence,
                status="success",
                started_at=claimed.started_at,
                finished_at=end,
            )
        )

    with simulated_system(str(tmp_path), clock, "2026-05-01T12:01Z", opened_by="me", jobs=[never_called]) as system:
        node = SimulatedNode(system, clock, program="rehearsal", carry_out=take_fifteen_minutes)
        node.begin()
        node.advance_to(instant_of("2026-05-01T12:45Z", "UTC"))
        entries = system.ledger.history(HistoryQuery(limit=9)).entries

    assert began == ["2026-05-01T12:10:00Z", "2026-05-01T12:30:00Z"]
    runs = [entry for entry in reversed(entries) if isinstance(entry, RunView)]
    assert [(run.status, iso(run.fire_at or 0)) for run in runs] == [
        ("success", "2026-05-01T12:10:00Z"),
        ("skipped", "2026-05-01T12:20:00Z"),
        ("success", "2026-05-01T12:30:00Z"),
        ("skipped", "2026-05-01T12:40:00Z"),
    ]
    assert list(tmp_path.iterdir()) == [], "the ledger is in memory, and no job asked for the database"
