"""The engine is broken on purpose, one defect at a time, and lives through what engines live through: the audit names the defect.

Where the schema refuses the broken write first, that is shown too, and the audit is asked with that guard taken away.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from all_breakages import BREAKAGES
from breaking import AREAS, Breaker
from engine_life import Life
from engine_sqlite import SQLITE, every_guard

from systemprompt.audit.findings import KINDS
from systemprompt.errors import LedgerBroken

BY_NAME = {f"{one.area}: {one.what}": one for one in BREAKAGES}


def test_the_sound_engine_lives_through_all_of_it_with_a_clean_audit(tmp_path: Path) -> None:
    life = Life(tmp_path / "ledger.db")
    reports = life.live()
    life.close()
    assert [finding.sentence for report in reports for finding in report.findings] == []
    assert all(report.ok for report in reports)


@pytest.mark.parametrize("name", BY_NAME)
def test_the_audit_notices_an_engine_that(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    breakage = BY_NAME[name]
    breaker = Breaker(monkeypatch, SQLITE)
    breakage.plant(breaker)
    breaker.remove_guards(*breakage.guards)
    life = Life(tmp_path / "ledger.db", breaker.prepare, until=frozenset(breakage.kinds))
    reports = life.live()
    life.close()
    breaker.check_met()
    named = {kind for report in reports for kind in report.by_kind}
    assert named >= set(breakage.kinds), [finding.sentence for report in reports for finding in report.findings][:20]


@pytest.mark.parametrize("name", [name for name, one in BY_NAME.items() if one.guards])
def test_the_schema_refuses_an_engine_that(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    breaker = Breaker(monkeypatch, SQLITE)
    BY_NAME[name].plant(breaker)
    life = Life(tmp_path / "ledger.db", breaker.prepare)
    refused = None
    try:
        life.live()
    except LedgerBroken as error:
        refused = error
    life.close()
    # A closing that is refused is set apart, and its node goes on.
    assert refused is not None or life.odd


def test_every_part_of_the_engine_is_broken_in_at_least_five_ways() -> None:
    areas = Counter(breakage.area for breakage in BREAKAGES)
    assert set(areas) == set(AREAS)
    assert min(areas.values()) >= 5, areas
    assert len(BY_NAME) == len(BREAKAGES), "two breakages share a name"


def test_every_guard_is_one_that_the_engine_has() -> None:
    assert {guard for one in BREAKAGES for guard in one.guards} == every_guard()


def test_every_clause_that_the_engine_names_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    breaker = Breaker(monkeypatch, SQLITE)
    for breakage in BREAKAGES:
        breakage.plant(breaker)
    assert breaker.broken_clauses() == set(SQLITE.clauses)


def test_every_kind_of_finding_is_brought_out_by_a_breakage() -> None:
    assert {kind for breakage in BREAKAGES for kind in breakage.kinds} == set(KINDS)
