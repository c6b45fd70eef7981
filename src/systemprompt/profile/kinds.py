"""What may stand at a key: one function a kind, from a YAML node to a value. Each raises `Fault` with what would be right."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any, TypeVar

import yaml

from systemprompt.databases.address import Address, read_address
from systemprompt.databases.dialect import OUR_SCHEMA
from systemprompt.discovery.names import check_name, check_time_zone
from systemprompt.discovery.overrides import Extension
from systemprompt.errors import ConfigurationError, JobDefinitionError
from systemprompt.jobs.durations import seconds_of
from systemprompt.jobs.exit_codes import exit_codes_of
from systemprompt.jobs.labels import check_labels
from systemprompt.jobs.retry import retry_of
from systemprompt.profile.document import DEEPEST, Fault, Scalar, UnfoldsTooFar, means_text
from systemprompt.profile.reader import Reader
from systemprompt.profile.schema import Key
from systemprompt.wording import did_you_mean

__all__ = ["KINDS", "is_home"]

Given = TypeVar("Given")
Checked = TypeVar("Checked")


def _text(reader: Reader, node: yaml.Node, key: Key) -> str:
    del key
    scalar = reader.values.scalar(node)
    if not isinstance(scalar.value, str) and not scalar.expanded:
        raise Fault(f"{_shown(scalar)} is {_kind(scalar)}, not text; put it in quotes: {scalar.text!r}")
    return scalar.text.strip()


def _flag(reader: Reader, node: yaml.Node, key: Key) -> bool:
    del key
    scalar = reader.values.scalar(node)
    if not isinstance(scalar.value, bool):
        raise Fault(f"{_shown(scalar)} is neither true nor false; write true or false, without quotes")
    return scalar.value


def _whole(reader: Reader, node: yaml.Node, key: Key) -> int:
    scalar = reader.values.scalar(node)
    value = scalar.value
    if isinstance(value, bool) or not isinstance(value, int) or _is_misread(scalar):
        raise Fault(f"{_shown(scalar)} is not a whole number; write one from {key.lowest:,} to {key.highest:,}")
    if not key.lowest <= value <= key.highest:
        raise Fault(f"{_shown(scalar)} is outside {key.lowest:,} to {key.highest:,}; write a number within")
    return value


def _seconds(reader: Reader, node: yaml.Node, key: Key) -> float:
    scalar = reader.values.scalar(node)
    is_zero = scalar.text in ("0", "0s", "0.0")
    seconds = 0.0 if is_zero else _duration(scalar)
    if not key.lowest <= seconds <= key.highest:
        raise Fault(f"{_shown(scalar)} is outside {key.lowest:g}s to {key.highest:g}s; write a duration within")
    return seconds


def _limit(reader: Reader, node: yaml.Node, key: Key) -> float | None:
    del key
    scalar = reader.values.scalar(node)
    return None if scalar.value == "none" else _duration(scalar)


def _choice(reader: Reader, node: yaml.Node, key: Key) -> str:
    scalar = reader.values.scalar(node)
    if scalar.text not in key.choices or not isinstance(scalar.value, str):
        near = did_you_mean(scalar.text, key.choices)
        allowed = ", ".join(key.choices)
        if near:
            raise Fault(f"{_shown(scalar)} is not one of {allowed}; did you mean {near!r}?")
        raise Fault(f"{_shown(scalar)} is no choice; write {'one of ' * (len(key.choices) > 1)}{allowed}")
    return scalar.text


def _name(reader: Reader, node: yaml.Node, key: Key) -> str:
    return _accepted(check_name, _text(reader, node, key))


def _time_zone(reader: Reader, node: yaml.Node, key: Key) -> str:
    return _accepted(check_time_zone, _text(reader, node, key))


def _path(reader: Reader, node: yaml.Node, key: Key) -> str:
    return reader.path(_text(reader, node, key))


def _pattern(reader: Reader, node: yaml.Node, key: Key) -> str:
    text = _text(reader, node, key)
    if not text or len(text) > _LONGEST_PATTERN:
        raise Fault(f"a pattern of {len(text):,} characters; write one of 1 to {_LONGEST_PATTERN:,}, such as '**/*.md'")
    return text


def _database(reader: Reader, node: yaml.Node, key: Key) -> Address:
    return _address(reader, _text(reader, node, key))


def _ledger(reader: Reader, node: yaml.Node, key: Key) -> Address:
    text = _text(reader, node, key)
    return _address(reader, text) if ":" in text else Address(reader.path(text))


def _server(reader: Reader, node: yaml.Node, key: Key) -> Address:
    address = _address(reader, _text(reader, node, key))
    if address.engine != "postgresql":
        raise Fault(f"{str(address)!r} is no server; write {key.example}")
    return address


def _schema_name(reader: Reader, node: yaml.Node, key: Key) -> str:
    text = _text(reader, node, key)
    if len(text) > _LONGEST_NAME or not re.fullmatch("[a-z_][a-z0-9_]*", text):
        raise Fault(f"{text!r} is not a schema's name; write up to {_LONGEST_NAME} small letters, digits and '_'")
    if text in ("public", "information_schema", OUR_SCHEMA) or text.startswith("pg_"):
        raise Fault(f"{text!r} is not for the ledger alone; write a name of its own, such as {key.default}")
    return text


def _url(reader: Reader, node: yaml.Node, key: Key) -> str:
    text = _text(reader, node, key)
    scheme, found, rest = text.partition("://")
    if not found or scheme not in ("http", "https") or not rest.strip("/") or " " in text:
        raise Fault(f"{text!r} is not a web address; write one such as https://example.org")
    return text.rstrip("/")


def _identifier(reader: Reader, node: yaml.Node, key: Key) -> str:
    text = _text(reader, node, key)
    parts = text.split(".")
    if len(parts) > 2 or not all(part.isascii() and part.isidentifier() for part in parts):
        raise Fault(
            f"{text!r} is not a table's name; write letters, digits and '_', with a schema before a dot if need be"
        )
    return text


def _identifiers(reader: Reader, node: yaml.Node, key: Key) -> dict[str, str]:
    columns = _word_map(reader, node, key)
    for ours, theirs in columns.items():
        for column in (ours, theirs):
            if not (column.isascii() and column.isidentifier()):
                raise Fault(f"{column!r} is not a column's name; write letters, digits and '_'")
    return columns


def _texts(reader: Reader, node: yaml.Node, key: Key) -> tuple[str, ...]:
    texts = tuple(_text(reader, item, key) for item in _items(reader, node, "[first, second]"))
    if "" in texts:
        raise Fault("an item is empty; remove it")
    return texts


def _labels(reader: Reader, node: yaml.Node, key: Key) -> tuple[str, ...]:
    """A list of labels, or one text with commas: a variable holds no list."""
    if isinstance(node, yaml.ScalarNode):
        words = [word.strip() for word in _text(reader, node, key).split(",")]
        texts = [word for word in words if word]
    else:
        texts = [_text(reader, item, key) for item in _items(reader, node, key.example or "[gpu]")]
    return _accepted(check_labels, texts)


def _names(reader: Reader, node: yaml.Node, key: Key) -> tuple[str, ...]:
    return tuple(_accepted(check_name, name) for name in _texts(reader, node, key))


def _verbatim(reader: Reader, node: yaml.Node, key: Key) -> str:
    """Text as it stands, with its blanks and newlines."""
    del key
    scalar = reader.values.scalar(node)
    if "\0" in scalar.text:
        raise Fault("this text cannot hold a NUL character")
    return scalar.text


def _name_of_user(reader: Reader, node: yaml.Node, key: Key) -> str:
    return _of_machine(reader, node, key, "a user's name")


def _name_of_group(reader: Reader, node: yaml.Node, key: Key) -> str:
    return _of_machine(reader, node, key, "a group's name")


def _of_machine(reader: Reader, node: yaml.Node, key: Key, what: str) -> str:
    name = _text(reader, node, key)
    if not name or "\0" in name or ":" in name:
        raise Fault(f"{name!r} is not {what}; write one of this machine, such as {key.example}")
    return name


def _folder(reader: Reader, node: yaml.Node, key: Key) -> str:
    """A path; what begins with `~` is read when the command starts, for its home may be another user's."""
    # `working_dir: ~` is null to YAML. Nobody who writes it means that.
    text = "~" if is_home(node) else _text(reader, node, key)
    return text if text == "~" or text.startswith("~/") else reader.path(text)


def is_home(node: yaml.Node) -> bool:
    """Say whether a bare `~` stands here, which is null to YAML and a home folder to people."""
    return isinstance(node, yaml.ScalarNode) and node.value == "~" and not node.style


def _command(reader: Reader, node: yaml.Node, key: Key) -> tuple[str, ...] | str:
    """An argument list, or a line for a shell. `[sleep, 5]` means the text 5: every word is what is written.

    A line, and what stands behind the `-c` of `[sh, -c, ...]`, is the shell's own: `$$`, `${f}` and variables
    are read by it, when it runs.
    """
    del key
    if isinstance(node, yaml.ScalarNode):
        line: str = node.value
        if not line.strip():
            raise Fault("the command is empty; write a list: [program, argument]")
        if "\0" in line:
            raise Fault("a command cannot hold a NUL character")
        return line
    items = _items(reader, node, "[program, argument]")
    words = tuple(
        str(item.value) if _is_script(items, at) else reader.values.scalar(item).text for at, item in enumerate(items)
    )
    if not words or not words[0]:
        raise Fault("the command is empty; write a list: [program, argument]")
    if any("\0" in word for word in words):
        raise Fault("an argument cannot hold a NUL character")
    return words


_SHELLS = ("sh", "bash", "dash", "ash", "zsh", "ksh")


def _is_script(items: list[yaml.Node], at: int) -> bool:
    """Say whether this word is text that a shell reads: the one behind the `-c` of `[sh, -c, ...]`."""
    if at < 2 or not all(isinstance(one, yaml.ScalarNode) for one in (items[0], items[at - 1], items[at])):
        return False
    flag = items[at - 1].value
    return os.path.basename(items[0].value) in _SHELLS and flag.startswith("-") and flag.endswith("c")


def _word_map(reader: Reader, node: yaml.Node, key: Key) -> dict[str, str]:
    del key
    if not isinstance(node, yaml.MappingNode):
        raise Fault("this is not a mapping; write NAME: value, each on a line of its own")
    found = {}
    for name, _, value_node in reader.values.pairs(node):
        value = reader.values.scalar(value_node).text
        if not name or "=" in name or "\0" in name + value:
            raise Fault(f"{name!r} cannot be a variable's name or value; leave out '=' and NUL characters")
        if name in found:
            raise Fault(f"{name!r} is written twice; keep one")
        found[name] = value
    return found


def _values(reader: Reader, node: yaml.Node, key: Key) -> dict[str, Any]:
    del key
    if not isinstance(node, yaml.MappingNode):
        raise Fault("this is not a mapping; write name: value, each on a line of its own")
    value = _plain(reader, node)
    assert isinstance(value, dict)
    return value


def _extensions(reader: Reader, node: yaml.Node, key: Key) -> tuple[Extension, ...]:
    found = [_extension(reader, _text(reader, item, key)) for item in _items(reader, node, "[jobs/, acme.jobs]")]
    return tuple(dict.fromkeys(found))


def _extension(reader: Reader, text: str) -> Extension:
    if text.endswith(".py"):
        return Extension(kind="file", name=reader.path(text))
    if "/" in text or text in (".", "..", "~"):
        path = reader.path(text)
        return Extension(kind="file" if os.path.isfile(path) else "folder", name=path)
    if all(part.isidentifier() for part in text.split(".")):
        return Extension(kind="module", name=text)
    raise Fault(f"{text!r} is neither a module nor a path; write acme.jobs, jobs/feeds.py or jobs/")


KINDS: dict[str, Callable[[Reader, yaml.Node, Key], Any]] = {
    "choice": _choice,
    "command": _command,
    "database": _database,
    "extensions": _extensions,
    "flag": _flag,
    "folder": _folder,
    "identifier": _identifier,
    "identifiers": _identifiers,
    "labels": _labels,
    "ledger": _ledger,
    "limit": _limit,
    "name": _name,
    "name_of_group": _name_of_group,
    "name_of_user": _name_of_user,
    "names": _names,
    "path": _path,
    "pattern": _pattern,
    "exit_codes": lambda reader, node, _: _accepted(exit_codes_of, _plain(reader, node)),
    "retry": lambda reader, node, _: _accepted(retry_of, _plain(reader, node)),
    "schema_name": _schema_name,
    "server": _server,
    "schedule": _text,  # the expression is checked with the zone and the policies of its job
    "seconds": _seconds,
    "text": _text,
    "texts": _texts,
    "time_zone": _time_zone,
    "url": _url,
    "values": _values,
    "verbatim": _verbatim,
    "whole": _whole,
    "word_map": _word_map,
}
"""Every kind that holds a value. The checker knows those that hold keys."""

_LONGEST_PATTERN = 1_000
_LONGEST_NAME = 63
"""PostgreSQL cuts a longer name without a word."""


def _address(reader: Reader, text: str) -> Address:
    try:
        return read_address(text, reader.path)
    except ConfigurationError as error:
        raise Fault(f"{error.message}; {error.hint}") from error


def _duration(scalar: Scalar) -> float:
    value = scalar.value
    if value is None or isinstance(value, bool) or _is_misread(scalar):
        raise Fault(f"{_shown(scalar)} is not a duration; write a number of seconds, or 90s, 5m, 1h30m, 2d")
    try:
        # YAML 1.1 reads `1:30` as a number in base 60; nobody who writes it means that.
        seconds = seconds_of(scalar.text if ":" in scalar.text else value)
    except (JobDefinitionError, OverflowError) as error:
        raise Fault(f"{_shown(scalar)} is not a duration; write a number of seconds, or 90s, 5m, 1h30m, 2d") from error
    assert seconds is not None
    return seconds


def _is_misread(scalar: Scalar) -> bool:
    """Say whether YAML reads a number here that nobody has written: `1:30` in base 60, `010` in base 8."""
    digits = scalar.text.lstrip("+-")
    return not isinstance(scalar.value, str) and (":" in digits or (digits[:1] == "0" and digits[1:2].isdigit()))


def _items(reader: Reader, node: yaml.Node, example: str) -> list[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        return reader.values.items(node)
    shown = _shown(reader.values.scalar(node)) if isinstance(node, yaml.ScalarNode) else "a mapping"
    raise Fault(f"{shown} is not a list; write {example}")


def _plain(reader: Reader, node: yaml.Node, depth: int = 0) -> Any:
    """Return any JSON value."""
    if depth > DEEPEST:  # the file itself is not so deep: an alias holds itself
        raise UnfoldsTooFar
    if isinstance(node, yaml.SequenceNode):
        return [_plain(reader, item, depth + 1) for item in reader.values.items(node)]
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for name, _, value_node in reader.values.pairs(node):
            if name in found:
                raise Fault(f"{name!r} is written twice; keep one")
            found[name] = _plain(reader, value_node, depth + 1)
        return found
    scalar = reader.values.scalar(node)
    if means_text(node, scalar):
        return scalar.text
    if isinstance(scalar.value, float) and not abs(scalar.value) < float("inf"):
        raise Fault(f"{_shown(scalar)} is not a finite number; write one that is")
    return scalar.value


def _accepted(check: Callable[[Given], Checked], given: Given) -> Checked:
    try:
        return check(given)
    except JobDefinitionError as error:
        raise Fault(f"{error.message}; {error.hint}" if error.hint else error.message) from error


def _shown(scalar: Scalar) -> str:
    text = scalar.written if len(scalar.written) <= 60 else scalar.written[:57] + "..."
    return repr(text)


def _kind(scalar: Scalar) -> str:
    if scalar.value is None:
        return "null"
    if isinstance(scalar.value, bool):
        return "true or false" if scalar.text.lower() in ("true", "false") else f"{str(scalar.value).lower()} to YAML"
    return "a number"
