"""`make demo-cluster`: three nodes on one PostgreSQL server; one is killed, one frozen, the server started again.

Everything happens in a throw-away folder, on a server of its own, through the same `sp` that users type. KEEP=1 keeps the folder.
Exit code 0 only if the audit at the end is clean.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from showing import REPOSITORY, Showing, echo, heading, say, say_command, sp

sys.path.insert(0, str(REPOSITORY / "tests"))  # the tests bring their own server, and the demo takes the same

from support.postgres_server import Server

NODES = ("one", "two", "three")
LEASE = 4.0

PROFILE = """\
name: cluster
database: {address}
time_zone: UTC
extensions: [jobs.py]
limits:
  lease: {lease}s
  misfire_grace: 2s
"""

JOBS = '''\
"""Jobs that say where they ran."""

import os
import time

from systemprompt import job


@job(schedule="* * * * * *")
def tick():
    """Every second, somewhere."""


@job(schedule="*/2 * * * * *", on_lost="rerun")
def mirror():
    """Takes a second and a half; safe to do again, so a lost run is started anew."""
    time.sleep(1.5)


@job(schedule="*/3 * * * * *")
def report():
    """Takes two seconds; not safe to do again, so a lost run is a failed one."""
    time.sleep(2.0)
'''


class Stopped(Exception):
    """Somebody asked the demo to stop."""


def main() -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    folder = Path(tempfile.mkdtemp(prefix="sp-cluster-"))
    demo = Cluster(folder)
    try:
        return demo.play()
    except (KeyboardInterrupt, Stopped):
        say("\nStopped. Nothing stays behind.")
        return 130
    finally:
        demo.end()
        if os.environ.get("KEEP", "") in ("", "0"):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            say(f"Kept: {folder}")


class Cluster(Showing):
    """One showing."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        # Beside that folder and not in it: as root the server runs as `nobody`, who may not look there.
        self.server = Server(Path(tempfile.mkdtemp(prefix="sp-pg-")))
        self.nodes: dict[str, subprocess.Popen[str]] = {}
        self.listeners: list[threading.Thread] = []
        self.down = True  # the server, as long as nobody started it

    def play(self) -> int:
        self.furnish()
        self.start_three()
        self.kill_one()
        self.freeze_one()
        self.restart_the_server()
        self.drain()
        return self.read_the_account()

    def furnish(self) -> None:
        heading("A server, and three nodes that know nothing of each other")
        self.server.make()
        self.down = False
        (self.folder / "jobs.py").write_text(JOBS, encoding="utf-8")
        profile = PROFILE.format(address=self.server.address, lease=round(LEASE))
        (self.folder / "profile.yaml").write_text(profile, encoding="utf-8")
        say(f"A throw-away folder, {self.folder}, gets a PostgreSQL, three jobs, and a profile that names the server:")
        say(f"\n  database: {self.server.address}\n")
        say("That line is all that makes it a cluster: no leader, no election, no other service.")

    def start_three(self) -> None:
        for name in NODES:
            self.start(name)
        self.wait_for("the first runs to end well", lambda: self.successes() >= 12, 40)
        self.show("nodes")

    def kill_one(self) -> None:
        heading("One is killed in mid-run")
        name, run_id = self.wait_for("a node to be at a report", self.at_a_report, 20)
        node = self.nodes.pop(name)
        os.kill(node.pid, signal.SIGKILL)
        node.wait()
        say(f"kill -9 {node.pid}, while node {name} was at run {run_id}. It writes nothing down. The others find out.")
        self.wait_for(f"run {run_id} to be settled", lambda: self.fate_of(run_id) != "running", 30)
        self.go_on(4)
        say(f"Run {run_id} is closed as {self.fate_of(run_id)}: report says on_lost: fail, so nobody starts it again.")

    def freeze_one(self) -> None:
        heading("One is frozen past its lease, and wakes up")
        name, node = next(iter(self.nodes.items()))
        os.kill(node.pid, signal.SIGSTOP)
        say(
            f"SIGSTOP {node.pid}: node {name} stands still for {LEASE * 2:g} s, twice its lease. Others take what it held."
        )
        time.sleep(LEASE * 2)
        os.kill(node.pid, signal.SIGCONT)
        say(
            "SIGCONT: it wakes up, hears that it was declared lost, and goes on under a fresh id. What it brings is late."
        )
        self.go_on(5)

    def restart_the_server(self) -> None:
        heading("The server crashes, and is started again")
        self.server.stop()
        self.down = True
        say("The server is down, at once, with every connection. The nodes try again several times a second.")
        time.sleep(3)
        began = time.monotonic()
        self.server.start()
        self.down = False
        before = self.successes()
        self.wait_for("fire times to go on", lambda: self.successes() > before, 15)
        say(f"{time.monotonic() - began:.1f} s after it was told to start, fire times go on.")
        self.go_on(4)

    def drain(self) -> None:
        heading("A polite end")
        for node in self.nodes.values():
            node.send_signal(signal.SIGTERM)
        for node in self.nodes.values():
            node.wait(30)
        self.nodes.clear()
        for listener in self.listeners:
            listener.join(5)

    def read_the_account(self) -> int:
        heading("The account")
        self.show("jobs list")
        self.show("jobs history --status failed,missed,skipped -n 15")
        say("Every second of it all has an account, whoever lived through it. The audit recomputes every fire time:")
        code = self.show("jobs audit")
        if code:
            say("The audit is not clean: this is a defect of systemprompt.")
        return code

    # -- what happens ---------------------------------------------------------------------------------------------------------

    def start(self, name: str) -> None:
        say_command("serve &")
        self.nodes[name] = subprocess.Popen(
            [*sp(), "serve"],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.listeners.append(echo(self.nodes[name], f"{name:<5}", but=(": started, run", " success in ")))

    def check_going(self) -> None:
        for name, node in self.nodes.items():
            if node.poll() is not None:
                raise SystemExit(f"node {name} ended by itself, with exit code {node.returncode}")

    def go_on(self, more: int) -> None:
        """Wait until so many more fire times have come to their end."""
        wanted = self.successes() + more
        self.wait_for(f"{more} more runs to end well", lambda: self.successes() >= wanted, 40)
        say("The fire times go on:")
        self.show("jobs history -n 6")

    def at_a_report(self) -> tuple[str, int] | None:
        """Return a node of ours that runs `report`, and the run."""
        pids = {node.pid: name for name, node in self.nodes.items()}
        for run in self.ask("jobs active --job report")["entries"]:
            if run["node_pid"] in pids and run["status"] == "running":
                return pids[run["node_pid"]], run["run_id"]
        return None

    def fate_of(self, run_id: int) -> str:
        run = next(run for run in self.ask("jobs history --job report -n 50")["entries"] if run["run_id"] == run_id)
        return run["status"] if run["reason"] is None else f"{run['status']}, {run['reason']}"

    def successes(self) -> int:
        return int(self.ask("jobs history --status success -n 1")["total"])

    def end(self) -> None:
        for node in self.nodes.values():
            if node.poll() is None:
                node.kill()
                node.wait()
        if not self.down:
            self.server.stop()
        shutil.rmtree(self.server.folder, ignore_errors=True)


def _stop(number: int, _frame: object) -> None:
    raise Stopped(signal.Signals(number).name)


if __name__ == "__main__":
    sys.exit(main())
