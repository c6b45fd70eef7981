"""One thread that starts every process, reads every pipe and hears every end."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from systemprompt.own_log import own_log
from systemprompt.runner.executors.channel import Channel, Reported
from systemprompt.runner.executors.descriptors import fill_standard_streams, pipe_for, read_now, unnamed_file
from systemprompt.runner.executors.environment import User, written
from systemprompt.runner.executors.guard import end_below
from systemprompt.runner.executors.output import StreamLog
from systemprompt.runner.flight import Flight

__all__ = ["Ended", "Launch", "NotStarted", "Supervisor"]

_LAUNCHING_S = 0.02
_MAX_STATUS_CHARS = 64 * 1024
_GUARD_FOLDER = os.path.dirname(os.path.abspath(__file__))
# Imported, not run as a script: so its compiled form is reused, which halves its start.
_GUARD = "import sys; sys.path.append(sys.argv[1]); import guard; guard.main(sys.argv[2:])"
_log = own_log("systemprompt.runner")


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What to start.

    folder   working folder, absolute; empty for the node's own
    user     whom it runs as; None for the node's own
    stdin    what it reads, where there is no spec; None for nothing
    output   what is kept of what it writes: `keep`, `errors` (stderr alone) or `discard`
    spec     given on stdin; with it the process also gets a channel to answer on, its number being one more argument.
             None leaves stdin empty. It says how to connect to the database, so it is not shown
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: str
    user: User | None = None
    stdin: bytes | None = field(default=None, repr=False)
    output: str = "keep"
    spec: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotStarted:
    """Why it could not be started: at which stage (`guard`, `user`, `folder`, `exec`), with which errno, in which folder."""

    stage: str
    number: int
    text: str = ""
    folder: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """All that is known of a process that is over, with everything it started.

    unbegun             its guard was asked to stop before it had started anything
    exit_code, signal   how it ended; both None where nobody could see
    asked               it ended after we had told it to
    hit                 processes that it had started and was waiting for, maybe, when they were told to end
    result              what a job's process sent as its result
    left, survivors     background processes that were ended with it; pids that we had no right to end
    """

    not_started: NotStarted | None = None
    unbegun: bool = False
    exit_code: int | None = None
    signal: int | None = None
    asked: bool = False
    hit: int = 0
    result: Reported | None = None
    output: str = ""
    stderr: str = ""
    last_line: str | None = None
    left: int = 0
    survivors: str = ""


class Supervisor:
    """Starts processes under guards and reports each one's end once. Every method returns at once, from any thread."""

    def __init__(self, *, grace: float, max_output_bytes: int, on_ended: Callable[[Flight, Ended], None]) -> None:
        self._grace = grace
        self._max_output_bytes = max_output_bytes
        self._on_ended = on_ended
        self._orders: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._launches: deque[tuple[Flight, Launch]] = deque()
        self._processes: dict[Flight, _Process] = {}
        self._selector: selectors.BaseSelector | None = None
        self._waker = -1
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def start(self, flight: Flight, launch: Launch) -> None:
        self._launches.append((flight, launch))
        self._order(self._launch_waiting)

    def stop(self, flight: Flight) -> None:
        """TERM, the grace, KILL."""
        self._order(self._tell, flight, b"stop\n")

    def kill(self, flight: Flight) -> None:
        """KILL at once."""
        self._order(self._tell, flight, b"kill\n")

    def force(self, flight: Flight) -> None:
        """Kill the guard too, and what it guarded, from here."""
        self._order(self._force, flight)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is not None:
            self._order(lambda: None)
            thread.join(5)

    def _order(self, step: Callable[..., None], *arguments: Any) -> None:
        with self._lock:
            if self._thread is None:
                if self._closed:
                    return
                woken, self._waker = os.pipe()
                os.set_blocking(woken, False)
                os.set_blocking(self._waker, False)
                self._selector = selectors.DefaultSelector()
                self._selector.register(woken, selectors.EVENT_READ, None)
                self._thread = threading.Thread(target=self._serve, args=(woken,), name="sp-processes", daemon=True)
                self._thread.start()
            self._orders.append((step, arguments))
            if self._waker >= 0:
                try:
                    os.write(self._waker, b"!")
                except BlockingIOError:
                    return  # full of wake-ups already

    def _serve(self, woken: int) -> None:
        assert self._selector is not None
        while True:
            for key, _ in self._selector.select(0 if self._launches else None):
                if key.data is None:
                    read_now(woken)
                    continue
                if key.fd not in self._selector.get_map():
                    continue  # closed with its process a moment ago; the number may be another's by now
                process, name = key.data
                try:
                    self._heard(process, name, key.fd)
                except Exception:  # noqa: BLE001  # one process's trouble must not end the thread of all
                    _log.exception("reading %s of run %d failed", name, process.flight.run_id)
                    self._shut(process, key.fd)
            while self._orders:
                step, arguments = self._orders.popleft()
                self._do(step, *arguments)
            self._do(self._launch_waiting)
            with self._lock:
                if self._closed and not self._processes and not self._orders and not self._launches:
                    self._selector.close()
                    os.close(woken)
                    os.close(self._waker)
                    self._waker = -1
                    return

    def _do(self, step: Callable[..., None], *arguments: Any) -> None:
        try:
            step(*arguments)
        except Exception:  # noqa: BLE001  # one process's trouble must not end the thread of all
            _log.exception("an order to the processes failed")

    def _launch_waiting(self) -> None:
        """Start what waits, until there is an order: hundreds of starts take seconds, and a stop must not wait for them."""
        until = time.monotonic() + _LAUNCHING_S
        while self._launches and not self._orders and time.monotonic() < until:
            flight, launch = self._launches.popleft()
            if flight.begin():
                self._launch(flight, launch)

    def _launch(self, flight: Flight, launch: Launch) -> None:
        ours: dict[int, str] = {}
        theirs: list[int] = []
        control = -1
        fill_standard_streams()
        try:
            status_w = pipe_for(ours, theirs, "status")
            stdout_w = pipe_for(ours, theirs, "stdout") if launch.output == "keep" else subprocess.DEVNULL
            stderr_w = pipe_for(ours, theirs, "stderr") if launch.output != "discard" else subprocess.DEVNULL
            control_r, control = os.pipe()
            theirs.append(control_r)
            command, kept, stdin = launch.command, "", subprocess.DEVNULL
            passed = [control_r, status_w]
            if launch.spec is not None:
                channel_w = pipe_for(ours, theirs, "channel")
                passed.append(channel_w)
                command, kept, stdin = (*command, str(channel_w)), str(channel_w), unnamed_file(launch.spec)
                theirs.append(stdin)
            elif launch.stdin is not None:
                stdin = unnamed_file(launch.stdin)
                theirs.append(stdin)
            environment, as_user = dict(launch.environment), ["", ""]
            if launch.user is not None:
                # The guard is root, so nothing that this user may have written stands in its environment, such as LD_PRELOAD.
                passed.append(unnamed_file(written(environment)))
                theirs.append(passed[-1])
                environment, as_user = {}, [launch.user.ids, str(passed[-1])]
            python = [sys.executable, "-I", "-S", "-E", "-c", _GUARD, _GUARD_FOLDER]
            orders = [str(control_r), str(status_w), str(os.getpid()), str(self._grace), kept]
            orders += [launch.folder, *as_user]
            guard = subprocess.Popen(
                [*python, *orders, *command],
                stdin=stdin,
                stdout=stdout_w,
                stderr=stderr_w,
                env=environment,
                pass_fds=passed,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            for fd in (*ours, *([control] if control >= 0 else ())):
                os.close(fd)
            number = getattr(error, "errno", None) or 0
            failure = NotStarted(stage="guard", number=number, text=str(error))
            self._on_ended(flight, Ended(not_started=failure))
            return
        finally:
            for fd in theirs:
                os.close(fd)
        streams = StreamLog(flight.log, max_bytes=self._max_output_bytes)
        process = _Process(
            flight=flight,
            guard=guard,
            control=control,
            streams=streams,
            channel=Channel(flight),
            folder=launch.folder,
            open=ours,
        )
        self._processes[flight] = process
        assert self._selector is not None
        for fd, name in ours.items():
            self._selector.register(fd, selectors.EVENT_READ, (process, name))

    def _tell(self, flight: Flight, word: bytes) -> None:
        process = self._processes.get(flight)
        if process is not None:
            try:
                os.write(process.control, word)
            except BrokenPipeError:
                return  # the guard has just ended by itself
            # What it guards may have stopped it.
            process.guard.send_signal(signal.SIGCONT)

    def _force(self, flight: Flight) -> None:
        process = self._processes.get(flight)
        if process is not None:
            if process.guard.poll() is None:
                end_below(process.guard.pid)
                process.guard.kill()
            flight.log.write("its guard did not end in time and was killed", level="ERROR", source="runner")

    def _heard(self, process: _Process, name: str, fd: int) -> None:
        data = read_now(fd)
        if data is None:
            return
        if data:
            self._take(process, name, data)
            return
        self._shut(process, fd)
        if name == "status":
            self._over(process)

    def _take(self, process: _Process, name: str, data: bytes) -> None:
        if name in ("stdout", "stderr"):
            process.streams.add(name, data)
            return
        if name == "channel":
            process.channel.feed(data)
            return
        *lines, rest = (process.status + data).split(b"\n")
        for line in lines:
            first, _, said = line.decode("ascii", "replace").partition(" ")
            process.facts[first] = said
        process.status = rest[-_MAX_STATUS_CHARS:]

    def _shut(self, process: _Process, fd: int) -> None:
        if process.open.pop(fd, None) is not None:
            assert self._selector is not None
            self._selector.unregister(fd)
            os.close(fd)

    def _over(self, process: _Process) -> None:
        """The guard has closed its mouth: read what is left in the pipes, and report."""
        process.guard.wait()
        facts = process.facts
        if "done" not in facts and facts.get("started"):
            # Somebody killed the guard. Its program dies by that; the rest of its group by this.
            try:
                os.killpg(int(facts["started"]), signal.SIGKILL)
            except ProcessLookupError:
                _log.debug("nothing was left of run %d", process.flight.run_id)
        for fd, name in list(process.open.items()):
            # No waiting for the end of file: a survivor may hold the pipe. What was written is there to read.
            for _ in range(64):
                data = read_now(fd)
                if not data:
                    break
                self._take(process, name, data)
            self._shut(process, fd)
        process.streams.end()
        os.close(process.control)
        del self._processes[process.flight]
        self._on_ended(process.flight, _ended(process))


@dataclass(slots=True, kw_only=True, eq=False)
class _Process:
    """One guard, and the pipes to it and to what it guards. `facts` are the guard's words, by their first."""

    flight: Flight
    guard: subprocess.Popen[bytes]
    control: int
    streams: StreamLog
    channel: Channel
    folder: str
    open: dict[int, str] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    status: bytes = b""


def _ended(process: _Process) -> Ended:
    facts, streams = process.facts, process.streams
    not_started = None
    if "failed" in facts:
        stage, number = facts["failed"].split()
        not_started = NotStarted(stage=stage, number=int(number), folder=process.folder)
    elif "unbegun" in facts:
        return Ended(unbegun=True)
    elif "started" not in facts and "done" not in facts:
        text = f"its guard did not come up: {streams.tails['stderr'].last_line() or process.guard.returncode}"
        not_started = NotStarted(stage="guard", number=0, text=text)
    code, code_asked = _pair(facts.get("exited"))
    number_, number_asked = _pair(facts.get("signalled"))
    return Ended(
        not_started=not_started,
        exit_code=code,
        signal=number_,
        # A guard that had to be killed had been asked before, if anybody asked at all.
        asked=bool(code_asked or number_asked) or "done" not in facts,
        hit=int(facts.get("hit", 0)),
        result=process.channel.result,
        output=streams.both.text(),
        stderr=streams.tails["stderr"].text(),
        last_line=streams.tails["stdout"].last_line(),
        left=int(facts.get("left", 0)),
        survivors=facts.get("survivors", ""),
    )


def _pair(words: str | None) -> tuple[int | None, int | None]:
    if words is None:
        return None, None
    first, second = words.split()
    return int(first), int(second)
