"""What of an installation other users of the machine may change, or read and so hold up."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from systemprompt.discovery.files_of_others import files_around
from systemprompt.ownership import strangers_hand, trusted_users
from systemprompt.profile.find import safe_profiles_file
from systemprompt.profile.profile import Profile
from systemprompt.system import System

__all__ = ["Exposed", "database_files", "exposed_files"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """A file that somebody else may change or read: in words, and what to do."""

    message: str
    mend: str


def exposed_files(system: System, environ: Mapping[str, str]) -> Iterator[Exposed]:
    """Yield what somebody else may change, each once: profile, job files, programs, files of variables, databases, the site.

    Also databases that everybody may read: a lock for reading holds up whoever writes. Nothing is opened.
    """
    trusted = trusted_users(environ)
    found: dict[str, None] = {}
    for path in _paths(system, environ):
        try:
            stranger = strangers_hand(path, trusted)
        except OSError as error:
            stranger = f"{path}: {error.strerror or error}"
        if stranger is not None:
            found[stranger] = None
    for stranger in found:
        yield Exposed(
            message=stranger, mend="take that right away: chown, chmod go-w, or move it where nobody else may write"
        )
    for path in database_files(system.profile):
        if _may_be_read(path):
            mend = f"chmod o-r {path}, with the nodes stopped; `group` in the profile names who may read"
            yield Exposed(message=f"{path} may be read by everybody, who can hold up its nodes", mend=mend)


def _paths(system: System, environ: Mapping[str, str]) -> Iterator[str]:
    profile, catalogue = system.profile, system.catalogue
    yield profile.path
    yield from (one.name for one in profile.extensions if one.kind != "module")
    sources = [job.source for job in catalogue.jobs.values()] + [one.source for one in catalogue.quarantined]
    yield from dict.fromkeys(source.name for source in sources if os.path.isabs(source.name))
    for job in catalogue.jobs.values():
        yield from files_around(job)
    yield from profile.around.environment_files
    yield from database_files(profile)
    if profile.publish is not None:
        yield profile.publish.path
    listed = safe_profiles_file(environ)
    if listed is not None:
        yield listed


def database_files(profile: Profile) -> list[str]:
    """Return the paths of the databases that are files."""
    return [address.path for address in (profile.ledger, profile.database) if address.engine == "sqlite"]


def _may_be_read(path: str) -> bool:
    """Say whether everybody may read a file; the folders above it may keep them out."""
    try:
        if not os.stat(path).st_mode & stat.S_IROTH:
            return False
        above = os.path.dirname(os.path.realpath(path))
        while os.stat(above).st_mode & stat.S_IXOTH:
            if above == os.path.dirname(above):
                return True
            above = os.path.dirname(above)
    except OSError:
        return False
    return False
