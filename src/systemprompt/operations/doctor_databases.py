"""What doctor says of the two databases: files, schemas, servers, space."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from shutil import disk_usage

from systemprompt.errors import ConfigurationError, DatabaseError
from systemprompt.ledger.upkeep import DatabaseUpkeep
from systemprompt.operations.database import DatabaseState
from systemprompt.operations.doctor_check import Check
from systemprompt.operations.files_others_may_change import database_files
from systemprompt.profile.profile import Profile
from systemprompt.system import application_upkeep, ledger_upkeep, server_health

__all__ = ["database_checks", "schema_checks", "server_checks", "space_checks"]

_LITTLE_SPACE, _NO_SPACE = 500 * 2**20, 20 * 2**20


def database_checks(profile: Profile, states: list[DatabaseState]) -> Iterator[Check]:
    upkeeps: tuple[DatabaseUpkeep, ...] = (ledger_upkeep(profile), application_upkeep(profile))
    for state, upkeep in zip(states, upkeeps, strict=True):
        name = f"{state.name} database"
        if not os.path.isabs(state.path):
            yield _on_a_server(name, state, upkeep)
            continue
        folder = _nearest_folder(state.path)
        if state.state == "absent" and (blocking := _file_in_the_way(state.path, folder)):
            yield Check(
                name=name,
                status="fail",
                message=f"{state.path} cannot be made: {blocking} is not a folder",
                mend=f"move {blocking} away, or name another place in the profile",
            )
            continue
        if state.state == "absent":
            writable = os.access(folder, os.W_OK | os.X_OK)
            yield Check(
                name=name,
                status="warn" if writable else "fail",
                message=f"{state.path} is not there yet" if writable else f"{state.path} cannot be made in {folder}",
                mend="sp db migrate makes it" if writable else f"give this user the right to write to {folder}",
            )
            continue
        if not os.access(state.path, os.W_OK) or not os.access(folder, os.W_OK):
            yield Check(
                name=name,
                status="fail",
                message=f"{state.path} can be read but not written",
                mend="give this user the right to write to the file and to its folder",
            )
        else:
            yield _what_is_there(name, state, upkeep)


def _what_is_there(name: str, state: DatabaseState, upkeep: DatabaseUpkeep) -> Check:
    if state.state == "ahead":
        return Check(
            name=name,
            status="fail",
            message=f"{state.path} has schema {state.schema}; this program knows up to {state.newest}",
            mend="install the release of systemprompt that wrote it, or a newer one",
        )
    if state.state == "behind":
        message = f"{state.path} has schema {state.schema} of {state.newest}"
        return Check(name=name, status="warn", message=message, mend="sp db migrate")
    schema = str(state.schema)
    if state.state == "beside":
        schema += f" of a newer release (this program knows up to {state.newest}, and works beside it)"
    return _soundness(name, upkeep, schema)


def _on_a_server(name: str, state: DatabaseState, upkeep: DatabaseUpkeep) -> Check:
    if state.state != "absent":
        return _what_is_there(name, state, upkeep)
    message = f"our tables are not in {state.path} yet"
    return Check(name=name, status="warn", message=message, mend="sp db migrate makes them")


def server_checks(profile: Profile, said: Collection[str]) -> Iterator[Check]:
    """Look at the servers that the databases are on; none where they are files. What was `said` already is not said again."""
    try:
        for note in server_health(profile):
            yield Check(name=note.name, status=note.status, message=note.message, mend=note.mend)
    except (ConfigurationError, DatabaseError) as error:
        if error.message not in said:
            yield Check(name="server", status="fail", message=error.message, mend=error.hint)


def _soundness(name: str, upkeep: DatabaseUpkeep, schema: str) -> Check:
    try:
        faults = upkeep.faults(quick=True)
    except DatabaseError as error:
        faults = [error.message]
    if faults:
        mend = f"stop the nodes, then restore a backup: {_restoring(name)}; docs/operating.md says how to read what is left"
        message = f"{upkeep.location} is damaged: {'; '.join(faults)}"
        return Check(name=name, status="fail", message=message, mend=mend)
    return Check(name=name, status="ok", message=f"{upkeep.location}, schema {schema}, sound")


def _restoring(name: str) -> str:
    """Return the command that puts a copy in the place of the ledger, or of both databases: their copies belong together."""
    return "sp db restore FILE --replace" + (" --database APP-FILE" if name != "ledger" else "")


def schema_checks(states: list[DatabaseState]) -> Iterator[Check]:
    """Report what of a schema is not as its migrations make it; that the rest is right goes without saying."""
    for state in states:
        name = f"{state.name} schema"
        if state.altered:
            yield Check(
                name=name,
                status="fail",
                message=f"{state.path} is not protected as it should be: {'; '.join(state.altered)}",
                mend=f"stop the nodes, then restore a backup from before the change: {_restoring(state.name)}; sp jobs audit says"
                " what came of it",
            )
        if state.added:
            yield Check(
                name=name,
                status="warn",
                message=f"{state.path} holds more than the ledger: {'; '.join(state.added)}",
                mend="keep tables of your own in a database of your own: a restore takes these away",
            )


def space_checks(profile: Profile) -> Iterator[Check]:
    for folder in dict.fromkeys(map(_nearest_folder, database_files(profile))):
        free = disk_usage(folder).free
        status = "fail" if free < _NO_SPACE else "warn" if free < _LITTLE_SPACE else "ok"
        shown = f"{free / 2**30:.1f} GiB" if free >= 2**30 else f"{free / 2**20:.0f} MiB"
        yield Check(
            name="disk space",
            status=status,
            message=f"{shown} free at {folder}",
            mend=None if status == "ok" else "free some space, or shorten `retention` in the profile",
        )


def _file_in_the_way(path: str, folder: str) -> str | None:
    """Return what stands where the path needs a folder, below the nearest folder that there is."""
    above = os.path.dirname(path)
    while len(above) > len(folder):
        if os.path.lexists(above):
            return above
        above = os.path.dirname(above)
    return None


def _nearest_folder(path: str) -> str:
    folder = os.path.dirname(path)
    while not os.path.isdir(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    return folder
