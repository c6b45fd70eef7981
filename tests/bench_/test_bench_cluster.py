"""The bench of many machines runs and judges, part by part. What it measures is no test: sizes here are tiny."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from bench import cluster
from bench._installation import ReportingProcess
from bench._report import REPOSITORY, NotMeasured, Options, Report
from bench.cluster import contenders
from bench.cluster.contenders import PEERS, Outcome, peers_set_up
from bench.cluster.server import VARIABLE, bench_server

from support.bench_tables import is_one_judged_table


@pytest.mark.parametrize("part", cluster.PARTS)
def test_every_part_prints_one_table_and_judges_itself(part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cluster.main([part, "--smoke", "--no-peers"]) == 0

    said = capsys.readouterr().out
    assert is_one_judged_table(said)
    assert f"Again: `python -m bench cluster {part} --smoke`" in said
    assert "PostgreSQL 18" in said
    assert "`fsync=on`" in said


def test_a_server_that_may_lose_a_commit_is_not_measured_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with bench_server() as server:
        with server.connected() as connection:
            connection.execute("ALTER ROLE bench SET synchronous_commit = off")
        monkeypatch.setenv(VARIABLE, server.address)

        with pytest.raises(NotMeasured, match="synchronous_commit=off"), bench_server():
            pass


def test_a_peer_that_is_not_set_up_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench._peers.PEERS_FOLDER", "/nowhere")
    report = Report(name="some", title="Some", columns=("",))

    assert peers_set_up(report, Options()) == []
    absent = "pgqueuer, procrastinate, apscheduler4pg, awa"
    assert report.notes == [f"not set up, so not measured: {absent} (`make bench-cluster` sets the peers up)"]


def test_a_peer_that_fails_is_shown_as_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.cluster import lateness

    def fails(*_: object, **__: object) -> Outcome:
        raise NotMeasured("it fell over")

    monkeypatch.setattr(lateness, "load_of_peer", fails)
    report = Report(name="some", title="Some", columns=("load", "", "starts", "p50", "p99", "p99.9", "max"))

    with bench_server() as server:
        lateness._peers(server, report, PEERS[:1], "10 a second", seconds=1, count=10, ours=1.0)

    assert report.rows == [("10 a second", PEERS[0].title, *["failed"] * 5)]
    assert "it fell over" in report.notes[0]


def test_a_process_that_outlives_its_limit_is_killed() -> None:
    talks = "import json; print(json.dumps({}), flush=True); input(); input()"
    process = ReportingProcess([sys.executable, "-c", talks], {}, limit_s=0.5)

    began = time.monotonic()
    with pytest.raises(NotMeasured, match="ended by itself"):
        process.report()
    process.close()

    assert time.monotonic() - began < 30


def test_every_peer_of_the_cluster_is_pinned_and_says_its_settings() -> None:
    for peer in PEERS:
        lock = Path(REPOSITORY, "requirements", f"peers-{peer.key}.lock").read_text(encoding="utf-8")
        pins = lock.replace("\\\n", "").splitlines()
        assert pins
        assert [pin for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []
        script = Path(contenders.__file__).parent / "peers" / f"with_{peer.key}.py"
        assert "\nSettings. " in script.read_text(encoding="utf-8")


def test_the_page_on_performance_has_a_place_for_every_part() -> None:
    page = Path(REPOSITORY, "docs", "performance.md").read_text(encoding="utf-8")

    assert [part for part in cluster.PARTS if f"<!-- bench:cluster-{part} -->" not in page] == []
