"""The program `sp`: read the call, run the one command, show its answer, end with its exit code."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack

from systemprompt.cli.parse import Call, parse, respelled, wanted_format
from systemprompt.cli.render import (
    AnswerLost,
    render_error,
    render_help,
    render_lost_answer,
    render_note,
    render_result,
    render_traceback,
    render_warning,
)
from systemprompt.cli.settings import CliSettings
from systemprompt.cli.table import Command
from systemprompt.operations import catalogue
from systemprompt.operations.answers import Answer
from systemprompt.operations.operation import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO


__all__ = ["main", "run"]


def run() -> int:
    """Be the console script: take this process's arguments, streams and environment, and return its exit code."""
    settings = _settings_of_process()
    try:
        code = main(sys.argv[1:], settings)
        settings.stdout.flush()
    except BrokenPipeError:
        # Whoever read our answer has enough of it (`sp jobs history | head`); that is no error of ours.
        _drop_output(settings)
        code = 0
    except AnswerLost as error:
        from systemprompt.cli.exit_codes import INTERNAL

        _drop_output(settings)
        render_lost_answer(settings, error)
        code = INTERNAL
    if _leaves_at_once:
        # The answer is out and nothing is open: taking the interpreter apart would cost more than making it did.
        os._exit(code)
    if _ran_jobs:
        _leave_within(_LEFT_THREADS_S, code, settings)
    return code


def main(argv: Sequence[str], settings: CliSettings) -> int:
    """Run one call and return its exit code. Every error is shown; only an answer that cannot be written escapes."""
    settings.format = wanted_format(argv)
    call = None
    try:
        call = parse(argv, before_leaf=_prepare)
        _apply_globals(call, settings)
        if "--version" in call.globals or "--help" in call.globals or call.parameters is None:
            return _explain(call, settings)
        return _answer(call, settings)
    except (BrokenPipeError, AnswerLost):
        raise
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the door: every error becomes an answer and an exit code
        return _refuse(error, settings, call)


def _drop_output(settings: CliSettings) -> None:
    """Let what is still in the buffer of stdout go nowhere, or the interpreter would stumble over it on its way out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), settings.stdout.fileno())


def _answer(call: Call, settings: CliSettings) -> int:
    assert isinstance(call.target, Command)  # with parameters it is one
    command, operation = call.target, call.target.operation
    context = settings.context()
    with ExitStack() as held:
        if operation.does == "runs":
            from systemprompt.cli.guard import guarded_stdout

            _ran_jobs.append(True)
            held.enter_context(guarded_stdout(settings))
        if command.watcher:
            context.listeners.add(held.enter_context(load(command.watcher)(settings, call.parameters)))
        answer = Answer(operation, call.parameters, catalogue.call(context, operation, call.parameters))
    zone = context.time_zone() if settings.for_people and operation.needs in ("ledger", "system") else "UTC"
    for note in context.notes:
        render_warning(settings, note)
    render_result(settings, answer, zone)
    return 1 if answer.failed else 0


def _explain(call: Call, settings: CliSettings) -> int:
    from systemprompt.cli.help import help_text, version_text

    if "--version" in call.globals:
        render_help(settings, version_text(), "Version")
    else:
        render_help(
            settings,
            help_text(call.target, settings.width if settings.for_people else None),
            " ".join(("sp", *call.target.path)),
        )
    return 0


def _refuse(error: BaseException, settings: CliSettings, call: Call | None) -> int:
    from systemprompt.cli.exit_codes import exit_code_of
    from systemprompt.errors import Interrupted, SystempromptError

    if isinstance(error, KeyboardInterrupt):
        shown: SystempromptError = Interrupted("interrupted", hint="what was begun is in: sp jobs history")
    elif isinstance(error, SystempromptError):
        shown = error
    else:
        shown = SystempromptError(
            f"{type(error).__name__}: {error}" if str(error) else type(error).__name__,
            hint="this is a defect of systemprompt, not yours; -v shows where it happened",
        )
        shown.code = "internal"
    if settings.verbose:
        render_traceback(settings, error)
    if call is not None:
        shown.message = respelled(call, shown.message)
        shown.hint = shown.hint and respelled(call, shown.hint)
    render_error(settings, shown)
    return exit_code_of(shown)


_leaves_at_once: list[bool] = []
_ran_jobs: list[bool] = []
_LEFT_THREADS_S = 2.0


def _leave_within(seconds: float, code: int, settings: CliSettings) -> None:
    """Everything is accounted for; threads that jobs forgot may keep the interpreter from ending, but not for longer than this."""
    import threading
    import time

    def leave() -> None:
        time.sleep(seconds)
        left = [one.name for one in threading.enumerate() if not one.daemon and one is not threading.main_thread()]
        render_note(settings, f"threads that jobs left behind were given up: {', '.join(left)}")
        os._exit(code)

    threading.Thread(target=leave, name="sp-leave", daemon=True).start()


def _prepare(command: Command) -> None:
    if command.light:
        import gc

        from systemprompt.cli.lazy_inspect import install

        install()
        gc.disable()  # it lives for some milliseconds and makes nothing worth collecting
        _leaves_at_once.append(True)


def _apply_globals(call: Call, settings: CliSettings) -> None:
    given = call.globals
    settings.profile = given.get("--profile", settings.profile)
    settings.quiet = settings.quiet or "--quiet" in given
    settings.verbose = settings.verbose or "--verbose" in given
    if "--no-color" in given:
        settings.color = False


def _settings_of_process() -> CliSettings:
    # A stream that was closed (`sp ... >&-`) is None.
    stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # open for the process's life
    stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # open for the process's life
    terminal = _is_terminal(stdout)
    for stream in (stdout, stderr):
        # A file name that is no text, or a terminal that lacks a letter, must not end a command.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a process's own streams can
    return CliSettings(
        environ=os.environ,
        cwd=_cwd(),
        stdout=stdout,
        stderr=stderr,
        width=_columns() if terminal else None,
        color=terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb",
    )


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty()


def _columns() -> int:
    stated = os.environ.get("COLUMNS", "")
    if stated.isdigit() and int(stated) > 0:
        return int(stated)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except OSError:
        return 80


def _cwd() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # the folder was removed under us
        return os.sep
