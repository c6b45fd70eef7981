"""What tests stand on: installations, nodes, ledgers and runners to work with, and ways to wait for what they do.

A module here holds no test. Its name says what it gives.
"""

from __future__ import annotations

import os
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
REPOSITORY = TESTS.parent


def finds_support() -> dict[str, str]:
    """Return an environment in which another process can import `support`."""
    return {**os.environ, "PYTHONPATH": str(TESTS)}
