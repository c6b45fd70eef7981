"""The benches run and judge. What they measure is no test: sizes here are tiny, and no number is looked at."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import bench
import pytest
from bench import _peers, fires
from bench._report import REPOSITORY, Options, Report, options, percentile, write_between_marks

from support.bench_tables import is_one_judged_table

NAMES = sorted(
    module.name
    for module in pkgutil.iter_modules(bench.__path__)
    if not module.name.startswith("_") and not module.ispkg
)


@pytest.mark.parametrize("name", NAMES)
def test_every_bench_prints_one_table_and_judges_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert importlib.import_module(f"bench.{name}").main(["--smoke", "--no-peers"]) == 0

    said = capsys.readouterr().out
    assert is_one_judged_table(said)
    assert f"Again: `python -m bench {name} --smoke`" in said
    assert "SQLite" in said.splitlines()[-2]


def test_a_must_that_is_not_met_is_the_exit_status_only_where_that_was_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = Report(name="some", title="Some", columns=("", "x"))
    report.aim("a thing", "1", met=False)
    assert report.finish(Options(check=True), 0.0) == 0

    report.must("another", "2", met=False)
    assert report.finish(Options(check=True), 0.0) == 1
    assert report.finish(Options(check=False), 0.0) == 0
    assert "- must: another: 2, NOT MET" in capsys.readouterr().out


def test_a_peer_that_is_not_set_up_is_said_to_be_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_peers, "PEERS_FOLDER", "/nowhere")

    said = fires.notes(Options())[-1]

    assert said == "not set up, so not measured: huey, apscheduler3, apscheduler4 (`make bench` sets the peers up)"
    assert fires.notes(Options(peers=False)) == list(fires.NOTES)


def test_a_percentile_is_the_nearest_rank() -> None:
    values = [float(number) for number in range(1, 1001)]

    assert [percentile(values, share) for share in (0.5, 0.99, 0.999, 1.0)] == [500.0, 990.0, 999.0, 1000.0]
    assert percentile([3.0], 0.5) == 3.0


def test_a_table_replaces_what_stands_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench:some -->old<!-- /bench:some -->\nafter\n", encoding="utf-8")

    write_between_marks(str(page), "some", "new")

    assert page.read_text(encoding="utf-8") == "before\n<!-- bench:some -->\n\nnew\n\n<!-- /bench:some -->\nafter\n"


def test_the_page_on_performance_has_a_place_for_every_bench() -> None:
    page = Path(REPOSITORY, "docs", "performance.md").read_text(encoding="utf-8")

    assert [name for name in (*NAMES, "machine") if f"<!-- bench:{name} -->" not in page] == []


def test_every_peer_is_pinned_with_hashes() -> None:
    for peer in fires.PEERS:
        lock = Path(REPOSITORY, "requirements", f"peers-{peer}.lock").read_text(encoding="utf-8")
        pins = lock.replace("\\\n", "").splitlines()
        assert pins
        assert [pin for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []


def test_flags_are_read() -> None:
    assert options([]) == Options()
    assert options(["--full", "--check", "--keep", "x"]) == Options(scale="full", check=True, keep="x")
