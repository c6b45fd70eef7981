"""An installation in a folder of its own, and `sp` called in this process as a person or a program would."""

from __future__ import annotations

import io
import json
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from systemprompt.cli.main import main
from systemprompt.cli.settings import CliSettings
from systemprompt.clock import SECOND, ManualClock
from systemprompt.ledger.records import Change, Closing, ManualStart
from systemprompt.nodes.identity import this_process
from systemprompt.system import System, open_system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NOON = datetime(2026, 1, 14, 12, 0, tzinfo=UTC)

SQLITE = "sqlite:///data/app.db"

PROFILE = f"""\
name: shop
database: {SQLITE}
time_zone: Europe/Berlin
entry_points: false
extensions: [jobs/]
scheduler:
  jobs:
    nightly_report: {{owner: ops}}
"""

JOBS = '''\
from systemprompt import Job, JobResult, job, submit_job


@submit_job
class NightlyReport(Job):
    name = "nightly_report"
    description = "Writes the nightly report"
    schedule = "0 0 3 * * *"
    tags = ("reports",)

    def execute(self, ctx):
        ctx.logger.info("counting", extra={"pages": 3})
        print("this must not end up in the answer")
        return JobResult.success().with_message("Wrote 3 pages").with_stats(3, 0)


@job(name="broken_feed", schedule="0 */15 * * * *", tags=["feeds"])
def broken_feed():
    """Reads a feed that is not there."""
    raise ConnectionError("no route to feed.example")


@job(name="by_hand", description="Runs only when somebody asks")
def by_hand(ctx):
    return JobResult.success().with_message("limit " + ctx.get_parameter("limit", default="none"))
'''


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of one call."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document that stdout holds."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def data(self) -> dict[str, Any]:
        assert "data" in self.document, self.out
        data: dict[str, Any] = self.document["data"]
        return data

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = self.document["error"]
        return error


def sp(words: Sequence[str], folder: Path, environ: Mapping[str, str], **settings: Any) -> Answer:
    """Call `sp` in this process, as from this folder, with these settings of `CliSettings`."""
    out, err = io.StringIO(), io.StringIO()
    code = main(list(words), CliSettings(environ=environ, cwd=str(folder), stdout=out, stderr=err, **settings))
    return Answer(code=code, out=out.getvalue(), err=err.getvalue())


class CliSession:
    """One installation. `sp` answers in this process; `clock` stands at noon of 2026-01-14 unless `real_time`.

    database   what stands at `database:` in the profile: another engine's address, say
    """

    def __init__(
        self,
        folder: Path,
        *,
        jobs: str = JOBS,
        profile: str = PROFILE,
        real_time: bool = False,
        database: str = SQLITE,
    ) -> None:
        self.folder = folder
        self.home = folder / ".systemprompt/profiles/local"
        self.profile = self.home / "profile.yaml"
        self.clock = None if real_time else ManualClock(NOON)
        self.environ = {"XDG_CACHE_HOME": str(folder / "cache"), "USER": "ada", "HOME": str(folder)}
        self.width: int | None = None
        self.color = False
        (self.home / "jobs").mkdir(parents=True)
        self.profile.write_text(profile.replace(SQLITE, database), encoding="utf-8")
        (self.home / "jobs/shop_jobs.py").write_text(jobs, encoding="utf-8")

    def sp(self, line: str, *more: str) -> Answer:
        """Call `sp` with the words of a line, and with `more` as they are."""
        words = [*line.split(), *more]
        return sp(words, self.folder, self.environ, clock=self.clock, width=self.width, color=self.color)

    @contextmanager
    def system(self) -> Iterator[System]:
        with open_system(str(self.profile), environ=self.environ, clock=self.clock) as system:
            yield system

    def ran(self, job: str, *, status: str = "success", took_s: float = 1.5, **closing: Any) -> int:
        """Put a run by hand into the ledger, as a node would, and let that time pass. Returns its number."""
        assert self.clock is not None
        with self.system() as system:
            ledger = system.ledger
            now = self.clock.now()
            node = this_process(kind="run", program="test", lease_s=30, capacity=1, now=now)
            ledger.join(node)
            (run,) = ledger.start_manual(node.node_id, now, [ManualStart(job_name=job)], Change(actor="me"))
            self.clock.advance(took_s)
            end = Closing(
                run_id=run.run_id,
                attempt=run.attempt,
                fence=run.fence,
                status=status,
                started_at=run.started_at,
                finished_at=self.clock.now(),
                duration_ms=round(took_s * 1000),
                **closing,
            )
            ledger.turn(node.node_id, self.clock.now(), system.decide, closings=[end], plan=False)
            ledger.leave(node.node_id, self.clock.now())
            return run.run_id

    def left(self, node_id: str) -> None:
        """Put a node that served and has left into the ledger."""
        with self.system() as system:
            now = system.clock.now()
            node = this_process(kind="serve", program="test", lease_s=30, capacity=1, now=now)
            system.ledger.join(replace(node, node_id=node_id))
            system.ledger.leave(node_id, now)

    def planned(self, *, after_s: float) -> None:
        """Let that much time pass with no node there, then let one plan and claim nothing."""
        assert self.clock is not None
        self.clock.advance(after_s)
        with self.system() as system:
            now = self.clock.now()
            node = this_process(kind="serve", program="test", lease_s=30, capacity=1, now=now)
            system.ledger.join(node)
            system.ledger.turn(node.node_id, now, system.decide, room=0)
            system.ledger.leave(node.node_id, now)

    def sessions(self, *idle_hours: float) -> None:
        """Put user sessions into the database that were last seen so many hours ago."""
        with self.system() as system:
            now = system.clock.now()
            for number, hours in enumerate(idle_hours):
                seen = now - round(hours * 3600) * SECOND
                system.database.execute(
                    "INSERT INTO user_sessions (id, started_at, last_activity_at) VALUES (?, ?, ?)",
                    (f"s{number}-{hours}", seen, seen),
                )

    def log_lines(self, *age_days: float) -> None:
        """Put log lines of the application into the database that are so many days old."""
        with self.system() as system:
            now = system.clock.now()
            for days in age_days:
                system.database.execute(
                    "INSERT INTO logs (created_at, level, message) VALUES (?, 'INFO', 'old')",
                    (now - round(days * 86_400) * SECOND,),
                )
