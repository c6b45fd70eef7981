"""Write a job file that a user would be glad to start from, and a test for it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from systemprompt.errors import ConfigurationError, ConflictError, ProfileNotFound
from systemprompt.operations.context import OperationContext
from systemprompt.operations.parameters import param
from systemprompt.profile.profile import Profile
from systemprompt.profile.starters import function_name, new_job_file
from systemprompt.system import System

__all__ = ["NewJob", "NewJobParams", "new_job", "write_new_file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJobParams:
    """What to call the job, and where to put it."""

    name: str = param("the job's name: a-z, 0-9, _")
    dir: str | None = param("the folder to write to; else the first job folder of the profile", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What was written. `listed` says whether the profile already looks for jobs in that folder."""

    job_name: str
    path: str
    test_path: str
    listed: bool
    message: str
    next_commands: tuple[str, ...]


def new_job(context: OperationContext, params: NewJobParams) -> NewJob:
    """Write `NAME.py` and `test_NAME.py`. Nothing that exists is overwritten; of the two files both are written or none.

    Raises:
        JobDefinitionError: no job may have this name.
        ConflictError: one of the files exists, or a job of this name does: a second would put both in quarantine.
        ConfigurationError: there is no job folder to write to, or it cannot be written.
    """
    profile = _profile(context, params)
    text, test = new_job_file(params.name)
    folders = [] if profile is None else [one.name for one in profile.extensions if one.kind == "folder"]
    folder = context.path(params.dir) if params.dir is not None else next(iter(folders), None)
    if folder is None:
        raise ConfigurationError(
            "the profile names no job folder" if profile is not None else "there is no profile, and no folder is named",
            hint="name one with `dir`",
        )
    stem = function_name(params.name)
    path = os.path.join(folder, f"{stem}.py")
    test_path = os.path.join(os.path.dirname(path), f"test_{stem}.py")
    for file in (path, test_path):
        if os.path.lexists(file):
            raise ConflictError(f"{file!r} exists and is left as it is", hint="choose another name, or another `dir`")
    if profile is not None:
        _refuse_taken(profile, params.name, context)
    write_new_file(path, text)
    write_new_file(test_path, test)
    listed = any(os.path.realpath(one) == os.path.realpath(os.path.dirname(path)) for one in folders)
    return NewJob(
        job_name=params.name,
        path=path,
        test_path=test_path,
        listed=listed,
        message=f"Wrote job {params.name!r} to {path}",
        next_commands=(
            *(() if listed else (f"add to `extensions` in the profile: {path}",)),
            f"sp jobs run {params.name}",
            f"python -m pytest {test_path}",
        ),
    )


def _profile(context: OperationContext, params: NewJobParams) -> Profile | None:
    """Return the profile, where there is one: with a folder to write to, a job needs none."""
    try:
        return context.load_profile()
    except ProfileNotFound:
        if params.dir is None or context.profile is not None:
            raise
        return None


def _refuse_taken(profile: Profile, name: str, context: OperationContext) -> None:
    with System(profile, environ=context.environ, is_wary=context.is_wary) as system:
        catalogue = system.catalogue
    places = {job.name: job.source.name for job in catalogue.jobs.values()}
    # What the profile says of a job that is not there yet is no job, and is what the new file will answer to.
    places |= {one.name: one.source.name for one in catalogue.quarantined if one.name and one.source.kind != "command"}
    if name in places:
        raise ConflictError(
            f"a job is named {name!r} already, in {places[name]!r}", hint="choose another name; nothing was written"
        )


def write_new_file(path: str, text: str) -> None:
    """Write a file that does not exist yet, with the folders above it.

    Raises:
        ConflictError: it exists.
        ConfigurationError: it cannot be written.
    """
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConflictError(
            f"{path!r} exists and is left as it is", hint="move it away, or choose another place"
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"{path!r} cannot be written: {error.strerror or error}", hint="choose a folder that this user may write to"
        ) from error
