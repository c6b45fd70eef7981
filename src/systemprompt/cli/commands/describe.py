"""Commands that describe the commands."""

from __future__ import annotations

from systemprompt.cli.settings import CommandResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from systemprompt.cli.completion import Completion, CompletionParams
    from systemprompt.cli.schema import SchemaParams, Schemas
    from systemprompt.cli.settings import CliSettings

__all__ = ["completion", "schema"]


def schema(settings: CliSettings, params: SchemaParams) -> CommandResult[Schemas]:  # noqa: ARG001  # every command takes both
    from systemprompt.cli.schema import schemas

    return CommandResult(schemas(params), "text", "JSON Schema")


def completion(settings: CliSettings, params: CompletionParams) -> CommandResult[Completion]:  # noqa: ARG001  # every command takes both
    from systemprompt.cli.completion import completion

    return CommandResult(completion(params), "text", "Shell Completion")
