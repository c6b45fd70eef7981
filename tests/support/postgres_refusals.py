"""What the schema on PostgreSQL refuses: each sentence of each trigger with the statements that bring it about."""

from __future__ import annotations

from support.raw_postgres import MONTH, Connection, copied


class Copy:
    """A row like another one, in the words of `raw_postgres.copied`."""

    def __init__(self, into: str, source: str, where: str, **changes: str) -> None:
        self.into, self.source, self.where, self.changes = into, source, where, changes

    def sql(self, connection: Connection) -> str:
        return copied(connection, self.into, self.source, self.where, **self.changes)


BY_HAND = {"run_id": "99", "origin": "'manual'", "fire_at": "NULL"}
SKIPPED = {
    "status": "'skipped'",
    "reason": "'overlap'",
    "finished_at": "now()",
    "attempt": "0",
    "node_id": "NULL",
    "fence": "NULL",
    "started_at": "NULL",
}
SEAL_ALL = [
    "ALTER TABLE ledger_state DISABLE TRIGGER USER",
    "UPDATE ledger_state SET sealed_until = 'infinity'",
    "ALTER TABLE ledger_state ENABLE TRIGGER USER",
]
LAST_AT = "SELECT g.last_at FROM job_run_ranges g"
LATER = "interval '1 second'"

# What is asked for -> the trigger that refuses, its table, in which words, and the statements; all but the last are let through.
Refused = tuple[str, str, str, list[str | Copy]]
REFUSED: dict[str, Refused] = {
    "fewer runs were left out": (
        "ledger_state_only_rises",
        "ledger_state",
        "fences, run ids and the high-water mark only rise",
        ["UPDATE ledger_state SET runs_left_out = runs_left_out - 1"],
    ),
    "a ledger gets another id": (
        "ledger_state_only_rises",
        "ledger_state",
        "fences, run ids and the high-water mark only rise",
        ["UPDATE ledger_state SET ledger_id = 'x'"],
    ),
    "pruning runs ahead of sealing": (
        "ledger_state_prunes_what_is_sealed",
        "ledger_state",
        "only what is sealed is pruned",
        [f"UPDATE ledger_state SET pruned_until = sealed_until + {LATER}"],
    ),
    **{
        f"{column} goes back": (
            "ledger_state_prunes_what_is_sealed",
            "ledger_state",
            "only what is sealed is pruned",
            [
                f"UPDATE ledger_state SET pruned_until = 'epoch'::timestamptz + {LATER}, pruned_run = 5",
                f"UPDATE ledger_state SET {change}",
            ],
        )
        for column, change in {
            "seals": "seals = 0",
            "sealed_until": f"sealed_until = sealed_until - {LATER}",
            "pruned_until": "pruned_until = 'epoch'",
            "pruned_run": "pruned_run = 4",
        }.items()
    },
    **{
        f"the state says that {what} sealed": (
            "ledger_state_tells_of_seals",
            "ledger_state",
            "a day is sealed by its seal",
            [f"UPDATE ledger_state SET {change}"],
        )
        for what, change in {
            "a day without a seal is": f"sealed_until = sealed_until + {LATER}",
            "another seal": "seals = seals + 1",
        }.items()
    },
    **{
        f"{table} {act}": (f"{table}_stay{'s' * (table == 'ledger_state')}", table, said, [f"{words} {table}{more}"])
        for table, said in {
            "ledger_state": "its state is never deleted",
            "jobs": "a job is retired, never deleted",
            "job_versions": "a version is never deleted",
            "job_cursors": "a cursor is never deleted",
            "ledger_seals": "a seal is never deleted",
        }.items()
        for act, words, more in (("go", "DELETE FROM", ""), ("are emptied", "TRUNCATE", " CASCADE"))
        if (table, act) != ("jobs", "are emptied")  # CASCADE empties others first, which refuse
    },
    "versions overlap": (
        "job_versions_never_overlap",
        "job_versions",
        "versions of a job never overlap",
        [Copy("job_versions", "job_versions", "version = 2", version="9", valid_until="valid_from")],
    ),
    **{
        f"a version {what}": (
            "job_versions_are_immutable",
            "job_versions",
            "a version never changes; it only ends",
            [f"UPDATE job_versions SET {change}"],
        )
        for what, change in {
            "changes": "schedule = '@hourly', valid_until = valid_from WHERE valid_until IS NULL",
            "that is closed is opened": "valid_until = NULL WHERE version = 3",
            "ends again": f"valid_until = valid_until + {LATER} WHERE version = 2",
        }.items()
    },
    "a job gets a second cursor": (
        "job_cursors_are_one_a_job",
        "job_cursors",
        "a job has one cursor",
        [Copy("job_cursors", "job_cursors", "job_id = 1", planned_through=f"planned_through + {LATER}")],
    ),
    "a cursor moves back": (
        "job_cursors_move_forward",
        "job_cursors",
        "a cursor never moves back",
        [f"UPDATE job_cursors SET planned_through = planned_through - {LATER}"],
    ),
    "work comes into a sealed day": (
        "open_runs_begin_new",
        "open_runs",
        "this day is sealed",
        [*SEAL_ALL, Copy("open_runs", "open_runs", "run_id = 4", **BY_HAND)],
    ),
    "work of no job comes": (
        "open_runs_begin_new",
        "open_runs",
        "nobody knows this job",
        [Copy("open_runs", "open_runs", "run_id = 4", **BY_HAND | {"job_id": "99"})],
    ),
    "a closed run is opened": (
        "open_runs_begin_new",
        "open_runs",
        "this run is closed",
        [Copy("open_runs", "job_runs", "run_id = 2", **BY_HAND | {"run_id": "2"})],
    ),
    "a closed fire time is opened": (
        "open_runs_begin_new",
        "open_runs",
        "this fire time is accounted for already",
        [Copy("open_runs", "job_runs", "run_id = 2", run_id="99")],
    ),
    "a fire time of a range is opened": (
        "open_runs_begin_new",
        "open_runs",
        "this fire time is accounted for already",
        [Copy("open_runs", "open_runs", "run_id = 4", run_id="99", fire_at=f"({LAST_AT})", due_at=f"({LAST_AT})")],
    ),
    "an attempt falls": (
        "open_runs_attempts_rise",
        "open_runs",
        "attempts only rise, by one for each claim",
        ["UPDATE open_runs SET attempt = attempt + 1 WHERE run_id = 3"],
    ),
    "a claim counts two": (
        "open_runs_attempts_rise",
        "open_runs",
        "attempts only rise, by one for each claim",
        ["UPDATE open_runs SET fence = 99, node_id = 'a', started_at = now(), attempt = attempt + 2 WHERE run_id = 4"],
    ),
    "a run is tried again as the same attempt": (
        "open_runs_attempts_rise",
        "open_runs",
        "attempts only rise, by one for each claim",
        [
            "UPDATE open_runs SET fence = NULL, node_id = NULL, started_at = NULL WHERE run_id = 3",
            "UPDATE open_runs SET fence = 99, node_id = 'a', started_at = now() WHERE run_id = 3",
        ],
    ),
    "a run passes from node to node": (
        "open_runs_are_queued_between_nodes",
        "open_runs",
        "a run is queued again before another node takes it",
        ["UPDATE open_runs SET fence = fence + 9 WHERE run_id = 3"],
    ),
    **{
        f"an open run gets another {column}": (
            "open_runs_stay_what_they_are",
            "open_runs",
            "what a run accounts for never changes",
            [f"UPDATE open_runs SET {change} WHERE run_id = 4"],
        )
        for column, change in {
            "id": "run_id = 99",
            "job": "job_id = 2",
            "version": "version = 1",
            "origin": "origin = 'catch_up'",
            "fire time": "fire_at = now(), due_at = now()",
        }.items()
    },
    "an account comes into a sealed day": (
        "job_runs_account_once",
        "job_runs",
        "this day is sealed",
        [*SEAL_ALL, Copy("job_runs", "job_runs", "run_id = 2", **BY_HAND)],
    ),
    "an account comes into a sealed day by its partition": (
        "job_runs_account_once",
        MONTH,
        "this day is sealed",
        [*SEAL_ALL, Copy(MONTH, "job_runs", "run_id = 2", **BY_HAND)],
    ),
    "a reason does not fit its status": (
        "job_runs_account_once",
        "job_runs",
        "this is no reason for that status",
        [Copy("job_runs", "job_runs", "run_id = 2", **BY_HAND, status="'failed'", reason="'down'")],
    ),
    "a run is open and closed": (
        "job_runs_account_once",
        "job_runs",
        "this run is still open",
        [Copy("job_runs", "job_runs", "run_id = 2", **BY_HAND | {"run_id": "3"})],
    ),
    "an open fire time is skipped": (
        "job_runs_account_once",
        "job_runs",
        "this fire time is accounted for already",
        [Copy("job_runs", "open_runs", "run_id = 4", **SKIPPED, run_id="99")],
    ),
    "a fire time of a range is skipped": (
        "job_runs_account_once",
        "job_runs",
        "this fire time is accounted for already",
        [
            Copy(
                "job_runs",
                "open_runs",
                "run_id = 4",
                **SKIPPED,
                run_id="99",
                fire_at=f"({LAST_AT})",
                due_at=f"({LAST_AT})",
            )
        ],
    ),
    "an account changes": (
        "job_runs_never_change",
        "job_runs",
        "a closed account never changes",
        ["UPDATE job_runs SET message = 'x' WHERE run_id = 2"],
    ),
    "an account goes that is not to be pruned": (
        "job_runs_go_when_pruned",
        "job_runs",
        "only what is sealed is pruned",
        ["DELETE FROM job_runs WHERE run_id = 2"],
    ),
    "a text changes": (
        "run_texts_never_change",
        "run_texts",
        "what a run left in words never changes",
        ["UPDATE run_texts SET text = 'x'"],
    ),
    "a range comes into a sealed day": (
        "job_run_ranges_account_once",
        "job_run_ranges",
        "this day is sealed",
        [*SEAL_ALL, Copy("job_run_ranges", "job_run_ranges", "true", first_at="'epoch'", last_at="'epoch'")],
    ),
    "a range's reason does not fit": (
        "job_run_ranges_account_once",
        "job_run_ranges",
        "this is no reason for that status",
        [
            Copy(
                "job_run_ranges",
                "job_run_ranges",
                "true",
                first_at="last_at + interval '90 s'",
                last_at="last_at + interval '90 s'",
                reason="'down'",
            )
        ],
    ),
    "a range of no job comes": (
        "job_run_ranges_account_once",
        "job_run_ranges",
        "nobody knows this job",
        [Copy("job_run_ranges", "job_run_ranges", "true", job_id="99")],
    ),
    "ranges overlap": (
        "job_run_ranges_account_once",
        "job_run_ranges",
        "these fire times are accounted for already",
        [Copy("job_run_ranges", "job_run_ranges", "true", first_at="last_at")],
    ),
    **{
        f"a range covers {what} run": (
            "job_run_ranges_account_once",
            "job_run_ranges",
            "these fire times are accounted for already",
            [Copy("job_run_ranges", "job_run_ranges", "true", first_at=f"({place})", last_at=f"({place})")],
        )
        for what, place in {
            "a closed": "SELECT r.fire_at FROM job_runs r WHERE r.run_id = 2",
            "an open": "SELECT o.fire_at FROM open_runs o WHERE o.run_id = 4",
        }.items()
    },
    "a range changes": (
        "job_run_ranges_never_change",
        "job_run_ranges",
        "a range never changes",
        ["UPDATE job_run_ranges SET count = count + 1"],
    ),
    "a range goes that is not to be pruned": (
        "job_run_ranges_go_when_pruned",
        "job_run_ranges",
        "only what is sealed is pruned",
        ["DELETE FROM job_run_ranges"],
    ),
    "an attempt comes into a sealed day": (
        "job_attempts_stay_out_of_sealed_days",
        "job_attempts",
        "this day is sealed",
        [*SEAL_ALL, Copy("job_attempts", "job_attempts", "kind = 'late'", attempt="7")],
    ),
    **{
        f"an epoch is changed by {act.split()[0]}": (
            "ledger_epochs_never_change",
            "ledger_epochs",
            "an epoch never changes",
            [act],
        )
        for act in ("UPDATE ledger_epochs SET timeline = 2", "DELETE FROM ledger_epochs", "TRUNCATE ledger_epochs")
    },
    "an attempt changes": (
        "job_attempts_never_change",
        "job_attempts",
        "an attempt never changes",
        ["UPDATE job_attempts SET node_id = 'b'"],
    ),
    "an attempt goes that is not to be pruned": (
        "job_attempts_go_when_pruned",
        "job_attempts",
        "only what is sealed is pruned",
        ["DELETE FROM job_attempts"],
    ),
    "a tally changes": (
        "job_tallies_never_change",
        "job_tallies",
        "a tally never changes",
        ["UPDATE job_tallies SET n = n + 1"],
    ),
    **{
        f"a {what} changes": (
            f"{table}_never_change",
            table,
            f"a {what} never changes",
            [f"UPDATE {table} SET {change}"],
        )
        for what, table, change in (
            ("mark", "run_marks", "why = 'x'"),
            ("request", "requests", "answer = '{}'"),
        )
    },
    **{
        f"a node that stopped {what}": (
            "nodes_lost_stay_lost",
            "nodes",
            "a node that stopped never comes back; a process takes a fresh id",
            [f"UPDATE nodes SET {change} WHERE node_id = 'gone'"],
        )
        for what, change in {"comes back": "stopped_at = NULL, fate = NULL", "beats": "beat = beat + 1"}.items()
    },
    **{
        f"a seal {what}": (
            "ledger_seals_follow_one_another",
            "ledger_seals",
            "a seal follows the one before it",
            [
                "DELETE FROM open_runs",
                Copy(
                    "ledger_seals",
                    "ledger_seals",
                    "true",
                    **{"from_at": "until_at", "until_at": "until_at + interval '5 days'"} | row,
                ),
            ],
        )
        for what, row in {
            "does not follow the last": {"seal": "2"},
            "leaves one out": {"seal": "3", "previous": "digest"},
            "leaves a gap": {"seal": "2", "from_at": f"until_at + {LATER}", "previous": "digest"},
        }.items()
    },
    "a seal covers an open run": (
        "ledger_seals_cover_closed_runs",
        "ledger_seals",
        "a day with an open run is not sealed",
        [
            Copy(
                "ledger_seals",
                "ledger_seals",
                "true",
                seal="2",
                from_at="until_at",
                until_at="until_at + interval '1 day'",
                previous="digest",
            )
        ],
    ),
    "a seal changes": (
        "ledger_seals_are_final",
        "ledger_seals",
        "a seal never changes",
        ["UPDATE ledger_seals SET runs = 9"],
    ),
}
