"""Peers, each in an environment of its own below `.venv/peers`, measured in a process of its own on the same disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from bench._installation import scratch
from bench._report import REPOSITORY, NotMeasured

__all__ = ["SET_UP", "ask_peer", "peer_environ", "peer_version"]

PEERS_FOLDER = os.path.join(REPOSITORY, ".venv", "peers")

_PACKAGES = {
    "apscheduler3": "apscheduler",
    "apscheduler4": "apscheduler",
    "apscheduler4pg": "apscheduler",
    "awa": "awa_pg",
}
"""Where the package is not called as the peer is here."""

SET_UP = "make bench"
"""Sets the peers up, once."""


def peer_version(peer: str) -> str | None:
    """Return the version of a peer that is set up; None where it is not."""
    try:
        names = os.listdir(_place(peer))
    except FileNotFoundError:
        return None
    package = _PACKAGES.get(peer, peer)
    versions = [name.removesuffix(".dist-info").split("-")[1] for name in names if name.startswith(f"{package}-")]
    return versions[0] if versions else None


def ask_peer(peer: str, **question: object) -> dict[str, Any]:
    """Run `bench/peers/with_PEER.py` with this question; return its answer.

    Raises:
        NotMeasured: it failed; what it said is shown.
    """
    script = os.path.join(REPOSITORY, "bench", "peers", f"with_{peer}.py")
    with scratch() as folder:
        if "folder" in question:
            question["folder"] = folder
        ended = subprocess.run(
            [sys.executable, script, json.dumps(question)],
            env=peer_environ(peer),
            capture_output=True,
            text=True,
            check=False,
        )
    if ended.returncode != 0:
        raise NotMeasured(f"{peer} failed:\n{ended.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def peer_environ(peer: str) -> dict[str, str]:
    """Return the surroundings of a peer's process: it sees its own packages and none of ours."""
    return {**os.environ, "PYTHONPATH": _place(peer)}


def _place(peer: str) -> str:
    return os.path.join(PEERS_FOLDER, peer)
