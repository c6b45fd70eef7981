"""What `sp serve` says on stderr while it works."""

from __future__ import annotations

import threading

from systemprompt.cli.progress import ending, progress
from systemprompt.cli.render import render_events, render_notes
from systemprompt.clock import iso
from systemprompt.nodes.node import NodeEvent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from systemprompt.cli.settings import CliSettings
    from systemprompt.clock import Instant

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
        self._names: dict[int, str] = {}
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
                events.append((last, NodeEvent(kind="events_lost", values={"number": lost})))
            self._write(events)
            if leaving:
                return

    def _write(self, events: Sequence[tuple[Instant, NodeEvent]]) -> None:
        """Write these with one call: a run has two events, and one call for each took half of what they cost."""
        told = [(at, event.kind, self._with_name(event)) for at, event in events]
        if self._settings.for_people:
            render_notes(self._settings, [f"{iso(at)[:19]}Z  {_sentence(kind, values)}" for at, kind, values in told])
            return
        lines = []
        for at, kind, values in told:
            instants = {key: iso(values[key]) for key in ("fire_at", "started_at") if values.get(key) is not None}
            lines.append({"at": iso(at - at % 1_000), "event": kind, **values, **instants})
        render_events(self._settings, lines)

    def _with_name(self, event: NodeEvent) -> dict[str, Any]:
        run_id = event.values.get("run_id", 0)
        if event.kind == "run_started":
            self._names[run_id] = event.values["job_name"]
        name = self._names.pop(run_id, "") if event.kind == "run_finished" else self._names.get(run_id, "")
        return {"job_name": name, **event.values} if name else event.values


def _sentence(kind: str, values: dict[str, object]) -> str:
    name, run = values.get("job_name"), values.get("run_id")
    if kind == "run_started":
        return f"{name}: started, run {run} ({values.get('origin')})"
    if kind == "run_finished":
        return f"{name}: run {run} {ending(values)}"
    if kind == "progress":
        return f"{name}: run {run} at {progress(values)}"
    if kind == "run_late":
        return f"run {run} came back after its account was closed; its result is kept as a late one"
    if kind == "rescued":
        return f"{name}: run {run} taken from node {values.get('node_id')}, which is gone: {values.get('status')}"
    if kind == "serving":
        jobs = f"{values.get('jobs')} jobs" + (
            f", {values['quarantined']} quarantined" if values.get("quarantined") else ""
        )
        return f"node {values.get('node_id')} serves {jobs} of {values.get('profile')}; Ctrl-C or SIGTERM stops it"
    if kind == "draining":
        return f"{values.get('signal')}: {values.get('running')} runs may finish within {values.get('grace'):g} s; again to end now"
    if kind == "reloaded":
        changes = [
            f"{word} {', '.join(map(str, names))}"
            for word, names in values.items()
            if isinstance(names, list) and names
        ]
        return f"profile or job files changed: {'; '.join(changes) or 'nothing of note'}"
    if kind == "events_lost":
        return f"{values.get('number')} events were not shown: the lines before them were not read in time"
    rest = " ".join(f"{key}={value}" for key, value in values.items() if value is not None)
    return f"{kind.replace('_', ' ')}  {rest}".rstrip()
