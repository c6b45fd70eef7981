"""Start a door: the only module that knows the doors. It imports nothing before it is known which one is wanted."""

from __future__ import annotations

__all__ = ["run"]


def run() -> int:
    """Be the program `sp`: open the command line on this process's arguments and streams, and return its exit code."""
    from systemprompt.cli.main import run

    return run()
