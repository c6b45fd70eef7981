"""One fire time in words: who named it, what accounts for it, and why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.audited_ledger import AuditedLedger, broken_copy, long_history
from support.ledger_stage import AUTUMN, HOUR
from support.ledger_stage import berlin_spec as spec
from systemprompt.audit.explain import Explanation, explain
from systemprompt.clock import SECOND
from systemprompt.errors import JobNotFound
from systemprompt.ledger.records import REASONS
from systemprompt.ledger.views import RangeView, RunView


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditedLedger]:
    with closing(long_history(tmp_path_factory.mktemp("ledger") / "ledger.db")) as audited:
        yield audited


def said(audited: AuditedLedger, name: str, at: int) -> tuple[Explanation, str]:
    explanation = explain(audited.ledger, name, at)
    return explanation, "; ".join(explanation.sentences)


def test_a_run_is_explained_with_its_attempts(audited: AuditedLedger) -> None:
    explanation, text = said(audited, "tick", AUTUMN + 10 * SECOND)

    assert isinstance(explanation.account, RunView)
    assert explanation.named
    assert [attempt.attempt for attempt in explanation.attempts] == [1]
    assert text.startswith(
        "version 1 (*/10 * * * * *, Europe/Berlin) fires at 2026-10-23 14:00:10 CEST; "
        "it is valid from 2026-10-23 14:00:00 CEST, added by code, noticed by a test; "
    )
    assert "(schedule) accounts for it: success" in text
    assert "attempt 1 on node a began" in text


def test_every_closed_account_is_explained_in_the_words_of_its_reason(audited: AuditedLedger) -> None:
    accounts = [run for run in audited.ledger.runs_between(0, audited.now) if run.reason and run.fire_at]
    for run in accounts:
        _, text = said(audited, run.job_name, run.due_at)
        assert REASONS[run.status][str(run.reason)] in text
    for group in audited.ledger.ranges_between(0, audited.now):
        explanation, text = said(audited, group.job_name, group.last_at)
        assert isinstance(explanation.account, RangeView)
        assert REASONS[group.status][group.reason] in text


def test_an_overlap_names_the_run_in_the_way(audited: AuditedLedger) -> None:
    blocked = next(run for run in audited.ledger.runs_between(0, audited.now) if run.reason == "overlap")

    _, text = said(audited, blocked.job_name, blocked.due_at)

    assert f"run {blocked.blocked_by} was in the way" in text


def test_an_instant_that_is_no_fire_time_is_told_its_neighbours(audited: AuditedLedger) -> None:
    explanation, text = said(audited, "tick", AUTUMN + 15 * SECOND)

    assert not explanation.named
    assert explanation.account is None
    assert "does not fire at 2026-10-23 14:00:15 CEST" in text
    assert "its fire time before is 2026-10-23 14:00:10 CEST; its fire time after is 2026-10-23 14:00:20 CEST" in text


def test_the_future_is_still_to_come(audited: AuditedLedger) -> None:
    at = explain(audited.ledger, "nightly", audited.now).after
    assert at is not None

    _, text = said(audited, "nightly", at)

    assert "it is still to come: planned so far is everything up to" in text


def test_before_a_job_was_known_no_version_names_anything(audited: AuditedLedger) -> None:
    _, text = said(audited, "tick", AUTUMN - HOUR * SECOND)

    assert text == "no version of 'tick' was valid at 2026-10-23 13:00:00 CEST"


def test_a_hole_is_called_a_defect(audited: AuditedLedger, tmp_path: Path) -> None:
    other = broken_copy(audited, tmp_path / "b.db", f"DELETE FROM job_runs WHERE fire_at = {AUTUMN + 10 * SECOND}")

    _, text = said(other, "tick", AUTUMN + 10 * SECOND)

    assert "it has no account: that is a defect, and `sp jobs audit` reports it" in text


def test_pruned_history_says_so_and_what_its_seal_still_tells(tmp_path: Path) -> None:
    with closing(AuditedLedger(tmp_path / "ledger.db")) as audited:
        audited.declare(spec("tick", "*/10 * * * * *"))
        audited.work(6)
        audited.wait(72 * HOUR)
        audited.work(1)
        (seal, *_) = audited.seal()
        audited.ledger.prune(seal.until_at, limit=99)

        _, text = said(audited, "tick", AUTUMN + 10 * SECOND)

    assert "its account was pruned, as was all up to 2026-10-23 14:01:00 CEST" in text
    assert (
        f"of 2026-10-23 remains seal 1: 6 fire times in 6 runs and 0 ranges, {seal.counts}, digest {seal.digest}"
        in text
    )


def test_an_unknown_job_is_said_to_be_unknown(audited: AuditedLedger) -> None:
    with pytest.raises(JobNotFound):
        explain(audited.ledger, "nothing", AUTUMN)
