"""A node as the ledger knows it, by itself: commands that only read need it and none of the other records."""

from __future__ import annotations

from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.clock import Instant

__all__ = ["NodeIdentity", "ZoneDataChange"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeIdentity:
    """One process. `node_id` is fresh for each, never the host's name.

    machine          boot id and process namespace: where two are equal, `pid` and `pid_started_at` can be checked directly
    beat, lease_ms   the counter others watch, and how long it may stand still
    labels           which jobs it may take; zone_data   the release of its time zone data
    clock_offset_us  how far its clock stands before the database's; degraded   what does not work on it:
                     `listen` (it hears no hints), `policies` (it leaves jobs to nodes of a newer release),
                     `zone_data` (it plans nothing, for another node has newer time zone data)
    epoch            up to which epoch of the server's history it has told what it did
    draining_at, draining_by, draining_why   that somebody asked it to take no more
    """

    node_id: str
    kind: str
    host: str
    machine: str
    pid: int
    pid_started_at: int
    program: str
    lease_ms: int
    capacity: int
    started_at: Instant
    labels: tuple[str, ...] = ()
    zone_data: str = ""
    epoch: int = 0
    beat: int = 0
    beat_at: Instant = 0
    clock_offset_us: int = 0
    degraded: tuple[str, ...] = ()
    draining_at: Instant | None = None
    draining_by: str | None = None
    draining_why: str | None = None
    stopped_at: Instant | None = None
    fate: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneDataChange:
    """From `seen_at` on fire times are named by this release of time zone data; `node_id` took over."""

    seen_at: Instant
    zone_data: str
    node_id: str
