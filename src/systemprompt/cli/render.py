"""The only place that writes to the terminal: answers to stdout, errors and progress to stderr."""

from __future__ import annotations

from systemprompt.operations.answers import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TextIO

    from systemprompt.cli.settings import CliSettings
    from systemprompt.errors import SystempromptError
    from systemprompt.operations.answers import Answer

__all__ = [
    "AnswerLost",
    "render_error",
    "render_events",
    "render_help",
    "render_line",
    "render_log",
    "render_lost_answer",
    "render_note",
    "render_notes",
    "render_result",
    "render_status",
    "render_traceback",
    "render_warning",
]


class AnswerLost(Exception):
    """Stdout would not take the answer. A reader that left is a BrokenPipeError instead, and no error."""


def render_result(settings: CliSettings, answer: Answer, time_zone: str) -> None:
    """Show what a command answered: one document for programs; a table, a card or a text for people, with times in that zone."""
    if not settings.for_people:
        _write(settings, _document(settings, answer.envelope()))
    elif not settings.quiet:
        from systemprompt.cli.people import shown

        _write(settings, shown(settings, answer, time_zone))


def render_error(settings: CliSettings, error: SystempromptError) -> None:
    """Show an error: the envelope on stdout for programs, two lines on stderr for people."""
    if not settings.for_people:
        fields = {"code": error.code, "message": error.message, "hint": error.hint, "details": plain(error.details)}
        _write(settings, _document(settings, {"error": fields}))
        return
    lines = [_painted(settings, "error", "31") + f": {_indented(error.message)}"]
    if error.hint:
        lines.append(_painted(settings, "hint", "36") + f": {_indented(error.hint)}")
    _write_lines(settings.stderr, lines)


def render_warning(settings: CliSettings, text: str) -> None:
    """Say on stderr, to people and programs alike, what they should know of an answer."""
    _write_lines(settings.stderr, [_painted(settings, "warning", "33") + f": {_indented(text)}"])


def render_line(settings: CliSettings, text: str) -> None:
    """Show one line of an answer that comes bit by bit, to a person."""
    from systemprompt.cli.printable import on_its_own_lines

    _write(settings, on_its_own_lines(text, settings.width) + "\n")


def render_help(settings: CliSettings, text: str, title: str) -> None:
    """Show help: as it is for people, in the envelope for programs."""
    if settings.for_people:
        _write(settings, text)
    else:
        envelope = {"data": {"text": text}, "artifact_type": "text", "title": title}
        _write(settings, _document(settings, envelope))


def render_note(settings: CliSettings, text: str) -> None:
    """Tell a person something on the way, on stderr. Programs and those who asked for quiet are not told."""
    render_notes(settings, [text])


def render_notes(settings: CliSettings, texts: Sequence[str]) -> None:
    """Tell a person several things, as `render_note` does, with one call."""
    if settings.wants_progress and texts:
        from systemprompt.cli.printable import on_its_own_lines

        _write_lines(settings.stderr, [on_its_own_lines(text) for text in texts])


def render_log(settings: CliSettings, lines: Sequence[tuple[str, bool]]) -> None:
    """Write a node's log on stderr with one call: lines of text, those that are marked in red on a person's terminal."""
    from systemprompt.cli.printable import on_its_own_lines

    if lines:
        colored = settings.color and settings.stderr.isatty()
        shown = [(on_its_own_lines(text), marked) for text, marked in lines]
        _write_lines(
            settings.stderr, [f"\x1b[1;31m{text}\x1b[0m" if marked and colored else text for text, marked in shown]
        )


def render_status(settings: CliSettings, text: str) -> None:
    """Show where the work stands, on one line of a person's terminal that the next one takes over. "" clears it."""
    if settings.wants_progress and settings.stderr.isatty():
        from systemprompt.cli.printable import on_one_line

        _say(settings.stderr, "\r\x1b[K" + on_one_line(text))


def render_events(settings: CliSettings, events: Sequence[Mapping[str, object]]) -> None:
    """Tell a program what happened on the way: one line of JSON each on stderr, with one call."""
    from json import dumps

    if events:
        _write_lines(settings.stderr, [dumps(fields, default=str) for fields in events])


def render_traceback(settings: CliSettings, error: BaseException) -> None:
    """Show where an unexpected error came from, on stderr."""
    import traceback

    _write_lines(settings.stderr, ["".join(traceback.format_exception(error)).rstrip()])


def render_lost_answer(settings: CliSettings, error: AnswerLost) -> None:
    """Say that the answer could not be written: the disk is full, the terminal is gone."""
    _write_lines(settings.stderr, [_painted(settings, "error", "31") + f": the answer cannot be written: {error}"])


def _write(settings: CliSettings, text: str) -> None:
    try:
        settings.stdout.write(text)
        settings.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise AnswerLost(error.strerror or str(error)) from error


def _document(settings: CliSettings, envelope: Mapping[str, object]) -> str:
    if settings.format == "yaml":
        import yaml

        return str(yaml.safe_dump(envelope, sort_keys=False, allow_unicode=True, width=1_000))
    from json import dumps

    # Indented where a person looks on; on one line for a pipe, where every byte is somebody's time.
    return dumps(envelope, indent=2 if settings.width is not None else None) + "\n"


def _painted(settings: CliSettings, word: str, code: str) -> str:
    return f"\x1b[1;{code}m{word}\x1b[0m" if settings.color else word


def _indented(text: str) -> str:
    """Return a text of ours that may quote others: a line that is not indented by us is marked as a further line."""
    from systemprompt.cli.printable import CONTINUED, printable

    first, *more = printable(text).split("\n")
    return "\n".join([first, *(line if line[:1] in ("", " ") else CONTINUED + line for line in more)])


def _write_lines(stream: TextIO, lines: list[str]) -> None:
    _say(stream, "\n".join(lines) + "\n")


def _say(stderr: TextIO, text: str) -> None:
    try:
        stderr.write(text)
        stderr.flush()
    except (OSError, ValueError):
        # Its disk is full, its reader is gone, it is closed: there is nowhere left to say so, and a node must not end of it.
        return
