"""May a file be obeyed that a profile leads to, if nobody named that profile on purpose?"""

from __future__ import annotations

import os

from systemprompt.discovery.definition import JobDefinition
from systemprompt.errors import JobDefinitionError
from systemprompt.ownership import strangers_hand, trusted_users

__all__ = ["check_job_file", "check_surroundings", "files_around", "folders_above", "may_others_add"]


def check_job_file(path: str) -> None:
    """Refuse a job file that somebody else may change: it, every folder above it, and every link on the way count.

    Nobody else can put another file in its place before it is read, since they may write none of those folders.

    Raises:
        JobDefinitionError: they may, or it cannot be looked at.
    """
    _check(path, f"cannot load jobs from {path!r}")


def check_surroundings(job: JobDefinition) -> None:
    """Refuse a job whose program, or a file of variables for it, somebody else may change. A program without a slash is PATH's.

    Raises:
        JobDefinitionError: they may.
    """
    for path in files_around(job):
        _check(path, f"job {job.name!r} leads to {path!r}")


def files_around(job: JobDefinition) -> list[str]:
    """Return the absolute paths of a job's program and of the files of variables for it."""
    named = list(job.environment_files)
    if job.command and os.sep in job.command[0]:
        named.append(os.path.join(os.path.expanduser(job.working_dir or ""), job.command[0]))
    return [os.path.abspath(path) for path in named]


def folders_above(path: str) -> list[str]:
    """Return every folder that a path leads through: a change of their rights may change whether the path is obeyed."""
    found = []
    for end in dict.fromkeys((path, os.path.realpath(path))):
        above = os.path.dirname(end)
        while above not in found:
            found.append(above)
            above = os.path.dirname(above)
    return found


def may_others_add(folder: str) -> bool:
    """Say whether code that somebody else wrote, or may write, can be imported from a folder of job files."""
    trusted = trusted_users(os.environ)
    try:
        with os.scandir(folder) as entries:
            importable = [entry.path for entry in entries if _is_importable(entry)]
        return any(strangers_hand(path, trusted, is_shared=False) is not None for path in (folder, *importable))
    except OSError:
        return True


def _is_importable(entry: os.DirEntry[str]) -> bool:
    if entry.name.endswith(".py"):
        return True
    return entry.is_dir() and (entry.name == "__pycache__" or os.path.exists(os.path.join(entry.path, "__init__.py")))


def _check(path: str, what: str) -> None:
    try:
        stranger = strangers_hand(path, trusted_users(os.environ))
    except OSError as error:
        stranger = error.strerror or str(error)
    if stranger is not None:
        raise JobDefinitionError(
            f"{what}: {stranger}",
            hint="take that right away (chown, chmod go-w), or trust the whole profile by name: --profile PATH",
        )
