"""What `sp serve` says on stderr while it works, and that saying it holds up nobody."""

from __future__ import annotations

import io
import json
import threading
from dataclasses import asdict
from typing import Any

import pytest

from support.waiting import WAIT_S
from systemprompt.cli import node_watcher
from systemprompt.cli.node_watcher import NodeWatcher
from systemprompt.cli.settings import CliSettings
from systemprompt.clock import ManualClock
from systemprompt.nodes.events import NodeEvent, RunFinished, RunStarted
from systemprompt.operations.serve import ServeParams


class Terminal(io.StringIO):
    """A stderr that can be held, as with Ctrl-S."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.is_writing = threading.Event()
        self.changed = threading.Condition()

    def write(self, text: str) -> int:
        self.is_writing.set()
        assert self.goes_on.wait(WAIT_S)
        with self.changed:
            written = super().write(text)
            self.changed.notify_all()
        return written

    def wrote(self, text: str) -> bool:
        """Wait until this was written."""
        with self.changed:
            return self.changed.wait_for(lambda: text in self.getvalue(), WAIT_S)


def watcher(terminal: Terminal, **flags: Any) -> NodeWatcher:
    clock = ManualClock(1_700_000_000_123_456)
    return NodeWatcher(CliSettings(environ={}, cwd="/", stdout=io.StringIO(), stderr=terminal, clock=clock, **flags))


def started(run_id: int) -> NodeEvent:
    fire_at = 1_700_000_000_000_000
    return RunStarted(
        run_id=run_id, job_name="feeds", origin="schedule", fire_at=fire_at, attempt=1, started_at=fire_at + 5
    )


def finished(run_id: int) -> RunFinished:
    return RunFinished(run_id=run_id, job_name="feeds", status="success", reason=None, message=None, duration_ms=3)


def failed(run_id: int) -> RunFinished:
    return RunFinished(
        run_id=run_id, job_name="feeds", status="failed", reason="exception", message="no route", duration_ms=3
    )


def test_people_read_one_line_an_event_in_the_order_they_came() -> None:
    terminal = Terminal()
    with watcher(terminal) as watch:
        for event in (started(1), started(2), finished(1)):
            watch(event)

    assert terminal.getvalue().splitlines() == [
        "2023-11-14T22:13:20Z  feeds: started, run 1 (schedule)",
        "2023-11-14T22:13:20Z  feeds: started, run 2 (schedule)",
        "2023-11-14T22:13:20Z  feeds: run 1 success in 3 ms",
    ]


def test_programs_read_one_line_of_json_an_event() -> None:
    terminal = Terminal()
    with watcher(terminal, format="json") as watch:
        for event in (started(1), finished(1)):
            watch(event)

    begun, ended = map(json.loads, terminal.getvalue().splitlines())
    at = "2023-11-14T22:13:20.123Z"
    assert begun == {
        "at": at,
        "event": "run_started",
        "run_id": 1,
        "job_name": "feeds",
        "origin": "schedule",
        "fire_at": "2023-11-14T22:13:20Z",
        "attempt": 1,
        "started_at": "2023-11-14T22:13:20.000005Z",
    }
    assert ended == {"at": at, "event": "run_finished", **asdict(finished(1))}


def test_a_terminal_that_is_held_holds_up_nobody_and_is_told_what_it_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_watcher, "_MOST_WAITING", 5)
    terminal = Terminal()
    terminal.goes_on.clear()
    with watcher(terminal, format="json") as watch:
        watch(started(1))
        assert terminal.is_writing.wait(WAIT_S)
        for run_id in range(2, 10):
            watch(started(run_id))
        terminal.goes_on.set()

    said = [json.loads(line) for line in terminal.getvalue().splitlines()]
    assert [line["run_id"] for line in said[:-1]] == [1, 2, 3, 4, 5, 6]
    assert (said[-1]["event"], said[-1]["number"]) == ("events_lost", 3)


def test_a_terminal_that_stays_held_does_not_keep_the_command_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_watcher, "_LAST_WORDS_S", 0.01)
    terminal = Terminal()
    terminal.goes_on.clear()
    with watcher(terminal) as watch:
        watch(started(1))
    assert terminal.getvalue() == ""
    terminal.goes_on.set()


def test_who_asked_for_quiet_is_told_of_failures_alone() -> None:
    terminal = Terminal()
    with watcher(terminal, quiet=True) as watch:
        for event in (started(1), finished(1), started(2), failed(2)):
            watch(event)

    assert terminal.getvalue() == "2023-11-14T22:13:20Z  feeds: run 2 failed (exception) in 3 ms: no route\n"


def test_a_failure_is_red_on_a_terminal_alone() -> None:
    said = []
    for tty in (True, False):
        terminal = Terminal()
        terminal.isatty = lambda tty=tty: tty  # type: ignore[method-assign,misc]
        with watcher(terminal, color=True) as watch:
            watch(finished(1))
            watch(failed(2))
        said.append([("\x1b[1;31m" in line) for line in terminal.getvalue().splitlines()])

    assert said == [[False, True], [False, False]]


def test_busy_seconds_have_a_line_each_and_failures_one_of_their_own() -> None:
    terminal = Terminal()
    clock = ManualClock(1_700_000_000_000_000)
    watch = NodeWatcher(CliSettings(environ={}, cwd="/", stdout=io.StringIO(), stderr=terminal, clock=clock))
    with watch:
        for _second in range(3):
            for run_id in range(100):
                watch(started(run_id))
                watch(failed(run_id) if run_id == 50 else finished(run_id))
            clock.advance(1)
        clock.advance(5)
        watch(started(7))

    lines = [line.removeprefix("2023-11-14T22:13:") for line in terminal.getvalue().splitlines()]
    assert lines[:10] == ["20Z  feeds: started, run 0 (schedule)", *lines[1:10]]
    assert lines[10:] == [
        "20Z  feeds: run 50 failed (exception) in 3 ms: no route",
        "20Z  95 more started, 94 more success",
        "21Z  feeds: run 50 failed (exception) in 3 ms: no route",
        "21Z  100 started, 99 success",
        "22Z  feeds: run 50 failed (exception) in 3 ms: no route",
        "22Z  100 started, 99 success",
        "28Z  feeds: started, run 7 (schedule)",
    ]


def test_the_count_of_the_last_busy_second_is_told_though_nothing_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_watcher, "_SECOND_OVER_S", 0.01)
    terminal = Terminal()
    with watcher(terminal) as watch:
        for run_id in range(20):
            watch(started(run_id))
        assert terminal.wrote("10 more started")


@pytest.mark.parametrize(("format_", "log_format", "as_json"), [("text", "json", True), ("json", "text", False)])
def test_log_format_is_chosen_apart_from_the_answers(format_: str, log_format: str, as_json: bool) -> None:
    terminal = Terminal()
    settings = CliSettings(
        environ={}, cwd="/", stdout=io.StringIO(), stderr=terminal, clock=ManualClock(0), format=format_
    )
    with NodeWatcher(settings, ServeParams(log_format=log_format)) as watch:
        watch(started(1))

    assert terminal.getvalue().startswith("{") is as_json
