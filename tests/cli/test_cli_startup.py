"""What `sp --json jobs list` may load. A module more is a decision, not an accident: it is paid on every call."""

from __future__ import annotations

import json
import subprocess
import sys

from support.cli_session import CliSession
from systemprompt.builtin import BUILTIN_MODULES

OURS = {
    "systemprompt",
    "systemprompt.cli",
    "systemprompt.cli.lazy_inspect",
    "systemprompt.cli.main",
    "systemprompt.cli.parse",
    "systemprompt.cli.render",
    "systemprompt.cli.settings",
    "systemprompt.cli.table",
    "systemprompt.clock",
    "systemprompt.entry",
    "systemprompt.errors",
    "systemprompt.databases",
    "systemprompt.databases.sqlite",
    "systemprompt.discovery",
    "systemprompt.discovery.fingerprint",
    "systemprompt.ledger",
    "systemprompt.ledger.job_view",
    "systemprompt.ledger.sqlite.migrating",
    "systemprompt.ledger.sqlite",
    "systemprompt.ledger.sqlite.reader",
    "systemprompt.ledger.sqlite.store",
    "systemprompt.ledger.statements",
    "systemprompt.operations",
    "systemprompt.operations.answers",
    "systemprompt.operations.catalogue",
    "systemprompt.operations.context",
    "systemprompt.operations.list_jobs",
    "systemprompt.operations.operation",
    "systemprompt.operations.parameters",
    "systemprompt.profile",
    "systemprompt.profile.cache",
    "systemprompt.profile.find",
    "systemprompt.system",
    "systemprompt.version",
    "systemprompt.wording",
}
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
code = main(["--json", "jobs", "list"], settings)
real = "dis" in sys.modules
print(json.dumps({"code": code, "loaded": sorted(set(sys.modules) - before), "inspect_is_real": real,
                  "total": json.loads(out.getvalue())["data"]["total"]}))
"""


def loaded(cli: CliSession) -> dict[str, object]:
    cli.sp("jobs list")
    environ = {**cli.environ, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", PROBE], env=environ, cwd=cli.folder, capture_output=True, text=True, check=True
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_listing_jobs_loads_these_modules_of_ours_and_none_of_the_heavy_ones(cli: CliSession) -> None:
    found = loaded(cli)
    modules = found["loaded"]
    assert isinstance(modules, list)

    assert found["code"] == 0
    assert found["total"] == len(BUILTIN_MODULES) + 3
    assert {name for name in modules if name.startswith("systemprompt")} == OURS
    assert not {name for name in modules if name in BARRED or name.partition(".")[0] in BARRED}
    assert not [name for name in modules if name.startswith("_systemprompt_jobs")], "a user's code was imported"
    assert not found["inspect_is_real"]


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
