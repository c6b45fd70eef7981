"""Lives that can be killed at any event of their databases.

Run as a program it reads lines `life folder event pragmas` and, for each, forks a child that lives that life in that folder and
kills itself with SIGKILL at that event (0: lives to its end), then answers with the child's events as one line.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from types import ModuleType

import life_application
import life_asking
import life_by_hand
import life_catalogue
import life_clockwork
import life_migrations
import life_odd_ends
import life_restore
import life_retention
from recorder import Event, Recorder

from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.ledger.statements import load_statements

LIVES: dict[str, ModuleType] = {
    "clockwork": life_clockwork,
    "by hand": life_by_hand,
    "asking": life_asking,
    "odd ends": life_odd_ends,
    "catalogue": life_catalogue,
    "retention": life_retention,
    "migrations": life_migrations,
    "application": life_application,
    "restore": life_restore,
}
"""Each has prepare(folder), live(folder), recover(folder) and check(folder, whole), whole being where it lived to its end."""

SQL = os.path.join(os.path.dirname(sys.modules[SqliteLedger.__module__].__file__ or ""), "sql")
STATEMENTS = load_statements(SQL)


def live(life: str, folder: str, kill_at: int = 0, pragmas: tuple[str, ...] = ()) -> list[Event]:
    """Live this life and return its events, or die at one of them. With `pragmas` every connection begins."""
    events: list[Event] = []

    def hear(event: Event) -> None:
        events.append(event)
        if len(events) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    with Recorder(hear, STATEMENTS, pragmas).listening():
        LIVES[life].live(folder)
    return events


def warm_up(life: str) -> None:
    """Live it once here, so that the children find every module loaded."""
    with tempfile.TemporaryDirectory() as folder:
        LIVES[life].prepare(folder)
        LIVES[life].live(folder)


def main() -> None:
    warm = set()
    for line in sys.stdin:
        life, folder, kill_at, *pragmas = json.loads(line)
        if life not in warm:
            warm_up(life)
            warm.add(life)
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            status = 1
            try:
                events = [(event.transaction, event.name) for event in live(life, folder, kill_at, tuple(pragmas))]
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
