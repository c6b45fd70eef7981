"""Help, written from the command table and the params dataclasses."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from systemprompt.cli.parse import GLOBAL_FLAGS, HOME_GROUP, Flag, flags_of
from systemprompt.cli.table import COMMANDS, GROUPS, Command, Group
from systemprompt.version import __version__

__all__ = ["help_text", "usage", "version_text"]


def version_text() -> str:
    return f"systemprompt {__version__}\n"


def help_text(target: Command | Group, width: int | None = None) -> str:
    """Return the help of a command or a group, with an example that works.

    Where it has a width, explanations go on in their column and sentences at the left, between words; the example stays one line.
    """
    text = _of_command(target) if isinstance(target, Command) else _of_group(target)
    return text if width is None else "".join(f"{line}\n" for line in _wrapped(text.splitlines(), width))


def usage(command: Command) -> str:
    """Return one line: how the command is called."""
    parts = []
    for flag in flags_of(command):
        if flag.positional:
            word = flag.metavar + ("..." if flag.repeatable else "")
            parts.append(word if flag.required else f"[{word}]")
        else:
            word = flag.long if flag.kind == "bool" else f"{flag.long} {flag.metavar}"
            parts.append(f"[{word}]" + ("..." if flag.repeatable else ""))
    return " ".join(("sp", *command.words, *parts))


def _of_group(group: Group) -> str:
    depth = len(group.path)
    below: dict[str, str] = {}
    for command in COMMANDS:
        if command.path[:depth] == group.path:
            word = command.path[depth]
            if len(command.path) == depth + 1:
                below[word] = command.operation.summary
            elif word not in below:
                below[word] = next(g.summary for g in GROUPS if g.path == (*group.path, word))
    if not group.path:
        jobs = next(g.summary for g in GROUPS if g.path == (HOME_GROUP, "jobs"))
        below = {"jobs": f"{jobs} Short for `{HOME_GROUP} jobs`.", **below}
    name = " ".join(("sp", *group.path))
    lines = [group.summary, "", f"usage: {name} COMMAND [FLAGS]", "", "commands:"]
    lines += _columns(list(below.items()))
    if not group.path:
        lines += ["", *_global_help(), "", _FIRST_STEPS]
    else:
        lines += ["", f"{name} COMMAND --help explains one of them; sp --help lists the global flags."]
    return "\n".join([*lines, "", f"example: {group.example}"]) + "\n"


def _of_command(command: Command) -> str:
    flags = flags_of(command)
    lines = [command.operation.summary, "", f"usage: {usage(command)}"]
    arguments = [(flag.metavar, _explained(flag)) for flag in flags if flag.positional]
    if arguments:
        lines += ["", "arguments:", *_columns(arguments)]
    named = [(_spelled(flag), _explained(flag)) for flag in flags if not flag.positional]
    if named:
        lines += ["", "flags:", *_columns(named)]
    others = [one for one in COMMANDS if one.path[:-1] == command.path]
    if others:
        lines += ["", "commands:", *_columns([(one.path[-1], one.operation.summary) for one in others])]
    short = " ".join(name for name, *_ in GLOBAL_FLAGS)
    lines += ["", f"global flags: {short}"]
    if command.path[0] == HOME_GROUP:
        lines.append(f"`sp {command.name}` is the same command.")
    return "\n".join([*lines, "", f"example: {command.example}"]) + "\n"


def _wrapped(lines: list[str], width: int) -> Iterator[str]:
    for line in lines:
        if len(line) <= width or line.startswith("example: "):
            yield line
            continue
        # In a list the explanation begins after the last gap of two blanks; what it begins with there stays in its column.
        gap = line.rfind("  ") + 2 if line.startswith("  ") else 4 if line.startswith("usage: ") else 0
        indent = " " * (gap if width - gap >= _READABLE else 8)
        for part in textwrap.wrap(
            _with_flags_whole(line) if line.startswith("usage: ") else line,
            max(width, _READABLE),
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        ):
            yield part.replace(_NO_BREAK, " ")


_NO_BREAK = "\u00a0"
_FIRST_STEPS = "New here? sp init writes a profile and an example job, and says what to type next."


def _with_flags_whole(usage: str) -> str:
    """Return a usage line in which no flag can be parted from its value."""
    before, *optional = usage.split("[")
    return "[".join(
        [before, *(one.partition("]")[0].replace(" ", _NO_BREAK) + "]" + one.partition("]")[2] for one in optional)]
    )


_READABLE = 24
"""Columns below which a text is not worth a column of its own."""


def _spelled(flag: Flag) -> str:
    name = f"{flag.short}, {flag.long}" if flag.short else f"    {flag.long}"
    return name if flag.kind == "bool" else f"{name} {flag.metavar}"


def _explained(flag: Flag) -> str:
    text = flag.help[:1].lower() + flag.help[1:]
    if flag.kind in ("int", "float") or (flag.kind == "str" and flag.default):
        text += f" (default: {flag.default})" if flag.default is not None else ""
    if flag.choices and flag.metavar != "|".join(flag.choices):
        text += f": {', '.join(flag.choices)}"
    if flag.repeatable and not flag.positional and "repeated" not in text:
        text += " (may be repeated)"
    return text


def _global_help() -> list[str]:
    rows = []
    for name, short, metavar, text in GLOBAL_FLAGS:
        spelled = f"{short}, {name}" if short else f"    {name}"
        rows.append((f"{spelled} {metavar}" if metavar else spelled, text))
    return ["global flags, before or after the command:", *_columns(rows)]


def _columns(rows: list[tuple[str, str]]) -> list[str]:
    width = max(len(left) for left, _ in rows)
    return [f"  {left:<{width}}  {right}".rstrip() for left, right in rows]
