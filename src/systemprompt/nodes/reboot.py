"""Ask for the jobs that run once for each start of the machine."""

from __future__ import annotations

from collections.abc import Sequence

from systemprompt.clock import Clock
from systemprompt.ledger.protocol import Ledger
from systemprompt.ledger.records import Change, ManualStart
from systemprompt.nodes.identity import this_boot

__all__ = ["ask_for_reboot_jobs"]


def ask_for_reboot_jobs(ledger: Ledger, clock: Clock, names: Sequence[str]) -> None:
    """Queue each of these jobs, if no node has served since this machine started. To be called before the node joins.

    Two nodes that start at once ask under the same request id, so each job is queued once. After a crash between asking and
    joining, the next start asks again and gets the same runs.
    """
    boot = this_boot()
    if not names or any(node.kind == "serve" and f"{node.machine}/".startswith(f"{boot}/") for node in ledger.nodes()):
        return
    for name in names:
        start = ManualStart(job_name=name, origin="bootstrap")
        ledger.ask_for_runs(clock.now(), [start], Change(actor="bootstrap", request_id=f"reboot {boot} {name}"))
