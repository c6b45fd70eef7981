"""What commands that read may load. A module more is a decision, not an accident: it is paid on every call."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import systemprompt
from support.cli_session import PROFILE, CliSession
from systemprompt.builtin import BUILTIN_MODULES

COMMON = {
    "systemprompt",
    "systemprompt.cli",
    "systemprompt.cli.lazy_inspect",
    "systemprompt.cli.main",
    "systemprompt.cli.parse",
    "systemprompt.cli.render",
    "systemprompt.cli.settings",
    "systemprompt.cli.table",
    "systemprompt.clock",
    "systemprompt.databases",
    "systemprompt.databases.address",
    "systemprompt.databases.sqlite",
    "systemprompt.discovery",
    "systemprompt.discovery.fingerprint",
    "systemprompt.entry",
    "systemprompt.errors",
    "systemprompt.ledger",
    "systemprompt.ledger.engine",
    "systemprompt.ledger.job_view",
    "systemprompt.ledger.migration_files",
    "systemprompt.ledger.sqlite",
    "systemprompt.ledger.sqlite.engine",
    "systemprompt.ledger.sqlite.migrating",
    "systemprompt.ledger.sqlite.reader",
    "systemprompt.ledger.sqlite.store",
    "systemprompt.ledger.statements",
    "systemprompt.ledger.stored",
    "systemprompt.ledger.stored.reader",
    "systemprompt.operations",
    "systemprompt.operations.answers",
    "systemprompt.operations.catalogue",
    "systemprompt.operations.context",
    "systemprompt.operations.operation",
    "systemprompt.operations.parameters",
    "systemprompt.ownership",
    "systemprompt.profile",
    "systemprompt.profile.cache",
    "systemprompt.profile.find",
    "systemprompt.system",
    "systemprompt.version",
    "systemprompt.wording",
}
"""What every command loads that only reads the ledger."""

ON_POSTGRESQL = {"ledger.postgres.engine", "ledger.postgres.reader"}
"""They open a ledger there for a command that reads. What takes longest is the driver's own start."""

OF_EACH = {
    "jobs list": {
        "jobs",
        "jobs.policies",
        "ledger.node_identity",
        "ledger.policy_texts",
        "nodes",
        "nodes.identity",
        "operations.list_jobs",
        "operations.serving",
    },
    "jobs show nightly_report": {
        "cron",
        "cron.clock_changes",
        "cron.day_times",
        "cron.day_words",
        "cron.days",
        "cron.describe",
        "cron.expression",
        "cron.fields",
        "cron.fire_times",
        "cron.remarks",
        "cron.schedule",
        "cron.time_words",
        "cron.zones",
        "jobs",
        "jobs.policies",
        "ledger.node_identity",
        "nodes",
        "nodes.identity",
        "operations.instants",
        "operations.schedules",
        "operations.serving",
        "operations.show_job",
    },
    "jobs history": {
        "ledger.reasons",
        "ledger.stored.history",
        "ledger.tallies",
        "ledger.views",
        "operations.cursors",
        "operations.history",
        "operations.instants",
    },
    "jobs upcoming": {
        "cron",
        "cron.day_times",
        "cron.days",
        "cron.expression",
        "cron.fields",
        "cron.fire_times",
        "cron.schedule",
        "cron.zones",
        "jobs",
        "jobs.policies",
        "ledger.node_identity",
        "nodes",
        "nodes.identity",
        "operations.cursors",
        "operations.instants",
        "operations.schedules",
        "operations.serving",
        "operations.upcoming",
    },
    "nodes": {
        "ledger.node_identity",
        "nodes",
        "nodes.identity",
        "operations.list_nodes",
        "operations.serving",
    },
    "jobs explain nightly_report": {
        "audit",
        "audit.case",
        "audit.explain",
        "audit.findings",
        "audit.oracle",
        "jobs",
        "jobs.policies",
        "ledger.reasons",
        "ledger.views",
        "operations.explain_fire_time",
        "operations.fire_time_words",
        "operations.instants",
        "operations.schedules",
    },
}
"""What each of them loads besides, below `systemprompt`. In these modules imports may stand in functions, and `TYPE_CHECKING` may
be a name of ours, to save a start the time; and in no others but those that are listed below."""
LOADED_BY_DISCOVERY = {
    "builtin.content.markdown_files",
    "builtin.content.publish_content",
    "builtin.upkeep.ledger_audit",
    "builtin.upkeep.prune_history",
}
"""They need heavy libraries for the work of built-in jobs: whoever only looks which jobs there are must not wait for these."""

HEAVY_TO_RUN = {"jinja2", "markdown_it", "cronsim"}

STARTING = {"systemprompt.__main__"}
"""It begins the process, before `PROBE` could look."""

BARRED = {
    *(
        "argparse",
        "ast",
        "asyncio",
        "dis",
        "email",
        "hashlib",
        "importlib.metadata",
        "importlib.util",
        "logging",
        "msgspec",
    ),
    *(
        "pathlib",
        "random",
        "rich",
        "shutil",
        "socket",
        "subprocess",
        "tempfile",
        "tokenize",
        "traceback",
        "typing",
        "uuid",
    ),
    *("yaml", "zoneinfo", "cronsim", "jinja2", "psutil", "concurrent.futures", "multiprocessing", "gettext", "locale"),
}

PROBE = """
import sys
before = set(sys.modules)
import systemprompt.entry
from systemprompt.cli.main import main, _settings_of_process
import os, io, json
settings = _settings_of_process()
settings.stdout = out = io.StringIO()
code = main(["--json", *sys.argv[1:]], settings)
real = "dis" in sys.modules
print(json.dumps({"code": code, "loaded": sorted(set(sys.modules) - before), "inspect_is_real": real,
                  "data": json.loads(out.getvalue())["data"]}))
"""


def loaded(cli: CliSession, call: str) -> dict[str, Any]:
    assert cli.sp("jobs list").code == 0
    environ = {**cli.environ, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *call.split()],
        env=environ,
        cwd=cli.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("call", OF_EACH)
def test_a_command_that_reads_loads_these_modules_of_ours(cli: CliSession, call: str) -> None:
    found = loaded(cli, call)

    assert found["code"] == 0
    wanted = COMMON | {f"systemprompt.{name}" for name in OF_EACH[call]}
    assert {name for name in found["loaded"] if name.startswith("systemprompt")} == wanted
    assert not [name for name in found["loaded"] if name.startswith("systemprompt.discovery.job_files.")], (
        "a user's code was imported"
    )
    assert not found["inspect_is_real"]


def test_on_postgresql_a_command_that_reads_parses_no_profile_and_imports_no_job_either(
    tmp_path: Path, postgres: str
) -> None:
    address = postgres.replace("tester@", "tester:${PASSWORD}@")
    cli = CliSession(tmp_path, profile=PROFILE.replace("sqlite:///data/app.db", address))
    cli.environ["PASSWORD"] = "hunter2"

    found = loaded(cli, "jobs list")

    assert found["data"]["total"] == len(BUILTIN_MODULES) + 3
    ours = {name.removeprefix("systemprompt.") for name in found["loaded"] if name.startswith("systemprompt.")}
    assert ours > ON_POSTGRESQL
    beginnings = ("builtin", "discovery.job_files", "discovery.discovery", "profile.load", "ledger.sqlite", "runner")
    assert not [name for name in ours if name.startswith(beginnings)]
    assert "yaml" not in found["loaded"]


def test_listing_jobs_loads_none_of_the_heavy_ones(cli: CliSession) -> None:
    found = loaded(cli, "jobs list")

    assert found["data"]["total"] == len(BUILTIN_MODULES) + 3
    assert not {name for name in found["loaded"] if name in BARRED or name.partition(".")[0] in BARRED}


def test_looking_which_jobs_there_are_loads_nothing_heavy_that_only_running_them_needs() -> None:
    script = (
        "import importlib, sys\n"
        f"for module in {BUILTIN_MODULES!r}: importlib.import_module(module)\n"
        f"print(sorted({HEAVY_TO_RUN!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_tricks_to_start_quickly_stand_only_where_a_command_that_reads_is_the_quicker_for_it() -> None:
    source = Path(systemprompt.__file__).parent
    below = [*OF_EACH.values(), LOADED_BY_DISCOVERY, ON_POSTGRESQL]
    free = COMMON | {f"systemprompt.{name}" for names in below for name in names} | STARTING
    tricky = set()
    for path in source.rglob("*.py"):
        module = ".".join(path.relative_to(source.parent).with_suffix("").parts).removesuffix(".__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
        within = [node for one in functions for node in ast.walk(one) if isinstance(node, (ast.Import, ast.ImportFrom))]
        named = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "TYPE_CHECKING"]
        if within or named:
            tricky.add(module)
    assert tricky - free == set()


def test_the_stand_in_for_inspect_becomes_the_real_one_when_somebody_uses_it() -> None:
    code = """
import sys
from systemprompt.cli.lazy_inspect import install
install()
import inspect, dataclasses
assert "dis" not in sys.modules
held = inspect
@dataclasses.dataclass
class Undocumented:
    x: int
assert Undocumented.__doc__ == "Undocumented(x: int)"
assert "dis" in sys.modules
assert sys.modules["inspect"] is not held
assert held.isfunction(install) and "getsource" in dir(held)
import inspect as again
held.extra = 1
assert again.extra == 1
del held.extra
assert not hasattr(again, "extra")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_real_process_answers_as_the_tests_do(cli: CliSession) -> None:
    expected = cli.sp("--json jobs list").out
    environ = {**cli.environ, "PATH": "/usr/bin:/bin"}

    done = subprocess.run(
        [sys.executable, "-m", "systemprompt", "--json", "jobs", "list"],
        env=environ,
        cwd=cli.folder,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == expected
    assert done.stderr == ""


def test_what_programs_started_by_a_job_print_stays_out_of_the_answer(live: CliSession) -> None:
    (live.home / "jobs/loud.py").write_text(
        "import os\nfrom systemprompt import job\n\n@job(name='loud')\ndef loud():\n"
        "    os.system('echo from a child')\n    os.write(1, b'from below')\n",
        encoding="utf-8",
    )
    environ = {**live.environ, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-m", "systemprompt", "--json", "jobs", "run", "loud"],
        env=environ,
        cwd=live.folder,
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout)["data"]["succeeded"] == 1
