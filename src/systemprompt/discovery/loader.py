"""Load a source in a thread of its own, for so long and no longer: what a module does while it loads may never come to an end.

place           always such a thread, in a node at its start, at an edit, and in every command: what works in one works in all. (A
                module that needs the main thread, as `signal.signal` does, is refused by all.)
no end          the source is given up and quarantined with the line that it stands at. Its thread cannot be ended; it is not waited
                for, and its source is asked of again as soon as it has loaded after all, or was edited
two processes   each loads for itself
"""

from __future__ import annotations

import sys
import threading
from contextlib import redirect_stdout
from types import FrameType

from systemprompt.discovery.definition import JobSource
from systemprompt.discovery.fingerprint import fingerprint_of
from systemprompt.discovery.loading import NotLoadable, load_source, place_in_frames

__all__ = ["LOAD_S", "load_within"]

LOAD_S = 30.0
"""Seconds that a source may take, unless the profile says otherwise."""


def load_within(source: JobSource, limit: float) -> list[object]:
    """Return what a source submitted, in order; built-in modules are loaded right here.

    Raises:
        NotLoadable: it has not loaded within `limit` seconds. JobDefinitionError: its code cannot be found or run.
    """
    if source.kind == "builtin":
        return load_source(source)
    fingerprint = fingerprint_of(source.name)
    attempt = _endless.pop(source, None)
    if attempt is None or attempt.fingerprint != fingerprint:
        attempt = _Attempt(source, fingerprint)
        # What a module prints while it loads must not end up in a command's answer on stdout.
        with redirect_stdout(sys.stderr):
            attempt.begin()
            attempt.ended.wait(limit)
    if not attempt.ended.is_set():
        _endless[source] = attempt
        raise attempt.refusal(limit)
    return attempt.outcome()


class _Attempt:
    """A source on its way, in its thread."""

    def __init__(self, source: JobSource, fingerprint: str) -> None:
        self.source = source
        self.fingerprint = fingerprint
        self.ended = threading.Event()
        self._loaded: list[object] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._load, name="sp-loader", daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def outcome(self) -> list[object]:
        if self._error is not None:
            raise self._error
        return self._loaded

    def refusal(self, limit: float) -> NotLoadable:
        """Return the error that says where it stands now."""
        frame: FrameType | None = sys._current_frames().get(self._thread.ident or 0)  # noqa: SLF001  # there is no other way to ask
        at = place_in_frames(frame, self.source)
        place = f" ({at[0]}, line {at[1]})" if at else ""
        return NotLoadable(
            f"cannot load jobs from {self.source.name!r}: it has not loaded within {limit:g} s{place}",
            hint="let it do its work in a job, not while it loads; limits.load_timeout says how long it may take",
            at=at,
        )

    def _load(self) -> None:
        try:
            self._loaded = load_source(self.source)
        except BaseException as error:  # noqa: BLE001  # raised again where it is waited for
            self._error = error
        finally:
            self.ended.set()


_endless: dict[JobSource, _Attempt] = {}
