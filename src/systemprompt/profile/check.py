"""Hold a node tree against the table of keys: every value that is right, and every fault with its line and place."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from systemprompt.discovery.names import check_name
from systemprompt.errors import JobDefinitionError
from systemprompt.profile.document import MOST_VALUES, Fault, UnfoldsTooFar, line_of
from systemprompt.profile.kinds import KINDS, is_home
from systemprompt.profile.reader import Reader
from systemprompt.profile.schema import Key
from systemprompt.wording import did_you_mean

__all__ = ["Checked", "check"]


@dataclass(slots=True)
class Checked:
    """What a file says. `values` nests as the table of keys does, and lacks what is absent or wrong; `lines` has the line
    of every place that was read, `faults` pairs of line and text."""

    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    faults: list[tuple[int, str]] = field(default_factory=list)

    def fault(self, place: str, reason: str, line: int | None = None) -> None:
        """Add a fault. Without a line it is that of the place, or of the nearest place above it."""
        above = place
        while line is None:
            line = self.lines.get(above)
            if not above:
                line = line or 1
            cut = max(above.rfind("."), above.rfind("["), 0)
            above = above[:cut]
        self.faults.append((line, f"line {line}: {place}: {reason}" if place else f"line {line}: {reason}"))


def check(root: yaml.Node, key: Key, reader: Reader) -> Checked:
    """Return what the tree says, with all faults in the order of their lines."""
    checker = _Checker(reader)
    checked = checker.checked
    try:
        values = checker.read(root, key, "")
        checked.values = values if isinstance(values, dict) else {}
    except UnfoldsTooFar:
        checked.fault("", f"its aliases unfold to more than {MOST_VALUES:,} values; write them out")
    checked.faults.sort(key=lambda fault: fault[0])
    return checked


class _Nothing:
    """What stands for a value that is absent or wrong."""


_NOTHING = _Nothing()
_ONE_SCHEDULE = (
    "a job has one schedule, and its history is read by its name; write a job for each: &NAME behind the first one's key, "
    "then `<<: *NAME` and its own schedule in the next"
)


class _Checker:
    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.checked = Checked()

    def read(self, node: yaml.Node, key: Key, place: str) -> Any:
        self.checked.lines[place] = line_of(node)
        try:
            if key.kind == "section":
                return self._section(node, key, place)
            if key.kind == "list":
                return self._list(node, key, place)
            if key.kind == "named" or (key.kind == "jobs" and not isinstance(node, yaml.SequenceNode)):
                return self._named(node, key, place)
            if key.kind == "jobs":
                return self._jobs(node, key, place)
            if key.kind == "schedule" and isinstance(node, yaml.SequenceNode):
                raise Fault(_ONE_SCHEDULE)
            return KINDS[key.kind](self.reader, node, key)
        except Fault as fault:
            self.checked.fault(place, str(fault), line_of(node))
            return _NOTHING

    def _section(self, node: yaml.Node, key: Key, place: str) -> dict[str, Any]:
        known = {below.name: below for below in key.keys}
        found: dict[str, Any] = {}
        wrong = set()
        for name, key_node, value_node in self._pairs(node, place):
            here = f"{place}.{name}" if place else name
            below = known.get(name)
            if below is None:
                self.checked.fault(here, f"there is no such key; {_nearest(name, known)}", line_of(key_node))
            elif not _is_null(value_node) or (below.kind == "folder" and is_home(value_node)):
                value = self.read(value_node, below, here)
                self.checked.lines[here] = line_of(key_node)
                if isinstance(value, _Nothing):
                    wrong.add(name)
                else:
                    found[name] = value
        for below in key.keys:
            if below.required and below.name not in found and below.name not in wrong:
                reason = f"it is missing; write {below.name}: {below.example or '...'}"
                self.checked.fault(f"{place}.{below.name}" if place else below.name, reason)
        return found

    def _list(self, node: yaml.Node, key: Key, place: str) -> list[tuple[str, dict[str, Any]]]:
        """Return (place, section) pairs."""
        if not isinstance(node, yaml.SequenceNode):
            raise Fault(f"this is not a list; write each under '- {key.keys[0].name}: ...'")
        found = []
        for index, item in enumerate(self.reader.values.items(node)):
            here = f"{place}[{index}]"
            self.checked.lines[here] = line_of(item)
            found.append((here, self._guarded_section(item, key, here)))
        return found

    def _named(self, node: yaml.Node, key: Key, place: str) -> list[tuple[str, str, dict[str, Any]]]:
        """Return (name, place, section) triples."""
        found = []
        for name, key_node, value_node in self._pairs(node, place):
            here = f"{place}.{name}"
            self.checked.lines[here] = line_of(key_node)
            if key.choices and name not in key.choices:
                self.checked.fault(here, f"there is no such table; {_nearest(name, key.choices)}")
            elif key.kind != "jobs" or self._is_job_name(name, here):
                section = (
                    {} if _is_null(value_node) and key.kind == "jobs" else self._guarded_section(value_node, key, here)
                )
                self.checked.lines[here] = line_of(key_node)
                found.append((name, here, section))
        return found

    def _jobs(self, node: yaml.Node, key: Key, place: str) -> list[tuple[str, str, dict[str, Any]]]:
        """Read the list form of jobs, each a mapping with its `name`."""
        found = []
        first: dict[str, str] = {}
        assert isinstance(node, yaml.SequenceNode)
        for index, item in enumerate(self.reader.values.items(node)):
            here = f"{place}[{index}]"
            self.checked.lines[here] = line_of(item)
            name = self._name_in(item, here)
            section = self._guarded_section(item, key, here, besides="name")
            if name is None or not self._is_job_name(name, here):
                continue
            if name in first:
                self.checked.fault(here, f"job {name!r} is already at {first[name]}; put both into one")
                continue
            first[name] = here
            found.append((name, here, section))
        return found

    def _name_in(self, item: yaml.Node, place: str) -> str | None:
        if isinstance(item, yaml.MappingNode):
            for name, _, value_node in self.reader.values.pairs(item):
                if name == "name" and isinstance(value_node, yaml.ScalarNode) and not _is_null(value_node):
                    return str(value_node.value)
            self.checked.fault(f"{place}.name", "it is missing; write name: and the job's name")
        return None

    def _guarded_section(self, node: yaml.Node, key: Key, place: str, besides: str | None = None) -> dict[str, Any]:
        try:
            if besides is not None:
                key = replace(key, keys=(Key(name=besides, kind="text", meaning="its name"), *key.keys))
            section = self._section(node, key, place)
        except Fault as fault:
            self.checked.fault(place, str(fault), line_of(node))
            return {}
        section.pop(besides or "", None)
        return section

    def _is_job_name(self, name: str, place: str) -> bool:
        try:
            check_name(name)
        except JobDefinitionError as error:
            self.checked.fault(place, f"{error.message}; {error.hint}" if error.hint else error.message)
            return False
        return True

    def _pairs(self, node: yaml.Node, place: str) -> list[tuple[str, yaml.Node, yaml.Node]]:
        """Return a mapping's pairs, each key once; the second one of a key is a fault."""
        if not isinstance(node, yaml.MappingNode):
            what = "a list" if isinstance(node, yaml.SequenceNode) else repr(self.reader.values.scalar(node).text[:60])
            raise Fault(f"{what} stands here; write a mapping: key: value, each on a line of its own")
        first: dict[str, int] = {}
        once = []
        for name, key_node, value_node in self.reader.values.pairs(node):
            if name in first:
                here = f"{place}.{name}" if place else name
                self.checked.fault(
                    here, f"it is written twice, first on line {first[name]}; keep one", line_of(key_node)
                )
            else:
                first[name] = line_of(key_node)
                once.append((name, key_node, value_node))
        return once


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _nearest(name: str, known: Any) -> str:
    near = did_you_mean(name, known)
    return f"did you mean {near!r}?" if near else f"there are: {', '.join(known)}"
