"""Nodes on a real PostgreSQL, beside peers and bare statements on the same server.

`python -m bench cluster [PART ...] [FLAGS]`: without a part every one, one after the other, on one server.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys

from bench._report import NotMeasured, options

__all__ = ["PARTS", "main"]

PARTS = ("alone", "rates", "lateness", "idle", "reading", "takeover")
"""Each is a module of this package with `measure(server, chosen) -> Report`."""


def main(arguments: list[str]) -> int:
    """Print a table for each part; with --check the status is 1 where a must is not met."""
    import psycopg

    from bench.cluster.server import bench_server

    signal.signal(signal.SIGTERM, _stop)
    parts = [word for word in arguments if not word.startswith("-") and word in PARTS]
    chosen = options([word for word in arguments if word not in parts])
    statuses = []
    with bench_server() as server:
        for part in parts or PARTS:
            busy = os.getloadavg()[0]
            try:
                report = importlib.import_module(f"bench.cluster.{part}").measure(server, chosen)
            except (NotMeasured, psycopg.Error) as reason:
                # One that cannot be measured must not keep the others from it.
                print(f"bench cluster {part} could not be measured: {reason}\n", file=sys.stderr)
                statuses.append(1)
                continue
            report.note(f"PostgreSQL {server.release} on a socket: {server.settings}")
            statuses.append(report.finish(chosen, busy))
    return max(statuses)


def _stop(number: int, _: object) -> None:
    # So that the server and all processes end, and their folders go.
    raise SystemExit(128 + number)
