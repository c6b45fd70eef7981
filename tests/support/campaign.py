"""How a campaign is asked for: short in `make test`, long in `make campaign`; its seed; and where it says what it did."""

from __future__ import annotations

import json
import os
import random

LONG = os.environ.get("SP_CAMPAIGN") == "long"


def chosen_seed() -> int:
    """Return SEED, or a fresh one. Print it with what the test prints, so that a failure can be repeated."""
    return int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 2**31)


def chosen_seconds(usual: float) -> float:
    """Return MINUTES in seconds, or what is usual."""
    given = os.environ.get("MINUTES")
    return float(given) * 60 if given else usual


def record(**did: object) -> None:
    """Print what was done, and add it to the file from which `make campaign` makes its closing table."""
    line = json.dumps(did)
    print(line)
    report = os.environ.get("SP_CAMPAIGN_REPORT")
    if report:
        with open(report, "a", encoding="utf-8") as stream:
            stream.write(line + "\n")
