"""Write the reference parts of the docs from the program's own tables: `.venv/bin/python docs/make_reference.py`.

Each part stands under one heading, from there to the next heading of that rank. `tests/docs` fails where a page differs from
what this would write.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from contextlib import closing
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING

from systemprompt import errors as family
from systemprompt import node_errors as errors_of_nodes
from systemprompt.audit import KINDS as KINDS_OF_FINDINGS
from systemprompt.builtin.tables.application_file import MIGRATIONS as APPLICATION_MIGRATIONS
from systemprompt.cli.exit_codes import EXIT_CODES, exit_code_of
from systemprompt.cli.help import usage
from systemprompt.cli.parse import GLOBAL_FLAGS, HOME_GROUP, Flag, flags_of
from systemprompt.cli.table import COMMANDS
from systemprompt.ledger.records import REASONS
from systemprompt.ledger.sqlite.migrating import migrate
from systemprompt.profile.schema import PROFILE, Key, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

DOCS = Path(__file__).resolve().parent


def main() -> int:
    for path, heading, made in PARTS:
        page = DOCS / path
        text = page.read_text(encoding="utf-8")
        written = with_part(text, heading, made())
        if written != text:
            page.write_text(written, encoding="utf-8")
            print(f"written: {page}")
    return 0


def with_part(text: str, heading: str, part: str) -> str:
    """Return a page's text with what stands under `heading` replaced."""
    before, found, rest = text.partition(f"\n{heading}\n")
    if not found:
        raise ValueError(f"no heading {heading!r}")
    _, following, after = rest.partition("\n## ")
    return f"{before}{found}\n{part.strip()}\n{following}{after}"


def commands() -> str:
    """Every command with its arguments and flags."""
    return "\n".join(line for command in COMMANDS for line in _command(command))


def global_flags() -> str:
    rows = [
        (f"`{', '.join(word for word in (short, f'{name} {metavar}' if metavar else name) if word)}`", text)
        for name, short, metavar, text in GLOBAL_FLAGS
    ]
    return _table(("flag", "what it does"), rows)


def exit_codes() -> str:
    """Every exit code, with what it means."""
    meanings = {
        2: "the call is wrong: an unknown flag, a value that is none",
        3: "no such job, or no such run",
        4: "the profile is missing or wrong, or a job definition is",
        5: "a database cannot be opened or is busy for too long",
        6: "conflict: the job is running already, or a file exists",
        7: "the command wants a confirmation and may not ask",
        130: "interrupted; what was begun is accounted for",
    }
    rows = [("0", "fine"), ("1", "a job failed, the audit found something, doctor found a fault")]
    rows += [(str(code), meanings[code]) for _, code in EXIT_CODES]
    return _table(
        ("code", "meaning"),
        [*rows, ("70", "the answer could not be written, or a defect of systemprompt; `-v` shows where")],
    )


def profile() -> str:
    """Every key of a profile, section by section."""
    sections = [("The top level", "", PROFILE)]
    below = {"jobs": ".NAME", "named": ".NAME", "list": "[]"}
    sections += [(f"`{place}`", place + below.get(key.kind, ""), key) for place, key in walk() if key.keys]
    lines = []
    for title, prefix, key in sections:
        lines += [f"### {title}", ""]
        if prefix:
            lines += [f"{_sentence(key.meaning)} Keys of `{prefix}`:", ""]
        lines += [_table(("key", "value", "default", "meaning"), [_key_row(one) for one in key.keys]), ""]
    return "\n".join(lines)


def reasons() -> str:
    """Every status, and every reason it may have."""
    rows = [
        ("`queued`", "", "open: planned, and waiting for a node with room"),
        ("`running`", "", "open: a node holds it"),
        ("`success`", "", "closed: the job came to its end and said so"),
    ]
    rows += [(f"`{status}`", f"`{name}`", meaning) for status, of in REASONS.items() for name, meaning in of.items()]
    return _table(("status", "reason", "meaning"), rows)


def errors() -> str:
    """Every error, below the one it is a kind of."""
    return _table(("error", "`code`", "exit code", "when"), _error_rows(family.SystempromptError, 0))


def ledger_tables() -> str:
    return _tables(DOCS.parent / "src/systemprompt/ledger/sqlite/migrations")


def application_tables() -> str:
    return _tables(Path(APPLICATION_MIGRATIONS))


def builtin_jobs() -> str:
    """Every built-in job: when it runs, and what its class says of it."""
    from importlib import import_module

    from systemprompt.builtin import BUILTIN_MODULES
    from systemprompt.cron import Schedule
    from systemprompt.jobs.job import MODULE_JOBS

    lines = []
    for module in BUILTIN_MODULES:
        for job in getattr(import_module(module), MODULE_JOBS):
            words = Schedule(job.schedule).describe()
            tags = ", ".join(f"`{tag}`" for tag in job.tags)
            lines += [f"### {job.name}", "", f"`{job.schedule}` ({words}); tags {tags}.", ""]
            lines += [*_paragraphs(job.__doc__ or ""), ""]
            given = ", ".join(
                f"`{name}: {str(value).lower() or chr(34) * 2}`"
                for name, value in job.parameters.items()
                if value is not None
            )
            lines += [f"Parameters, as they are if nobody says otherwise: {given}.", ""] if given else []
    return "\n".join(lines)


def finding_kinds() -> str:
    """Every kind of finding of the audit."""
    return _table(("finding", "what it says"), [(f"`{kind}`", meaning) for kind, meaning in KINDS_OF_FINDINGS.items()])


def planted_breakages() -> str:
    """Every defect that the tests plant in the engine, by area."""
    tests = DOCS.parent / "tests"
    places = [str(tests), str(tests / "breakages")]
    sys.path[:0] = places
    try:
        from all_breakages import BREAKAGES
    finally:
        for place in places:
            sys.path.remove(place)
    rows = [
        (
            one.area,
            one.what,
            ", ".join(f"`{kind}`" for kind in one.kinds),
            "; ".join(one.guards),
        )
        for one in BREAKAGES
    ]
    return f"{len(rows)} in all.\n\n" + _table(
        ("part", "an engine that", "is named by", "after it was refused by"), rows
    )


PARTS: tuple[tuple[str, str, Callable[[], str]], ...] = (
    ("commands.md", "## Global flags", global_flags),
    ("commands.md", "## Exit codes", exit_codes),
    ("commands.md", "## Every command", commands),
    ("profile.md", "## Every key", profile),
    ("concepts.md", "## Statuses and reasons", reasons),
    ("errors.md", "## Every error", errors),
    ("tables.md", "## The ledger", ledger_tables),
    ("tables.md", "## The application's database", application_tables),
    ("builtin-jobs.md", "## Every job", builtin_jobs),
    ("audit.md", "## Every finding", finding_kinds),
    ("audit.md", "## Breakages planted on purpose", planted_breakages),
)
"""Page, heading, and what makes the part."""


def _paragraphs(docstring: str) -> Iterator[str]:
    """Yield a docstring's lines; where a line explains a name, as `days   how long`, it becomes an item of a list."""
    listing = False
    for line in cleandoc(docstring).splitlines():
        explained = re.fullmatch(r"(\w+) {2,}(\S.*)", line)
        if explained:
            listing = True
            yield f"- `{explained[1]}`: {explained[2]}"
        else:
            listing = listing and bool(line)
            yield f"  {line.strip()}" if listing else line


def _command(command: object) -> Iterator[str]:
    from systemprompt.cli.table import Command

    assert isinstance(command, Command)
    short = " ".join(command.path[1:]) if command.path[0] == HOME_GROUP else command.name
    yield f"### sp {short}"
    yield ""
    yield command.operation.summary
    yield ""
    yield "```text"
    yield usage(command)
    yield "```"
    yield ""
    flags = flags_of(command)
    if flags:
        yield _table(("argument or flag", "default", "what it says"), [_flag_row(flag) for flag in flags])
        yield ""
    yield f"Example: `{command.example}`. Artifact type `{command.operation.artifact_type}`, title `{command.operation.title}`."
    yield ""


def _error_rows(error: type[family.SystempromptError], depth: int) -> Iterator[tuple[str, str, str, str]]:
    if depth:
        indent = "&nbsp;" * 4 * (depth - 1)
        code = exit_code_of(error.__new__(error))
        meaning = (error.__doc__ or "").split("\n\n")[0].replace("\n    ", " ")
        yield f"{indent}`{error.__name__}`", f"`{error.code}`", str(code), meaning
    for kind in error.__subclasses__():  # in the order of the file
        if kind.__module__ in (family.__name__, errors_of_nodes.__name__):  # a job's own errors are its own
            yield from _error_rows(kind, depth + 1)


def _tables(folder: Path) -> str:
    """Every table that a folder of migrations makes: what its file says of it, and its columns as they stand in the end."""
    said = {}
    for file in sorted(folder.glob("*.sql")):
        text = file.read_text(encoding="utf-8")
        for comment, name in re.findall(r"((?:^-- .*\n)*)^CREATE (?:TABLE|VIEW) (\w+)", text, re.MULTILINE):
            said[name] = _as_page(comment)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection, str(folder), table="applied", begin=_begin)
        return "\n\n".join(_one_table(connection, name, said[name]) for name in said)


def _as_page(comment: str) -> str:
    """Return a comment as text; its lines that are set in, `--   word   what it is`, become a list."""
    text: list[str] = []
    entries: list[str] = []
    for line in (line.removeprefix("--") for line in comment.splitlines()):
        if line.startswith("   ") and "   " in line.strip():
            words = re.split(r"\s{2,}", line.strip())
            entries += [f"{name}: {what}" for name, what in zip(words[::2], words[1::2], strict=False)]
        elif line.startswith("   ") and entries:
            entries[-1] += f" {line.strip()}"
        else:
            text.append(line.strip())
    listed = "".join(f"\n- {entry}" for entry in entries)
    return " ".join(text) + (f"\n{listed}" if listed else "")


def _one_table(connection: sqlite3.Connection, name: str, comment: str) -> str:
    foreign = {str(row["from"]): row["table"] for row in _rows(connection, f"PRAGMA foreign_key_list({name})")}
    is_view = bool(_rows(connection, f"SELECT 1 FROM sqlite_master WHERE type = 'view' AND name = '{name}'"))
    rows = [
        (
            f"`{row['name']}`",
            str(row["type"]).lower(),
            ", ".join(
                word
                for word in (
                    "key" if row["pk"] else "",
                    "" if row["notnull"] or row["pk"] or is_view else "may be NULL",
                    f"of `{foreign[str(row['name'])]}`" if row["name"] in foreign else "",
                    f"default {row['dflt_value']}" if row["dflt_value"] is not None else "",
                )
                if word
            ),
        )
        for row in _rows(connection, f"PRAGMA table_info({name})")
    ]
    return f"### `{name}`\n\n{comment}\n\n{_table(('column', 'type', ''), rows)}"


def _begin(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN")


def _rows(connection: sqlite3.Connection, statement: str) -> list[dict[str, object]]:
    cursor = connection.execute(statement)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _flag_row(flag: Flag) -> tuple[str, str, str]:
    if flag.positional:
        spelled = flag.metavar + ("..." if flag.repeatable else "")
    else:
        spelled = flag.long if flag.kind == "bool" else f"{flag.long} {flag.metavar}"
        spelled = f"{flag.short}, {spelled}" if flag.short else spelled
    default = "" if flag.default in (None, False, "", (), {}) or flag.required else f"`{flag.default}`"
    text = flag.help
    if flag.choices and flag.metavar != "|".join(flag.choices):
        text += f": {', '.join(flag.choices)}"
    return f"`{spelled}`", "required" if flag.required else default, text


def _key_row(key: Key) -> tuple[str, str, str, str]:
    value = " or ".join(f"`{choice}`" for choice in key.choices) if key.kind == "choice" else KINDS[key.kind]
    default = "required" if key.required else _written(key.default)
    if key.kind == "choice" and key.default is None:
        default = f"`{key.choices[0]}`"
    meaning = key.meaning + (f"; for example `{key.example}`" if key.example and key.kind != "choice" else "")
    return f"`{key.name}`", value, default, meaning


KINDS = {
    "choice": "",
    "database": "`sqlite:///FILE`, `postgresql://...`",
    "exit_codes": "mapping: exit code to `success`, `nothing`, `again` or `final`",
    "extensions": "list of folders, files, modules",
    "flag": "`true` or `false`",
    "identifier": "SQL name",
    "identifiers": "mapping of SQL names",
    "jobs": "mapping: job name to section, or list of sections with `name`",
    "labels": "list of labels, or text with commas",
    "ledger": "path, or as `database`",
    "schema_name": "SQL name",
    "server": "`postgresql://...`",
    "list": "list of sections",
    "name": "name",
    "named": "mapping: table to section",
    "names": "list of job names",
    "path": "path",
    "retry": "number of tries, or a section: [Trying again](retry.md)",
    "schedule": "cron expression",
    "seconds": "duration",
    "section": "section",
    "pattern": "glob",
    "text": "text",
    "texts": "list of texts",
    "time_zone": "IANA name",
    "limit": "duration, or `none`",
    "url": "URL",
    "values": "mapping",
    "whole": "whole number",
    "word_map": "mapping of texts",
    "command": "list of words, or one line of text",
    "folder": 'path, or "~"',
    "name_of_group": "a group's name",
    "name_of_user": "a user's name",
    "verbatim": "text",
}
"""What may stand there, in a reader's words."""


def _written(default: str | int | bool | None) -> str:
    if default is None:
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`" if default != "" else "empty"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
