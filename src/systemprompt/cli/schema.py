"""JSON Schema of what commands take and answer, from the very types they are made of. `msgspec` loads here and nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.json import schema_components

from systemprompt.cli.parse import HOME_GROUP
from systemprompt.cli.table import COMMANDS, Command
from systemprompt.errors import unknown
from systemprompt.operations.answers import entry_type, plain
from systemprompt.operations.context import OperationContext
from systemprompt.operations.operation import load
from systemprompt.operations.parameters import param

__all__ = ["ERROR_SCHEMA", "SchemaParams", "Schemas", "command_schema", "schemas"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"

ERROR_SCHEMA: dict[str, Any] = {
    "$schema": _DIALECT,
    "title": "error",
    "description": "What any command answers where it fails.",
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"type": "string", "description": "names the kind of error; never changes between releases"},
                "message": {"type": "string", "description": "what was asked, and what is true"},
                "hint": {"type": ["string", "null"], "description": "the way out"},
                "details": {"type": "object", "description": "the values the message is made of"},
            },
            "required": ["code", "message", "hint", "details"],
            "additionalProperties": False,
        }
    },
    "required": ["error"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaParams:
    """Which command to describe."""

    command: tuple[str, ...] = param("a command or a group of them; else all", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Schemas:
    """JSON Schemas, each complete in itself.

    commands   command -> `input`, what it takes, and `output`, the whole document it answers with under --json
    error      the document any command answers with where it fails
    """

    commands: dict[str, dict[str, Any]]
    error: dict[str, Any]


def schemas(context: OperationContext, params: SchemaParams) -> Schemas:  # noqa: ARG001  # as every operation
    """Return the schemas of one command, of a group, or of all.

    Raises:
        UsageError: there is no such command.
    """
    chosen = _chosen(params.command)
    return Schemas(commands={command.name: command_schema(command) for command in chosen}, error=ERROR_SCHEMA)


def command_schema(command: Command) -> dict[str, Any]:
    """Return `input` and `output` of one command."""
    operation = command.operation
    params, result = load(operation.params), load(operation.result)
    reference, definitions = _definitions(params)
    output_reference, output_definitions = _definitions(result)
    if operation.entries:  # `fields` may ask for a part of each entry
        output_definitions[entry_type(operation).__name__].pop("required", None)
    title = {"const": operation.title} if "{" not in operation.title else {"type": "string"}
    return {
        "input": {"$schema": _DIALECT, **reference, "$defs": definitions},
        "output": {
            "$schema": _DIALECT,
            "title": command.name,
            "type": "object",
            "properties": {
                "data": output_reference,
                "artifact_type": {"const": operation.artifact_type},
                "title": title,
            },
            "required": ["data", "artifact_type", "title"],
            "additionalProperties": False,
            "$defs": output_definitions,
        },
    }


def _chosen(words: tuple[str, ...]) -> list[Command]:
    words = tuple(part for word in words for part in word.split())
    for path in (words, (HOME_GROUP, *words)):
        found = [command for command in COMMANDS if command.path[: len(path)] == path]
        if found:
            return found
    asked = " ".join(words)
    names = [command.name for command in COMMANDS]
    names += [name.removeprefix(f"{HOME_GROUP} ") for name in names]
    raise unknown(f"there is no command {asked!r}", asked, names, "sp --help shows all", command=asked)


def _definitions(kind: type) -> tuple[dict[str, Any], dict[str, Any]]:
    # Operations name Mapping and Any for the type checker only, because importing them costs a start. They are needed here.
    namespace = vars(sys.modules[kind.__module__])
    for name, value in (("Mapping", Mapping), ("Any", Any)):
        namespace.setdefault(name, value)
    (reference,), definitions = schema_components((kind,), ref_template="#/$defs/{name}")
    properties = definitions[kind.__name__].get("properties", {})
    for field in kind.__dataclass_fields__.values():  # type: ignore[attr-defined]  # params and results are dataclasses
        described = properties.get(field.name)
        if described is None or not field.metadata:
            continue
        described["description"] = field.metadata["help"]
        if field.metadata["minimum"] is not None:
            described["minimum"] = field.metadata["minimum"]
        if field.metadata["maximum"] is not None:
            described["maximum"] = field.metadata["maximum"]
        if field.metadata["choices"]:
            described["enum"] = [*field.metadata["choices"], *([None] if field.default is None else [])]
    plain_definitions: dict[str, Any] = plain(definitions)  # defaults that are tuples, as JSON has them
    return reference, plain_definitions
