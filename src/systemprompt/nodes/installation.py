"""What a node that serves asks of the installation it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from systemprompt.discovery.definition import Catalogue
from systemprompt.ledger.records import SyncReport
from systemprompt.nodes.events import Listeners
from systemprompt.nodes.node import Node

__all__ = ["Installation", "Served"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What of a profile a serving node goes by and tells: two paths, and seconds."""

    profile: str
    ledger: str
    lease: float
    shutdown_grace: float


class Installation(Protocol):
    """One installation, opened: `systemprompt.system.System` is one."""

    @property
    def catalogue(self) -> Catalogue: ...

    @property
    def served(self) -> Served: ...

    def be_patient(self, seconds: float) -> None:
        """Wait for other writers of the ledger no longer than this from now on."""
        ...

    def node(self, kind: str, listeners: Listeners) -> Node:
        """Build a node of this installation."""
        ...

    def reload(self) -> tuple[Catalogue, SyncReport]:
        """Read profile and jobs again, with the code as it is now.

        Raises:
            ProfileInvalid, ProfileNotTrusted: it has faults now, or somebody else may change it; what was read stays in force.
        """
        ...
