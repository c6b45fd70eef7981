"""What tests stand on: installations, nodes, ledgers and runners to work with, and ways to wait for what they do.

A module here holds no test. Its name says what it gives.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
REPOSITORY = TESTS.parent


def environ_of_a_user(**more: str) -> dict[str, str]:
    """Return the environment of somebody who has `sp` on the PATH and has chosen no profile."""
    hidden = ("SYSTEMPROMPT_PROFILE", "PYTHONPATH", "DJANGO_SETTINGS_MODULE")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return {**kept, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **more}


def finds_support() -> dict[str, str]:
    """Return an environment in which another process can import `support`."""
    return {**os.environ, "PYTHONPATH": str(TESTS)}
