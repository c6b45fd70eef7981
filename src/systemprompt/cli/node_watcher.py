"""What `sp serve` says on stderr while it works."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from systemprompt.cli.progress import ending, progress
from systemprompt.cli.render import render_events, render_log
from systemprompt.cli.settings import CliSettings
from systemprompt.clock import SECOND, Instant, iso
from systemprompt.nodes.events import (
    CatalogueReloaded,
    DrainAsked,
    LeaseLost,
    NodeDraining,
    NodeEvent,
    NodeFailed,
    NodeServing,
    NotLoaded,
    ProfileRefused,
    ReloadFailed,
    RunFinished,
    RunLate,
    RunProgressed,
    RunRescued,
    RunStarted,
)
from systemprompt.operations.answers import plain
from systemprompt.record import record
from systemprompt.wording import counted

__all__ = ["NodeWatcher"]

_LAST_WORDS_S = 1.0
_MOST_WAITING = 10_000
_BUSY = 10
"""So many lines of usual work in a second: what is more, and the seconds after it, are told by one line each."""


class NodeWatcher:
    """Follows a node on stderr: one line an event, as text with the time in UTC, or as JSON. Any thread may call it.

    In text a second with many starts and successes is told by one line; whatever went wrong always has a line of its own, in red
    on a terminal, and is all that `--quiet` leaves. JSON has every event.

    A thread of its own writes the lines, so that a terminal that is held with Ctrl-S, or a log reader that stands still, never
    holds up the node. Leaving the `with` writes what is left, for a second at most.
    """

    def __init__(self, settings: CliSettings, params: object = None) -> None:
        self._settings = settings
        log_format = getattr(params, "log_format", None)
        self._in_text = settings.for_people if log_format is None else log_format == "text"
        self._usual = _UsualWork()
        self._clock = settings.the_clock()
        self._quiet = settings.for_people and settings.quiet
        self._events: list[tuple[Instant, NodeEvent]] = []
        self._lost = 0
        self._leaving = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._serve, name="sp-events", daemon=True)

    def __enter__(self) -> NodeWatcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._leaving = True
            self._changed.notify()
        self._thread.join(_LAST_WORDS_S)

    def __call__(self, event: NodeEvent) -> None:
        if (self._quiet and not _went_wrong(event)) or (event.kind == "progress" and not self._settings.verbose):
            return
        now = self._clock.now()
        with self._changed:
            if len(self._events) >= _MOST_WAITING:
                self._lost += 1
                return
            self._events.append((now, event))
            if len(self._events) == 1:
                self._changed.notify()

    def _serve(self) -> None:
        while True:
            with self._changed:
                while not self._events and not self._leaving:
                    if not self._changed.wait(_SECOND_OVER_S if self._usual.owed else None):
                        break
                events, self._events = self._events, []
                lost, self._lost = self._lost, 0
                leaving = self._leaving
            if lost:
                last = events[-1][0]
                events.append((last, _EventsLost(number=lost)))
            self._write(events, over=leaving or not events)
            if leaving:
                return

    def _write(self, events: Sequence[tuple[Instant, NodeEvent]], *, over: bool) -> None:
        """Write these with one call: a run has two events, and one call for each took half of what they cost."""
        if self._in_text:
            told: list[tuple[str, bool]] = []
            for at, event in events:
                told += self._usual.over(before=at)
                if not self._usual.takes(at, event):
                    told.append((f"{_second(at)}  {_sentence(event)}", _went_wrong(event)))
            told += self._usual.over() if over else []
            render_log(self._settings, told)
            return
        lines = []
        for at, event in events:
            values = plain(event)
            instants = {key: iso(values[key]) for key in ("fire_at", "started_at") if values.get(key) is not None}
            lines.append({"at": iso(at - at % 1_000), "event": event.kind, **values, **instants})
        render_events(self._settings, lines)


@record
class _EventsLost(NodeEvent):
    kind = "events_lost"
    number: int


_SECOND_OVER_S = 1.0


class _UsualWork:
    """Starts and successes of one second, counted once there are too many to be told one by one."""

    def __init__(self) -> None:
        self._at: Instant = 0
        self._seen = 0
        self._was_busy = False
        self._counts: dict[str, int] = {}

    @property
    def owed(self) -> bool:
        """Whether something was counted that no line has told yet."""
        return bool(self._counts)

    def takes(self, at: Instant, event: NodeEvent) -> bool:
        """Count an event of this second; False where it wants a line of its own."""
        if not isinstance(event, RunStarted) and not (isinstance(event, RunFinished) and event.status == "success"):
            return False
        self._at = at
        self._seen += 1
        if self._seen <= _BUSY and not self._was_busy:
            return False
        word = "started" if isinstance(event, RunStarted) else "success"
        self._counts[word] = self._counts.get(word, 0) + 1
        return True

    def over(self, *, before: Instant | None = None) -> list[tuple[str, bool]]:
        """Return the line of the second that is over: since the event at `before` is of another one, or as it is."""
        if before is not None and before // SECOND == self._at // SECOND:
            return []
        more = "more " if not self._was_busy else ""
        said = ", ".join(
            f"{self._counts[word]} {more}{word}" for word in ("started", "success") if word in self._counts
        )
        line = [(f"{_second(self._at)}  {said}", False)] if said else []
        # The second right after a busy one begins as a busy one: else each would have its first lines and then a count.
        follows = before is not None and before // SECOND == self._at // SECOND + 1
        self._was_busy = self._seen > _BUSY and follows
        self._seen, self._counts = 0, {}
        return line


def _second(at: Instant) -> str:
    return iso(at - at % SECOND)


def _went_wrong(event: NodeEvent) -> bool:
    if isinstance(event, RunFinished):
        return event.status == "failed"
    return isinstance(
        event, NodeFailed | LeaseLost | ReloadFailed | ProfileRefused | NotLoaded | RunRescued | RunLate | _EventsLost
    ) or (isinstance(event, CatalogueReloaded) and bool(event.quarantined))


def _sentence(event: NodeEvent) -> str:
    if isinstance(event, RunStarted):
        return f"{event.job_name}: started, run {event.run_id} ({event.origin})"
    if isinstance(event, RunFinished):
        return f"{event.job_name}: run {event.run_id} {ending(event)}"
    if isinstance(event, RunProgressed):
        return f"{event.job_name}: run {event.run_id} at {progress(event)}"
    if isinstance(event, RunLate):
        return f"run {event.run_id} came back after its account was closed; its result is kept as a late one"
    if isinstance(event, RunRescued):
        return f"{event.job_name}: run {event.run_id} taken from node {event.node_id}, which is gone: {event.status}"
    if isinstance(event, NodeServing):
        jobs = f"{event.jobs} jobs" + (f", {event.quarantined} quarantined" if event.quarantined else "")
        return f"node {event.node_id} serves {jobs} of {event.profile}; Ctrl-C or SIGTERM stops it"
    if isinstance(event, NodeDraining):
        return f"{event.signal}: {event.running} runs may finish within {event.grace:g} s; again to end now"
    if isinstance(event, DrainAsked):
        return _drain_asked(event)
    if isinstance(event, CatalogueReloaded):
        changes = [f"{word.replace('_', ' ')} {', '.join(names)}" for word, names in plain(event).items() if names]
        return f"profile or job files changed: {'; '.join(changes) or 'nothing of note'}"
    if isinstance(event, NotLoaded):
        return _not_loaded(event)
    if isinstance(event, _EventsLost):
        return f"{event.number} events were not shown: the lines before them were not read in time"
    rest = " ".join(f"{key}={value}" for key, value in plain(event).items() if value is not None)
    return f"{event.kind.replace('_', ' ')}  {rest}".rstrip()


def _drain_asked(event: DrainAsked) -> str:
    why = f" ({event.why})" if event.why else ""
    what = f"it takes nothing new and ends after {counted(event.running, 'run')}" if event.running else "it ends"
    return f"{event.by} asked node {event.node_id} to drain{why}: {what}"


def _not_loaded(event: NotLoaded) -> str:
    """Say in one line what cannot be loaded. The error names the line where that is known."""
    said = event.error if event.line is not None or event.source in event.error else f"{event.error} ({event.source})"
    said += f"; {event.hint}" if event.hint else ""
    return f"{said}; quarantined: {', '.join(event.quarantined)}" if event.quarantined else said
