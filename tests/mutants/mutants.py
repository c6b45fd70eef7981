"""Change the rules one place at a time and see that a test notices: `make mutants ONLY="planning cron" JOBS=2`.

`mutants.toml` names the modules and the tests that must notice; `equivalent.toml` the mutants that change nothing that anybody
could see, and why. With `-v` it tells what noticed each mutant. Exits with 1 if a mutant survives that is not explained, or if
an explanation fits no mutant any more.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tomllib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mutations import Mutant

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
EVERY_LINE = range(1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A module to change, and the tests that must notice."""

    name: str
    path: str
    tests: tuple[str, ...]
    lines: range

    @property
    def module(self) -> str:
        return self.path.removeprefix("src/").removesuffix(".py").replace("/", ".")


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why mutants of one line change nothing: of all of them, or, with `now`, of one."""

    target: str
    function: str
    was: str
    now: tuple[str, ...]
    why: str

    def fits(self, target: str, function: str, was: str, now: str) -> bool:
        return (self.target, self.function, self.was) == (target, function, was) and (not self.now or now in self.now)


def targets(only: list[str]) -> list[Target]:
    """Return the targets of these names, or of the groups before the slash; all where nothing is named.

    `planning/pieces:30-36` is the target `planning/pieces`, and of it the mutants of these lines.
    """
    tables = tomllib.loads((HERE / "mutants.toml").read_text())
    names = {name for table in tables for name in (table, table.partition("/")[0])}
    lines = {}
    for one in only or tables:
        name, _, span = one.partition(":")
        if name not in names:
            sys.exit(f"no target is named {name}; mutants.toml has {', '.join(tables)}")
        first, _, last = span.partition("-")
        lines[name] = range(int(first), int(last or first) + 1) if span else EVERY_LINE
    return [
        Target(name=name, path=one["path"], tests=tuple(one["tests"]), lines=chosen)
        for name, one in tables.items()
        if (chosen := lines.get(name) or lines.get(name.partition("/")[0]))
    ]


def explanations() -> list[Explanation]:
    tables = tomllib.loads((HERE / "equivalent.toml").read_text())
    return [
        Explanation(
            target=name,
            function=one.get("function", ""),
            was=one["was"],
            now=tuple([one["now"]] if isinstance(one.get("now"), str) else one.get("now", ())),
            why=one["why"],
        )
        for name, entries in tables.items()
        for one in entries
    ]


class Workers:
    """Processes that test mutants, each handed one at a time."""

    def __init__(self, count: int) -> None:
        command = [sys.executable, str(HERE / "mutant_worker.py")]
        self.count = count
        self._all = [
            subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(count)
        ]
        self._free: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
        for one in self._all:
            self._free.put(one)

    def judge(self, target: Target, code: str | None, seconds: list[int]) -> dict[str, Any]:
        worker = self._free.get()
        try:
            assert worker.stdin is not None
            assert worker.stdout is not None
            asked = {
                "path": target.path,
                "module": target.module,
                "tests": target.tests,
                "code": code,
                "seconds": seconds,
            }
            print(json.dumps(asked), file=worker.stdin, flush=True)
            answer: dict[str, Any] = json.loads(worker.stdout.readline())
        finally:
            self._free.put(worker)
        if answer["outcome"] == "broken":
            raise RuntimeError(f"{target.name}: the tests cannot be run\n{answer['output']}")
        return answer

    def close(self) -> None:
        for one in self._all:
            assert one.stdin is not None
            one.stdin.close()
            one.wait()


def run(target: Target, workers: Workers, known: list[Explanation]) -> tuple[Counter[str], list[str]]:
    """Test every mutant of a target that is not explained. Return how many there are of each outcome, and what must be done."""
    from mutations import mutants_of

    mutants = mutants_of((ROOT / target.path).read_text(), target.lines)
    why = {
        mutant: one
        for mutant in mutants
        for one in known
        if one.fits(target.name, mutant.function, mutant.was, mutant.now)
    }
    unchanged = workers.judge(target, None, [])
    if unchanged["outcome"] != "survived":
        raise RuntimeError(
            f"{target.name}: the tests fail without any mutant: {unchanged['by']}\n{unchanged['output']}"
        )
    told = f"{len(mutants)} mutants, {len(why)} of them explained"
    print(f"{target.name}: {told}; the tests take {sum(unchanged['used']):.1f} s of a processor", flush=True)
    seconds = [math.ceil(3 + 3 * used) for used in unchanged["used"]]

    def judge(mutant: Mutant) -> tuple[Mutant, dict[str, Any]]:
        return mutant, workers.judge(target, mutant.code, seconds)

    counts: Counter[str] = Counter(mutants=len(mutants), explained=len(why))
    todo = [
        f"{target.path}: the explanation of {one.was!r} in {one.function} fits no mutant"
        for one in known
        if one.target == target.name and one not in why.values() and target.lines == EVERY_LINE
    ]
    with ThreadPoolExecutor(workers.count) as pool:
        answers = pool.map(judge, [one for one in mutants if one not in why])
        for number, (mutant, answer) in enumerate(answers, 1):
            counts[answer["outcome"]] += 1
            if number % 50 == 0:
                print(f"    {number} tested", flush=True)
            if answer["outcome"] == "survived":
                place = f"{target.path}:{mutant.line}: {mutant.function or 'a constant'}"
                todo.append(f"{place}\n    - {mutant.was}\n    + {mutant.now}")
                print(todo[-1], flush=True)
            elif "-v" in sys.argv:
                print(f"{mutant.line}: {mutant.was} -> {mutant.now}: {answer['outcome']} {answer['by']}", flush=True)
    return counts, todo


def main() -> int:
    sys.path.append(os.environ["MUTANTS_LIBRARY"])
    only = [name for name in sys.argv[1:] if name != "-v"]
    known = explanations()
    workers = Workers(int(os.environ.get("JOBS") or os.cpu_count() or 1))
    results: dict[str, Counter[str]] = {}
    todo: list[str] = []
    try:
        for target in targets(only):
            results[target.name], more = run(target, workers, known)
            todo += more
    finally:
        workers.close()
    columns = ("mutants", "killed", "timeout", "explained", "survived")
    print(f"\n{'':<18}" + "".join(f"{column:>11}" for column in columns))
    for name, counts in results.items():
        print(f"{name:<18}" + "".join(f"{counts[column]:>11}" for column in columns))
    if todo:
        print("\nEach of these wants a test that names the rule, or a line in tests/mutants/equivalent.toml:\n")
        print("\n".join(todo))
    return 1 if todo else 0


if __name__ == "__main__":
    sys.exit(main())
