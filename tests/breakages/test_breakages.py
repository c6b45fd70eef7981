"""The engine is broken on purpose, one defect at a time, and lives through what engines live through: the audit names the defect.

Where the schema refuses the broken write first, that is shown too, and the audit is asked with that guard taken away.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from all_breakages import BREAKAGES
from breaking import AREAS, Breaker, Engine
from engine_life import Life
from engine_postgres import POSTGRES
from engine_sqlite import SQLITE

from systemprompt.audit.findings import KINDS
from systemprompt.errors import LedgerBroken

BY_NAME = {f"{one.area}: {one.what}": one for one in BREAKAGES}
ENGINES = {one.name: one for one in (SQLITE, POSTGRES)}

FIRST = {
    "fence": ("nodes_are_lost_in_mid_run",),
    "late": ("code_that_cannot_be_stopped", "nodes_are_lost_in_mid_run"),
    "stop": ("somebody_asks", "nodes_are_lost_in_mid_run"),
    "rescue": ("nodes_are_lost_in_mid_run", "a_node_dies_and_comes_back_as_a_zombie"),
    "range": ("nodes_are_lost_in_mid_run",),
    "retention": ("a_weekend_without_anybody", "what_is_old_goes"),
}
"""What an engine lives through first that is broken in this area: most of its breakages show there."""


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    return ENGINES[request.param]


@pytest.fixture
def place(engine: Engine, request: pytest.FixtureRequest) -> Any:
    """Where a ledger may be made."""
    return (
        request.getfixturevalue("postgres_place") if engine is POSTGRES else request.getfixturevalue("tmp_path") / "l"
    )


def test_the_sound_engine_lives_through_all_of_it_with_a_clean_audit(engine: Engine, place: Any) -> None:
    life = Life(place, engine=engine)
    reports = life.live()
    life.close()
    assert [finding.sentence for report in reports for finding in report.findings] == []
    assert all(report.ok for report in reports)


@pytest.mark.parametrize("name", BY_NAME)
def test_the_audit_notices_an_engine_that(
    name: str, engine: Engine, place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    breakage = BY_NAME[name]
    breaker = Breaker(monkeypatch, engine)
    breakage.plant(breaker)
    breaker.remove_guards(*breakage.guards)
    first = FIRST.get(breakage.area, ())
    life = Life(place, breaker.prepare, until=frozenset(breakage.kinds), first=first, engine=engine)
    reports = life.live()
    life.close()
    breaker.check_met()
    named = {kind for report in reports for kind in report.by_kind}
    if engine.name in breakage.unseen_on:
        assert named == set(), "it is seen by now: say so in docs/audit.md"
        return
    assert named >= set(breakage.kinds), [finding.sentence for report in reports for finding in report.findings][:20]


@pytest.mark.parametrize("name", [name for name, one in BY_NAME.items() if one.guards])
def test_the_schema_refuses_an_engine_that(
    name: str, engine: Engine, place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    breakage = BY_NAME[name]
    breaker = Breaker(monkeypatch, engine)
    breakage.plant(breaker)
    life = Life(place, breaker.prepare, first=FIRST.get(breakage.area, ()), audited=False, engine=engine)
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


def test_every_guard_is_one_that_the_engine_has(engine: Engine) -> None:
    assert {guard for one in BREAKAGES for guard in one.guards} == engine.guards


def test_every_clause_that_the_engine_names_is_broken(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    breaker = Breaker(monkeypatch, engine)
    for breakage in BREAKAGES:
        breakage.plant(breaker)
    assert breaker.broken_clauses() == set(engine.clauses)


def test_every_kind_of_finding_is_brought_out_by_a_breakage() -> None:
    assert {kind for breakage in BREAKAGES for kind in breakage.kinds} == set(KINDS)
