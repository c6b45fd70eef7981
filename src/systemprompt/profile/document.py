"""From a profile's bytes to a YAML node tree, and from a node to a value with `${NAME}` filled in.

The tree, and not plain values, because a fault must name its line. A hostile file costs bounded time and memory: its size and
depth are limited here, and what aliases unfold to by a budget of visits.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite

import yaml

from systemprompt.errors import ProfileInvalid, ProfileNotFound

__all__ = [
    "DEEPEST",
    "LARGEST",
    "MOST_VALUES",
    "Fault",
    "Scalar",
    "UnfoldsTooFar",
    "Values",
    "double_quoted",
    "line_of",
    "means_text",
    "parse",
    "read_bytes",
]

MOST_VALUES = 50_000
"""How many values a profile may unfold to, each counted as often as aliases repeat it."""

LARGEST = 1_048_576
"""Bytes of a profile at most."""

DEEPEST = 40
"""How deep its lists and mappings may nest."""

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is optional in PyYAML


class Fault(Exception):
    """One thing that is wrong with a value. Never leaves this package: all of them are reported as one `ProfileInvalid`."""


class UnfoldsTooFar(Exception):
    """Aliases make the file mean far more than it says. Ends the check at once."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value as written: its kind by YAML's rules, its text, whether a variable was put in, and how it is written."""

    value: bool | int | float | str | None
    text: str
    expanded: bool
    written: str


@dataclass(slots=True)
class Values:
    """Reads scalars, and remembers which variables they asked for.

    filled   as in `systemprompt.discovery.as_written`
    """

    environ: Mapping[str, str]
    read: dict[str, str | None] = field(default_factory=dict)
    filled: dict[str, str] = field(default_factory=dict)
    visits: int = 0

    def variable(self, name: str) -> str | None:
        """Return a variable's value and remember that it mattered."""
        value = self.environ.get(name)
        self.read[name] = value
        return value

    def scalar(self, node: yaml.Node) -> Scalar:
        """Return what a scalar node says.

        Raises:
            Fault: it is no scalar, names an unset variable, or is not a value that a profile can hold.
        """
        if not isinstance(node, yaml.ScalarNode):
            raise Fault(
                f"{'a list' if isinstance(node, yaml.SequenceNode) else 'a mapping'} stands here; write one value"
            )
        text = node.value
        expanded = "$" in text
        tag = node.tag
        if expanded:
            text = self._expand(text)
            expanded = text != node.value
            if "${" in node.value and any(name in text for name in self.filled):
                self.filled |= {text: node.value, text.strip(): node.value.strip()}
            if expanded and not node.style:  # a plain scalar
                # `enabled: ${ON}` is a flag, not text
                tag = _resolver.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]  # its stubs lack it
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Fault("this text is not valid Unicode") from error
        return Scalar(_value_of(tag, text, node.value), text, expanded, node.value)

    def items(self, node: yaml.SequenceNode) -> list[yaml.Node]:
        """Return the items of a list."""
        self._visit()
        return list(node.value)

    def pairs(self, node: yaml.MappingNode, depth: int = 0) -> list[tuple[str, yaml.Node, yaml.Node]]:
        """Return (key text, key node, value node) of a mapping, what `<<` merges in first unless it is written again.

        A key that is written twice comes twice: the caller says so.

        Raises:
            Fault: a key is not text, or `<<` merges something that is not a mapping.
        """
        self._visit()
        if depth > DEEPEST:  # the file itself is not so deep: an alias holds itself
            raise UnfoldsTooFar
        own: list[tuple[str, yaml.Node, yaml.Node]] = []
        merged: dict[str, tuple[str, yaml.Node, yaml.Node]] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise Fault(f"the key on line {line_of(key_node)} is a list or a mapping; a key is one word")
            if key_node.tag != f"{_TAGS}merge":
                own.append((key_node.value, key_node, value_node))
                continue
            for part in value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]:
                if not isinstance(part, yaml.MappingNode):
                    raise Fault("'<<' merges mappings only; write <<: *NAME of one")
                for pair in self.pairs(part, depth + 1):
                    merged.setdefault(pair[0], pair)
        written = {name for name, _, _ in own}
        return [pair for name, pair in merged.items() if name not in written] + own

    def _visit(self) -> None:
        self.visits += 1
        if self.visits > MOST_VALUES:
            raise UnfoldsTooFar

    def _expand(self, text: str, depth: int = 0) -> str:
        if depth > DEEPEST:
            raise Fault(f"defaults nest deeper than {DEEPEST} levels; write fewer")
        parts, at = [], 0
        while (dollar := text.find("$", at)) >= 0:
            parts.append(text[at:dollar])
            following = text[dollar + 1 : dollar + 2]
            at = dollar + 1
            if following == "$":
                parts.append("$")
                at += 1
            elif following == "{":
                end = _closing_brace(text, at)
                if end < 0:
                    raise Fault(f"{text[dollar:]!r} has no closing brace; write ${{NAME}}, or $$ for a dollar sign")
                parts.append(self._filled_in(text[dollar + 2 : end], depth))
                at = end + 1
            else:
                parts.append("$")
        return "".join([*parts, text[at:]])

    def _filled_in(self, inside: str, depth: int) -> str:
        name, colon, rest = inside.partition(":")
        if not (name.isascii() and name.isidentifier()) or (colon and not rest.startswith("-")):
            raise Fault(
                f"'${{{inside}}}' is not a variable; write ${{NAME}} or ${{NAME:-default}}, or $${{ for the characters themselves"
            )
        value = self.variable(name)
        if value:
            self.filled.setdefault(value, f"${{{name}}}")
        if colon:
            return value or self._expand(rest[1:], depth + 1)  # as in a shell, `:-` also stands in for an empty value
        if value is None:
            raise Fault(f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}")
        return value


def read_bytes(path: str) -> bytes:
    """Return a profile's bytes.

    Raises:
        ProfileNotFound: there is no such file.
        ProfileInvalid: it cannot be read, is no file, or is far too large.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError as error:
        raise ProfileNotFound(
            f"profile {path!r} does not exist",
            hint="check the path, or write one with: sp init",
            details={"path": path},
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = (
            "is a folder; name the profile.yaml in it" if os.path.isdir(path) else f"cannot be read: {_reason(error)}"
        )
        raise ProfileInvalid(path, [f"the file {reason}"]) from error
    if len(data) > LARGEST:
        raise ProfileInvalid(path, [f"the file is larger than {LARGEST:,} bytes; a profile is a page or two"])
    return data


def parse(path: str, data: bytes) -> yaml.Node:
    """Return the root of the node tree.

    Raises:
        ProfileInvalid: not UTF-8, empty, not YAML, too deep, or more than one document.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        fault = f"line {line}: byte 0x{data[error.start]:02x} is not UTF-8; save the file in UTF-8"
        raise ProfileInvalid(path, [fault]) from error
    try:
        _refuse_depth(path, text)
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise ProfileInvalid(path, [_syntax_fault(error, text)]) from error
    except yaml.YAMLError as error:  # a character that YAML forbids
        raise ProfileInvalid(path, [f"not YAML: {' '.join(str(error).split())}"]) from error
    if root is None:
        raise ProfileInvalid(path, ["the file is empty; sp init writes a profile to start from"])
    return root


def line_of(node: yaml.Node) -> int:
    """Return the line that a node begins on, from 1."""
    return int(node.start_mark.line) + 1


def means_text(node: yaml.Node, scalar: Scalar) -> bool:
    """Say whether an unquoted word is a value that nobody has written: 22:30 is 1350 to YAML, `no` false, 0123 83 and 1.10 1.1."""
    value = scalar.value
    if getattr(node, "style", None) or value is None or isinstance(value, str):
        return False
    if isinstance(value, bool):
        return scalar.text.lower() not in ("true", "false")
    return isfinite(value) and str(value) != scalar.text


_resolver = yaml.SafeLoader("")
_TAGS = "tag:yaml.org,2002:"
_LONGEST_NUMBER = 100
"""Characters. One in base 60 (`1:30:00`) costs the square of its length to read."""


def _value_of(tag: str, text: str, written: str) -> bool | int | float | str | None:
    kind = tag.removeprefix(_TAGS)
    if kind in ("str", "timestamp", "value", "merge"):
        return text
    if kind == "null":
        return None
    node = yaml.ScalarNode(tag, text)
    if len(text) > _LONGEST_NUMBER:
        raise Fault(f"{written[:40]!r}... is a number of {len(text):,} characters; put it in quotes if it is text")
    try:
        if kind == "bool":
            return bool(_resolver.construct_yaml_bool(node))
        if kind == "int":
            return int(_resolver.construct_yaml_int(node))
        if kind == "float":
            return float(_resolver.construct_yaml_float(node))
    except (ValueError, KeyError, IndexError) as error:  # `!!bool maybe`, a number of ten thousand digits
        raise Fault(f"{written[:40]!r} cannot be read as {kind}; put it in quotes if it is text") from error
    raise Fault(f"the tag {tag!r} has no meaning here; write the plain value")


def _refuse_depth(path: str, text: str) -> None:
    # Event by event, so that no depth of nesting can exhaust the stack of what composes the tree.
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                line = event.start_mark.line + 1 if event.start_mark else 0
                raise ProfileInvalid(path, [f"line {line}: lists and mappings nest deeper than {DEEPEST} levels"])
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _closing_brace(text: str, opening: int) -> int:
    """Return where the brace is closed that opens there, -1 where it is not: a default may have braces of its own."""
    depth = 0
    for at in range(opening, len(text)):
        depth += (text[at] == "{") - (text[at] == "}")
        if not depth:
            return at
    return -1


def _syntax_fault(error: yaml.MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark or error.context_mark
    problem = error.problem or error.context or "not YAML"
    if mark is None:
        return f"not YAML: {problem}"
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    advice = ""
    value = line.partition(":")[2].strip() or line.strip().removeprefix("- ")
    if value.startswith(("*", "@", "`", "%")):
        advice = f"; put it in quotes: {line.strip()[: len(line.strip()) - len(value)]}{_quoted(value)}"
    elif "${" in line and "did not find expected ','" in problem:
        advice = "; inside { } put ${...} in quotes" if "'}'" in problem else "; inside [ ] put ${...} in quotes"
    elif "unknown escape character" in problem:
        advice = "; between double quotes a backslash begins an escape: write it twice, or use single quotes"
        if "%" in line[mark.column : mark.column + 2]:
            advice = "; a crontab needs the backslash before a percent sign, here % means itself: write % alone"
    elif "\t" in line[: mark.column + 1]:
        advice = "; indent with spaces, not with tabs"
    return f"line {mark.line + 1}, column {mark.column + 1}: not YAML: {' '.join(problem.split())}{advice}"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _reason(error: OSError | ValueError) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def double_quoted(text: str) -> str:
    """Return a text as YAML has it between double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
