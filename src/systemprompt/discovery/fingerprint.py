"""Has a file or a folder changed? Answered from `stat` alone, so that a command can ask it on every start."""

from __future__ import annotations

import os

__all__ = ["ABSENT", "fingerprint_of"]

ABSENT = "absent"
"""The fingerprint of what is not there, or may not be looked at."""


def fingerprint_of(path: str) -> str:
    """Return a short text that changes when the path's content does.

    A file: `mtime_ns:size:inode`, so that an edit, a replacement and a restored backup all show. A folder: the names and
    fingerprints of its `*.py` files and the names of the distributions installed in it, not those of folders below it.
    Two writes of one size within one tick of the file system's clock (milliseconds) look alike. Where somebody else owns the path
    or may write it, owner and rights count too: such a job file may be refused, until they are put right.
    """
    try:
        seen = os.stat(path)
        if seen.st_mode & 0o170000 != 0o040000:
            return _fingerprint_of_file(seen)
        return _fingerprint_of_folder(path) + _rights(seen)
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return ABSENT


def _fingerprint_of_file(seen: os.stat_result) -> str:
    return f"{seen.st_mtime_ns}:{seen.st_size}:{seen.st_ino}{_rights(seen)}"


def _rights(seen: os.stat_result) -> str:
    if not seen.st_mode & 0o022 and seen.st_uid in (0, os.geteuid()):
        return ""
    return f":{seen.st_mode:o}:{seen.st_uid}:{seen.st_gid}"


def _fingerprint_of_folder(path: str) -> str:
    from zlib import crc32

    lines = []
    with os.scandir(path) as entries:
        for entry in entries:
            name = entry.name
            if name.endswith(".py"):
                try:
                    seen = entry.stat()
                except OSError:  # a dangling link: its name is all there is
                    lines.append(name)
                    continue
                lines.append(f"{name}:{_fingerprint_of_file(seen)}")
            elif name.endswith((".dist-info", ".egg-info")):
                lines.append(name)
    lines.sort()
    return f"folder:{len(lines)}:{crc32(os.fsencode(chr(10).join(lines))):08x}"
