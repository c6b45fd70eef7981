"""What a node began and ended, in files on its own machine: for a server that lost what was committed.

A run is in the journal once its claim is committed and before its code starts; an end is, once it is committed. The files are small
and go back some minutes at least: a server loses what was not yet on another one, which is seconds.

crash   lines are handed to the system at once and to the disk every second. A node that is killed loses none; a machine that loses
        power, together with its server, the last second. The journal of a node that is gone is read by the next one on the machine
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import IO, Any

from systemprompt.ledger.records import Claimed, Closing
from systemprompt.own_log import own_log

__all__ = ["Journal", "Noted"]

log = own_log("systemprompt.node")


class Noted:
    """What one node has noted: claims by fence, and ends by fence."""

    def __init__(self, node_id: str) -> None:
        self.node_id = node_id
        self.claimed: dict[int, Claimed] = {}
        self.closed: dict[int, Closing] = {}


class Journal:
    """One node's journal below a folder that belongs to one ledger. Any thread may note.

    A disk that cannot be written is complained of once, and nothing is noted from then on: the work goes on.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._guard = threading.Lock()
        self._place: Path | None = None
        self._lock: IO[str] | None = None
        self._lines: IO[str] | None = None
        self._size = 0
        self._begun_at = self._synced_at = time.monotonic()

    def begin(self, node_id: str) -> None:
        """Begin to note for the node of this id, which is fresh. Said twice, it changes nothing."""
        with self._guard:
            if self._place is not None and self._place.name == node_id:
                return
            self._end()
            try:
                # Under another name until it is locked: who sees it unlocked takes its node for gone.
                making = self._folder / f".{node_id}"
                making.mkdir(parents=True, mode=0o700)
                self._lock = (making / "lock").open("w", encoding="ascii")
                fcntl.flock(self._lock, fcntl.LOCK_EX)
                self._place = making.rename(self._folder / node_id)
                self._open()
            except OSError as error:
                self._give_up(error)

    def claimed(self, runs: Sequence[Claimed]) -> None:
        """Note that these runs were claimed."""
        if runs:
            self._write({"claimed": [list(run) for run in runs]})

    def closed(self, closings: Sequence[Closing]) -> None:
        """Note that these ends are committed."""
        if closings:
            self._write({"closed": [_said(closing) for closing in closings]})

    def noted(self) -> Noted:
        """Return what was noted of this node."""
        with self._guard:
            if self._place is None:
                return Noted("")
            if self._lines is not None:
                self._lines.flush()
            return _read(self._place)

    def of_the_gone(self) -> Iterator[Noted]:
        """Yield what nodes noted whose processes have ended, and forget it once it was taken."""
        for place in sorted(self._folder.glob("*/")):
            if place == self._place or place.name.startswith("."):
                continue
            try:
                with (place / "lock").open("a", encoding="ascii") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    yield _read(place)
                    shutil.rmtree(place)
            except BlockingIOError:
                continue  # it lives
            except OSError as error:
                log.warning("a journal cannot be read, and is left as it is: %s", error)

    def close(self) -> None:
        """End it. What was noted stays: the server may lose it still."""
        with self._guard:
            self._end()

    def _end(self) -> None:
        for stream in (self._lines, self._lock):
            if stream is not None:
                stream.close()
        self._place = self._lines = self._lock = None

    def _open(self) -> None:
        assert self._place is not None
        self._lines = (self._place / "now").open("w", encoding="utf-8")
        self._size, self._begun_at = 0, time.monotonic()

    def _write(self, what: dict[str, Any]) -> None:
        line = json.dumps(what, separators=(",", ":"), ensure_ascii=True) + "\n"
        with self._guard:
            if self._lines is None or self._place is None:
                return
            try:
                now = time.monotonic()
                if self._size > _LARGE or now - self._begun_at > _LONG_S:
                    self._lines.close()
                    (self._place / "now").replace(self._place / "before")
                    self._open()
                self._lines.write(line)
                self._lines.flush()
                self._size += len(line)
                if now - self._synced_at > _SYNC_S:
                    os.fdatasync(self._lines.fileno())
                    self._synced_at = now
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        log.warning("this node keeps no journal: what a failover of the server loses is lost: %s", error)
        self._end()


def _read(place: Path) -> Noted:
    noted = Noted(place.name)
    for name in ("before", "now"):
        if not (place / name).exists():
            continue
        with (place / name).open(encoding="utf-8") as lines:
            for line in lines:
                if not line.endswith("\n"):
                    break  # its node was killed as it wrote it
                what = json.loads(line)
                for row in what.get("claimed", ()):
                    run = Claimed(*row)
                    noted.claimed[run.fence] = run
                for said in what.get("closed", ()):
                    noted.closed[said["fence"]] = Closing(**said)
    return noted


def _said(closing: Closing) -> dict[str, Any]:
    """Return the fields of an end that say something; long texts are cut."""
    said = {}
    for field in fields(Closing):
        value = getattr(closing, field.name)
        if value != field.default:
            said[field.name] = value[:_LONG_TEXT] if isinstance(value, str) else value
    return said


_LARGE = 32 * 1024 * 1024
_LONG_S = 600.0
_SYNC_S = 1.0
_LONG_TEXT = 8_192
