"""Start one program and end all of it for certain. A program of its own: `python -I -S -E guard.py ...`, standard library only.

    guard.py CONTROL_FD STATUS_FD NODE_PID GRACE_S KEPT_FDS FOLDER IDENTITY VARIABLES_FD COMMAND...

It leads a session of its own and, on Linux, adopts every orphan below it, so that a descendant that daemonised or called
`setsid` cannot get away. The program runs in a process group of its own: what it does to its group does not hit the guard.

CONTROL_FD  held by the node alone. `stop` asks everything to end: TERM, the grace, KILL. `kill` skips the grace. End of file
            means that the node is gone: the same as `stop`, with a grace of a second at most, for another node may be about
            to run the job again.
IDENTITY    `UID,GID,GROUP,...` to run the program as, with what VARIABLES_FD holds (NAME=value, a NUL between two). Empty: as the
            guard itself.
STATUS_FD   one line each: `started PID`, `failed STAGE ERRNO`, `exited CODE ASKED`, `signalled NUMBER ASKED`, `hit COUNT`,
            `left COUNT`, `survivors PIDS`, `done`. ASKED is 1 where we had told it to stop before it ended. `unbegun` where
            that was before the program was even started. `hit`: so many processes that the program had started got TERM
            while it was still at work, so it may have taken their end for the end of their work.

When the program ends, what it left running in the background is ended too. `done` is said when no descendant lives.
"""

from __future__ import annotations

# The same calls with plain numbers: `signal` itself loads `enum`, a third of this program's start.
import _signal as signal  # type: ignore[import-not-found]  # typeshed leaves it out
import errno
import os
import select
import sys
import time
from collections.abc import Callable
from ctypes import CDLL, c_ulong

__all__ = ["end_below", "main"]

_LINUX = sys.platform.startswith("linux")
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_ORPHAN_GRACE_S = 1.0
_LEFT_GRACE_S = 5.0
_FREEZE_S = 0.25
_REAPED_AT_ONCE = 100
_DEFAULT_ON_EXEC = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGPIPE", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGXFSZ")


def main(arguments: list[str]) -> None:
    control, status, node, grace = int(arguments[0]), int(arguments[1]), int(arguments[2]), float(arguments[3])
    kept = [int(fd) for fd in arguments[4].split(",") if fd]
    folder, identity, variables, command = arguments[5], arguments[6], arguments[7], arguments[8:]
    environment = _variables(int(variables)) if variables else None
    os.set_inheritable(control, False)
    os.set_inheritable(status, False)
    os.set_blocking(control, False)
    # A signal to the guard must not leave its program unguarded.
    for name in _DEFAULT_ON_EXEC:
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    prctl = _load_prctl()
    if prctl is not None:
        prctl(_PR_SET_CHILD_SUBREAPER, 1)
    woken, waker = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, _note)

    if _heard(control) is not None:
        _say(status, "unbegun")
        _say(status, "done")
        return
    main_pid = _start(command, folder, kept, status, prctl, identity, environment)
    # The program alone holds its pipes now: their end is its end.
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    for fd in kept:
        os.close(fd)
    if main_pid:
        _say(status, f"started {main_pid}")
        os.chdir("/")
        _Watch(control, status, woken, node, grace, main_pid).until_all_ended()
    _say(status, "done")


class _Watch:
    """The guard's waiting: for its program, for the node, for time."""

    def __init__(self, control: int, status: int, woken: int, node: int, grace: float, main_pid: int) -> None:
        self.control = control
        self.status = status
        self.woken = woken
        self.node = node
        self.grace = grace
        self.main_pid = main_pid
        self.main_ended = False
        self.asked = False
        self.behind = False
        self.kill_at: float | None = None
        self.killed_at: float | None = None
        self.node_fd = _pidfd(node)

    def until_all_ended(self) -> None:
        poll = select.poll()
        poll.register(self.woken, select.POLLIN)
        poll.register(self.control, select.POLLIN)
        if self.node_fd is not None:
            poll.register(self.node_fd, select.POLLIN)
        while not self.reap():
            if self.main_ended and self.kill_at is None:
                left = len(_descendants())
                if left:
                    _say(self.status, f"left {left}")
                self.ask(min(self.grace, _LEFT_GRACE_S))
            if os.getppid() != self.node:
                self.ask(min(self.grace, _ORPHAN_GRACE_S))
            now = time.monotonic()
            if self.kill_at is not None and now >= self.kill_at:
                self.killed_at = self.killed_at or now
                if not self.kill():
                    return
            for fd, _ in poll.poll(self.patience(now)):
                if fd == self.woken:
                    _drain(self.woken)
                elif fd == self.node_fd or not self.obey():
                    # The process is over, or the lifeline is: one may outlast the other where a job of the node forked.
                    poll.unregister(fd)
                    self.ask(min(self.grace, _ORPHAN_GRACE_S))

    def reap(self) -> bool:
        """Collect what has ended; True where nothing lives any more."""
        self.behind = False
        for _ in range(_REAPED_AT_ONCE):
            try:
                pid, code = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                # Orphans below us are our children, so without children there is no descendant.
                return _LINUX or not _group_lives(self.main_pid)
            if pid == 0:
                return False
            if pid == self.main_pid:
                self.main_ended = True
                asked = int(self.asked)
                if os.WIFSIGNALED(code):
                    _say(self.status, f"signalled {os.WTERMSIG(code)} {asked}")
                else:
                    _say(self.status, f"exited {os.WEXITSTATUS(code)} {asked}")
        # A fork bomb's processes may end faster than we collect them. There is more to do than that.
        self.behind = True
        return False

    def ask(self, grace: float) -> None:
        """TERM to everything below, and KILL after this many seconds. Asked again it may only come sooner."""
        self.asked = self.asked or not self.main_ended
        kill_at = time.monotonic() + grace
        if self.kill_at is not None:
            self.kill_at = min(self.kill_at, kill_at)
            return
        self.kill_at = kill_at
        if grace > 0:
            family = _Family(os.getpid(), until=time.monotonic() + min(_FREEZE_S, grace / 2))
            family.signal_newcomers(0)  # counted before anything can die of it
            if (hit := len(family.members - {self.main_pid})) and not self.main_ended:
                _say(self.status, f"hit {hit}")
            self.signal_group(signal.SIGTERM)
            family.signal_members(signal.SIGTERM)
            family.signal_newcomers(signal.SIGTERM)
            # A stopped process cannot hear TERM.
            self.signal_group(signal.SIGCONT)
            family.signal_members(signal.SIGCONT)

    def kill(self) -> bool:
        """KILL everything below, once; False where the rest is beyond our rights.

        Everything is stopped first, until a look finds nobody new: a stopped process starts none. Otherwise processes that
        replace each other would do so faster than we kill them.
        """
        family = _Family(os.getpid(), until=time.monotonic() + _FREEZE_S)
        self.signal_group(signal.SIGSTOP)
        while family.signal_newcomers(signal.SIGSTOP):
            self.reap()
        self.signal_group(signal.SIGKILL)
        refused = family.signal_members(signal.SIGKILL)
        living = _descendants() if refused else set()
        if living and living <= refused:
            _say(self.status, "survivors " + " ".join(str(pid) for pid in sorted(living)))
            return False
        return not (not _LINUX and self.main_ended and time.monotonic() - (self.killed_at or 0) > 2)

    def signal_group(self, number: int) -> None:
        """Send to the program's group: all there is where there is no /proc."""
        if not self.main_ended or not _LINUX:
            _send(os.killpg, self.main_pid, number)

    def patience(self, now: float) -> float | None:
        """Milliseconds to wait at most."""
        if self.behind:
            return 0.0
        if self.killed_at is not None:
            return 20.0 if now - self.killed_at < 2 else 500.0
        longest = None if self.node_fd is not None else 1000.0
        if self.main_ended and not _LINUX:
            longest = 50.0  # nobody tells when a group's last member ends
        if self.kill_at is None:
            return longest
        wait = max(0.0, (self.kill_at - now) * 1000) + 1
        return wait if longest is None else min(wait, longest)

    def obey(self) -> bool:
        """Do what the node wants; False at the end of the lifeline."""
        words = _heard(self.control)
        if words:
            self.ask(0.0 if b"kill" in words else self.grace)
        return words != b""


def _start(
    command: list[str],
    folder: str,
    kept: list[int],
    status: int,
    prctl: Callable[[int, int], int] | None,
    identity: str,
    environment: dict[bytes, bytes] | None,
) -> int:
    """Fork and become the program; return its pid, or 0 where that failed, which is then said."""
    guard = os.getpid()
    told, teller = os.pipe()
    pid = os.fork()
    if pid == 0:
        stage = "user"
        try:
            os.setpgid(0, 0)
            for name in (*_DEFAULT_ON_EXEC, "SIGCHLD"):
                signal.signal(getattr(signal, name), signal.SIG_DFL)
            if identity:
                uid, gid, *groups = (int(number) for number in identity.split(","))
                os.setgroups(groups)
                os.setgid(gid)
                os.setuid(uid)
            if prctl is not None:
                # After the change of user, which takes it away. Bound to the thread that forked: the guard has but one, and it
                # lives as long as the guard.
                prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
                if os.getppid() != guard:
                    os._exit(127)
            stage = "folder"
            if folder:
                os.chdir(folder)
            stage = "exec"
            for fd in kept:
                os.set_inheritable(fd, True)
            os.execvpe(command[0], command, os.environ if environment is None else environment)  # noqa: S606  # what it is for
        except OSError as error:
            os.write(teller, f"{stage} {error.errno}".encode())
        os._exit(127)
    os.close(teller)
    failure = os.read(told, 100).decode()  # ends when the program has taken the child's place
    os.close(told)
    if failure:
        os.waitpid(pid, 0)
        _say(status, f"failed {failure}")
        return 0
    return pid


def _variables(fd: int) -> dict[bytes, bytes]:
    with open(fd, "rb") as file:
        pairs = [pair.partition(b"=") for pair in file.read().split(b"\0")]
    return {name: value for name, _, value in pairs if name}


def _descendants() -> set[int]:
    """Return every living process below this one, zombies left out. Empty where there is no /proc."""
    family = _Family(os.getpid(), until=time.monotonic() + _FREEZE_S)
    while family.signal_newcomers(0):
        continue
    return family.members


def end_below(pid: int) -> None:
    """KILL every process below this one: what its node does for a guard that does not answer."""
    family = _Family(pid, until=time.monotonic() + _FREEZE_S)
    while family.signal_newcomers(signal.SIGSTOP):
        continue
    family.signal_members(signal.SIGKILL)


class _Family:
    """The living processes below another, found by looking at /proc again and again. Each look reads only what is new.

    For a moment's use, up to `until`: a number that the system gives away again would be taken for its first holder. The limit
    also holds where processes come faster than they can be looked at.
    """

    def __init__(self, root: int, *, until: float) -> None:
        self.members: set[int] = set()
        self._root = root
        self._until = until
        self._known = {0, root}
        self._spared = {os.getpgid(0), os.getpgid(root)}
        self._groups: set[int] = set()

    def signal_newcomers(self, number: int) -> bool:
        """Send to each member that no look has found before, at once: a moment later it may be gone. Say whether there was one."""
        found = False
        if not _LINUX:
            return found
        # In the order of their numbers: parents come before their children, or else the next look finds the child.
        with os.scandir("/proc") as entries:
            for entry in entries:
                if not entry.name.isdigit() or (pid := int(entry.name)) in self._known:
                    continue
                if time.monotonic() > self._until:
                    return False
                try:
                    with open(f"/proc/{pid}/stat", "rb", 0) as file:
                        # The command's name stands in brackets and may hold anything.
                        state, parent, group = file.read().rsplit(b")", 1)[1].split(None, 3)[:3]
                except (OSError, IndexError, ValueError):
                    continue  # it ended while we looked
                ours = int(parent) == self._root or int(parent) in self.members
                if ours and state not in b"ZX":
                    self.members.add(pid)
                    found = True
                    _send(os.kill, pid, number)
                    if number == signal.SIGSTOP and int(group) not in self._groups | self._spared:
                        # Its whole group at once, for no fork gets away from that. Only members of this family can be in it.
                        self._groups.add(int(group))
                        _send(os.killpg, int(group), number)
                if ours or int(parent) in self._known:
                    self._known.add(pid)
        return found

    def signal_members(self, number: int) -> set[int]:
        """Send to every member found so far; return those that may not be signalled."""
        for group in self._groups:
            _send(os.killpg, group, number)
        return {pid for pid in self.members if _send(os.kill, pid, number) == errno.EPERM}


def _group_lives(group: int) -> bool:
    return _send(os.killpg, group, 0) is None


def _send(how: Callable[[int, int], None], target: int, number: int) -> int | None:
    try:
        how(target, number)
    except OSError as error:
        return error.errno
    return None


def _heard(control: int) -> bytes | None:
    """Return what the node wants; nothing where it is gone, None where it has said nothing."""
    try:
        return os.read(control, 4096)
    except BlockingIOError:
        return None


def _load_prctl() -> Callable[[int, int], int] | None:
    """Return prctl(2), or None where there is none."""
    if not _LINUX:
        return None
    prctl = CDLL(None, use_errno=True).prctl

    def call(option: int, value: int) -> int:
        return int(prctl(option, c_ulong(value), c_ulong(0), c_ulong(0), c_ulong(0)))

    return call


def _pidfd(pid: int) -> int | None:
    """Return a descriptor that becomes readable when the process ends, or None where the system has no such thing."""
    try:
        return os.pidfd_open(pid)  # type: ignore[attr-defined, unused-ignore]  # Linux
    except (AttributeError, OSError):
        return None


def _say(status: int, line: str) -> None:
    try:
        os.write(status, line.encode() + b"\n")
    except OSError:
        return  # the node is gone: there is nobody left to tell, and the work of ending goes on


def _drain(fd: int) -> None:
    try:
        while os.read(fd, 4096):
            pass
    except BlockingIOError:
        return


def _note(_number: int, _frame: object) -> None:
    """SIGCHLD only has to wake the poll."""


if __name__ == "__main__":
    main(sys.argv[1:])
