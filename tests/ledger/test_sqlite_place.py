"""A ledger is the file at its path: a process that holds another one must not go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.ledger_stage import EVERY_SECOND, START, at, node, spec
from systemprompt.errors import LedgerReplaced
from systemprompt.ledger.records import Change
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.planning.planner import Planner

DECIDE = Planner().decide


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def opened(path: Path) -> SqliteLedger:
    ledger = SqliteLedger(str(path))
    ledger.migrate()
    return ledger


def remove(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink()


def test_a_ledger_that_was_deleted_under_a_node_is_neither_written_nor_followed(path: Path) -> None:
    ledger = opened(path)
    ledger.join(node("a", START))
    remove(path)
    with pytest.raises(LedgerReplaced, match=r"ledger\.db' was deleted or replaced"):
        ledger.turn("a", at(1), DECIDE, room=1)
    with pytest.raises(LedgerReplaced):
        ledger.change_marker()
    assert not path.exists()
    ledger.close()


def test_two_nodes_never_keep_two_ledgers_of_one_path(path: Path) -> None:
    old = opened(path)
    old.join(node("a", START))
    remove(path)
    new = opened(path)
    new.join(node("b", START))
    new.sync_catalogue([spec("job", EVERY_SECOND)], [], START, DECIDE, Change(actor="test"))
    assert len(new.turn("b", at(1), DECIDE, room=1).claimed) == 1
    with pytest.raises(LedgerReplaced):
        old.turn("a", at(1), DECIDE, room=1)
    for ledger in (old, new):
        ledger.close()
