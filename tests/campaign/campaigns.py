"""The long campaigns, one after another: `make campaign`, or `python tests/campaign/campaigns.py [NAME...]` for some of them.

    SEED=7      draw the same again; without it each run draws its own and says which
    MINUTES=10  how long each storm lasts, and whatever else goes by time

Each is a part of the test suite that knows a short form, for `make test`, and a long one, which SP_CAMPAIGN=long asks for.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
STORM = "crash/test_storm.py::test_nodes_in_a_storm_leave_a_ledger_that_agrees_with_what_really_ran"

STORM_OVER_A_SERVER = (
    "crash/test_storm_postgres.py::"
    "test_a_storm_over_nodes_and_their_server_leaves_a_ledger_that_agrees_with_what_really_ran"
)
FAULT_STORM = (
    "crash/test_fault_storm.py::"
    "test_nodes_come_through_every_fault_without_help_and_the_ledger_agrees_with_what_really_ran"
)
HORIZON = "crash/test_horizon.py::test_a_transaction_that_holds_the_horizon_costs_no_fire_time"
FAULTS = ("killed", "stopped", "drained", "sessions", "server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one campaign did. `did` is what its tests recorded, `examples` how many Hypothesis tried."""

    name: str
    passed: bool
    seconds: float
    did: Sequence[Mapping[str, Any]]
    examples: int
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A part of the suite: `tests` below tests/, run in `processes` at once; `says` makes one line of what it did."""

    what: str
    tests: tuple[str, ...]
    says: Callable[[Outcome], str]
    processes: int = 0


def say_points(outcome: Outcome) -> str:
    kills = Counter[str]()
    for one in outcome.did:
        kills[one["scenario"]] += one["kills"]
    scenarios = ", ".join(f"{scenario} {number:,}" for scenario, number in kills.items())
    return f"{kills.total():,} kill points ({scenarios})"


def say_storm(outcome: Outcome) -> str:
    said = []
    for one in outcome.did:
        acts = one["acts"]
        faults = sum(number for act, number in acts.items() if act.startswith(FAULTS))
        commands = sum(number for act, number in acts.items() if act.startswith("sp "))
        edits = sum(number for act, number in acts.items() if act.endswith("edited"))
        counts = f"{one['fire_times']:,} fire times, {faults} faults, {commands} commands, {edits} edits"
        late = f"; untouched nodes: {one['calm']}; at least one node: {one['with_a_node']}" if "calm" in one else ""
        said.append(counts + late)
    return "; ".join(said)


def say_faults(outcome: Outcome) -> str:
    said = []
    for one in outcome.did:
        fires = sorted(one["first_fires_s"])
        after = f"median {fires[len(fires) // 2]:.2f} s, most {fires[-1]:.2f} s" if fires else "never away"
        faults = sum(number for act, number in one["acts"].items() if act != "started in vain")
        said.append(f"{one['fire_times']:,} fire times, {faults} faults; first fire after the server is back: {after}")
    return "; ".join(said)


def say_horizon(outcome: Outcome) -> str:
    return "; ".join(
        f"{one['fires_a_second']} fires a second, held for {one['seconds']} s: rate {one['held']['rate']:.1%},"
        f" p99 lateness {one['last_minute']['p99_s'] * 1000:.0f} ms (before: {one['before']['p99_s'] * 1000:.0f} ms)"
        for one in outcome.did
    )


def say_failovers(outcome: Outcome) -> str:
    starts, brought_back, again = (sum(one[key] for one in outcome.did) for key in ("starts", "brought_back", "again"))
    return f"{len(outcome.did)} failovers: {starts:,} starts, {brought_back:,} brought back, {again} started again"


def say_examples(outcome: Outcome) -> str:
    return f"{outcome.examples:,} examples; {outcome.summary}" if outcome.examples else outcome.summary


CAMPAIGNS: dict[str, Campaign] = {
    "points": Campaign(
        what="SIGKILL at every event of every transaction, on three grounds and on PostgreSQL",
        tests=(
            "crash/test_crash_points.py",
            "crash/test_crash_coverage.py",
            "crash/test_crash_points_postgres.py",
            "crash/test_crash_coverage_postgres.py",
        ),
        says=say_points,
        processes=2,
    ),
    "storm2": Campaign(what="a storm over two nodes", tests=(f"{STORM}[2]",), says=say_storm),
    "storm3": Campaign(what="a storm over three nodes", tests=(f"{STORM}[3]",), says=say_storm),
    "faults": Campaign(
        what="every fault that we know of, over three nodes on PostgreSQL", tests=(FAULT_STORM,), says=say_faults
    ),
    "failover": Campaign(
        what="a standby takes over before it had the last commits",
        tests=("crash/test_failover.py",),
        says=say_failovers,
    ),
    "horizon": Campaign(
        what="200 fires a second while somebody's transaction holds the horizon", tests=(HORIZON,), says=say_horizon
    ),
    "storm_postgres": Campaign(
        what="a storm over three nodes and their PostgreSQL", tests=(STORM_OVER_A_SERVER,), says=say_storm
    ),
    "releases": Campaign(
        what="the rules of every engine on every release of PostgreSQL that is here",
        tests=("ledger", "databases"),
        says=say_examples,
        processes=2,
    ),
    "stateful": Campaign(
        what="any life a ledger may lead, audited after each step",
        tests=("ledger/test_lives.py", "breakages/test_lives_of_nodes.py"),
        says=say_examples,
        processes=2,
    ),
    "ground": Campaign(what="bad words, bad databases, bad jobs", tests=("badground",), says=say_examples, processes=2),
    "fuzz": Campaign(
        what="any text as cron expression, profile and front matter",
        tests=("fuzz", "profile/test_profile_fuzz.py", "cron/test_cron_properties.py"),
        says=say_examples,
        processes=2,
    ),
}


def main(arguments: list[str]) -> int:
    """Run the campaigns that are named, or all; return 0 where every one passed."""
    unknown = [name for name in arguments if name not in CAMPAIGNS]
    if unknown:
        print(f"no campaign is named {unknown[0]!r}; there are: {', '.join(CAMPAIGNS)}", file=sys.stderr)
        return 2
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(1, 2**31))
    outcomes = [run(name, seed) for name in arguments or CAMPAIGNS]
    print(f"\nSEED={seed}\n")
    for outcome in outcomes:
        verdict = "passed" if outcome.passed else "FAILED"
        print(f"{outcome.name:<9} {verdict:<7} {outcome.seconds:>6.0f} s  {CAMPAIGNS[outcome.name].says(outcome)}")
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def run(name: str, seed: int) -> Outcome:
    """Run one campaign, and show what pytest says of it as it comes."""
    campaign = CAMPAIGNS[name]
    print(f"\n== {name}: {campaign.what}  (SEED={seed} make campaign ONLY={name})", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "did.jsonl")
        report.touch()
        process = subprocess.Popen(
            command(campaign, seed),
            cwd=TESTS.parent,
            env=os.environ
            | {"SP_CAMPAIGN": "long", "SEED": str(seed), "FUZZ_SEED": str(seed), "SP_CAMPAIGN_REPORT": str(report)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "passing examples" not in line:
                print(line, end="", flush=True)
        passed = process.wait() == 0
        did = [json.loads(line) for line in report.read_text().splitlines()]
    return Outcome(
        name=name,
        passed=passed,
        seconds=time.monotonic() - began,
        did=did,
        examples=sum(int(number) for number in re.findall(r"(\d+) passing examples", "".join(lines))),
        summary=next(
            (line.strip() for line in reversed(lines) if " passed" in line or " failed" in line), "nothing ran"
        ),
    )


def command(campaign: Campaign, seed: int) -> list[str]:
    """Return the pytest command line of a campaign."""
    chosen = [str(TESTS / test) for test in campaign.tests]
    how = [f"--hypothesis-seed={seed}", "--hypothesis-show-statistics", "-n", str(campaign.processes)]
    return [sys.executable, "-m", "pytest", *how, *chosen]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
