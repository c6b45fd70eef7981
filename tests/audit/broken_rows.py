"""Defects made behind the ledger's back: by name, the kind of finding that each must bring out, and the SQL that makes it."""

from __future__ import annotations

from support.ledger_stage import HOUR
from systemprompt.clock import SECOND

TICK = "job_id = (SELECT job_id FROM jobs WHERE job_name = 'tick')"
NIGHTLY, AGAIN, GONE, HAND = (TICK.replace("tick", name) for name in ("nightly", "again", "gone", "hand"))
A_SUCCESS = f"(SELECT max(run_id) FROM job_runs WHERE {TICK} AND status = 'success')"
A_FAILURE = "(SELECT min(run_id) FROM job_runs WHERE reason = 'node_lost')"
AN_OVERLAP = f"(SELECT min(run_id) FROM job_runs WHERE reason = 'overlap' AND {TICK})"
A_LATE = "(SELECT run_id FROM job_runs JOIN job_attempts USING (run_id) WHERE job_runs.reason = 'node_lost' AND kind = 'late')"
A_RUNNING = f"(SELECT min(run_id) FROM open_runs WHERE node_id IS NOT NULL AND {TICK})"
A_STOP = "(SELECT min(run_id) FROM job_runs WHERE reason = 'requested' AND started_at IS NOT NULL)"
BY_HAND = "(SELECT min(run_id) FROM job_runs WHERE reason = 'reported')"
GIVEN_UP = "(SELECT min(run_id) FROM job_runs WHERE abandoned)"
TWICE_TRIED = "(SELECT run_id FROM job_attempts WHERE kind = 'ended' LIMIT 1)"
MISSED = f"(SELECT range_id FROM job_run_ranges WHERE {TICK} AND reason = 'superseded' ORDER BY count DESC LIMIT 1)"
DISABLED = "(SELECT range_id FROM job_run_ranges WHERE reason = 'disabled')"
COLUMNS = (
    "job_id, version, origin, fire_at, due_at, available_at, status, reason, queued_at, finished_at, attempt, actor"
)
ANOTHER = (
    f"INSERT INTO job_runs ({COLUMNS}) SELECT job_id, version, 'schedule', {{at}}, {{at}}, {{at}}, 'missed', 'down', {{at}}, "
    "{at}, 0, 'schedule'"
)
OPEN = "run_id, job_id, version, origin, fire_at, due_at, available_at, queued_at, attempt, actor"
OPENED = f"INSERT INTO open_runs ({OPEN}) SELECT {OPEN} FROM job_runs WHERE run_id = {A_SUCCESS}"
LATE = "run_id, attempt, kind, job_id, fence, node_id, started_at, ended_at, day_at, result"

BREAKAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    # planning
    "a row was never written": ("missing", (f"DELETE FROM job_runs WHERE run_id = {A_SUCCESS}",)),
    "a range was never written": ("missing", (f"DELETE FROM job_run_ranges WHERE range_id = {MISSED}",)),
    "the last row before the cursor was never written": (
        "missing",
        (f"DELETE FROM job_runs WHERE {NIGHTLY} AND status = 'success'",),
    ),
    "a row stands between two fire times": (
        "extra",
        (f"{ANOTHER.format(at='fire_at + 1000000')} FROM job_runs WHERE run_id = {A_SUCCESS}",),
    ),
    "a row is off by a microsecond": (
        "extra",
        (f"UPDATE job_runs SET fire_at = fire_at + 1, due_at = due_at + 1 WHERE run_id = {A_SUCCESS}",),
    ),
    "a row of the future": (
        "extra",
        (f"{ANOTHER.format(at=f'fire_at + {HOUR * SECOND}')} FROM job_runs WHERE run_id = {A_SUCCESS}",),
    ),
    "a row from before the job was known": (
        "extra",
        (f"{ANOTHER.format(at=f'fire_at - {1000 * HOUR * SECOND}')} FROM job_runs WHERE run_id = {A_SUCCESS}",),
    ),
    "a row for a time when the job was away": (
        "extra",
        (
            (
                f"{ANOTHER.format(at='v.valid_until + 60000000')} FROM job_runs r JOIN job_versions v USING (job_id, version) "
                f"WHERE {GONE} AND version = 1 LIMIT 1"
            ),
        ),
    ),
    "a fire time was planned twice": (
        "double",
        (f"{ANOTHER.format(at='fire_at')} FROM job_runs WHERE run_id = {A_SUCCESS}",),
    ),
    "a row stands inside a range": (
        "double",
        ((f"{ANOTHER.format(at='first_at + 10000000')} FROM job_run_ranges WHERE range_id = {MISSED}"),),
    ),
    "two ranges share a fire time": (
        "double",
        (
            (
                f"INSERT INTO job_run_ranges (job_id, version, first_at, last_at, count, status, reason, written_at) "
                "SELECT job_id, version, last_at, last_at, 1, status, reason, written_at "
                f"FROM job_run_ranges WHERE range_id = {MISSED}"
            ),
        ),
    ),
    "a range counts one too many": (
        "range_count",
        (f"UPDATE job_run_ranges SET count = count + 1 WHERE range_id = {MISSED}",),
    ),
    "a range begins between two fire times": (
        "range_count",
        (f"UPDATE job_run_ranges SET first_at = first_at - 1000000 WHERE range_id = {MISSED}",),
    ),
    "a range ends between two fire times": (
        "range_count",
        (f"UPDATE job_run_ranges SET last_at = last_at + 1000000 WHERE range_id = {MISSED}",),
    ),
    "a range ends too early": (
        "missing",
        (f"UPDATE job_run_ranges SET last_at = last_at - 10000000, count = count - 1 WHERE range_id = {MISSED}",),
    ),
    # the cursor
    "the cursor moved before the rows were written": (
        "missing",
        (f"UPDATE job_cursors SET planned_through = planned_through + {40 * SECOND} WHERE {AGAIN}",),
    ),
    "the cursor is ahead of time": (
        "cursor",
        (f"UPDATE job_cursors SET planned_through = planned_through + {HOUR * SECOND} WHERE {NIGHTLY}",),
    ),
    "the cursor moved back": (
        "extra",
        (f"UPDATE job_cursors SET planned_through = planned_through - {60 * SECOND} WHERE {TICK}",),
    ),
    "a job is never looked at again": (
        "cursor",
        (f"UPDATE job_cursors SET next_due = NULL WHERE {TICK}",),
    ),
    "a job is looked at too late": (
        "cursor",
        (f"UPDATE job_cursors SET next_due = next_due + 10000000 WHERE {TICK}",),
    ),
    "a job shows a run as its last that was begun earlier": (
        "cursor",
        (f"UPDATE job_last SET last_run_id = last_run_id - 1, last_fence = last_fence - 1 WHERE {NIGHTLY}",),
    ),
    "a job shows another status than its last run has": (
        "cursor",
        (f"UPDATE job_last SET last_status = 'cancelled' WHERE {NIGHTLY}",),
    ),
    "a job counts a run that never was": (
        "cursor",
        (f"UPDATE job_last SET run_count = run_count + 1 WHERE {NIGHTLY}",),
    ),
    "a job shows no last run at all": ("cursor", (f"DELETE FROM job_last WHERE {HAND}",)),
    "retention said more was pruned than was": (
        "extra",
        (f"UPDATE jobs SET pruned_through = pruned_through + {60 * SECOND} WHERE job_name = 'tick'",),
    ),
    # versions
    "a version began late": (
        "versions",
        (f"UPDATE job_versions SET valid_from = valid_from + 1000000 WHERE {TICK} AND version = 3",),
    ),
    "two versions overlap": (
        "versions",
        (f"UPDATE job_versions SET valid_from = valid_from - 1000000 WHERE {TICK} AND version = 3",),
    ),
    "a version was deleted": ("versions", (f"DELETE FROM job_versions WHERE {TICK} AND version = 2",)),
    "a version was edited in place": (
        "missing",
        (f"UPDATE job_versions SET schedule = '*/5 * * * * *' WHERE {TICK} AND version = 1",),
    ),
    "a version's policy was edited in place": (
        "extra",
        (f"UPDATE job_versions SET schedule = '0 30 3 * * *' WHERE {NIGHTLY}",),
    ),
    "a job is said to be at the version before": (
        "versions",
        ("UPDATE jobs SET version = version - 1 WHERE job_name = 'tick'",),
    ),
    "two versions are open": (
        "versions",
        (f"UPDATE job_versions SET valid_until = NULL WHERE {TICK} AND version = 2",),
    ),
    "an account names an older version": (
        "wrong_version",
        (f"UPDATE job_runs SET version = 1 WHERE run_id = {A_SUCCESS}",),
    ),
    "a range names a version that never was": (
        "wrong_version",
        (f"UPDATE job_run_ranges SET version = 9 WHERE range_id = {MISSED}",),
    ),
    "a version's schedule is no schedule": (
        "unreadable",
        (f"UPDATE job_versions SET schedule = 'now and then' WHERE {TICK} AND version = 1",),
    ),
    "a version has a policy that nobody knows": (
        "unknown_policy",
        (f"UPDATE job_versions SET policies = '{{\"hurry\": 1}}' WHERE {NIGHTLY}",),
    ),
    "a version's zone is no zone": (
        "unreadable",
        (f"UPDATE job_versions SET time_zone = 'Mars/Olympus' WHERE {NIGHTLY}",),
    ),
    # reasons
    "a failure has no reason": ("unexplained", (f"UPDATE job_runs SET reason = NULL WHERE run_id = {A_FAILURE}",)),
    "a reason belongs to another status": (
        "unexplained",
        (f"UPDATE job_runs SET reason = 'down' WHERE run_id = {A_FAILURE}",),
    ),
    "a success has a reason": ("unexplained", (f"UPDATE job_runs SET reason = 'timeout' WHERE run_id = {A_SUCCESS}",)),
    "a status nobody knows": ("unexplained", (f"UPDATE job_runs SET status = 'odd' WHERE run_id = {A_SUCCESS}",)),
    "skipped as disabled while enabled": (
        "unexplained",
        (f"UPDATE job_runs SET reason = 'disabled', blocked_by = NULL WHERE run_id = {AN_OVERLAP}",),
    ),
    "a range is disabled while enabled": (
        "unexplained",
        (f"UPDATE job_run_ranges SET status = 'skipped', reason = 'disabled' WHERE range_id = {MISSED}",),
    ),
    "missed as down while disabled": (
        "unexplained",
        (f"UPDATE job_run_ranges SET status = 'missed', reason = 'down' WHERE range_id = {DISABLED}",),
    ),
    "a run started while disabled": (
        "unexplained",
        (f"UPDATE job_versions SET enabled = 0 WHERE {TICK} AND version = 1",),
    ),
    "an overlap does not say with what": (
        "unexplained",
        (f"UPDATE job_runs SET blocked_by = NULL WHERE run_id = {AN_OVERLAP}",),
    ),
    "an overlap with a run that does not exist": (
        "unexplained",
        (f"UPDATE job_runs SET blocked_by = 0 WHERE run_id = {AN_OVERLAP}",),
    ),
    "an overlap with a later run": (
        "unexplained",
        (f"UPDATE job_runs SET blocked_by = {A_SUCCESS} WHERE run_id = {AN_OVERLAP}",),
    ),
    "an overlap with another job's run": (
        "unexplained",
        (
            (
                f"UPDATE job_runs SET blocked_by = (SELECT min(run_id) FROM job_runs WHERE {AGAIN}) "
                f"WHERE run_id = {AN_OVERLAP}"
            ),
        ),
    ),
    "an overlap with a run long over": (
        "unexplained",
        (
            (
                f"UPDATE job_runs SET started_at = started_at - {9 * HOUR * SECOND}, "
                f"finished_at = finished_at - {9 * HOUR * SECOND} "
                f"WHERE run_id = (SELECT blocked_by FROM job_runs WHERE run_id = {AN_OVERLAP})"
            ),
        ),
    ),
    "what was missed has started": (
        "unexplained",
        (f"UPDATE job_runs SET started_at = queued_at WHERE run_id = {AN_OVERLAP}",),
    ),
    # closing
    "a closed run was opened again": ("attempts", (OPENED, f"DELETE FROM job_runs WHERE run_id = {A_SUCCESS}")),
    "a run is open and closed": ("stray", (OPENED,)),
    "a run went on after its end": ("reopened", ("UPDATE job_attempts SET result = 'failed' WHERE kind = 'ended'",)),
    "a run was moved to a job that nobody knows": (
        "stray",
        (f"UPDATE job_runs SET job_id = 99 WHERE run_id = {A_SUCCESS}",),
    ),
    "a running run was moved to a job that nobody knows": (
        "stray",
        (f"UPDATE open_runs SET job_id = 99 WHERE run_id = {A_RUNNING}",),
    ),
    "a run is gone that an attempt names": ("stray", (f"DELETE FROM job_runs WHERE run_id = {TWICE_TRIED}",)),
    "a text is not what was hashed": ("texts", (f"UPDATE run_texts SET text = 'fine' WHERE run_id = {BY_HAND}",)),
    "a text has no hash": ("texts", (f"UPDATE job_runs SET error_hash = NULL WHERE run_id = {BY_HAND}",)),
    # stops
    "a run is closed as asked, and nobody asked": (
        "stop",
        (f"UPDATE job_runs SET stop_asked_at = NULL, stop_by = NULL WHERE run_id = {A_STOP}",),
    ),
    "nobody knows who asked": ("stop", (f"UPDATE job_runs SET stop_by = NULL WHERE run_id = {A_STOP}",)),
    "a stop was asked for after the end": (
        "stop",
        (f"UPDATE job_runs SET stop_asked_at = stop_asked_at + {HOUR * SECOND} WHERE run_id = {A_STOP}",),
    ),
    "a run waits that was asked to stop": (
        "stop",
        (
            (
                "UPDATE open_runs SET node_id = NULL, fence = NULL, started_at = NULL, stop_asked_at = queued_at, "
                f"stop_by = 'me' WHERE run_id = {A_RUNNING}"
            ),
        ),
    ),
    "a run was tried again after it was asked to stop": (
        "stop",
        (f"UPDATE job_runs SET stop_asked_at = due_at - {60 * SECOND}, stop_by = 'me' WHERE run_id = {TWICE_TRIED}",),
    ),
    # attempts and fences
    "an attempt was not written down": ("attempts", ("DELETE FROM job_attempts WHERE kind = 'ended'",)),
    "an attempt was skipped": ("attempts", (f"UPDATE job_runs SET attempt = 2 WHERE run_id = {A_SUCCESS}",)),
    "a success nobody tried": (
        "attempts",
        (
            (
                "UPDATE job_runs SET attempt = 0, fence = NULL, node_id = NULL, started_at = NULL "
                f"WHERE run_id = {A_SUCCESS}"
            ),
        ),
    ),
    "a late result became the outcome, and nobody says that it was late": (
        "attempts",
        (f"UPDATE job_runs SET status = 'success', reason = NULL WHERE run_id = {A_LATE}",),
    ),
    "a late result is of an attempt that nobody wrote down": (
        "attempts",
        ("UPDATE job_attempts SET attempt = 7 WHERE kind = 'late'",),
    ),
    "a late result is kept twice": (
        "attempts",
        (
            "CREATE TABLE copies AS SELECT * FROM job_attempts",
            "DROP TABLE job_attempts",
            "ALTER TABLE copies RENAME TO job_attempts",
            "CREATE INDEX job_attempts_by_day ON job_attempts (day_at, attempt_id)",
            f"INSERT INTO job_attempts ({LATE}, recovered) SELECT {LATE}, 0 FROM job_attempts WHERE kind = 'late'",
        ),
    ),
    "a late result is kept in a day before it came": (
        "misdated",
        (f"UPDATE job_attempts SET day_at = day_at - {24 * HOUR * SECOND} WHERE kind = 'late'",),
    ),
    "a fence fell": ("fence_order", ("UPDATE job_attempts SET fence = fence + 5 WHERE kind = 'ended'",)),
    "a run that waits keeps a fence": (
        "fence_order",
        (f"UPDATE open_runs SET node_id = NULL, started_at = NULL WHERE run_id = {A_RUNNING}",),
    ),
    "the ledger forgot the last fence": ("fence_order", ("UPDATE ledger_state SET fence = 1",)),
    "a fence was handed out twice": (
        "fence_order",
        (f"UPDATE job_runs SET fence = fence - 1 WHERE run_id = {A_SUCCESS}",),
    ),
    # code that cannot be stopped
    "code is said to run on that came back": (
        "abandoned",
        ("UPDATE abandoned_runs SET run_id = (SELECT min(run_id) FROM job_runs WHERE abandoned)",),
    ),
    "code is said to run on that was never given up on": (
        "abandoned",
        (f"UPDATE abandoned_runs SET run_id = {A_SUCCESS}",),
    ),
    "code runs on and nobody says so": ("abandoned", ("DELETE FROM abandoned_runs",)),
    "a job was begun while code of it ran on": (
        "concurrent",
        (f"UPDATE job_attempts SET day_at = day_at + {HOUR * SECOND} WHERE kind = 'late' AND run_id = {GIVEN_UP}",),
    ),
    # nodes
    "a run is on a node that left": (
        "open_without_node",
        ("UPDATE nodes SET stopped_at = beat_at, fate = 'left' WHERE node_id = 'a'",),
    ),
    "a run is on a node nobody knows": ("open_without_node", ("DELETE FROM nodes WHERE node_id = 'a'",)),
    "a run was not rescued": (
        "open_without_node",
        (f"UPDATE open_runs SET node_id = 'b' WHERE run_id = {A_RUNNING}",),
    ),
    "a job runs twice at once": (
        "concurrent",
        (
            (
                f"INSERT INTO open_runs ({OPEN}, node_id, fence, started_at) SELECT {OPEN}, node_id, fence, started_at "
                f"FROM job_runs WHERE run_id = {A_SUCCESS}"
            ),
            f"DELETE FROM job_runs WHERE run_id = {A_SUCCESS}",
        ),
    ),
    # instants
    "a run started before its fire time": (
        "misdated",
        (f"UPDATE job_runs SET started_at = fire_at - {HOUR * SECOND} WHERE run_id = {A_SUCCESS}",),
    ),
    "the future was written": (
        "misdated",
        (f"UPDATE job_runs SET queued_at = fire_at - {HOUR * SECOND} WHERE run_id = {A_SUCCESS}",),
    ),
    "a run ended before it started": (
        "misdated",
        (f"UPDATE job_runs SET finished_at = started_at - 1 WHERE run_id = {A_SUCCESS}",),
    ),
    "an attempt ended before it started": (
        "misdated",
        (f"UPDATE job_attempts SET ended_at = started_at - {HOUR * SECOND} WHERE kind = 'ended'",),
    ),
    "a run started before it might": (
        "misdated",
        (f"UPDATE job_runs SET available_at = started_at + 1 WHERE run_id = {A_SUCCESS}",),
    ),
}

OF_NUMBERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "a start by hand is gone": ("stray", (f"DELETE FROM job_runs WHERE run_id = {BY_HAND}",)),
    "a run is there that nobody wrote": ("stray", ("UPDATE ledger_state SET last_run = last_run - 1",)),
    "an account was not counted": (
        "counts",
        ("DELETE FROM job_tallies WHERE tally_id = (SELECT max(tally_id) FROM job_tallies WHERE job_id > 0)",),
    ),
    "an account was counted twice": (
        "counts",
        ("UPDATE job_tallies SET n = n + 1 WHERE tally_id = (SELECT max(tally_id) FROM job_tallies WHERE job_id > 0)",),
    ),
    "an account was counted in another hour": (
        "counts",
        ("UPDATE job_tallies SET hour = hour + 1 WHERE tally_id = (SELECT max(tally_id) FROM job_tallies)",),
    ),
    "an account was counted for another job": (
        "counts",
        (
            "UPDATE job_tallies SET job_id = 1 WHERE tally_id = (SELECT max(tally_id) FROM job_tallies WHERE job_id > 1)",
        ),
    ),
    "an outcome was altered": (
        "counts",
        (f"UPDATE job_runs SET status = 'failed', reason = 'reported' WHERE run_id = {A_SUCCESS}",),
    ),
}
"""What the numbers tell that are kept beside the accounts: they stay as they are."""
