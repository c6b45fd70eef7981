"""Three real nodes, and a standby that takes over before it had everything: nothing is started twice, and all has its account."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from crash_checks import EVER, alive
from storm_acts import Act, Storm, environment
from storm_stage import install, make_whole

from support.campaign import LONG, chosen_seconds, chosen_seed, record
from support.ledger_stage import audit_finds_nothing
from support.server_pair import ServerPair
from systemprompt.databases.address import Address
from systemprompt.ledger.postgres.ledger import PostgresLedger
from systemprompt.system import open_system

ROUNDS = max(1, round(chosen_seconds(300.0) / 20)) if LONG else 1
"""Each on two servers and an installation of its own."""


class Failover(Storm):
    """A storm whose acts are done to a pair of servers, too: `cut` and `fail over`."""

    pair: ServerPair

    def _do(self, act: Act, now: float) -> list[Act]:
        if act.kind == "cut":
            self.pair.cut()
        elif act.kind == "fail over":
            self.pair.fail_over()
        else:
            return Storm._do(self, act, now)
        self.done[act.kind] += 1
        return []


@pytest.fixture
def pair() -> Iterator[ServerPair]:
    pair = ServerPair()
    yield pair
    pair.close()


def draw(seed: int, number: int) -> list[Act]:
    """Draw how much is lost, and whether a node dies with the server."""
    chance = random.Random(f"{seed} failover {number}")
    cut = chance.uniform(3.0, 4.5)
    over = cut + chance.uniform(1.2, 2.5)
    acts = [Act(cut, "cut"), Act(over, "fail over")]
    if chance.random() < 0.5:
        acts.append(Act(over + chance.uniform(-0.3, 0.3), "kill", chance.randrange(3), chance.uniform(0.2, 1.0)))
    return sorted(acts)


@pytest.mark.storm
@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_standby_that_takes_over_without_the_last_commits_makes_nothing_start_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pair: ServerPair, number: int
) -> None:
    seed = chosen_seed()
    acts = draw(seed, number)
    print(f"the failover's seed: SEED={seed}; {acts}")
    install(tmp_path, seed, database=pair.address)
    environ = {**environment(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    with closing(PostgresLedger(Address(pair.address))) as ledger:
        ledger.migrate()
        storm = Failover(tmp_path, environ, 3)
        storm.pair = pair
        try:
            storm.carry_out(acts, acts[-1].at + 8.0)
            storm.end()
        finally:
            storm.close()
    for name in ("WITNESS", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, environ[name])
    with open_system(str(tmp_path / "profile.yaml"), environ=dict(os.environ)) as system:
        make_whole(system)
        found = system.ledger
        audit_finds_nothing(found, system.clock.now(), alive)
        assert found.open_runs() == []
        assert [node.epoch for node in found.nodes()][-1] == 1
        attempts = {(attempt.fence, attempt.recovered): attempt for attempt in found.attempts()}
        runs = {run.run_id: run for run in found.runs_between(0, EVER)}
        reruns = {(one.job_id, one.version) for one in found.versions() if one.policies.get("on_lost") == "rerun"}
        retries = {(one.job_id, one.version) for one in found.versions() if one.policies.get("retry")}
    lines = [json.loads(line) for line in Path(environ["WITNESS"]).read_text().splitlines()]
    starts = [line for line in lines if "fence" in line]
    for line in starts:
        known = attempts.get((line["fence"], False)) or attempts.get((line["fence"], True))
        assert known is not None, f"{line} was started, and the ledger knows nothing of it"
    begun = Counter((line["job"], line.get("fire_at", line.get("at"))) for line in starts)
    again = [key for key, times in begun.items() if times > 1 and key[1]]
    for job, fire_at in again:
        fences = [
            line["fence"] for line in starts if (line["job"], line.get("fire_at", line.get("at"))) == (job, fire_at)
        ]
        tries = [attempts.get((fence, False)) or attempts[fence, True] for fence in fences]
        run = runs[tries[-1].run_id]
        assert len(set(fences)) == len(fences), f"{job} at {fire_at} was started twice under one fence"
        version, reasons = (run.job_id, run.version), {attempt.result for attempt in tries[:-1]}
        assert reasons <= {"lost", "interrupted", "failed"}, (
            f"{job} at {fire_at} was started twice without a reason: {tries}"
        )
        assert "failed" not in reasons or version in retries, f"{job} at {fire_at} was tried again unasked: {tries}"
        assert reasons <= {"failed"} or version in reruns, f"{job} at {fire_at}: on_lost: fail starts once: {tries}"
    brought_back = sum(recovered for _, recovered in attempts)
    print(f"{len(starts)} starts, {brought_back} brought back, {len(again)} started again")
    assert brought_back
    record(campaign="failover", seed=seed, starts=len(starts), brought_back=brought_back, again=len(again))
