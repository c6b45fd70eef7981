"""Scripts that complete commands, flags and job names: static text, written from the command table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from systemprompt.cli.parse import GLOBAL_FLAGS, HOME_GROUP, Flag, flags_of
from systemprompt.cli.table import COMMANDS, GROUPS, Command
from systemprompt.ledger.records import STATUSES
from systemprompt.operations.context import OperationContext
from systemprompt.operations.parameters import param

__all__ = ["SHELLS", "Completion", "CompletionParams", "completion"]

SHELLS = ("bash", "zsh", "fish")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionParams:
    """For which shell."""

    shell: str = param("the shell that will read the script", choices=SHELLS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A script to be sourced, and where it usually goes."""

    shell: str
    script: str


def completion(context: OperationContext, params: CompletionParams) -> Completion:  # noqa: ARG001  # as every operation
    """Return the script for a shell."""
    write = {"bash": _bash, "zsh": _zsh, "fish": _fish}[params.shell]
    return Completion(shell=params.shell, script=write())


# Only what the rule of names allows: `compgen -W` expands `$(...)`, and a ledger may come from anywhere.
_JOB_NAMES = (
    "sp --json jobs list 2>/dev/null | tr '{' '\\n' | sed -n 's/^\"name\": \"\\([a-z0-9][a-z0-9_.-]*\\)\".*/\\1/p'"
)
_GLOBAL = " ".join(name for entry in GLOBAL_FLAGS for name in entry[:2] if name)


def _entries() -> Iterator[tuple[str, list[tuple[str, str]], Command | None]]:
    """Yield every path with what may follow it: words, or flags for a command. The short paths of jobs are among them."""
    for group in GROUPS:
        depth = len(group.path)
        words: dict[str, str] = {}
        for command in COMMANDS:
            if command.path[:depth] == group.path:
                last = len(command.path) == depth + 1
                below = next((g.summary for g in GROUPS if g.path == command.path[: depth + 1]), "")
                words.setdefault(command.path[depth], command.operation.summary if last else below)
        if not group.path:
            words = {"jobs": "List, run, watch and switch scheduled jobs.", **words}
        for path in _spellings(group.path):
            yield path, list(words.items()), None
    for command in COMMANDS:
        flags = [(one.path[-1], one.operation.summary) for one in COMMANDS if one.path[:-1] == command.path]
        flags += [(name, flag.help) for flag in flags_of(command) if not flag.positional for name in (flag.long,)]
        for path in _spellings(command.path):
            yield path, flags, command


def _spellings(path: tuple[str, ...]) -> list[str]:
    full = " ".join(path)
    return [full, " ".join(path[1:])] if path[:1] == (HOME_GROUP,) and len(path) > 1 else [full]


def _takes_job(command: Command) -> bool:
    """Whether the arguments of a command are names of jobs."""
    return command.name != "infra jobs new" and any(
        flag.positional and flag.field in ("name", "names") for flag in flags_of(command)
    )


def _values(flag: Flag) -> tuple[str, str]:
    """Return what the value of a flag is, `words`, `jobs`, `files`, `folders` or `any`, and the words where they are known."""
    if flag.choices or "|" in flag.metavar:
        return "words", " ".join(flag.choices or flag.metavar.split("|"))
    if flag.field == "status":
        return "words", " ".join(STATUSES)
    if flag.field == "job" or (flag.positional and flag.field in ("name", "names")):
        return "jobs", ""
    if flag.metavar in ("FILE", "DIR"):
        return {"FILE": "files", "DIR": "folders"}[flag.metavar], ""
    return "any", ""


def _bash() -> str:
    cases, of_flags = [], []
    for path, words, command in _entries():
        listed = " ".join(word for word, _ in words)
        argument = ""
        if command is not None:
            argument = "".join(_bash_argument(command))
            for flag in flags_of(command):
                if not flag.positional and flag.kind != "bool":
                    kind, known_words = _values(flag)
                    names = " | ".join(f'"{path} {name}"' for name in (flag.long, flag.short) if name)
                    of_flags.append(f'    {names}) kind={kind} known="{known_words}" ;;')
        cases.append(f'    "{path}") words="{listed}"{argument} ;;')
    valued = sorted(
        {
            name
            for command in COMMANDS
            for flag in flags_of(command)
            if not flag.positional and flag.kind != "bool"
            for name in (flag.long, flag.short)
            if name
        }
    )
    known = " | ".join(f'"{path}"' for path, _, _ in _entries() if path)
    return "\n".join(
        [
            "# sp: completion for bash. Load it with: source <(sp completion bash)",
            "_sp() {",
            '  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" word i',
            '  local path="" words="" kind="" known="" argument=""',
            "  # bash splits --flag=value into three words.",
            '  [[ "$cur" == "=" ]] && cur=""',
            '  [[ "$prev" == "=" ]] && prev="${COMP_WORDS[COMP_CWORD-2]}"',
            "  for ((i = 1; i < COMP_CWORD; i++)); do",
            '    word="${COMP_WORDS[i]}"',
            '    case "$word" in',
            f'      --profile | {" | ".join(valued)}) i=$((i + 1)); [[ "${{COMP_WORDS[i]}}" == "=" ]] && i=$((i + 1)); continue ;;',
            "      -*) continue ;;",
            "    esac",
            '    case "${path:+$path }$word" in',
            f'      {known}) path="${{path:+$path }}$word" ;;',
            "    esac",
            "  done",
            '  case "$path $prev" in',
            *of_flags,
            '    *" --profile") kind=files ;;',
            "  esac",
            '  case "$path" in',
            *cases,
            "  esac",
            f'  [[ -z "$kind" && "$cur" == -* ]] && words="$words {_GLOBAL}"',
            '  [[ -z "$kind" && "$cur" != -* && -n "$argument" ]] && kind="$argument"',
            '  case "$kind" in',
            '    words) words="$known" ;;',
            f'    jobs) words="$({_JOB_NAMES})" ;;',
            "    files | folders)",
            "      # The shell then quotes names with blanks and goes on below a folder.",
            "      compopt -o filenames 2>/dev/null",
            '      local names; names="$(if [[ $kind == files ]]; then compgen -f -- "$cur"; else compgen -d -- "$cur"; fi)"',
            "      COMPREPLY=()",
            '      while IFS= read -r word; do [[ -n "$word" ]] && COMPREPLY+=("$word"); done <<< "$names"',
            "      return ;;",
            '    any) words="" ;;',
            "  esac",
            '  COMPREPLY=($(compgen -W "$words" -- "$cur"))',
            "}",
            "complete -F _sp sp systemprompt",
        ]
    )


def _bash_argument(command: Command) -> Iterator[str]:
    """Yield what sets the kind of a command's arguments: that of the first, also for those that follow it."""
    for flag in flags_of(command)[:1]:
        kind, known_words = _values(flag)
        if flag.positional:
            yield " argument=any" if kind == "jobs" and not _takes_job(command) else f" argument={kind}"
            if kind == "words":
                yield f' known="{known_words}"'


def _zsh() -> str:
    head = "# sp: completion for zsh. Load it with: source <(sp completion zsh)"
    return "\n".join(
        [head, "autoload -Uz compinit bashcompinit", "compinit", "bashcompinit", *_bash().splitlines()[1:]]
    )


def _fish() -> str:
    lines = [
        "# sp: completion for fish. Load it with: sp completion fish | source",
        "function __sp_at",
        "    set -l words",
        "    set -l skip 0",
        "    for word in (commandline -opc)[2..-1]",
        "        if test $skip = 1",
        "            set skip 0",
        "        else if test $word = --profile",
        "            set skip 1",
        "        else if not string match -q -- '-*' $word",
        "            set -a words $word",
        "        end",
        "    end",
        '    test "$words" = "$argv[1]"; or begin; test -n "$argv[2]"; and string match -q -- "$argv[1] *" "$words"; end',
        "end",
        "function __sp_jobs",
        f"    {_JOB_NAMES}",
        "end",
    ]
    for name in ("sp", "systemprompt"):
        lines.append(f"complete -c {name} -f")
        for long, short, metavar, text in GLOBAL_FLAGS:
            letter = f" -s {short[1:]}" if short else ""
            value = " -r -F" if metavar else ""
            lines.append(f"complete -c {name} -l {long[2:]}{letter}{value} -d {_fish_text(text)}")
        for path, words, command in _entries():
            for word, text in words:
                if command is None or not word.startswith("--"):  # a command may have others below it
                    lines.append(f"complete -c {name} -n '__sp_at \"{path}\"' -a {word} -d {_fish_text(text)}")
                else:
                    flag = next(one for one in flags_of(command) if one.long == word)
                    value = _fish_value(flag)
                    lines.append(
                        f"complete -c {name} -n '__sp_at \"{path}\" more' -l {word[2:]}{value} -d {_fish_text(text)}"
                    )
            if command is not None and _takes_job(command):
                lines.append(f"complete -c {name} -n '__sp_at \"{path}\" more' -a '(__sp_jobs)'")
    return "\n".join(lines)


def _fish_value(flag: Flag) -> str:
    if flag.kind == "bool":
        return ""
    kind, known_words = _values(flag)
    return {
        "words": f" -x -a {_fish_text(known_words)}",
        "jobs": " -x -a '(__sp_jobs)'",
        "files": " -r -F",
        "folders": " -x -a '(__fish_complete_directories)'",
        "any": " -x",
    }[kind]


def _fish_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
