"""A node at work and what goes with it, from its first round to its last: what `sp serve` and an embedded node share."""

from __future__ import annotations

import threading

from systemprompt.nodes.events import DrainAsked, Listeners, NodeDraining, NodeEvent, NodeLeft, NodeServing
from systemprompt.nodes.installation import Installation
from systemprompt.nodes.not_loaded import not_loaded
from systemprompt.nodes.watcher import Watcher

__all__ = ["Serving", "patience_within"]


class Serving:
    """One node of an opened installation. Start it, then drain or kill it, once each. Whoever opened it closes it afterwards.

    Where somebody asks for a drain (`sp nodes drain`), it lets what runs come to its end, however long that takes, and leaves the
    ledger: `left` is then set, `left_clean` says whether all could be accounted for, and the listeners hear `NodeLeft`. Draining or
    killing it meanwhile puts an end to the patience.

    It installs no signal handler and prints nothing: what a person may want to know goes to the listeners, from any thread.
    """

    def __init__(self, installation: Installation, listeners: Listeners) -> None:
        self.installation = installation
        self.draining = False
        self.node = installation.node("serve", listeners)
        self.left = threading.Event()
        self.left_clean = False
        self._listeners = listeners
        self._ending = threading.Lock()
        self._told_to_end = False
        listeners.add(self._hear)
        self._watcher = Watcher(installation, self.node, listeners)

    @property
    def error(self) -> Exception | None:
        """What ended the clockwork; None while it goes."""
        return self.node.error

    def start(self) -> None:
        """Join the ledger, begin, and return once the first round is over: what was due then is planned and started.

        Raises:
            DatabaseError: the ledger cannot be written; nothing is left running.
        """
        patience = patience_within(self.installation.served.lease)
        try:
            catalogue = self.installation.catalogue
            self.node.start(bootstrap=catalogue.bootstrap, reboot=catalogue.reboot)
            self.installation.be_patient(patience)
            self._listeners.tell(self._greeting())
            for broken in not_loaded(catalogue):
                self._listeners.tell(broken)
            # Where others hold the ledger just now, the node serves all the same and tries again.
            self.node.loop.begun.wait(patience)
            if self.error is not None:
                raise self.error
            self._watcher.start()
        except BaseException:
            self.node.kill()
            raise

    def drain(self, grace: float | None = None, *, by: str) -> bool:
        """Take nothing new, let what runs finish within the grace (default: the profile's), then stop it.

        False where work had to be stopped, or could not be accounted for in time: then the next node settles it.
        """
        self._take_over()
        grace = self.installation.served.shutdown_grace if grace is None else grace
        self._watcher.stop()
        running = len(self.node.runner.running())
        self._listeners.tell(NodeDraining(signal=by, running=running, grace=grace))
        return self.node.drain(grace)

    def kill(self) -> None:
        """End everything at once, from any thread, also while it drains. What is left open is settled by the next node."""
        self.draining = self._told_to_end = True
        self._watcher.stop()
        self.node.kill()

    def _take_over(self) -> None:
        """From now on whoever calls sees to the end, and not the drain that was asked for before."""
        with self._ending:
            self.draining = self._told_to_end = True

    def _hear(self, event: NodeEvent) -> None:
        if isinstance(event, DrainAsked):
            self.draining = True
            threading.Thread(target=self._finish, name="sp-drain", daemon=True).start()

    def _finish(self) -> None:
        self._watcher.stop()
        self.node.runner.wait_idle()
        with self._ending:
            if self._told_to_end:
                return
            self.left_clean = self.node.close()
            self.left.set()
        self._listeners.tell(NodeLeft(node_id=self.node.node_id, clean=self.left_clean))

    def _greeting(self) -> NodeServing:
        catalogue = self.installation.catalogue
        return NodeServing(
            node_id=self.node.node_id,
            profile=self.installation.served.profile,
            ledger=self.installation.served.ledger,
            jobs=len(catalogue.jobs),
            quarantined=len(catalogue.quarantined),
        )


def patience_within(lease: float) -> float:
    """Return how long a node with this lease may wait for other writers, in seconds.

    Two waits in vain after a missed beat must still leave time to stop its runs before the lease is over.
    """
    return min(10.0, lease / 6)
