"""How SQLite is broken: its statements' clauses, and what stands for each guard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from breaking import Altered, Breaker, Engine, Guard

from systemprompt.clock import SECOND
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.ledger.stored.clockwork import plan_one
from systemprompt.ledger.stored.inserting import insert_closed, insert_open

GUARDS: dict[str, tuple[str, ...]] = {
    Guard.one_account: (
        "INDEX open_runs_one_account",
        "INDEX job_runs_one_account",
        "TRIGGER open_runs_begin_new",
        "TRIGGER job_runs_account_once",
        "TRIGGER job_run_ranges_account_once",
    ),
    Guard.open_or_closed: ("TRIGGER open_runs_begin_new", "TRIGGER job_runs_account_once"),
    Guard.never_changes: ("TRIGGER job_runs_never_change",),
    Guard.claims: ("TRIGGER open_runs_keep_the_rules",),
    Guard.reasons: ("TRIGGER job_runs_account_once", "TRIGGER job_run_ranges_account_once"),
    Guard.attempts_stay_out: ("TRIGGER job_attempts_stay_out_of_sealed_days",),
    Guard.cursor_forward: ("TRIGGER job_cursors_move_forward",),
    Guard.versions_apart: ("TRIGGER job_versions_never_overlap",),
    Guard.one_open_version: ("INDEX job_versions_open",),
    Guard.versions_stay: ("TRIGGER job_versions_are_immutable",),
    Guard.prunes_sealed: ("TRIGGER job_runs_go_when_pruned", "TRIGGER job_run_ranges_go_when_pruned"),
    Guard.pruned_until: ("TRIGGER ledger_state_prunes_what_is_sealed",),
    Guard.seals_follow: ("TRIGGER ledger_seals_follow_one_another",),
    Guard.seals_final: ("TRIGGER ledger_seals_are_final",),
    Guard.seals_stay: ("TRIGGER ledger_seals_stay",),
    Guard.references: ("TRIGGER open_runs_begin_new",),
}

PRAGMAS = {Guard.checks: "ignore_check_constraints = ON", Guard.references: "foreign_keys = OFF"}

CLAUSES = {
    ("waiting_runs", "it waits"): "r.node_id IS NULL AND ",
    ("waiting_runs", "none of the job runs"): "e.node_id IS NOT NULL OR ",
    ("waiting_runs", "nothing of the job comes first"): """
  AND NOT EXISTS (SELECT 1 FROM open_runs e WHERE e.job_id = r.job_id
                  AND (e.node_id IS NOT NULL OR (e.available_at, e.run_id) < (r.available_at, r.run_id)))""",
    ("waiting_runs", "the first of the job"): "(e.available_at, e.run_id) < (r.available_at, r.run_id)",
    ("waiting_runs", "the job can run"): " AND j.quarantine IS NULL",
    ("waiting_runs", "no code of it runs on"): (
        "\n  AND NOT EXISTS (SELECT 1 FROM abandoned_runs a WHERE a.job_id = r.job_id)"
    ),
    ("claim_runs", "nobody holds it"): " AND fence IS NULL",
    ("requeue_runs", "the fence is gone"): " fence = NULL,",
    ("waiting_runs_of_job", "it waits"): " AND node_id IS NULL",
    ("keep_late_result", "once"): "ON CONFLICT (run_id, attempt, kind) DO NOTHING",
    ("prune_batch", "of sealed days"): "(SELECT pruned_until FROM ledger_state)",
}


def opened(path: Path) -> SqliteLedger:
    ledger = SqliteLedger(str(path), patience=0.2)
    ledger._store.connection.execute("PRAGMA synchronous = OFF")  # no power will fail here
    return ledger


def created(path: Path) -> None:
    ledger = SqliteLedger(str(path))
    ledger.migrate()
    ledger.close()


def texts(ledger: SqliteLedger) -> dict[str, str]:
    """Return this ledger's own statements: what one breaks, no other has."""
    ledger._store._statements = {**ledger._store._statements}
    return ledger._store._statements


def remove(ledger: SqliteLedger, guards: Sequence[str]) -> None:
    run = ledger._store.connection.execute
    for guard in guards:
        if guard in PRAGMAS:
            run(f"PRAGMA {PRAGMAS[guard]}")
        if guard == Guard.attempts_once:
            _without_keys(ledger, "job_attempts")
        for what in GUARDS.get(guard, ()):
            kind, name = what.split()
            run(f"DROP {kind} IF EXISTS {name}")


def _without_keys(ledger: SqliteLedger, table: str) -> None:
    """Replace a table by one without keys. A number that the table gives stays one."""
    run = ledger._store.connection.execute
    (text,) = run("SELECT sql FROM sqlite_master WHERE name = ?", [table]).fetchone()
    if "UNIQUE" not in text:
        return  # the other process has done it
    for pragma in ("foreign_keys = OFF", "legacy_alter_table = ON"):
        run(f"PRAGMA {pragma}")
    indexes = [row[0] for row in run("SELECT sql FROM sqlite_master WHERE tbl_name = ? AND type = 'index'", [table])]
    head, _, _ = text.rpartition(",\n    UNIQUE")
    run(f"ALTER TABLE {table} RENAME TO former")
    run(f"{head}) STRICT")
    run("DROP TABLE former")
    for index in indexes:
        if index is not None:
            run(index)


def _fences_are_not_kept(breaker: Breaker) -> None:
    asked: list[int] = []

    def take(values: Any) -> Any:
        asked.append(values["fences"])
        return values | {"fences": 0}

    breaker.given("take_numbers", take)
    breaker.found("take_numbers", lambda rows: [Altered(row, fence=row["fence"] + asked[-1]) for row in rows])


def _planned_up_to_is_forgotten(breaker: Breaker) -> None:
    breaker.given("take_numbers", lambda values: values | {"through": 0})


SQLITE = Engine(
    name="sqlite",
    create=created,
    open=opened,
    store=lambda ledger: ledger._store,
    texts=texts,
    execute=lambda store, sql: store.connection.execute(sql),
    remove=remove,
    clauses=CLAUSES,
    parts={"plan_one": plan_one, "insert_open": insert_open, "insert_closed": insert_closed},
    instant=lambda at: "NULL" if at is None else str(at),
    an_hour_ago=f"(SELECT high_water - {3_600 * SECOND} FROM ledger_state)",
    own={
        "fences are not kept": _fences_are_not_kept,
        "planned up to is forgotten": _planned_up_to_is_forgotten,
        "folded is lost": lambda breaker: breaker.rows("fold_into_sums", lambda rows: []),
        "folds again": lambda breaker: breaker.rows("delete_folded", lambda rows: []),
    },
    guards=frozenset({*GUARDS, *PRAGMAS, Guard.attempts_once, Guard.same_number}),
)
