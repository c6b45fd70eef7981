"""What people write is for people: whatever stands there, the audit finds the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from broken_rows import BREAKAGES, TICK

import systemprompt.audit
from support.audited_ledger import AuditedLedger, broken_copy, long_history

SOURCE = Path(systemprompt.audit.__file__).parent
WORDS = sorted({word for file in SOURCE.glob("*.py") for word in re.findall(r"[A-Za-z_]+", file.read_text())})
EVERY_WORD = " ".join(WORDS)

FREE_TEXTS = (
    f"UPDATE job_versions SET why = '{EVERY_WORD}'",
    f"UPDATE jobs SET description = '{EVERY_WORD}', owner = '{EVERY_WORD}'",
    f"UPDATE job_runs SET why = '{EVERY_WORD}', stop_why = '{EVERY_WORD}', message = '{EVERY_WORD}'",
    f"UPDATE open_runs SET why = '{EVERY_WORD}', stop_why = '{EVERY_WORD}'",
    f"UPDATE job_attempts SET message = '{EVERY_WORD}'",
    f"UPDATE job_last SET last_error = '{EVERY_WORD}'",
)

SILENCED_ONCE = {
    "a version ended early": (
        "versions",
        (f"UPDATE job_versions SET valid_until = valid_until - 1000000 WHERE {TICK} AND version = 1",),
    ),
    "a run is cancelled because a job left that never did": (
        "unexplained",
        (
            (
                "UPDATE job_runs SET status = 'cancelled', reason = 'retired', node_id = NULL, fence = NULL, started_at = NULL, "
                f"attempt = 0 WHERE run_id = (SELECT max(run_id) FROM job_runs WHERE {TICK} AND status = 'success')"
            ),
        ),
    ),
}
"""What a `--why` with the right word in it once kept the audit from saying."""


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditedLedger]:
    with closing(long_history(tmp_path_factory.mktemp("ledger") / "ledger.db")) as audited:
        yield audited


def test_the_words_are_those_of_the_audits_code() -> None:
    assert {"back", "returned", "retired", "requested", "lost", "superseded"} <= set(WORDS)


def test_a_life_in_which_people_wrote_every_word_of_the_audits_code_is_clean(tmp_path: Path) -> None:
    with closing(long_history(tmp_path / "ledger.db", said=EVERY_WORD)) as wordy:
        assert wordy.ledger.versions()[2].why == EVERY_WORD
        assert wordy.audit().findings == ()


@pytest.mark.parametrize("name", [*BREAKAGES, *SILENCED_ONCE])
def test_a_free_text_changes_no_finding_when(name: str, audited: AuditedLedger, tmp_path: Path) -> None:
    kind, statements = (BREAKAGES | SILENCED_ONCE)[name]

    plain = broken_copy(audited, tmp_path / "plain.db", *statements).audit()
    wordy = broken_copy(audited, tmp_path / "wordy.db", *statements, *FREE_TEXTS).audit()

    assert wordy.findings == plain.findings
    assert kind in wordy.by_kind
