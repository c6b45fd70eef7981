"""Which profile a command means."""

from __future__ import annotations

import os

from systemprompt.errors import ConfigurationError, ProfileNotFound, ProfileNotTrusted
from systemprompt.ownership import strangers_hand, trusted_users

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "LOCAL_PROFILE",
    "VARIABLE",
    "check_trusted",
    "find_profile",
    "is_on_purpose",
    "safe_profiles_file",
    "users_folder",
]

VARIABLE = "SYSTEMPROMPT_PROFILE"
"""The environment variable that names a profile."""

LOCAL_PROFILE = os.path.join(".systemprompt", "profiles", "local", "profile.yaml")
"""Where a profile stands below the folder it is for; `sp init` writes it there."""


def find_profile(explicit: str | None, environ: Mapping[str, str], cwd: str) -> str:
    """Return the absolute path of the profile: the one named, else the variable's, else the nearest at or above `cwd`.

    A folder may be named for the profile.yaml in it. An empty variable counts as unset. The search ends at the home folder and at
    the end of a file system. A profile decides what code runs, so one that is found, not named, must be trusted: it and every
    folder above it belong to this user, to root, or to the user who called `sudo`, and nobody else may write them.

    Raises:
        ProfileNotFound: the named one does not exist, or none was named and none is near.
        ProfileNotTrusted: somebody else may change the nearest one, and it is not named on purpose.
    """
    if explicit is not None:
        return _named(explicit, cwd, "--profile", "check the path, or write one with: sp init")
    named = environ.get(VARIABLE)
    if named:
        return _named(named, cwd, VARIABLE, f"check the path, unset {VARIABLE}, or write one with: sp init")
    folder = os.path.abspath(cwd)
    home = _identity(environ.get("HOME") or "")
    here = _identity(folder)
    while True:
        candidate = os.path.join(folder, LOCAL_PROFILE)
        if os.path.isfile(candidate):
            if not _is_listed(candidate, environ):
                check_trusted(candidate, environ)
            return candidate
        above = os.path.dirname(folder)
        there = _identity(above)
        if above == folder or (here is not None and (here == home or (there is not None and there[0] != here[0]))):
            end = "" if above == folder else f", up to {folder!r}"
            raise ProfileNotFound(
                f"no profile is named and no {LOCAL_PROFILE} stands at or above {os.path.abspath(cwd)!r}{end}",
                hint=f"write one with: sp init; or name one: --profile PATH, or the variable {VARIABLE}",
                details={"cwd": os.path.abspath(cwd), "searched_up_to": folder},
            )
        folder, here = above, there


def is_on_purpose(explicit: str | None, environ: Mapping[str, str], path: str) -> bool:
    """Say whether a profile is named on purpose: by the flag, by the variable, or in the user's file `safe_profiles`.

    Whoever names a profile trusts it, and the job files that it names, whoever may write them.

    Raises:
        ConfigurationError: somebody else may write `safe_profiles`, or it has a relative path.
    """
    return explicit is not None or bool(environ.get(VARIABLE)) or _is_listed(path, environ)


def check_trusted(path: str, environ: Mapping[str, str]) -> None:
    """Refuse a profile that somebody else may change.

    Raises:
        ProfileNotTrusted: they may.
    """
    stranger = strangers_hand(path, trusted_users(environ))
    if stranger is not None:
        file = safe_profiles_file(environ)
        listed = "" if file is None else f", or write its path into {file}"
        raise ProfileNotTrusted(
            f"profile {path!r} is not obeyed: {stranger}",
            hint=f"take that right away (chown, chmod go-w); or trust it by name: --profile PATH, {VARIABLE}{listed}",
            details={"path": path, "stranger": stranger},
        )


def safe_profiles_file(environ: Mapping[str, str]) -> str | None:
    """Return where the user lists profiles to trust: an absolute path a line; None for a user without a home folder."""
    folder = users_folder(environ, "XDG_CONFIG_HOME", ".config")
    return None if folder is None else os.path.join(folder, "safe_profiles")


def users_folder(environ: Mapping[str, str], variable: str, below_home: str) -> str | None:
    """Return our folder in one of the user's own, as the XDG Base Directory Specification finds it; None without a home folder.

    variable     names the user's folder: `XDG_CONFIG_HOME`; a relative path in it is ignored, as the specification wants
    below_home   where it is without the variable: `.config`
    """
    base = environ.get(variable, "")
    if not os.path.isabs(base):
        home = environ.get("HOME", "")
        if not os.path.isabs(home):
            return None
        base = os.path.join(home, below_home)
    return os.path.join(base, "systemprompt")


def _identity(path: str) -> tuple[int, int] | None:
    try:
        seen = os.stat(path)
    except (OSError, ValueError):
        return None
    return seen.st_dev, seen.st_ino


def _is_listed(path: str, environ: Mapping[str, str]) -> bool:
    """Say whether `safe_profiles` has the profile, its folder, or the folder that it is for."""
    file = safe_profiles_file(environ)
    if file is None or not os.path.exists(file):
        return False
    stranger = strangers_hand(file, trusted_users(environ))
    if stranger is not None:
        raise ConfigurationError(
            f"{file!r} is not obeyed: {stranger}", hint="take that right away (chown, chmod go-w), or remove the file"
        )
    names = {path, os.path.dirname(path), path.removesuffix(f"{os.sep}{LOCAL_PROFILE}")}
    wanted = {os.path.realpath(name) for name in names}
    with open(file, encoding="utf-8", errors="surrogateescape") as lines:
        for number, line in enumerate(lines, 1):
            said = line.strip()
            if not said or said.startswith("#"):
                continue
            if said.startswith("~/"):
                said = os.path.join(environ.get("HOME", ""), said[2:])
            if not os.path.isabs(said):
                raise ConfigurationError(
                    f"{file!r}, line {number}: {said!r} is a relative path", hint="write an absolute one, or ~/..."
                )
            if os.path.realpath(said) in wanted:
                return True
    return False


def _named(given: str, cwd: str, by: str, hint: str) -> str:
    path = os.path.normpath(os.path.join(os.path.abspath(cwd), os.path.expanduser(given)))
    if "\0" not in path:
        if os.path.isdir(path):
            inside = os.path.join(path, "profile.yaml")
            if os.path.isfile(inside):
                return inside
            raise ProfileNotFound(
                f"{by} names the folder {path!r}, which has no profile.yaml",
                hint=hint,
                details={"path": path, "named_by": by},
            )
        if os.path.exists(path):
            return path
    raise ProfileNotFound(
        f"{by} names {path!r}, which does not exist", hint=hint, details={"path": path, "named_by": by}
    )
