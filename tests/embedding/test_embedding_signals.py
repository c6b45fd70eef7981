"""Ctrl-C in programs that embed a node: the first drains, the second ends everything at once, and both are accounted for."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import systemprompt
from support.embedded_node import audit_is_clean, profile_in
from support.waiting import WAIT_S

# A shell that puts its tests in the background has them ignore Ctrl-C, and every child inherits that; so each program says it anew.
JOB = """
import asyncio, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
import systemprompt
from systemprompt import job

@job()
def held(ctx):
    print("held", flush=True, file=sys.__stdout__)  # a plain print goes into the log of the run
    ctx.cancel.wait()
    ctx.raise_if_cancelled()

def tell(event):
    if event.kind == "draining":
        print("draining", flush=True)
"""

ASYNCIO = f"""{JOB}
async def main():
    async with systemprompt.node(sys.argv[1], jobs=[held], grace=float(sys.argv[2]), on_event=tell) as node:
        await node.start("held")
        await node.wait()

asyncio.run(main())
"""

THREADS = f"""{JOB}
with systemprompt.node(sys.argv[1], jobs=[held], grace=float(sys.argv[2]), on_event=tell) as node:
    node.start("held")
    node.wait()
"""


@pytest.mark.parametrize("program", [ASYNCIO, THREADS], ids=["asyncio", "threads"])
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_drains_and_again_ends_at_once(tmp_path: Path, program: str, times: int) -> None:
    profile = profile_in(tmp_path)
    grace = "0" if times == 1 else "3600"
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(profile), grace], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "draining\n"
        if times == 2:
            process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=WAIT_S)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGINT, said
    assert said.rstrip().endswith("KeyboardInterrupt"), said
    with systemprompt.node(profile) as node:
        (run,) = node.history("held")
        assert (run.status, run.reason) in {("cancelled", "shutdown"), ("failed", "node_lost")}
    audit_is_clean(profile)
