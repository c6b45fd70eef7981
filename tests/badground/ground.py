"""What the tests of bad input and bad ground share: installations, real nodes, and dumps to compare.

Short form: `make test` runs this folder in well under a minute of one core. Long form, minutes, gigabytes and more jobs:

    SP_CAMPAIGN=long python -m pytest tests/badground tests/fuzz
"""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path

LONG = os.environ.get("SP_CAMPAIGN") == "long"
"""Whether this is the campaign, which takes its time."""

# Installations and nodes are staged as the tests of the doors stage them.
sys.path += [str(Path(__file__).parents[1] / folder) for folder in ("cli", "serve")]

from desk import Answer, Desk  # noqa: E402  # found through the line above
from served import SP, Installation, Served, serving  # noqa: E402  # found through the line above

__all__ = ["LONG", "SP", "Answer", "Desk", "Installation", "Served", "dump", "serving"]


def dump(path: Path) -> list[str]:
    """Return all that a database holds, as text. An absent one holds nothing."""
    if not path.exists():
        return []
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()
