"""What a reading command costs, as a multiple of a bare `python -c pass`.

A throw-away installation with 50 jobs; every command is the console script itself, its cache warm, stdout a pipe. CPU time
(user and system) of the process, medians over rounds in which every line has its turn, so that a busy machine slows all alike.
Must: `sp --json jobs list` within 4x. Aim: 2x. `import re` is what the installer's console script does before our first line.
"""

from __future__ import annotations

import compileall
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import systemprompt

ROUNDS = 21
JOBS = 50
MUST, AIM = 4.0, 2.0

_JOB = """
@job(name="report_{n:02}", schedule="0 */{every} * * * *", description="Writes report {n}", tags=["reports"])
def report_{n}():
    pass
"""


def main(arguments: list[str]) -> int:
    """Print the ratios; with `--check` fail where the must is not met."""
    compileall.compile_dir(os.path.dirname(systemprompt.__file__), quiet=1)  # as any installer does
    with tempfile.TemporaryDirectory() as folder:
        environ = _installation(Path(folder))
        script = os.path.join(os.path.dirname(sys.executable), "sp")
        sp = [script] if os.path.exists(script) else [sys.executable, "-m", "systemprompt"]
        calls = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "python -c 'import re'": [sys.executable, "-c", "import re"],
            "sp --json jobs list": [*sp, "--json", "jobs", "list"],
            "sp --json jobs show": [*sp, "--json", "jobs", "show", "report_01"],
            "sp --json jobs history": [*sp, "--json", "jobs", "history"],
            "sp jobs list": [*sp, "jobs", "list"],
            "sp --version": [*sp, "--version"],
        }
        times: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(ROUNDS):
            for name, call in calls.items():
                times[name].append(_cpu(call, environ))
    bare = median(times["python -c pass"])
    print(f"{'':<24}{'CPU ms':>8}{'x bare':>8}")
    for name, taken in times.items():
        print(f"{name:<24}{median(taken) * 1000:>8.1f}{median(taken) / bare:>8.2f}")
    ratio = median(times["sp --json jobs list"]) / bare
    print(
        f"must {MUST:g}x: {'met' if ratio <= MUST else 'NOT met'}; aim {AIM:g}x: {'met' if ratio <= AIM else 'not met'}"
    )
    return int("--check" in arguments and ratio > MUST)


def _installation(folder: Path) -> dict[str, str]:
    jobs = "".join(_JOB.format(n=number, every=number % 30 + 1) for number in range(JOBS))
    (folder / "jobs.py").write_text("from systemprompt import job\n" + jobs, encoding="utf-8")
    (folder / "profile.yaml").write_text("database: sqlite:///app.db\nextensions: [jobs.py]\n", encoding="utf-8")
    profile = str(folder / "profile.yaml")
    return {**os.environ, "SYSTEMPROMPT_PROFILE": profile, "XDG_CACHE_HOME": str(folder / "cache")}


def _cpu(call: list[str], environ: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(call, env=environ, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
