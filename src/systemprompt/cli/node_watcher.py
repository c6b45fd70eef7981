"""What `sp serve` says on stderr while it works."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from systemprompt.cli.progress import ending, progress
from systemprompt.cli.render import render_events, render_notes
from systemprompt.cli.settings import CliSettings
from systemprompt.clock import Instant, iso
from systemprompt.nodes.events import (
    CatalogueReloaded,
    NodeDraining,
    NodeEvent,
    NodeServing,
    RunFinished,
    RunLate,
    RunProgressed,
    RunRescued,
    RunStarted,
)
from systemprompt.operations.answers import plain
from systemprompt.record import record

__all__ = ["NodeWatcher"]

_LAST_WORDS_S = 1.0
_MOST_WAITING = 10_000


class NodeWatcher:
    """Follows a node on stderr: one line an event, as text with the time in UTC, or as JSON. Any thread may call it.

    A thread of its own writes the lines, so that a terminal that is held with Ctrl-S, or a log reader that stands still, never
    holds up the node. Leaving the `with` writes what is left, for a second at most.
    """

    def __init__(self, settings: CliSettings) -> None:
        self._settings = settings
        self._clock = settings.the_clock()
        self._silent = settings.for_people and settings.quiet
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
        if self._silent or (event.kind == "progress" and not self._settings.verbose):
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
                    self._changed.wait()
                events, self._events = self._events, []
                lost, self._lost = self._lost, 0
                leaving = self._leaving
            if lost:
                last = events[-1][0]
                events.append((last, _EventsLost(number=lost)))
            self._write(events)
            if leaving:
                return

    def _write(self, events: Sequence[tuple[Instant, NodeEvent]]) -> None:
        """Write these with one call: a run has two events, and one call for each took half of what they cost."""
        if self._settings.for_people:
            render_notes(self._settings, [f"{iso(at)[:19]}Z  {_sentence(event)}" for at, event in events])
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
    if isinstance(event, CatalogueReloaded):
        changes = [f"{word} {', '.join(names)}" for word, names in plain(event).items() if names]
        return f"profile or job files changed: {'; '.join(changes) or 'nothing of note'}"
    if isinstance(event, _EventsLost):
        return f"{event.number} events were not shown: the lines before them were not read in time"
    rest = " ".join(f"{key}={value}" for key, value in plain(event).items() if value is not None)
    return f"{event.kind.replace('_', ' ')}  {rest}".rstrip()
