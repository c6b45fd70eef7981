"""What a person is told while jobs run."""

from __future__ import annotations

import threading
import time

from systemprompt.cli.render import render_events, render_line, render_note, render_status
from systemprompt.cli.settings import CliSettings
from systemprompt.nodes.events import NodeEvent, RunFinished, RunProgressed, RunStarted
from systemprompt.operations.answers import plain
from systemprompt.operations.run_logs import RunSaid
from systemprompt.wording import duration

__all__ = ["LogFollower", "RunWatcher", "ending", "progress"]

_REDRAW_EVERY_S = 0.1


class RunWatcher:
    """Follows `jobs run` on stderr: a line when a job starts and ends, one moving line while it works. Any thread may call it."""

    def __init__(self, settings: CliSettings, params: object = None) -> None:  # noqa: ARG002  # as every watcher
        self._settings = settings
        self._lock = threading.Lock()
        self._drawn_at = 0.0

    def __enter__(self) -> RunWatcher:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __call__(self, event: NodeEvent) -> None:
        with self._lock:
            if isinstance(event, RunStarted):
                self._say(f"{event.job_name}: started, run {event.run_id}")
            elif isinstance(event, RunFinished):
                self._say(f"{event.job_name}: {ending(event)}")
            elif isinstance(event, RunProgressed) and time.monotonic() - self._drawn_at >= _REDRAW_EVERY_S:
                self._drawn_at = time.monotonic()
                render_status(self._settings, f"{event.job_name}: {progress(event)}")

    def _say(self, text: str) -> None:
        render_status(self._settings, "")
        render_note(self._settings, text)


class LogFollower:
    """Shows what a run says while `jobs logs --follow` waits for it: to people on stdout, to programs as JSON lines on stderr."""

    def __init__(self, settings: CliSettings, params: object = None) -> None:  # noqa: ARG002  # as every watcher
        self._settings = settings

    def __enter__(self) -> LogFollower:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __call__(self, event: NodeEvent) -> None:
        if not isinstance(event, RunSaid):
            return
        if self._settings.for_people:
            line = event.line
            source = "" if line.source == "job" else f"[{line.source}] "
            fields = "".join(f" {key}={value}" for key, value in (line.fields or {}).items())
            render_line(self._settings, f"{line.at}  {line.level:<8}{source}{line.message}{fields}")
        else:
            render_events(self._settings, [{"event": event.kind, **plain(event)}])


def ending(event: RunFinished) -> str:
    """Say how a run ended."""
    why = event.reason or ("nothing to do" if event.did_nothing else None)
    said = f"{event.status} ({why})" if why else event.status
    said += f" in {duration(event.duration_ms)}" if event.duration_ms is not None else ""
    said = f"{said}: {event.message.splitlines()[0]}" if event.message else said
    return f"{said}; tried again from {event.tried_again_at}" if event.tried_again_at else said


def progress(event: RunProgressed) -> str:
    """Say how far a run is."""
    of = f" of {event.total}" if event.total else ""
    note = f", {event.note}" if event.note else ""
    return f"{event.done}{of}{note}"
