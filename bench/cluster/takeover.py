"""How long until others go on: from SIGKILL of a node to the restart of its work, from `enable` to the first fire elsewhere.

Killed, with a lease of 5 s: the job is `on_lost: rerun`, and the survivor starts it again. On the same machine a process that
is gone needs no wait, so the ledger is told that the killed node lives on another machine; the other case stands beside it.
Enabled: a process of `sp jobs enable` enables a job of every second, and a node fires it at the next whole second; late is that
start's lateness.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from statistics import median

from bench._installation import Installation, NodeProcess, scratch
from bench._report import REPOSITORY, NotMeasured, Options, Report
from bench.cluster.server import BenchServer, wait_for

LEASE_S = 5
TIMES = {"smoke": 1, "quick": 2, "normal": 5, "full": 11}
CASES = {"smoke": (False,), "quick": (True, False), "normal": (True, False), "full": (True, False)}
"""Whether the killed node lives on another machine."""

LONG = """\
import time
from bench._marks import start
from systemprompt import job

@job(name="long", schedule="{second} * * * * *", on_lost="rerun")
def long(ctx):
    start(ctx)
    time.sleep(30)
"""

SHORT = f"""\
import sys
sys.path.insert(0, {REPOSITORY!r})  # commands read this file too
from bench._marks import start
from systemprompt import job

job(name="short", schedule="* * * * * *")(start)
"""


def measure(server: BenchServer, chosen: Options) -> Report:
    columns = ("", "times", "median s", "longest s", "late ms")
    report = Report(name="cluster takeover", title="Until others go on, on PostgreSQL", columns=columns)
    times = TIMES[chosen.scale]
    for far in CASES[chosen.scale]:
        taken = [restarted_after(server, far=far) for _ in range(times)]
        name = f"SIGKILL to restart, lease {LEASE_S} s" if far else "SIGKILL to restart, same machine"
        report.row(name, times, f"{median(taken):.2f}", f"{max(taken):.2f}", "")
        if far:
            asked = "a killed node's work starts again within twice the lease"
            report.aim(asked, f"{max(taken):.2f} s", max(taken) <= 2 * LEASE_S)
    heard = [fired_after_enabling(server) for _ in range(times)]
    waited, late = [one[0] for one in heard], max(one[1] for one in heard)
    report.row("`enable` to the first fire", times, f"{median(waited):.2f}", f"{max(waited):.2f}", f"{late * 1000:.0f}")
    report.aim("the first fire after `enable` less than 100 ms late", f"{late * 1000:.0f} ms", late < 0.1)
    report.note(
        "the seconds of `enable` count from the start of its command, and hold the wait for the next whole second"
    )
    return report


def restarted_after(server: BenchServer, *, far: bool) -> float:
    """Kill the node that runs a long job; return the seconds until the other starts it again."""
    with server.database() as address, scratch() as folder, ExitStack() as stack:
        second = int(time.time() + 4) % 60
        jobs, limits = LONG.format(second=second), {"lease": f"{LEASE_S}s"}
        installation = Installation.furnish(folder, jobs, limits, database=address)
        nodes = [stack.enter_context(NodeProcess(installation)) for _ in range(2)]
        starts: list[list[float]] = [[], []]

        def has_started(at: int) -> bool:
            starts[at] += [start for _, start in nodes[at].report()["starts"]]
            return bool(starts[at])

        wait_for(lambda: any([has_started(0), has_started(1)]), 70, "the first start of a job")
        victim = 0 if starts[0] else 1
        survivor = 1 - victim
        if far:
            with server.connected(address) as connection:
                connection.execute(
                    "UPDATE systemprompt.nodes SET machine = 'another' WHERE pid = %s", [nodes[victim].process.pid]
                )
        nodes[victim].process.kill()
        nodes[victim].process.wait()
        killed_at = time.time()
        wait_for(lambda: has_started(survivor), 10 * LEASE_S, "the restart of a killed node's work")
        if len(starts[survivor]) != 1:
            raise NotMeasured(f"the survivor started the work {len(starts[survivor])} times")
        return starts[survivor][0] - killed_at


def fired_after_enabling(server: BenchServer) -> tuple[float, float]:
    """Enable a job of every second; return the seconds from the start of that command to the job's, and how late this was."""
    with server.database() as address, scratch() as folder:
        installation = Installation.furnish(folder, SHORT, database=address)
        with NodeProcess(installation) as node:
            installation.sp("jobs", "disable", "short")
            time.sleep(1.5)  # what was on its way is over
            node.report()
            time.sleep(1.5)
            if node.report()["starts"]:
                raise NotMeasured("a disabled job was started")
            asked_at = time.time()
            installation.sp("jobs", "enable", "short")
            starts: list[list[float]] = []

            def has_started() -> bool:
                starts.extend(node.report()["starts"])
                return bool(starts)

            wait_for(has_started, 30, "the first fire of an enabled job")
    fire_at, start = starts[0]
    return start - asked_at, start - fire_at
