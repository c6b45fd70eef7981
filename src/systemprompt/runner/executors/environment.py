"""What a process finds around it: its variables, the user it runs as, and its home."""

from __future__ import annotations

import os
import pwd
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from errno import EINVAL
from functools import lru_cache

from systemprompt.discovery.definition import JobDefinition
from systemprompt.errors import ConfigurationError

__all__ = ["User", "read_environment_file", "surroundings_of", "user_of", "written"]

_HANDED_ON = ("PATH", "LANG", "LANGUAGE", "TZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user of this machine, with the ids that a process of theirs has."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    shell: str

    @property
    def ids(self) -> str:
        """The ids as the guard reads them."""
        return ",".join(map(str, (self.uid, self.gid, *self.groups)))


def user_of(name: str) -> User:
    """Return the user whom a command names.

    Raises:
        ConfigurationError: there is none of this name, or this process may not run anything as them: only root may.
    """
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise ConfigurationError(
            f"this machine has no user {name!r}", hint="create the user, or fix `user` in the profile"
        ) from error
    if os.geteuid() not in (0, entry.pw_uid):
        raise ConfigurationError(
            f"only root may run a command as user {name!r}, and this node runs as {_own_name()!r}",
            hint="run the node as root or as that user, or take `user` out of the profile",
        )
    groups = tuple(os.getgrouplist(name, entry.pw_gid))
    return User(name=name, uid=entry.pw_uid, gid=entry.pw_gid, groups=groups, home=entry.pw_dir, shell=entry.pw_shell)


def surroundings_of(definition: JobDefinition, user: User | None) -> dict[str, str]:
    """Return the variables that a job's process begins with. What comes later wins.

    The node's own, or for another `user` only its PATH, languages and time zone, so that no secret of the node's reaches them;
    LOGNAME, USER, HOME and SHELL of whom it runs as; the environment files, read now; `environment` of the profile.

    Raises:
        ConfigurationError: an environment file cannot be read.
    """
    if user is None:
        environment = {**_own(), **os.environ}
    else:
        handed_on = {name: value for name, value in os.environ.items() if name in _HANDED_ON or name[:3] == "LC_"}
        environment = {**handed_on, "LOGNAME": user.name, "USER": user.name, "HOME": user.home, "SHELL": user.shell}
    for path in definition.environment_files:
        environment |= read_environment_file(path)
    return {**environment, **definition.environment}


def written(environment: Mapping[str, str]) -> bytes:
    """Return variables as the guard reads them.

    Raises:
        ValueError: one holds a NUL character, behind which it would be read as another variable.
    """
    pairs = [f"{name}={value}" for name, value in environment.items()]
    if any("\0" in pair for pair in pairs):
        raise ValueError("embedded null byte in a variable")
    return os.fsencode("\0".join(pairs))


def read_environment_file(path: str) -> dict[str, str]:
    """Return the variables of a file of NAME=value lines: quotes as in a shell, `#` begins a comment line, `export` is allowed.

    Nothing is expanded: `$HOME` stays as it is written.

    Raises:
        ConfigurationError: the file cannot be read, or a line is not a variable; the message has its number and not its value.
    """
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise OSError(EINVAL, "it is not a regular file")  # a pipe would be waited for
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise ConfigurationError(
            f"environment file {path!r}: {reason}", hint="create it, or fix `environment_file` in the profile"
        ) from error
    found = {}
    for number, line in enumerate(lines, 1):
        bare = line.strip().removeprefix("export ").lstrip()
        if not bare or bare.startswith("#"):
            continue
        name, equals, value = bare.partition("=")
        if not equals or not name.strip().isidentifier() or "\0" in value:
            raise _wrong_line(path, number)
        found[name.strip()] = _unquoted(value.strip(), path, number)
    return found


def _unquoted(value: str, path: str, number: int) -> str:
    if value[:1] not in ("'", '"'):
        return value
    try:
        (word,) = shlex.split(value)
    except ValueError as error:
        raise _wrong_line(path, number) from error
    return word


def _wrong_line(path: str, number: int) -> ConfigurationError:
    return ConfigurationError(
        f"environment file {path!r}, line {number} is not a variable",
        hint="write NAME=value, with quotes that are closed",
    )


@lru_cache(maxsize=1)
def _own() -> dict[str, str]:
    """Return what this process is called and where it is at home, for services that are started without these variables."""
    try:
        entry = pwd.getpwuid(os.geteuid())
    except KeyError:  # as in a container with a number for a user
        return {}
    return {"LOGNAME": entry.pw_name, "USER": entry.pw_name, "HOME": entry.pw_dir, "SHELL": entry.pw_shell}


def _own_name() -> str:
    return _own().get("LOGNAME", str(os.geteuid()))
