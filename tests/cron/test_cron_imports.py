"""A listing command imports cron: what that may cost."""

from __future__ import annotations

import subprocess
import sys

import systemprompt.cron

HEAVY = (
    "re",
    "typing",
    "zoneinfo",
    "dataclasses",
    "inspect",
    "enum",
    "functools",
    "importlib.util",
    "struct",
)


def loaded(program: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{program}\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_planning_in_utc_loads_no_heavy_module() -> None:
    program = "from systemprompt.cron import Schedule; s = Schedule('0 3 * * MON'); s.next_after(0); s.count_between(0, 10**15)"
    modules = loaded(program)
    assert not modules & set(HEAVY)
    assert "systemprompt.cron.describe" not in modules


def test_a_common_schedule_is_described_without_a_heavy_module() -> None:
    modules = loaded("from systemprompt.cron import Schedule; Schedule('0 3 * * *').describe()")
    assert not modules & set(HEAVY)


def test_the_public_names_are_these() -> None:
    assert systemprompt.cron.__all__ == ["CronError", "Schedule"]
