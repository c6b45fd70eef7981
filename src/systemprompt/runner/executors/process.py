"""Commands, and jobs in a process of their own: what to start, and what its end means."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from systemprompt.clock import iso
from systemprompt.discovery.as_written import as_written
from systemprompt.errors import ConfigurationError
from systemprompt.jobs.parameters import variable_of
from systemprompt.jobs.settings import JobSettings
from systemprompt.runner.executors.environment import User, surroundings_of, user_of
from systemprompt.runner.executors.supervisor import Ended, Launch, NotStarted, Supervisor
from systemprompt.runner.flight import Flight, parameters_of
from systemprompt.runner.outcome import Outcome, stopped, under_stop

__all__ = ["ProcessExecutor", "environment_of"]


class ProcessExecutor:
    """Runs each flight under a guard, which ends all of it: descendants that daemonised, and when this process is killed."""

    def __init__(
        self,
        *,
        settings: JobSettings,
        child_database: tuple[str, str] | None,
        kill_grace: float,
        max_output_bytes: int,
    ) -> None:
        self._settings = settings
        self._child_database = child_database
        self._kill_grace = kill_grace
        self._supervisor = Supervisor(grace=kill_grace, max_output_bytes=max_output_bytes, on_ended=self._land)

    def start(self, flights: Sequence[Flight]) -> None:
        for flight in flights:
            command = flight.definition.command
            try:
                launch = self._job(flight) if command is None else self._command(flight, command)
            except ConfigurationError as error:
                flight.land(_refused(flight, error))
                continue
            self._supervisor.start(flight, launch)

    def stop(self, flight: Flight) -> None:
        self._supervisor.stop(flight)

    def kill(self, flight: Flight) -> None:
        self._supervisor.kill(flight)

    def force(self, flight: Flight) -> None:
        # The guard itself is stuck, stopped or starved: end it and what it started from here.
        self._supervisor.force(flight)

    def close(self) -> None:
        self._supervisor.close()

    def _command(self, flight: Flight, command: tuple[str, ...]) -> Launch:
        definition = flight.definition
        user = None if definition.user is None else user_of(definition.user)
        environment = environment_of(flight, self._settings, parameters=True, user=user)
        return Launch(
            command=command,
            environment=environment,
            folder=_folder(flight, self._settings, environment),
            user=user,
            stdin=None if definition.stdin is None else definition.stdin.encode(),
            output=definition.output,
        )

    def _job(self, flight: Flight) -> Launch:
        definition, assignment = flight.definition, flight.assignment
        spec = {
            "source": {"kind": definition.source.kind, "name": definition.source.name},
            "name": definition.name,
            "run_id": assignment.run_id,
            "fire_at": assignment.fire_at,
            "time_zone": definition.time_zone,
            "attempt": assignment.attempt,
            "fence": assignment.fence,
            "parameters": parameters_of(flight),
            "actor": assignment.actor,
            "enforce": assignment.enforce,
            "settings": asdict(self._settings) | {"ledger": self._ledger_for(flight)},
            "database": self._child_database,
            "sys_path": [entry for entry in sys.path if entry],
            "exit_grace": self._kill_grace,
        }
        environment = environment_of(flight, self._settings, parameters=False)
        return Launch(
            command=(sys.executable, "-P", "-m", "systemprompt.runner.child"),
            environment=environment,
            folder=_folder(flight, self._settings, environment) if definition.working_dir else "",
            spec=json.dumps(spec, default=str).encode(),
        )

    def _ledger_for(self, flight: Flight) -> str | None:
        """Return the ledger's address for a job in a process of its own. Only jobs of ours look after it and get its password."""
        ledger = self._settings.ledger
        if ledger is None:
            return None
        return ledger.with_password() if flight.definition.source.kind == "builtin" else str(ledger)

    def _land(self, flight: Flight, ended: Ended) -> None:
        """Say what the end of a process means."""
        took_ms = flight.took_ms()
        if ended.survivors:
            text = f"processes {ended.survivors} belong to another user and could not be ended"
            flight.log.write(text, level="ERROR", source="runner")
        if ended.left:
            what = "process that was" if ended.left == 1 else "processes that were"
            text = f"ended {ended.left} {what} left running in the background"
            flight.log.write(text, level="WARNING", source="runner")
        if ended.unbegun and flight.stop is not None:
            flight.land(stopped(flight.stop, took_ms=took_ms, note="it had not begun"))
            return
        if ended.not_started is not None:
            flight.land(_not_started(flight, ended.not_started, took_ms))
            return
        kept: dict[str, Any] = {"exit_code": ended.exit_code, "output": ended.output or None}
        result = ended.result
        if result is not None:
            # A result that was sent before we asked to stop is the result.
            stop = flight.stop if result.stopped else None
            outcome = under_stop(result.outcome, stop, cancellation=result.cancellation, took_ms=took_ms, hit=ended.hit)
            flight.land(_with_its_end(outcome, flight, ended))
            return
        outcome = replace(_by_itself(flight, ended), duration_ms=took_ms, **kept)
        if ended.asked and flight.stop is not None:
            # Ending after TERM, with whatever code, is not completion: servers exit with 0 then.
            killed = ended.signal == signal.SIGKILL or ended.exit_code is None
            note = f"it had to be killed, after {took_ms / 1000:.1f}s" if killed else ""
            outcome = replace(stopped(flight.stop, took_ms=took_ms, note=note, went_on=killed), **kept)
            if outcome.status == "failed" and ended.stderr:
                outcome = replace(outcome, error=ended.stderr)
        flight.land(outcome)


def environment_of(
    flight: Flight, settings: JobSettings, *, parameters: bool, user: User | None = None
) -> dict[str, str]:
    """Return what a command finds in its environment: `surroundings_of` its job, and the run's own account of itself.

    SP_JOB_NAME, SP_RUN_ID, SP_ATTEMPT, SP_FENCE; SP_FIRE_AT in UTC, absent for a manual run; SP_IDEMPOTENCY_KEY, the same
    for every attempt at one fire time: `job@fire_at`, or `job@run-N@LEDGER` for a manual run, since N is unique in one ledger only;
    SP_PARAM_<NAME> for each parameter.
    """
    assignment, name = flight.assignment, flight.definition.name
    environment = surroundings_of(flight.definition, user)
    environment.pop("SP_FIRE_AT", None)  # ours, where this node was itself started by a job
    if settings.paths.profile and _PROFILE not in flight.definition.environment:
        environment[_PROFILE] = settings.paths.profile
    fire_at = None if assignment.fire_at is None else iso(assignment.fire_at)
    if fire_at is not None:
        environment["SP_FIRE_AT"] = fire_at
    environment.update(
        SP_JOB_NAME=name,
        SP_RUN_ID=str(assignment.run_id),
        SP_ATTEMPT=str(assignment.attempt),
        SP_FENCE=str(assignment.fence),
        SP_IDEMPOTENCY_KEY=f"{name}@{fire_at or f'run-{assignment.run_id}@{flight.log.ledger_id}'}",
    )
    if parameters:
        for key, value in parameters_of(flight).items():
            environment[variable_of(key)] = _as_text(value)
    return environment


_PROFILE = "SYSTEMPROMPT_PROFILE"


def _refused(flight: Flight, error: ConfigurationError) -> Outcome:
    text = f"cannot start {_program(flight)!r}: {error.message}"
    text = str(as_written(text, flight.definition.filled))
    said = f"{text}; {error.hint}" if error.hint else text
    return Outcome(status="failed", reason="spawn_error", message=text, error=said, duration_ms=flight.took_ms())


def _program(flight: Flight) -> str:
    command = flight.definition.command
    return command[0] if command else sys.executable


def _by_itself(flight: Flight, ended: Ended) -> Outcome:
    is_command = flight.definition.command is not None
    what = "the command" if is_command else "the job's process"
    if ended.signal is not None:
        message = f"{what} was killed by {_signal_name(ended.signal)}"
        return Outcome(status="failed", reason="killed", message=message, error=ended.stderr or message)
    if ended.exit_code is None:
        message = f"{what} was killed together with its guard"
        return Outcome(status="failed", reason="killed", message=message, error=ended.stderr or message)
    if ended.exit_code:
        return _by_its_code(flight, ended, what)
    if not is_command:
        message = "the job's process ended with exit code 0 and did not say how the job went (os._exit?)"
        return Outcome(status="failed", reason="exception", message=message, error=ended.stderr or message)
    return Outcome(status="success", message=ended.last_line)


def _by_its_code(flight: Flight, ended: Ended, what: str) -> Outcome:
    """Return what an exit code that is not 0 means: a failure, unless the policy `exit_codes` says otherwise."""
    means = dict(flight.definition.policies.exit_codes).get(ended.exit_code or 0)
    if means in ("success", "nothing"):
        return Outcome(status="success", message=ended.last_line, did_nothing=means == "nothing")
    message = f"{what} ended with exit code {ended.exit_code}"
    text = ended.stderr or message
    return Outcome(status="failed", reason="exit_nonzero", message=message, error=text, final=means == "final")


def _with_its_end(outcome: Outcome, flight: Flight, ended: Ended) -> Outcome:
    """Return what a job said of itself, together with how its process ended: no success where that failed by itself.

    What the interpreter still does after the job may be the job's own work: `atexit`, writing out files, closing a library.
    """
    if ended.asked:
        return replace(outcome, output=ended.output or None)  # our TERM or KILL: the exit code is not the job's
    its_end = _by_itself(flight, ended)
    if outcome.status == "success" and (ended.exit_code is None or ended.exit_code):
        said = f" ({outcome.message})" if outcome.message else ""
        message = f"the job said success{said}, and then {its_end.message}"
        outcome = replace(
            outcome,
            status="failed",
            reason=its_end.reason,
            message=message,
            error=ended.stderr or message,
            did_nothing=False,
        )
    return replace(outcome, exit_code=ended.exit_code, output=ended.output or None)


def _not_started(flight: Flight, failure: NotStarted, took_ms: int) -> Outcome:
    program, folder = _program(flight), failure.folder
    if failure.stage == "exec" and failure.number == errno.ENOENT:
        if os.path.exists(os.path.join(folder, program)) if os.sep in program else shutil.which(program):
            text = f"cannot start {program!r}: the interpreter named in its first line does not exist"
        elif os.sep in program:
            text = f"cannot start {program!r}: there is no such file"
        else:
            text = f"cannot start {program!r}: no folder of PATH holds a program of this name"
    elif failure.stage == "exec" and failure.number == errno.EACCES:
        text = f"cannot start {program!r}: it is not executable"
    elif failure.stage == "exec" and failure.number == errno.ENOEXEC:
        text = f"cannot start {program!r}: it is not a program, and its first line names no interpreter"
    elif failure.number == errno.E2BIG:
        text = f"cannot start {program!r}: the system lets no program have as much in arguments and variables{_largest(flight)}"
    elif failure.stage == "folder":
        text = f"cannot start {program!r}: working folder {folder!r}: {os.strerror(failure.number)}"
    elif failure.stage == "user":
        text = f"cannot start {program!r} as user {flight.definition.user!r}: {os.strerror(failure.number)}"
    else:
        text = f"cannot start {program!r}: {failure.text or os.strerror(failure.number)}"
    text = str(as_written(text, flight.definition.filled))
    return Outcome(status="failed", reason="spawn_error", message=text, error=text, duration_ms=took_ms)


def _largest(flight: Flight) -> str:
    sizes = {name: len(_as_text(value)) for name, value in parameters_of(flight).items()}
    if flight.definition.command is None or not sizes:
        return ""
    name = max(sizes, key=sizes.__getitem__)
    return f"; {variable_of(name)} has {sizes[name]:,} characters: hand over the name of a file instead"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(_as_text(item) for item in value)
    if isinstance(value, dict):
        return json.dumps(value, default=str)
    return "" if value is None else str(value)


def _folder(flight: Flight, settings: JobSettings, environment: Mapping[str, str]) -> str:
    folder = flight.definition.working_dir or "."
    if folder == "~" or folder.startswith("~/"):
        folder = environment.get("HOME", "/") + folder[1:]
    return os.path.abspath(os.path.join(settings.paths.home, folder))
