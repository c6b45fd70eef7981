"""Notice what changes in the profile and in job files while a node runs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping

from systemprompt.discovery.fingerprint import fingerprint_of
from systemprompt.errors import DatabaseBusy, DatabaseUnreachable, ProfileInvalid, ProfileNotTrusted, SystempromptError
from systemprompt.nodes.events import CatalogueReloaded, Listeners, ProfileRefused, ReloadFailed
from systemprompt.nodes.installation import Installation
from systemprompt.nodes.node import Node
from systemprompt.nodes.not_loaded import not_loaded
from systemprompt.own_log import own_log

__all__ = ["Watcher", "pause_after"]

log = own_log("systemprompt.node")


class Watcher:
    """Notices changes of the profile and of job files, and has the node go on with what they say now.

    A change is taken over when the files stood still for one look, so that a file caught half-written is not quarantined.
    While the ledger cannot be written the change is not forgotten: it is taken over as soon as it can be.
    """

    def __init__(self, installation: Installation, node: Node, listeners: Listeners, *, every: float = 0.2) -> None:
        self._installation = installation
        self._node = node
        self._listeners = listeners
        self._every = every
        self._stop = threading.Event()
        self._files = _to_look_at(node.catalogue.files)
        self._settling: dict[str, str] | None = None
        self._thread = threading.Thread(target=self._run, name="sp-watcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(5.0)

    def look(self) -> bool:
        """Look once; return whether a change was taken over."""
        seen = {path: fingerprint_of(path) for path in self._files}
        if seen == self._files:
            self._settling = None
            self._node.nothing_new()
            return False
        if seen != self._settling:
            self._settling = seen
            return False
        self._settling = None
        before, self._files = self._files, seen
        try:
            self._take_over()
        except (DatabaseBusy, DatabaseUnreachable):
            self._files = before
            raise
        return True

    def _take_over(self) -> None:
        try:
            catalogue, report = self._installation.reload()
        except (ProfileInvalid, ProfileNotTrusted) as error:
            self._listeners.tell(ProfileRefused(error=error.message))
            return
        self._files = _to_look_at(catalogue.files)
        broken = not_loaded(catalogue, self._node.catalogue)
        self._node.adopt(catalogue)
        self._listeners.tell(
            CatalogueReloaded(
                added=report.added,
                changed=report.changed,
                retired=report.retired,
                quarantined=report.quarantined,
                released=report.released,
                not_loaded=tuple(dict.fromkeys(one.source for one in broken)),
            )
        )
        for one in broken:
            self._listeners.tell(one)

    def _run(self) -> None:
        pause = self._every
        while not self._stop.wait(pause):
            started = time.monotonic()
            try:
                self._look_and_tell()
            except Exception:  # a closed terminal, no memory: a watcher that ended would leave the node deaf for good
                log.exception("looking for changes failed; trying again")
            pause = pause_after(time.monotonic() - started, every=self._every)

    def _look_and_tell(self) -> None:
        try:
            self.look()
        except SystempromptError as error:
            # The node goes on with what it has.
            self._listeners.tell(ReloadFailed(error=error.message))


def pause_after(took: float, *, every: float) -> float:
    """Return how long to wait after a look of so many seconds: thousands of files are looked at less often, yet within a second."""
    return min(max(every, _LOOK_SHARE * took), max(every, _LONGEST_PAUSE_S))


_LOOK_SHARE = 100
"""A look may take a hundredth of the time."""

_LONGEST_PAUSE_S = 0.4
"""A change is taken over at the second look."""


def _to_look_at(files: Mapping[str, str]) -> dict[str, str]:
    # The fingerprint of a folder has those of the job files in it.
    folders = {path for path, seen in files.items() if seen.startswith("folder:")}
    return {
        path: seen for path, seen in files.items() if not (path.endswith(".py") and os.path.dirname(path) in folders)
    }
