"""Dead rows that nobody can clear away: what a table looks like while somebody holds an old transaction open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from support.raw_postgres import Connection, raw_connection


@contextmanager
def graveyard(address: str, *, rounds: int) -> Iterator[Connection]:
    """Let each job begin and end a run of each second so many times, with all that is dead kept for the block.

    It is done by SQL, as turns do it, without the triggers; the cursors are as many seconds on.
    """
    with raw_connection(address) as old, raw_connection(address) as raw:
        for table in ("open_runs", "job_cursors"):
            raw.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)".encode())
        raw.execute("ANALYZE open_runs, job_cursors, jobs")
        raw.execute("ALTER TABLE open_runs DISABLE TRIGGER USER")
        old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT count(*) FROM open_runs")
        raw.execute(
            f"""DO $$
            DECLARE
                due timestamptz := (SELECT min(next_due) FROM job_cursors);
                last bigint;
            BEGIN
                FOR round IN 1..{rounds} LOOP
                    last := nextval('run_ids');
                    INSERT INTO open_runs (run_id, job_id, version, origin, fire_at, due_at, available_at, queued_at, actor,
                                           node_id, fence, attempt, started_at)
                    SELECT nextval('run_ids'), job_id, 1, 'schedule', due, due, due, due, 'schedule', 'a', nextval('fences'), 1, due
                    FROM job_cursors WHERE next_due = due;
                    UPDATE job_cursors SET planned_through = due, next_due = due + interval '1 s', next_run = due + interval '1 s',
                        open_from = planned_through
                    WHERE next_due = due;
                    DELETE FROM open_runs WHERE run_id > last;
                    due := due + interval '1 s';
                    COMMIT;
                END LOOP;
            END $$""".encode()
        )
        raw.execute("ALTER TABLE open_runs ENABLE TRIGGER USER")
        yield raw
        old.execute("ROLLBACK")
