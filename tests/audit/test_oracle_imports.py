"""The oracle is a second opinion: nothing of what it judges is behind its imports, however far one follows them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import systemprompt

SOURCE = Path(systemprompt.__file__).parent
JUDGED = ("cron", "planning", "nodes", "discovery", "ledger", "runner", "jobs", "system")


def imports_of(module: str) -> set[str]:
    """Return the modules of ours that a module names anywhere, even inside a function; not those for the type checker alone."""
    path = file_of(module)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unseen = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for line in node.body
        for inner in ast.walk(line)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in unseen:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "systemprompt" and is_module(name)}


def file_of(module: str) -> Path:
    place = SOURCE.joinpath(*module.split(".")[1:])
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def is_module(name: str) -> bool:
    return file_of(name).exists()


def reached_from(module: str) -> set[str]:
    """Return every module of ours that importing this one may load, its packages left out: they name others lazily."""
    seen: set[str] = set()
    waiting = {module}
    while waiting:
        one = waiting.pop()
        seen.add(one)
        waiting |= imports_of(one) - seen
    return seen


def test_the_oracle_reaches_nothing_of_what_it_judges() -> None:
    assert reached_from("systemprompt.audit.oracle") == {
        "systemprompt.audit.oracle",
        "systemprompt.clock",
        "systemprompt.errors",
        "systemprompt.wording",
    }


def test_importing_the_oracle_loads_nothing_of_what_it_judges() -> None:
    script = "import sys, systemprompt.audit.oracle; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[1] for name in done.stdout.split() if name.startswith("systemprompt.")}

    assert loaded == {"audit", "clock", "errors", "wording"}
    assert not loaded & set(JUDGED)


def test_the_auditor_shares_no_code_with_the_planner() -> None:
    """What both speak of is values: instants, errors and the ledger's records, of which one holds a job's policies: these the
    auditor reads by itself, out of what a version says.
    """
    audited = set().union(*(reached_from(f"systemprompt.audit.{file.stem}") for file in SOURCE.glob("audit/[a-z]*.py")))
    planned = set().union(
        *(reached_from(f"systemprompt.planning.{file.stem}") for file in SOURCE.glob("planning/[a-z]*.py"))
    )

    assert "systemprompt.audit.auditor" in audited
    assert "systemprompt.cron.fire_times" in planned
    shared = {
        name
        for name in audited & planned
        if name.split(".")[1] not in ("clock", "errors", "record", "wording", "ledger")
    }
    # The record by which a version is read; what it says is judged on each side by itself.
    record = ("policies", "labels", "retry", "exit_codes", "durations")
    assert shared <= {"systemprompt.jobs", *(f"systemprompt.jobs.{name}" for name in record)}
    named = set().union(*(imports_of(f"systemprompt.audit.{file.stem}") for file in SOURCE.glob("audit/[a-z]*.py")))
    assert not {name for name in named if name.startswith("systemprompt.jobs")}


def test_this_would_be_noticed() -> None:
    assert "systemprompt.cron.schedule" in reached_from("systemprompt.planning.planner")
