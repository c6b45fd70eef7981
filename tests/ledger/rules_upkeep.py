"""Upkeep: what is said of the ledger as a whole, and its copies."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.ledger_stage import Stage, spec
from systemprompt.errors import ConflictError, DatabaseInUse, UsageError


def lived(stage: Stage) -> int:
    """One run that came to its end, and one that is open; return the id of the open one."""
    stage.declare(spec("done", ""), spec("open", ""))
    stage.finish(*stage.start("done"))
    (claimed,) = stage.start("open")
    return claimed.run_id


class UpkeepRules:
    """What holds of the ledger as a whole."""

    def test_a_migrated_ledger_is_current_and_just_what_the_migrations_make(self, stage: Stage) -> None:
        state = stage.ledger.upkeep.schema_state()

        assert (state.state, state.pending, state.differences) == ("current", (), ())
        assert len(state.applied) > 0
        assert state.schema == state.newest
        assert stage.ledger.upkeep.migrate() == []

    def test_the_ledger_says_whose_clock_decides(self, stage: Stage) -> None:
        assert stage.ledger.decides_by in ("host", "database")

    def test_a_sound_ledger_has_no_faults_and_takes_some_room(self, stage: Stage) -> None:
        lived(stage)
        upkeep = stage.ledger.upkeep

        assert upkeep.faults() == upkeep.faults(quick=True) == []
        assert upkeep.size().file_bytes + upkeep.size().log_bytes > 0

    def test_a_copy_holds_the_state_of_its_beginning_whatever_is_written_meanwhile(
        self, stage: Stage, tmp_path: Path
    ) -> None:
        open_run = lived(stage)
        with stage.ledger.upkeep.backup(str(tmp_path / "copy")) as backup:
            extent = backup.extent()
            (later,) = stage.start("done")
            backup.copy()
            copy = backup.open()
            held = {run.run_id for run in copy.open_runs()}
            copy.close()
            backup.publish()

        assert extent.runs == 2
        assert held == {open_run}
        assert later.run_id != open_run
        assert [path.name for path in tmp_path.iterdir() if "copy" in path.name] == ["copy"]

    def test_a_copy_that_is_not_published_leaves_nothing(self, stage: Stage, tmp_path: Path) -> None:
        with stage.ledger.upkeep.backup(str(tmp_path / "copy")) as backup:
            backup.copy()

        assert [path.name for path in tmp_path.iterdir() if "copy" in path.name] == []

    def test_a_copy_takes_nobodys_place_unless_that_is_said(self, stage: Stage, tmp_path: Path) -> None:
        (tmp_path / "copy").write_text("mine")

        with pytest.raises(ConflictError, match="exists"):
            stage.ledger.upkeep.backup(str(tmp_path / "copy"))
        with stage.ledger.upkeep.backup(str(tmp_path / "copy"), replace=True) as backup:
            backup.copy()
            backup.publish()

        assert (tmp_path / "copy").read_bytes() != b"mine"

    def test_a_ledger_is_not_replaced_unasked_nor_while_it_is_open_nor_by_what_is_no_ledger(
        self, stage: Stage, tmp_path: Path
    ) -> None:
        upkeep = stage.ledger.upkeep
        lived(stage)
        with upkeep.backup(str(tmp_path / "copy")) as backup:
            backup.copy()
            backup.publish()

        with pytest.raises(ConflictError, match="there is a database"):
            upkeep.restore(str(tmp_path / "copy"))
        with pytest.raises(DatabaseInUse):
            upkeep.restore(str(tmp_path / "copy"), replace=True)
        with pytest.raises(UsageError, match="itself"):
            upkeep.restore(upkeep.location, replace=True)

    def test_a_copy_is_settled_with_higher_numbers_and_what_it_replaces_stays_as_it_is(
        self, stage: Stage, tmp_path: Path
    ) -> None:
        upkeep = stage.ledger.upkeep
        open_run = lived(stage)
        with upkeep.backup(str(tmp_path / "copy")) as backup:
            backup.copy()
            backup.publish()
        (later,) = stage.start("done")
        own_id = stage.ledger.ledger_id()
        stage.ledger.close()
        stage.wait(60)

        with upkeep.restore(str(tmp_path / "copy"), replace=True) as restore:
            restore.copy()
            settled = restore.settle(
                stage.now, logged=lambda ledger_id: 1_000 if ledger_id == own_id else 0, max_attempts=3
            )
            restore.take_owner()
            kept = restore.publish(stage.now)
        stage.ledger = stage.engine.open_again()

        assert settled.settled == 1
        assert settled.fence >= max(later.fence, stage.now)
        assert kept is not None
        lost = stage.ledger.run(open_run)
        assert lost is not None
        assert (lost.status, lost.reason) == ("failed", "node_lost")
        stage.join("c")
        (fresh,) = stage.start("done", node="c")
        assert fresh.run_id > 1_000
        assert fresh.fence > settled.fence
