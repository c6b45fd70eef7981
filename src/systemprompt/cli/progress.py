"""What a person is told while jobs run."""

from __future__ import annotations

import threading
import time

from systemprompt.cli.render import render_note, render_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.cli.settings import CliSettings
    from systemprompt.nodes.node import NodeEvent

__all__ = ["RunWatcher", "duration", "ending", "progress"]

_REDRAW_EVERY_S = 0.1


class RunWatcher:
    """Follows `jobs run` on stderr: a line when a job starts and ends, one moving line while it works. Any thread may call it."""

    def __init__(self, settings: CliSettings) -> None:
        self._settings = settings
        self._names: dict[int, str] = {}
        self._lock = threading.Lock()
        self._drawn_at = 0.0

    def __enter__(self) -> RunWatcher:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __call__(self, event: NodeEvent) -> None:
        with self._lock:
            values = event.values
            name = self._names.get(values.get("run_id", 0), "")
            if event.kind == "run_started":
                self._names[values["run_id"]] = values["job_name"]
                self._say(f"{values['job_name']}: started, run {values['run_id']}")
            elif event.kind == "run_finished":
                self._say(f"{name}: {ending(values)}")
            elif event.kind == "progress" and time.monotonic() - self._drawn_at >= _REDRAW_EVERY_S:
                self._drawn_at = time.monotonic()
                render_status(self._settings, f"{name}: {progress(values)}")

    def _say(self, text: str) -> None:
        render_status(self._settings, "")
        render_note(self._settings, text)


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


def ending(values: dict[str, object]) -> str:
    """Say how a run ended, from the values of its event."""
    status, reason, message = values.get("status"), values.get("reason"), values.get("message")
    took = values.get("duration_ms")
    said = f"{status} ({reason})" if reason else f"{status}"
    said += f" in {duration(took)}" if isinstance(took, int) else ""
    return f"{said}: {str(message).splitlines()[0]}" if message else said


def progress(values: dict[str, object]) -> str:
    """Say how far a run is, from the values of its event."""
    of = f" of {values['total']}" if values.get("total") else ""
    note = f", {values['note']}" if values.get("note") else ""
    return f"{values.get('done')}{of}{note}"
