"""What doctor has to say of nodes as a group: labels that none of them has, and releases that differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from systemprompt.clock import Instant
from systemprompt.ledger.node_identity import NodeIdentity
from systemprompt.ledger.placement import no_node_for, takers
from systemprompt.ledger.policy_texts import unknown_in
from systemprompt.ledger.reader import LedgerReader
from systemprompt.ledger.views import JobView
from systemprompt.nodes.identity import this_machine
from systemprompt.operations.serving import node_state
from systemprompt.wording import counted

__all__ = ["Finding", "newer_findings", "node_findings"]

_NAMED = 10


class Finding(NamedTuple):
    """Something that works and wants a look."""

    name: str
    message: str
    mend: str


def node_findings(ledger: LedgerReader, now: Instant) -> Iterator[Finding]:
    """Look at the nodes that begin runs. Where there is none, that is said elsewhere and nothing is found here."""
    machine = this_machine()
    nodes = [node for node in takers(ledger.living_nodes(), now) if node_state(node, now, machine) == "serving"]
    if not nodes:
        return
    yield from _labels(ledger, nodes)
    yield from _releases("versions", "programs", [(node.node_id, node.program) for node in nodes], _UPDATE)
    zones = [(node.node_id, node.zone_data) for node in nodes if node.zone_data]
    yield from _releases("zone data", "releases of time zone data", zones, _UPDATE_ZONES)


def newer_findings(ledger: LedgerReader) -> Iterator[Finding]:
    """Name the jobs that this release leaves to nodes of a newer one."""
    unknown = {job.name: said for job in ledger.jobs() if (said := unknown_in(job.policies_text))}
    if unknown:
        named = ", ".join(f"{name} ({', '.join(said)})" for name, said in list(unknown.items())[:_NAMED])
        more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
        have = "has a policy" if len(unknown) == 1 else "have policies"
        yield Finding(
            "policies",
            f"{counted(len(unknown), 'job')} {have} that this release does not know: {named}{more};"
            " nodes of a newer release alone plan and run them",
            "install the newer release here too; see that one of its nodes serves: sp nodes",
        )


_UPDATE = "update the older nodes: sp nodes drain NODE lets each end its work first"
_UPDATE_ZONES = (
    "update the system's tzdata (or the tzdata package) on the older ones, and restart their nodes: until then those only"
    " run what waits, and the nodes with the newest plan"
)


def _labels(ledger: LedgerReader, nodes: Sequence[NodeIdentity]) -> Iterator[Finding]:
    waiting: dict[str, int] = {}
    for run in ledger.open_runs():
        if run.node_id is None:
            waiting[run.job_name] = waiting.get(run.job_name, 0) + 1
    by_reason: dict[str, list[JobView]] = {}
    for job in ledger.jobs():
        is_due = job.enabled and job.quarantine is None and bool(job.schedule)
        reason = no_node_for(job.runs_on, nodes)
        if reason is not None and (is_due or job.name in waiting):
            by_reason.setdefault(reason, []).append(job)
    for reason, jobs in by_reason.items():
        named = ", ".join(job.name for job in jobs[:_NAMED]) + (
            f" and {len(jobs) - _NAMED} more" if len(jobs) > _NAMED else ""
        )
        runs = sum(waiting.get(job.name, 0) for job in jobs)
        wait = f"; {counted(runs, 'run waits', 'runs wait')}" if runs else ""
        mend = "start a node whose profile has these `node.labels`, or change `runs_on` of the jobs"
        yield Finding("labels", f"{reason}, and these jobs need one: {named}{wait}", mend)


def _releases(name: str, what: str, said: Sequence[tuple[str, str]], mend: str) -> Iterator[Finding]:
    if len({release for _, release in said}) > 1:
        shown = ", ".join(f"{node_id} has {release}" for node_id, release in said[:_NAMED])
        yield Finding(name, f"nodes work with different {what}: {shown}", mend)
