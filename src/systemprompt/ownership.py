"""Who besides this user may change what a path leads to? Whoever obeys a file, or makes one, works for those who may change it."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["strangers_hand", "strangers_hand_on", "trusted_users"]


def trusted_users(environ: Mapping[str, str]) -> frozenset[int]:
    """Return the user ids whose files this process obeys: its own, root's, and of root by `sudo` the user who called it."""
    own = os.geteuid()
    caller = environ.get("SUDO_UID", "") if own == 0 else ""
    return frozenset((0, own, int(caller))) if caller.isascii() and caller.isdigit() else frozenset((0, own))


def strangers_hand(path: str, trusted: Collection[int], *, is_shared: bool = True) -> str | None:
    """Say in words how somebody else may change what an absolute path leads to; None where nobody else may.

    Everything on the way counts, from the root on and through every link: who may change a folder may put another thing in the
    place of what is in it. Each has to belong to a trusted user, and nobody else may write it: a group only if it is the private
    group of a trusted user. In a sticky folder, such as /tmp, only a file's owner may replace it, so there the file's owner counts;
    with `is_shared` false the last folder may not be such a one either. What is absent is nobody's. Costs one `lstat` a part.

    Raises:
        OSError: a part cannot be looked at, or the links go round.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    parts.reverse()
    here, links = "/", 0
    seen = os.lstat(here)
    while True:
        found = strangers_hand_on(here, seen, trusted, is_shared=is_shared or bool(parts))
        if found is not None or not parts:
            return found
        part = parts.pop()
        if part == "..":
            here = os.path.dirname(here)
            seen = os.lstat(here)
            continue
        below = os.path.join(here, part)
        try:
            seen = os.lstat(below)
        except FileNotFoundError:
            return None
        if not stat.S_ISLNK(seen.st_mode):
            here = below
            continue
        if seen.st_uid not in trusted:
            return _owned(below, seen.st_uid)
        links += 1
        if links > _MOST_LINKS:
            raise OSError(f"{path} leads through more than {_MOST_LINKS} links")
        target = os.readlink(below)
        parts += [part for part in reversed(target.split("/")) if part not in ("", ".")]
        here = "/" if target.startswith("/") else here
        seen = os.lstat(here)


def strangers_hand_on(
    path: str, seen: os.stat_result, trusted: Collection[int], *, is_shared: bool = True
) -> str | None:
    """Say how somebody else may change a file or folder by its owner and its mode alone; None where nobody else may."""
    if seen.st_uid not in trusted:
        return _owned(path, seen.st_uid)
    if is_shared and stat.S_ISDIR(seen.st_mode) and seen.st_mode & stat.S_ISVTX:
        return None
    if seen.st_mode & stat.S_IWOTH:
        return f"{path} may be written by everybody"
    if seen.st_mode & stat.S_IWGRP and not any(_is_private_group(seen.st_gid, uid) for uid in trusted):
        return f"{path} may be written by group {_group_name(seen.st_gid)}"
    return None


_MOST_LINKS = 40


def _owned(path: str, uid: int) -> str:
    import pwd

    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return f"{path} belongs to user {name}"


def _group_name(gid: int) -> str:
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _is_private_group(gid: int, uid: int) -> bool:
    """Say whether a group is a user's own: their first group, with their name, and nobody else in it."""
    import grp
    import pwd

    try:
        user = pwd.getpwuid(uid)
    except KeyError:  # a container may run as a number that no list has
        return gid == uid
    try:
        group = grp.getgrgid(gid)
    except KeyError:
        return False
    return user.pw_gid == gid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}
