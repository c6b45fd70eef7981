"""A node at work and what goes with it, from its first round to its last: what `sp serve` and an embedded node share."""

from __future__ import annotations

from systemprompt.nodes.events import Listeners, NodeDraining, NodeServing
from systemprompt.nodes.installation import Installation
from systemprompt.nodes.not_loaded import not_loaded
from systemprompt.nodes.watcher import Watcher

__all__ = ["Serving", "patience_within"]


class Serving:
    """One node of an opened installation. Start it, then drain or kill it, once each. Whoever opened it closes it afterwards.

    It installs no signal handler and prints nothing: what a person may want to know goes to the listeners, from any thread.
    """

    def __init__(self, installation: Installation, listeners: Listeners) -> None:
        self.installation = installation
        self.draining = False
        self.node = installation.node("serve", listeners)
        self._listeners = listeners
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
        self.draining = True
        grace = self.installation.served.shutdown_grace if grace is None else grace
        self._watcher.stop()
        running = len(self.node.runner.running())
        self._listeners.tell(NodeDraining(signal=by, running=running, grace=grace))
        return self.node.drain(grace)

    def kill(self) -> None:
        """End everything at once, from any thread, also while it drains. What is left open is settled by the next node."""
        self.draining = True
        self._watcher.stop()
        self.node.kill()

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
