"""Who a node is, and whether a process on this very machine is still there."""

from __future__ import annotations

import os

from systemprompt.ledger.node_identity import NodeIdentity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.clock import Instant

__all__ = ["is_gone", "this_boot", "this_machine", "this_process"]


def this_process(
    *, kind: str, program: str, lease_s: float, capacity: int, now: Instant, labels: tuple[str, ...] = ()
) -> NodeIdentity:
    """Return a fresh identity for this process. The host's name is shown to people and decides nothing."""
    import secrets
    import socket

    from systemprompt.cron.zone_release import zone_release

    pid = os.getpid()
    return NodeIdentity(
        node_id=secrets.token_hex(6),
        kind=kind,
        host=socket.gethostname(),
        machine=this_machine(),
        pid=pid,
        pid_started_at=_started_at(pid) or 0,
        program=program,
        lease_ms=round(lease_s * 1000),
        capacity=capacity,
        started_at=now,
        labels=labels,
        zone_data=zone_release(),
    )


def this_machine() -> str:
    """Name this boot and this process namespace: only where both are equal does another node's pid mean anything here."""
    try:
        return f"{this_boot()}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return this_boot()


def this_boot() -> str:
    """Name this start of the machine. A container has its host's."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        import socket

        import psutil

        return f"{socket.gethostname()}/{int(psutil.boot_time())}"


def is_gone(node: NodeIdentity, machine: str) -> bool | None:
    """Say whether the node's process is gone for certain; None where it lives elsewhere and cannot be looked at.

    A process id that was given to another process since has another start time. One that is there but hidden from this user
    (`hidepid`), or whose start was never known, is left to its lease.
    """
    if node.machine != machine or not node.pid_started_at:
        return None
    started_at = _started_at(node.pid)
    if started_at is None and _is_hidden(node.pid):
        return None
    return started_at != node.pid_started_at


def _is_hidden(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # no process has a number that the system cannot say
        return False
    except PermissionError:
        return True
    return False


def _started_at(pid: int) -> int | None:
    # Clock ticks since boot: unlike a wall-clock time, it cannot change when somebody sets the clock.
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            state, *fields = stream.read().rpartition(b")")[2].split()
    except FileNotFoundError:
        return None if os.path.exists("/proc/self/stat") else _started_at_elsewhere(pid)
    except (ProcessLookupError, PermissionError):
        return None
    # A zombie runs no code any more: its parent only has not asked how it ended.
    return None if state in (b"Z", b"X") else int(fields[18])


def _started_at_elsewhere(pid: int) -> int | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else int(process.create_time())
    except psutil.NoSuchProcess:
        return None
