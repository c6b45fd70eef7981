"""Scenarios that can be killed at any event of their databases.

Run as a program it reads lines `scenario folder event pragmas` and, for each, forks a child that plays it in that folder and
kills itself with SIGKILL at that event (0: plays it to its end), then answers with the child's events as one line.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from types import ModuleType

import scenario_application
import scenario_asking
import scenario_by_hand
import scenario_catalogue
import scenario_clockwork
import scenario_lost_tail
import scenario_migrations
import scenario_move
import scenario_move_to_server
import scenario_odd_ends
import scenario_restore
import scenario_retention
import scenario_schema
from recorder import Event, Recorder
from recorder_postgres import postgres_heard

from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.ledger.statements import load_statements

SCENARIOS: dict[str, ModuleType] = {
    "clockwork": scenario_clockwork,
    "by hand": scenario_by_hand,
    "asking": scenario_asking,
    "odd ends": scenario_odd_ends,
    "lost tail": scenario_lost_tail,
    "catalogue": scenario_catalogue,
    "retention": scenario_retention,
    "migrations": scenario_migrations,
    "application": scenario_application,
    "restore": scenario_restore,
    "move": scenario_move,
}
"""Each has prepare(folder), play(folder), recover(folder) and check(folder, whole), whole being where it was played to its end."""

ON_POSTGRES: dict[str, ModuleType] = {"schema": scenario_schema, "move to a server": scenario_move_to_server}
"""Those that are on no other engine."""

SQL = os.path.join(os.path.dirname(sys.modules[SqliteLedger.__module__].__file__ or ""), "sql")
STATEMENTS = load_statements(SQL)


def play(scenario: str, folder: str, kill_at: int = 0, pragmas: tuple[str, ...] = ()) -> list[Event]:
    """Play this scenario and return its events, or die at one of them. With `pragmas` every connection begins."""
    events: list[Event] = []

    def hear(event: Event) -> None:
        events.append(event)
        if len(events) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    with Recorder(hear, STATEMENTS, pragmas).listening(), postgres_heard(hear):
        {**SCENARIOS, **ON_POSTGRES}[scenario].play(folder)
    return events


def warm_up(scenario: str) -> None:
    """Play it once here, so that the children find every module loaded."""
    with tempfile.TemporaryDirectory() as folder:
        SCENARIOS[scenario].prepare(folder)
        SCENARIOS[scenario].play(folder)


def main() -> None:
    warm = set()
    for line in sys.stdin:
        scenario, folder, kill_at, *pragmas = json.loads(line)
        if scenario in SCENARIOS and scenario not in warm:
            warm_up(scenario)
            warm.add(scenario)
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            status = 1
            try:
                events = [(event.transaction, event.name) for event in play(scenario, folder, kill_at, tuple(pragmas))]
                os.write(writer, json.dumps(events).encode())
                status = 0
            finally:
                os._exit(status)
        os.close(writer)
        with os.fdopen(reader, "rb") as stream:
            answer = stream.read()
        _, how = os.waitpid(pid, 0)
        ended = {"signal": os.WTERMSIG(how) if os.WIFSIGNALED(how) else 0, "status": how >> 8}
        print(json.dumps({**ended, "events": json.loads(answer or b"[]")}), flush=True)


if __name__ == "__main__":
    main()
