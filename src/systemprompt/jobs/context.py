"""What a job is given when it runs."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar, overload

from systemprompt.databases.database import Database
from systemprompt.errors import ConfigurationError, ParameterError
from systemprompt.jobs.parameters import EXPECTED, read_as
from systemprompt.jobs.settings import JobSettings, Paths
from systemprompt.wording import did_you_mean

T = TypeVar("T")

__all__ = ["CancelSignal", "JobCancelled", "JobContext"]


class JobCancelled(Exception):  # control flow, as asyncio.CancelledError is
    """Raised inside a job by `ctx.raise_if_cancelled()`; let it pass."""


class CancelSignal:
    """Says that the work should stop: a timeout, a draining node, a person. Set once, from any thread.

    `fd`, where the platform has pipes, becomes readable when set, so that `select` loops can wait for it.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self._set = False
        # Made by the first who waits: most jobs never do.
        self._event: threading.Event | None = None

    def set(self, reason: str) -> None:
        if self.reason is None:
            self.reason = reason
        # In this order, and the other way round in `wait`: one of the two sees what the other did.
        self._set = True
        if self._event is not None:
            self._event.set()

    def is_set(self) -> bool:
        return self._set

    def wait(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds; return whether the signal is set. A job's sleep that can be interrupted."""
        with _FIRST_WAIT:
            event = self._event = self._event or threading.Event()
        if self._set:
            return True
        return event.wait(timeout)


_FIRST_WAIT = threading.Lock()


class JobContext:
    """One attempt at one run, seen from inside the job.

    job_name, run_id   what runs; `run_id` is the ledger's number, None where a test made the context
    fire_at            the fire time this run accounts for, aware, in the job's zone; None for a manual run
    attempt, fence     the try, from 1, and the token that proves this try holds the run. Hand `fence` to systems that can refuse
                       a lower one: then a zombie's late write cannot overwrite a newer attempt's
    parameters         text values from the profile and from `-p KEY=VALUE`, the latter winning
    actor              who caused it: `schedule`, `cli:alice`, `program:shop`, ...
    enforce            False asks a job that acts on people only to report what it would do
    settings, paths    what the profile says to jobs
    cancel             set when the work should stop
    """

    def __init__(
        self,
        *,
        job_name: str,
        run_id: int | None = None,
        fire_at: datetime | None = None,
        attempt: int = 1,
        fence: int = 0,
        parameters: Mapping[str, Any] | None = None,
        actor: str = "test",
        enforce: bool = False,
        settings: JobSettings | None = None,
        database: Database | None = None,
        logger: logging.Logger | Callable[[], logging.Logger] | None = None,
        cancel: CancelSignal | None = None,
        on_progress: Callable[[int, int | None, str], None] | None = None,
    ) -> None:
        self.job_name = job_name
        self.run_id = run_id
        self.fire_at = fire_at
        self.attempt = attempt
        self.fence = fence
        self.parameters: dict[str, Any] = dict(parameters or {})
        self.actor = actor
        self.enforce = enforce
        self.settings = settings or JobSettings()
        self.cancel = cancel or CancelSignal()
        self._database = database
        self._logger = logger
        self._on_progress = on_progress

    @property
    def db_pool(self) -> Database:
        """The profile's database.

        Raises:
            ConfigurationError: this context was made without one.
        """
        if self._database is None:
            raise ConfigurationError(
                f"job {self.job_name!r} asked for a database and this context has none",
                hint="set `database` in the profile; in a test pass JobContext(database=...)",
            )
        return self._database

    @property
    def logger(self) -> logging.Logger:
        """A logger whose lines are kept with this run: `sp jobs logs RUN` reads them."""
        if self._logger is None:
            self._logger = logging.getLogger(f"systemprompt.job.{self.job_name}")
        elif callable(self._logger):
            # Made when first asked for: it takes longer than all else that a job is given.
            self._logger = self._logger()
        return self._logger

    @property
    def paths(self) -> Paths:
        return self.settings.paths

    def path(self, relative: str) -> str:
        """Return a path of the profile as an absolute one."""
        return os.path.normpath(os.path.join(self.paths.home, os.path.expanduser(relative)))

    @overload
    def get_parameter(self, name: str, *, default: Any = ...) -> Any: ...
    @overload
    def get_parameter(self, name: str, kind: type[T]) -> T: ...
    @overload
    def get_parameter(self, name: str, kind: type[T], default: T) -> T: ...
    def get_parameter(self, name: str, kind: type | None = None, default: Any = ...) -> Any:
        """Return a parameter as `kind`: str, int, float, bool, timedelta, or list (comma separated text). None is absent.

        Without a kind it is what the job declares or the default is: of a declared 3, `-p days=7` is the number 7; of one that
        is not declared, text.

        Raises:
            ParameterError: it is absent and has no default, or its text does not parse; the message has the text.
        """
        value = self.parameters.get(name)
        if value is None:
            if default is not ...:
                return default
            near = did_you_mean(name, self.parameters.keys() - {name})
            raise ParameterError(
                f"job {self.job_name!r} needs the parameter {name!r}",
                hint=f"{near!r} was given; did you mean {name!r}?" if near else f"pass it: -p {name}=VALUE",
                details={"job_name": self.job_name, "parameter": name},
            )
        if kind is None and type(default) in EXPECTED:
            kind = type(default)
        if kind is None:
            return value
        try:
            return read_as(value, kind)
        except ValueError as error:
            raise ParameterError(
                f"job {self.job_name!r}: parameter {name}={value!r} is not {EXPECTED.get(kind, kind.__name__)}",
                details={"job_name": self.job_name, "parameter": name, "value": str(value)},
            ) from error

    def progress(self, done: int, total: int | None = None, note: str = "") -> None:
        """Say how far the work is. Cheap: shown to people who watch, kept nowhere for certain."""
        if self._on_progress is not None:
            self._on_progress(done, total, note)

    def raise_if_cancelled(self) -> None:
        """Raise `JobCancelled` once the work should stop. Call it between batches."""
        if self.cancel.is_set():
            raise JobCancelled(self.cancel.reason or "cancelled")
