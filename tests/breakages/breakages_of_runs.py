"""Broken claims, fences, closings and rescues."""

from __future__ import annotations

from wrench import CHECKS, RULES, UNIQUE_FENCE, Breakage

from systemprompt.runner.rescue import Rescue

_PICK = "SELECT s.fence FROM ledger_state s"
_FREE = """AND j.running = 0 AND j.quarantine_error IS NULL
          AND NOT EXISTS (SELECT 1 FROM job_runs e WHERE e.job_id = r.job_id AND e.finished_at IS NULL
                          AND (e.due_at, e.run_id) < (r.due_at, r.run_id))"""
_OF_JOB = """1 + (SELECT coalesce(max(f.fence), 0) FROM job_runs f
                     WHERE f.job_id = (SELECT q.job_id FROM job_runs q WHERE q.run_id = ready.run_id))"""
_LIVES = "AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.node_id = :node_id AND n.stopped_at IS NOT NULL)"
_HOLDER = "WHERE job_runs.run_id = e.run_id AND job_runs.fence = e.fence AND job_runs.status = 'running'"
_END = "max(e.finished_at, job_runs.started_at, coalesce(e.started_at, job_runs.started_at))"

OF_CLAIMS = (
    Breakage(
        what="claims without writing the attempt down",
        area="claim",
        kinds=("attempts",),
        plant=lambda wrench: wrench.trigger(
            "job_runs_claimed",
            "VALUES (NEW.run_id, NEW.attempt, NEW.fence, NEW.node_id, NEW.started_at)",
            "SELECT NEW.run_id, NEW.attempt, NEW.fence, NEW.node_id, NEW.started_at WHERE NEW.job_id <> 'job_tick'",
        ),
    ),
    Breakage(
        what="claims a run that runs already",
        area="claim",
        kinds=("fence_order",),
        guards=(RULES,),
        plant=lambda wrench: wrench.statement(
            "claim_queued_runs",
            ("r.status = 'queued' AND j.running = 0", "r.status IN ('queued', 'running')"),
            ("pick.run_id AND job_runs.status = 'queued'", "pick.run_id"),
        ),
    ),
    Breakage(
        what="claims a run while another of the job runs",
        area="claim",
        kinds=("concurrent",),
        plant=lambda wrench: wrench.statement("claim_queued_runs", (_FREE, "")),
    ),
    Breakage(
        what="claims the newest of a job's queue first",
        area="claim",
        kinds=("fence_order",),
        plant=lambda wrench: wrench.statement(
            "claim_queued_runs",
            ("(e.due_at, e.run_id) < (r.due_at, r.run_id)", "(e.due_at, e.run_id) > (r.due_at, r.run_id)"),
        ),
    ),
    Breakage(
        what="never claims the runs of one job",
        area="claim",
        kinds=("passed_over",),
        plant=lambda wrench: wrench.statement(
            "claim_queued_runs", ("r.status = 'queued'", "r.status = 'queued' AND r.job_id <> 'job_again'")
        ),
    ),
    Breakage(
        what="claims for a node that was declared lost",
        area="claim",
        kinds=("open_without_node",),
        plant=lambda wrench: wrench.statement("claim_queued_runs", (_LIVES, "")),
    ),
    Breakage(
        what="claims the runs of a quarantined job",
        area="claim",
        kinds=("unexplained",),
        plant=lambda wrench: wrench.statement("claim_queued_runs", ("AND j.quarantine_error IS NULL", "")),
    ),
    Breakage(
        what="dates the start before the fire time",
        area="claim",
        kinds=("misdated",),
        plant=lambda wrench: wrench.statement("claim_queued_runs", ("max(:now, queued_at)", "queued_at - 60000000")),
    ),
    Breakage(
        what="numbers every attempt 1",
        area="claim",
        kinds=("attempts",),
        guards=(RULES, UNIQUE_FENCE),
        plant=lambda wrench: wrench.statement("claim_queued_runs", ("attempt = attempt + 1", "attempt = 1")),
    ),
)

OF_FENCES = (
    Breakage(
        what="hands out the same fence again",
        area="fence",
        kinds=("fence_order",),
        guards=(RULES, UNIQUE_FENCE),
        plant=lambda wrench: wrench.statement(
            "claim_queued_runs", (f"({_PICK}) + row_number()", f"max(1, ({_PICK})) + 0 * row_number()")
        ),
    ),
    Breakage(
        what="does not keep the last fence handed out",
        area="fence",
        kinds=("fence_order",),
        guards=(RULES, UNIQUE_FENCE),
        plant=lambda wrench: wrench.trigger(
            "job_runs_claimed", "SET fence = max(fence, NEW.fence)", "SET fence = fence"
        ),
    ),
    Breakage(
        what="gives a start by hand the fence of the last claim",
        area="fence",
        kinds=("fence_order",),
        guards=(UNIQUE_FENCE,),
        plant=lambda wrench: wrench.statement("claim_one_run", (f"({_PICK}) + 1", f"max(1, ({_PICK}))")),
    ),
    Breakage(
        what="counts the fences of each job by themselves",
        area="fence",
        kinds=("fence_order",),
        guards=(UNIQUE_FENCE,),
        plant=lambda wrench: wrench.statement(
            "claim_queued_runs", (f"({_PICK}) + row_number() OVER (ORDER BY ready.due_at, ready.run_id)", _OF_JOB)
        ),
    ),
    Breakage(
        what="lets a zombie close the run that another holds now",
        area="fence",
        kinds=("attempts",),
        plant=lambda wrench: wrench.statement("close_runs", ("AND job_runs.fence = e.fence", "")),
    ),
)

OF_CLOSINGS = (
    Breakage(
        what="overwrites a closed run with a late result",
        area="close",
        kinds=("attempts",),
        guards=(RULES,),
        plant=lambda wrench: wrench.statement("close_runs", (_HOLDER, "WHERE job_runs.run_id = e.run_id")),
    ),
    Breakage(
        what="closes a failure as a success",
        area="close",
        kinds=("unexplained",),
        plant=lambda wrench: wrench.statement(
            "close_runs", ("status = e.status, reason = e.reason", "status = 'success', reason = NULL")
        ),
    ),
    Breakage(
        what="closes without the reason",
        area="close",
        kinds=("unexplained",),
        guards=(CHECKS,),
        plant=lambda wrench: wrench.statement("close_runs", ("reason = e.reason", "reason = NULL")),
    ),
    Breakage(
        what="calls a failure a lost node",
        area="close",
        kinds=("unexplained",),
        plant=lambda wrench: wrench.statement(
            "close_runs",
            ("reason = e.reason", "reason = CASE e.reason WHEN 'reported' THEN 'node_lost' ELSE e.reason END"),
        ),
    ),
    Breakage(
        what="closes without an end",
        area="close",
        kinds=("reopened",),
        guards=(CHECKS,),
        plant=lambda wrench: wrench.statement(
            "close_runs",
            (f"finished_at = {_END}", "finished_at = NULL"),
        ),
    ),
    Breakage(
        what="dates the end before the start",
        area="close",
        kinds=("misdated",),
        plant=lambda wrench: wrench.statement("close_runs", (_END, "job_runs.started_at - 1")),
    ),
    Breakage(
        what="puts a run that ended back into the queue",
        area="close",
        kinds=("unexplained",),
        plant=lambda wrench: wrench.statement(
            "close_runs",
            ("status = e.status, reason = e.reason", "status = 'queued', reason = NULL"),
            (f"finished_at = {_END}", "finished_at = NULL"),
        ),
    ),
    Breakage(
        what="forgets to count a run out",
        area="close",
        kinds=("cursor",),
        plant=lambda wrench: wrench.trigger("job_runs_released", "SET running = running - 1", "SET running = running"),
    ),
    Breakage(
        what="leaves the attempt of a closed run open",
        area="close",
        kinds=("reopened",),
        plant=lambda wrench: wrench.trigger(
            "job_runs_released", "AND attempt = OLD.attempt", "AND attempt = OLD.attempt AND NEW.status = 'queued'"
        ),
    ),
    Breakage(
        what="shows the last run as still running after its end",
        area="close",
        kinds=("cursor",),
        plant=lambda wrench: wrench.trigger(
            "job_runs_released",
            "CASE WHEN last_run_id IS NOT NEW.run_id THEN last_status",
            "CASE WHEN 1 THEN last_status",
        ),
    ),
    Breakage(
        what="closes without counting what was closed",
        area="close",
        kinds=("counts",),
        plant=lambda wrench: wrench.trigger("job_runs_closed_are_counted", "SET n = n + 1", "SET n = n"),
    ),
    Breakage(
        what="makes a late result the attempt's own",
        area="close",
        kinds=("reopened",),
        guards=("job_attempts_that_ended_are_final",),
        plant=lambda wrench: wrench.statement(
            "keep_late_result", ("SET late_result", "SET result = :status, late_result")
        ),
    ),
    Breakage(
        what="cancels the running run of a job that leaves",
        area="close",
        kinds=("unexplained",),
        plant=lambda wrench: wrench.statement("cancel_queued_of_job", ("AND status = 'queued'", "")),
    ),
)


def _everybody_is_lost(_: object) -> object:
    return lambda self, node: True


OF_RESCUES = (
    Breakage(
        what="declares a node lost that beats",
        area="rescue",
        kinds=("lost_alive",),
        plant=lambda wrench: wrench.patch(Rescue, "_is_lost", _everybody_is_lost),
    ),
    Breakage(
        what="runs again what says on_lost: fail",
        area="rescue",
        kinds=("unexplained",),
        plant=lambda wrench: wrench.statement("runs_to_rescue", ("json_extract(v.policies, '$.on_lost')", "'rerun'")),
    ),
    Breakage(
        what="fails what says on_lost: rerun",
        area="rescue",
        kinds=("unexplained",),
        plant=lambda wrench: wrench.statement("runs_to_rescue", ("json_extract(v.policies, '$.on_lost')", "'fail'")),
    ),
    Breakage(
        what="declares a node lost and leaves its runs running",
        area="rescue",
        kinds=("open_without_node",),
        plant=lambda wrench: wrench.statement("runs_to_rescue", ("r.status = 'running'", "r.status = 'queued'")),
    ),
    Breakage(
        what="leaves the attempt open when it queues a run again",
        area="rescue",
        kinds=("reopened", "attempts"),
        guards=("job_attempts_one_open",),
        plant=lambda wrench: wrench.trigger(
            "job_runs_released", "AND attempt = OLD.attempt", "AND attempt = OLD.attempt AND NEW.status <> 'queued'"
        ),
    ),
    Breakage(
        what="calls the attempt of a lost node failed and tries again",
        area="rescue",
        kinds=("reopened",),
        plant=lambda wrench: wrench.trigger("job_runs_released", "THEN 'lost' ELSE", "THEN 'failed' ELSE"),
    ),
    Breakage(
        what="never looks after a node whose process is gone",
        area="rescue",
        kinds=("open_without_node",),
        plant=lambda wrench: wrench.patch(Rescue, "step", lambda _: lambda self, own_id: []),
    ),
    Breakage(
        what="lets a rescued run end before it started",
        area="rescue",
        kinds=("misdated",),
        plant=lambda wrench: wrench.statement("fail_lost_run", ("max(:now, started_at)", "started_at - 3600000000")),
    ),
)
