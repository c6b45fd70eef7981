"""How PostgreSQL is broken: its statements' clauses, and what stands for each guard. Each ledger has a schema of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from breaking import Breaker, Engine, Guard
from psycopg import sql

from support.postgres_place import PostgresPlace
from systemprompt.ledger.postgres.ledger import PostgresLedger
from systemprompt.ledger.stored.clockwork import plan_one
from systemprompt.ledger.stored.inserting import insert_closed, insert_open

GUARDS: dict[str, tuple[str, ...]] = {
    Guard.one_account: (
        "INDEX open_runs_one_account",
        "INDEX job_runs_one_account",
        "TRIGGER open_runs_begin_new ON open_runs",
        "TRIGGER job_runs_account_once ON job_runs",
        "TRIGGER job_run_ranges_account_once ON job_run_ranges",
    ),
    Guard.open_or_closed: (
        "TRIGGER open_runs_begin_new ON open_runs",
        "TRIGGER job_runs_account_once ON job_runs",
    ),
    Guard.never_changes: ("TRIGGER job_runs_never_change ON job_runs",),
    Guard.claims: (
        "TRIGGER open_runs_attempts_rise ON open_runs",
        "TRIGGER open_runs_are_queued_between_nodes ON open_runs",
    ),
    Guard.reasons: (
        "TRIGGER job_runs_account_once ON job_runs",
        "TRIGGER job_run_ranges_account_once ON job_run_ranges",
    ),
    Guard.attempts_once: ("CONSTRAINT job_attempts_run_id_attempt_kind_key ON job_attempts",),
    Guard.attempts_stay_out: ("TRIGGER job_attempts_stay_out_of_sealed_days ON job_attempts",),
    Guard.cursor_forward: ("TRIGGER job_cursors_move_forward ON job_cursors",),
    Guard.versions_apart: ("TRIGGER job_versions_never_overlap ON job_versions",),
    Guard.one_open_version: ("INDEX job_versions_open",),
    Guard.versions_stay: ("TRIGGER job_versions_are_immutable ON job_versions",),
    Guard.prunes_sealed: (
        "TRIGGER job_runs_go_when_pruned ON job_runs",
        "TRIGGER job_run_ranges_go_when_pruned ON job_run_ranges",
    ),
    Guard.pruned_until: ("TRIGGER ledger_state_prunes_what_is_sealed ON ledger_state",),
    Guard.seals_follow: ("TRIGGER ledger_seals_follow_one_another ON ledger_seals",),
    Guard.seals_final: ("TRIGGER ledger_seals_are_final ON ledger_seals",),
    Guard.seals_stay: ("TRIGGER ledger_seals_stay ON ledger_seals",),
    Guard.references: ("TRIGGER open_runs_begin_new ON open_runs",),
}
"""A statement of the ledger names `job_runs`, never one of its partitions, so that only the triggers of that table are met."""

_FIRST = """
      AND NOT EXISTS (SELECT 1 FROM open_runs e WHERE e.job_id = r.job_id
                      AND (e.node_id IS NOT NULL OR (e.available_at, e.run_id) < (r.available_at, r.run_id)))"""
_NO_CODE = "\n      AND NOT EXISTS (SELECT 1 FROM abandoned_runs a WHERE a.job_id = r.job_id)"

CLAUSES = {
    ("waiting_runs", "it waits"): "r.node_id IS NULL AND ",
    ("waiting_runs", "none of the job runs"): "e.node_id IS NOT NULL OR ",
    ("waiting_runs", "nothing of the job comes first"): _FIRST,
    ("waiting_runs", "the first of the job"): "(e.available_at, e.run_id) < (r.available_at, r.run_id)",
    ("waiting_runs", "the job can run"): " AND j.quarantine IS NULL",
    ("waiting_runs", "no code of it runs on"): _NO_CODE,
    ("claim_runs", "nobody holds it"): " AND o.fence IS NULL",
    ("requeue_runs", "the fence is gone"): " fence = NULL,",
    ("waiting_runs_of_job", "it waits"): " AND node_id IS NULL",
    ("keep_late_result", "once"): "ON CONFLICT (run_id, attempt, kind) DO NOTHING",
    ("prune_batch", "of sealed days"): "(SELECT pruned_until FROM ledger_state)",
}

TWINS = {"waiting_runs": ("hold_cursors_of_waiting",)}
"""What waits is found in two steps that say the same: a clause of one is broken in both."""


def opened(place: PostgresPlace) -> PostgresLedger:
    ledger = place.open()
    ledger.hear = lambda heard: None  # type: ignore[method-assign]  # a life is one thread: hints would come at any moment
    return ledger


def texts(ledger: PostgresLedger) -> dict[str, str]:
    """Return this ledger's own statements: each ledger reads its files anew."""
    return ledger._store._statements


def execute(store: Any, statement: str) -> None:
    """Run a plain statement after all that was to be written before it."""
    transaction = store._current()
    if transaction.waiting:
        store._write_gathered(transaction)
    transaction.connection.execute(statement)


def remove(ledger: PostgresLedger, guards: Sequence[str]) -> None:
    with _beside(ledger) as connection:
        for guard in guards:
            if guard == Guard.checks:
                _without_checks(connection)
            if guard == Guard.prunes_sealed:
                connection.execute(_PRUNES_ANYTHING)
            for what in GUARDS.get(guard, ()):
                kind, name, *where = what.split()
                table = where[-1] if where else ""
                if kind == "INDEX":
                    connection.execute(f"DROP INDEX IF EXISTS {name}")
                elif kind == "TRIGGER":
                    connection.execute(f"DROP TRIGGER IF EXISTS {name} ON {table}")
                else:
                    connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")


_PRUNES_ANYTHING = """
CREATE OR REPLACE FUNCTION prune_runs(ids bigint[]) RETURNS bigint LANGUAGE sql SET search_path FROM CURRENT AS
'WITH gone AS (DELETE FROM job_runs WHERE run_id = ANY (ids) RETURNING 1) SELECT count(*) FROM gone'
"""
"""In place of the function by which accounts go, which refuses what is not sealed."""


def _without_checks(connection: psycopg.Connection[Any]) -> None:
    """Drop every CHECK; those of partitions go with their table's."""
    found = connection.execute(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint"
        " WHERE connamespace = current_schema()::regnamespace AND contype = 'c' AND coninhcount = 0"
    ).fetchall()
    for table, name in found:
        connection.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.SQL(table), sql.Identifier(name)))


@contextmanager
def _beside(ledger: PostgresLedger) -> Iterator[psycopg.Connection[Any]]:
    place = PostgresPlace(ledger.address.with_password(), ledger._store.schema)
    with place.connect() as connection:
        yield connection


# -- what PostgreSQL keeps in another way: the same fault, planted where it has its place -----------------------------------------


def _fences_are_not_kept(breaker: Breaker) -> None:
    """SQLite has a counter, and here is a sequence: it is set back after each turn that took some."""
    for name in ("due_jobs", "take_numbers"):
        breaker.afterwards(name, lambda values: "SELECT setval('fences', 1)")


def _planned_up_to_is_forgotten(breaker: Breaker) -> None:
    """SQLite keeps a high-water mark, and here it is read from the cursors."""
    breaker.clause("state", "how far it was planned", "'epoch'::timestamptz")


def _folded_is_lost(breaker: Breaker) -> None:
    """SQLite adds and deletes in two statements, and here one does both."""
    breaker.clause("fold_into_sums", "all that went", "FROM gone WHERE n IS NULL GROUP")


def _folds_again(breaker: Breaker) -> None:
    breaker.clause("fold_into_sums", "what is added goes", "SELECT * FROM job_tallies WHERE")
    breaker.clause("fold_into_sums", "they are returned", ")")


CLAUSES |= {
    ("state", "how far it was planned"): "coalesce((SELECT max(planned_through) FROM job_cursors), 'epoch')",
    ("fold_into_sums", "all that went"): "FROM gone GROUP",
    ("fold_into_sums", "what is added goes"): "DELETE FROM job_tallies WHERE",
    ("fold_into_sums", "they are returned"): "RETURNING job_id, hour, status, origin, n)",
}

POSTGRES = Engine(
    name="postgresql",
    create=PostgresPlace.migrate,
    open=opened,
    store=lambda ledger: ledger._store,
    texts=texts,
    execute=execute,
    remove=remove,
    clauses=CLAUSES,
    twins=TWINS,
    parts={"plan_one": plan_one, "insert_open": insert_open, "insert_closed": insert_closed},
    instant=lambda at: "NULL" if at is None else f"instant({at})",
    an_hour_ago="(SELECT max(planned_through) - interval '1 hour' FROM job_cursors)",
    own={
        "fences are not kept": _fences_are_not_kept,
        "planned up to is forgotten": _planned_up_to_is_forgotten,
        "folded is lost": _folded_is_lost,
        "folds again": _folds_again,
    },
    guards=frozenset({*GUARDS, Guard.checks, Guard.same_number}),
)
