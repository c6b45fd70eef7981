"""`make demo`: real jobs on real input, a node killed in mid-run, and the ledger's account of it all.

Everything happens in a throw-away folder and through the same `sp` that users type. KEEP=1 keeps the folder.
Exit code 0 only if the audit at the end is clean.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from showing import REPOSITORY, Showing, echo, heading, say, say_command, sp

HERE = Path(__file__).resolve().parent
DOWN_FOR = 4.0
"""Seconds without a node: long enough for fire times to be missed and accounted for."""

PROFILE = """\
name: demo
database: sqlite:///data/app.db
time_zone: UTC
extensions: [jobs/]
scheduler:
  jobs:
    # A program needs no Python at all.
    page_count:
      description: "A command: counts the pages of the site"
      schedule: "@every 5s"
      command: [sh, -c, "find public -name '*.html' | wc -l"]
      timeout: 5s
content:
  sources:
    - {{name: docs, path: {docs}}}
    - {{name: examples, path: {examples}}}
  publish: {{path: public/, title: "systemprompt, in its own words"}}
limits:
  lease: 5s
  misfire_grace: 1s
"""


class Stopped(Exception):
    """Somebody asked the demo to stop."""


def main() -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    folder = Path(tempfile.mkdtemp(prefix="systemprompt-demo-"))
    demo = Demo(folder)
    try:
        return demo.play()
    except (KeyboardInterrupt, Stopped):
        say("\nStopped. Nothing stays behind.")
        return 130
    finally:
        demo.end_node()
        if os.environ.get("KEEP", "") in ("", "0"):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            say(f"Kept: {folder}\n  sp --profile {folder} jobs history")


class Demo(Showing):
    """One showing."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.node: subprocess.Popen[str] | None = None
        self.listener: threading.Thread | None = None

    def play(self) -> int:
        self.furnish()
        self.publish()
        killed = self.kill_in_mid_run()
        self.come_back(killed)
        self.drain()
        return self.read_the_account(killed)

    def furnish(self) -> None:
        heading("A new installation")
        shutil.copytree(HERE / "jobs", self.folder / "jobs", ignore=shutil.ignore_patterns("__pycache__"))
        # In a profile `$` begins a variable and `$$` is a dollar sign.
        places = {name: json.dumps(str(REPOSITORY / name).replace("$", "$$")) for name in ("docs", "examples")}
        (self.folder / "profile.yaml").write_text(PROFILE.format(**places), encoding="utf-8")
        say(f"A throw-away folder, {self.folder}, gets a profile, a file of jobs and an empty ledger.")

    def publish(self) -> None:
        heading("Real jobs on real input")
        say("content_ingestion reads this repository's docs/ and examples/; publish_content makes a site of them.")
        self.show("jobs run content_ingestion publish_content --sequential")
        pages = sorted((self.folder / "public").rglob("*.html"))
        say(f"{len(pages)} pages, with index, tags, feed and sitemap: {self.folder / 'public' / 'index.html'}")

    def kill_in_mid_run(self) -> list[dict[str, Any]]:
        heading("A node, and its sudden end")
        say(
            "Seven jobs fire every few seconds: plain, async, in a process of their own, a shell command. One is moody."
        )
        self.start_node()
        wanted = {"mirror", "post_digest"}
        running = self.wait_for("mirror and post_digest to be in mid-run", lambda: self.caught(wanted), 30)
        assert self.node is not None
        time.sleep(1.0)  # let them get into their work
        os.kill(self.node.pid, signal.SIGKILL)
        self.node.wait()
        self.hush()
        names = " and ".join(f"run {run['run_id']} ({run['job_name']})" for run in running)
        say(f"kill -9 {self.node.pid}, while {names} were at work. Nobody is there to write anything down.")
        self.node = None
        say(f"{DOWN_FOR:g} seconds go by without a node ...")
        time.sleep(DOWN_FOR)
        return running

    def caught(self, wanted: set[str]) -> list[dict[str, Any]]:
        running = [run for run in self.ask("jobs history --status running")["entries"] if run["job_name"] in wanted]
        return running if {run["job_name"] for run in running} == wanted else []

    def come_back(self, killed: list[dict[str, Any]]) -> None:
        heading("The next node finds out")
        say(
            "post_digest says on_lost: fail, so its run closes as node_lost. mirror says on_lost: rerun: a second attempt."
        )
        self.start_node()
        mirror = next(run["run_id"] for run in killed if run["job_name"] == "mirror")
        self.wait_for(
            "the rescued mirror run to succeed", lambda: self.run(mirror, "mirror")["status"] == "success", 30
        )
        later = max(run["run_id"] for run in killed) + 8
        self.wait_for("the schedules to go on", lambda: self.newest() >= later, 15)

    def run(self, run_id: int, job: str) -> dict[str, Any]:
        entries = self.ask(f"jobs history --job {job} -n 50")["entries"]
        return next(entry for entry in entries if entry["run_id"] == run_id)

    def newest(self) -> int:
        return max(entry["run_id"] or 0 for entry in self.ask("jobs history --status success -n 5")["entries"])

    def drain(self) -> None:
        heading("A polite end")
        say("SIGTERM: nothing new starts, what runs may finish, every end is written down.")
        assert self.node is not None
        self.node.send_signal(signal.SIGTERM)
        self.node.wait(30)
        self.hush()
        self.node = None

    def read_the_account(self, killed: list[dict[str, Any]]) -> int:
        heading("The account")
        self.show("jobs list")
        self.show("jobs history -n 25")
        say("The two runs that were killed:")
        for run in killed:
            entry = self.run(run["run_id"], run["job_name"])
            fate = f"{entry['status']}, {entry['reason']}" if entry["reason"] else entry["status"]
            tries = "1 attempt" if entry["attempt"] == 1 else f"{entry['attempt']} attempts"
            say(f"  run {entry['run_id']}  {entry['job_name']:<12} {fate} ({tries})")
        say(
            "Every fire time has an account: a run, or a range of runs that nobody could start. The audit recomputes all of"
        )
        say(
            "them with a second cron engine that shares no code with the first, and looks for one that is missing or double."
        )
        code = self.show("jobs audit")
        if code:
            say("The audit is not clean: this is a defect of systemprompt.")
        return code

    def check_going(self) -> None:
        if self.node is not None and self.node.poll() is not None:
            raise SystemExit(f"the node ended by itself, with exit code {self.node.returncode}")

    # -- the node ---------------------------------------------------------------------------------------------------------

    def start_node(self) -> None:
        say_command("serve &")
        # A session of its own: Ctrl-C reaches the demo, and the demo ends the node.
        self.node = subprocess.Popen(
            [*sp(), "serve"],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.listener = echo(self.node, "node")

    def hush(self) -> None:
        if self.listener is not None:
            self.listener.join(5)

    def end_node(self) -> None:
        if self.node is not None and self.node.poll() is None:
            self.node.send_signal(signal.SIGTERM)
            self.node.send_signal(signal.SIGINT)  # twice: at once
            try:
                self.node.wait(10)
            except subprocess.TimeoutExpired:
                self.node.kill()
                self.node.wait()


def _stop(number: int, _frame: object) -> None:
    raise Stopped(signal.Signals(number).name)


if __name__ == "__main__":
    sys.exit(main())
