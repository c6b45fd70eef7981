"""A node's journal: what is in it after a kill, who reads it, and what happens where it cannot be written."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from support.ledger_stage import START, ending
from systemprompt.ledger.records import Claimed
from systemprompt.nodes import journal as journals
from systemprompt.nodes.journal import Journal


def claimed(fence: int) -> Claimed:
    return Claimed(fence, "job", 1, "schedule", START, 1, fence, START, "schedule", {"x": 1}, None, reruns=True)


def test_what_was_noted_is_read_as_it_was(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path))
    journal.begin("a")
    end = ending(claimed(1), START + 5, "failed", "exception", error="words", items_processed=3)
    journal.claimed([claimed(1), claimed(2)])
    journal.closed([end])
    noted = journal.noted()
    journal.close()
    assert noted.node_id == "a"
    assert noted.claimed == {1: claimed(1), 2: claimed(2)}
    assert noted.closed == {1: end}


def test_the_journal_of_a_node_that_is_gone_is_read_once_and_of_one_that_lives_never(tmp_path: Path) -> None:
    gone, lives, next_one = (Journal(str(tmp_path)) for _ in range(3))
    gone.begin("gone")
    gone.claimed([claimed(1)])
    gone.close()
    lives.begin("lives")
    lives.claimed([claimed(2)])
    next_one.begin("next")
    assert [(noted.node_id, list(noted.claimed)) for noted in next_one.of_the_gone()] == [("gone", [1])]
    assert list(next_one.of_the_gone()) == []
    for journal in (lives, next_one):
        journal.close()


def test_a_line_that_a_killed_node_did_not_finish_is_left_out(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path))
    journal.begin("a")
    journal.claimed([claimed(1)])
    journal.close()
    with (tmp_path / "a" / "now").open("a") as lines:
        lines.write('{"claimed":[[2,"jo')
    (noted,) = Journal(str(tmp_path)).of_the_gone()
    assert list(noted.claimed) == [1]


def test_a_journal_forgets_what_is_older_than_the_part_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "_LARGE", 100)
    journal = Journal(str(tmp_path))
    journal.begin("a")
    for fence in range(1, 9):
        journal.claimed([claimed(fence)])
    noted = journal.noted()
    journal.close()
    assert 8 in noted.claimed
    assert 1 not in noted.claimed


def test_nodes_that_begin_at_once_never_take_each_other_for_gone(tmp_path: Path) -> None:
    beginning = [Journal(str(tmp_path)) for _ in range(40)]
    stop = threading.Event()
    taken: list[str] = []

    def look() -> None:
        while not stop.is_set():
            taken.extend(noted.node_id for noted in Journal(str(tmp_path)).of_the_gone())

    looking = threading.Thread(target=look)
    looking.start()
    for number, journal in enumerate(beginning):
        journal.begin(str(number))
    stop.set()
    looking.join()
    for number, journal in enumerate(beginning):
        journal.claimed([claimed(number + 1)])
        assert list(journal.noted().claimed) == [number + 1]
        journal.close()
    assert taken == []


def test_a_folder_that_cannot_be_written_is_said_once_and_keeps_nothing_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    journal = Journal(str(tmp_path / "file" / "below"))
    journal.begin("a")
    journal.claimed([claimed(1)])
    journal.closed([ending(claimed(1), START)])
    assert journal.noted().claimed == {}
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["this node keeps no journal"]
