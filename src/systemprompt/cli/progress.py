"""What a person is told while jobs run."""

from __future__ import annotations

import threading
import time

from systemprompt.cli.render import render_event, render_note, render_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.cli.settings import CliSettings
    from systemprompt.engine import NodeEvent

__all__ = ["NodeWatcher", "RunWatcher", "duration"]

_REDRAW_EVERY_S = 0.1


class RunWatcher:
    """Follows `jobs run` on stderr: a line when a job starts and ends, one moving line while it works. Any thread may call it."""

    def __init__(self, settings: CliSettings) -> None:
        self._settings = settings
        self._names: dict[int, str] = {}
        self._lock = threading.Lock()
        self._drawn_at = 0.0

    def __call__(self, event: NodeEvent) -> None:
        with self._lock:
            values = event.values
            name = self._names.get(values.get("run_id", 0), "")
            if event.kind == "run_started":
                self._names[values["run_id"]] = values["job_name"]
                self._say(f"{values['job_name']}: started, run {values['run_id']}")
            elif event.kind == "run_finished":
                self._say(f"{name}: {_ending(values)}")
            elif event.kind == "progress" and time.monotonic() - self._drawn_at >= _REDRAW_EVERY_S:
                self._drawn_at = time.monotonic()
                render_status(self._settings, f"{name}: {_progress(values)}")

    def _say(self, text: str) -> None:
        render_status(self._settings, "")
        render_note(self._settings, text)


class NodeWatcher:
    """Follows a node on stderr: one line an event, as text with the time in UTC, or as JSON. Any thread may call it."""

    def __init__(self, settings: CliSettings) -> None:
        self._settings = settings
        self._names: dict[int, str] = {}
        self._lock = threading.Lock()

    def __call__(self, event: NodeEvent) -> None:
        from systemprompt.clock import iso

        if event.kind == "progress" and not self._settings.verbose:
            return
        with self._lock:
            values = dict(event.values)
            run_id = values.get("run_id", 0)
            if event.kind == "run_started":
                self._names[run_id] = values["job_name"]
            name = self._names.pop(run_id, "") if event.kind == "run_finished" else self._names.get(run_id, "")
            if name:
                values = {"job_name": name, **values}
            now = self._settings.the_clock().now()
            at = iso(now - now % 1_000)
            if not self._settings.for_people:
                for key in ("fire_at", "started_at"):
                    if values.get(key) is not None:
                        values[key] = iso(values[key])
                render_event(self._settings, {"at": at, "event": event.kind, **values})
            else:
                render_note(self._settings, f"{at[:19]}Z  {_sentence(event.kind, values)}")


def duration(milliseconds: int | None) -> str:
    """Return a duration as people say it: `64 ms`, `3.2 s`, `4 min 5 s`, `2 h 3 min`."""
    if milliseconds is None:
        return ""
    if milliseconds < 1_000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1_000:.1f} s"
    minutes, seconds = divmod(milliseconds // 1_000, 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _ending(values: dict[str, object]) -> str:
    status, reason, message = values.get("status"), values.get("reason"), values.get("message")
    took = values.get("duration_ms")
    said = f"{status} ({reason})" if reason else f"{status}"
    said += f" in {duration(took)}" if isinstance(took, int) else ""
    return f"{said}: {str(message).splitlines()[0]}" if message else said


def _progress(values: dict[str, object]) -> str:
    of = f" of {values['total']}" if values.get("total") else ""
    note = f", {values['note']}" if values.get("note") else ""
    return f"{values.get('done')}{of}{note}"


def _sentence(kind: str, values: dict[str, object]) -> str:
    name, run = values.get("job_name"), values.get("run_id")
    if kind == "run_started":
        return f"{name}: started, run {run} ({values.get('origin')})"
    if kind == "run_finished":
        return f"{name}: run {run} {_ending(values)}"
    if kind == "progress":
        return f"{name}: run {run} at {_progress(values)}"
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
    rest = " ".join(f"{key}={value}" for key, value in values.items() if value is not None)
    return f"{kind.replace('_', ' ')}  {rest}".rstrip()
