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
from statistics import median

import systemprompt
from bench._installation import Installation, scratch, sp_command
from bench._report import NotMeasured, Report, options

ROUNDS = {"smoke": 2, "quick": 7, "normal": 21, "full": 41}
JOBS = 50
MUST, AIM = 4.0, 2.0

_JOB = """
@job(name="report_{n:02}", schedule="0 */{every} * * * *", description="Writes report {n}", tags=["reports"])
def report_{n}():
    pass
"""


def main(arguments: list[str]) -> int:
    """Print the ratios; with `--check` fail where the must is not met."""
    chosen, busy = options(arguments), os.getloadavg()[0]
    compileall.compile_dir(os.path.dirname(systemprompt.__file__), quiet=1)  # as any installer does
    with scratch() as folder:
        jobs = "".join(_JOB.format(n=number, every=number % 30 + 1) for number in range(JOBS))
        environ = Installation.furnish(folder, "from systemprompt import job\n" + jobs).environ
        sp = sp_command()
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
        for number in range(ROUNDS[chosen.scale] + 1):
            for name, call in calls.items():
                took = _cpu(call, environ)
                if number:  # the first fills the caches
                    times[name].append(took)
    bare = median(times["python -c pass"])
    report = Report(name="cli", title="The start of a command", columns=("", "CPU ms", "x bare"))
    for name, taken in times.items():
        report.row(f"`{name}`", f"{median(taken) * 1000:.1f}", f"{median(taken) / bare:.2f}")
    ratio = median(times["sp --json jobs list"]) / bare
    asked = "`sp --json jobs list` within {:g}x of a bare Python"
    report.must(asked.format(MUST), f"{ratio:.2f}x", ratio <= MUST)
    report.aim(asked.format(AIM), f"{ratio:.2f}x", ratio <= AIM)
    return report.finish(chosen, busy)


def _cpu(call: list[str], environ: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(call, env=environ, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if ended.returncode:
        raise NotMeasured(f"{' '.join(call)} ended with {ended.returncode}:\n{ended.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
