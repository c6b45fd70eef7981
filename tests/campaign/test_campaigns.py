"""`make campaign` runs what is there, and says what it did."""

from __future__ import annotations

import pytest
from campaigns import CAMPAIGNS, TESTS, Outcome, command, main

from support import REPOSITORY


def test_every_test_that_a_campaign_names_is_there() -> None:
    named = {test.partition("::")[0] for campaign in CAMPAIGNS.values() for test in campaign.tests}
    assert [test for test in sorted(named) if not (TESTS / test).exists()] == []


def test_a_campaign_is_repeated_with_its_seed() -> None:
    assert "--hypothesis-seed=7" in command(CAMPAIGNS["fuzz"], 7)


def test_a_name_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["strom"]) == 2
    assert capsys.readouterr().err.startswith("no campaign is named 'strom'; there are: points, storm2")


def test_the_table_counts_what_was_done() -> None:
    points = [
        {"scenario": "clockwork", "kills": 700},
        {"scenario": "clockwork", "kills": 680},
        {"scenario": "restore", "kills": 48},
    ]
    assert CAMPAIGNS["points"].says(_outcome(points)) == "1,428 kill points (clockwork 1,380, restore 48)"
    storm = {
        "fire_times": 2345,
        "acts": {"killed": 9, "stopped": 3, "sp jobs run": 40, "edited.py edited": 7, "commands killed": 2},
        "calm": "a",
        "with_a_node": "b",
    }
    said = "2,345 fire times, 12 faults, 40 commands, 7 edits; untouched nodes: a; at least one node: b"
    assert CAMPAIGNS["storm2"].says(_outcome([storm])) == said
    over_a_server = {"fire_times": 185, "acts": {"killed": 1, "drained": 1, "sessions ended": 1, "server stopped": 1}}
    assert (
        CAMPAIGNS["storm_postgres"].says(_outcome([over_a_server])) == "185 fire times, 4 faults, 0 commands, 0 edits"
    )
    faults = {"fire_times": 1621, "first_fires_s": [0.2, 0.1, 2.5], "acts": {"line drops": 8, "started in vain": 6}}
    said = "1,621 fire times, 8 faults; first fire after the server is back: median 0.20 s, most 2.50 s"
    assert CAMPAIGNS["faults"].says(_outcome([faults])) == said
    held = {
        "fires_a_second": 200,
        "seconds": 300,
        "held": {"rate": 0.9987},
        "before": {"p99_s": 0.05},
        "last_minute": {"p99_s": 0.06},
    }
    said = "200 fires a second, held for 300 s: rate 99.9%, p99 lateness 60 ms (before: 50 ms)"
    failovers: list[dict[str, object]] = [
        {"starts": 1000, "brought_back": 20, "again": 1},
        {"starts": 500, "brought_back": 5, "again": 0},
    ]
    assert (
        CAMPAIGNS["failover"].says(_outcome(failovers)) == "2 failovers: 1,500 starts, 25 brought back, 1 started again"
    )
    assert CAMPAIGNS["horizon"].says(_outcome([held])) == said
    assert CAMPAIGNS["fuzz"].says(_outcome([])) == "1,000 examples; 9 passed"


def test_the_docs_name_every_campaign() -> None:
    text = (REPOSITORY / "docs" / "campaigns.md").read_text()
    assert [name for name in CAMPAIGNS if f"`{name}`" not in text] == []


def _outcome(did: list[dict[str, object]]) -> Outcome:
    return Outcome(name="a", passed=True, seconds=1.0, did=did, examples=1_000, summary="9 passed")
