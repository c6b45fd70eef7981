"""Which profile a command means."""

from __future__ import annotations

import os

from systemprompt.errors import ProfileNotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LOCAL_PROFILE", "VARIABLE", "find_profile"]

VARIABLE = "SYSTEMPROMPT_PROFILE"
"""The environment variable that names a profile."""

LOCAL_PROFILE = os.path.join(".systemprompt", "profiles", "local", "profile.yaml")
"""Where a profile stands below the folder it is for; `sp init` writes it there."""


def find_profile(explicit: str | None, environ: Mapping[str, str], cwd: str) -> str:
    """Return the absolute path of the profile: the one named, else the variable's, else the nearest at or above `cwd`.

    A folder may be named for the profile.yaml in it. An empty variable counts as unset.

    Raises:
        ProfileNotFound: the named one does not exist, or none was named and none is near.
    """
    if explicit is not None:
        return _named(explicit, cwd, "--profile", "check the path, or write one with: sp init")
    named = environ.get(VARIABLE)
    if named:
        return _named(named, cwd, VARIABLE, f"check the path, unset {VARIABLE}, or write one with: sp init")
    folder = os.path.abspath(cwd)
    while True:
        candidate = os.path.join(folder, LOCAL_PROFILE)
        if os.path.isfile(candidate):
            return candidate
        above = os.path.dirname(folder)
        if above == folder:
            raise ProfileNotFound(
                f"no profile is named and no {LOCAL_PROFILE} stands at or above {os.path.abspath(cwd)!r}",
                hint=f"write one with: sp init; or name one: --profile PATH, or the variable {VARIABLE}",
                details={"cwd": os.path.abspath(cwd)},
            )
        folder = above


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
