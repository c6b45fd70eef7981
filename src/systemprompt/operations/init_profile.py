"""Begin an installation: a commented profile, an example job, a content folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from shlex import quote

from systemprompt.errors import ConflictError
from systemprompt.operations.context import OperationContext
from systemprompt.operations.new_job import write_new_file
from systemprompt.operations.parameters import param
from systemprompt.profile.find import LOCAL_PROFILE
from systemprompt.profile.starters import example_content, example_job_file, template

__all__ = ["InitParams", "Initialised", "init_profile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InitParams:
    """Where to begin."""

    dir: str = param("the folder to write to", ".")


@dataclass(frozen=True, slots=True, kw_only=True)
class Initialised:
    """What was written, and the next commands to type."""

    directory: str
    profile: str
    files: tuple[str, ...]
    message: str
    next_commands: tuple[str, ...]


def init_profile(context: OperationContext, params: InitParams) -> Initialised:
    """Write the files. Nothing that exists is overwritten: where one is in the way, nothing at all is written.

    Raises:
        ConflictError: a file is in the way.
        ConfigurationError: the folder cannot be written.
    """
    directory = context.path(params.dir)
    profile = os.path.join(directory, LOCAL_PROFILE)
    home = os.path.dirname(profile)
    files = {
        profile: template(),
        os.path.join(home, "jobs", "example.py"): example_job_file(),
        **{os.path.join(home, "content", name): text for name, text in example_content().items()},
        # The databases and the published site are made here, and are nobody's source.
        os.path.join(home, ".gitignore"): "data/\npublic/\n__pycache__/\n",
    }
    there = [path for path in files if os.path.lexists(path)]
    if there:
        raise ConflictError(
            f"{there[0]!r} exists; nothing was written",
            hint=f"choose another folder, or check what is there: sp profile check --profile {profile}",
            details={"existing": there},
        )
    for path, text in files.items():
        write_new_file(path, text)
    enter = () if os.path.realpath(directory) == os.path.realpath(context.cwd) else (f"cd {_quoted(params.dir)}",)
    return Initialised(
        directory=directory,
        profile=profile,
        files=tuple(files),
        message=f"Wrote {profile} and {len(files) - 1} files beside it",
        next_commands=(*enter, "sp jobs list", "sp jobs run content_ingestion publish_content --sequential"),
    )


def _quoted(path: str) -> str:
    return quote(path)
