"""Remember what a checked profile led to, so that the next command need not read YAML or import a job to find the ledger.

One small file a profile, in the user's own cache folder. It is a convenience and never the truth: whatever does not match to the
letter (the profile's file, the variables it read, any job file, the program, the interpreter) counts as not remembered.
"""

from __future__ import annotations

import marshal
import os
import sys
from contextlib import suppress
from zlib import crc32

from systemprompt.databases.address import Address, hide_password
from systemprompt.discovery.fingerprint import ABSENT, fingerprint_of
from systemprompt.profile.find import users_folder
from systemprompt.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from systemprompt.profile.profile import Profile

    _Piece: TypeAlias = tuple[str, str, str]
    """Text as it stands, then a variable (or none) and what stands in for it where it is unset or empty."""

__all__ = ["CachedProfile", "cache_file", "cached_profile", "read_cache", "remember", "write_cache"]


class CachedProfile:
    """What a reading command needs of a profile. The catalogue's files are unchanged too, at the moment this was made.

    ledger, database, ledger_schema, time_zone   as in `Profile`
    """

    __slots__ = ("database", "ledger", "ledger_schema", "time_zone")

    def __init__(self, ledger: Address, database: Address, ledger_schema: str, time_zone: str) -> None:
        self.ledger = ledger
        self.database = database
        self.ledger_schema = ledger_schema
        self.time_zone = time_zone


def cached_profile(profile_path: str, environ: Mapping[str, str], *, stale: bool = False) -> CachedProfile | None:
    """Return what was remembered of a profile, or None where anything at all differs from then. Never raises.

    Reads only a file that this user owns and nobody else may write. `stale`: what it last led to, whatever differs now; for whoever
    wants to look while the profile has faults.
    """
    path = os.path.abspath(profile_path)
    file = cache_file(path, environ)
    data = read_cache(file) if file is not None else None
    if data is None or data[: len(_MAGIC)] != _MAGIC:
        return None
    body = data[len(_MAGIC) + 4 :]
    if data[len(_MAGIC) : len(_MAGIC) + 4] != _checksum(body):
        return None
    try:
        of, about, variables, secret, files, rest = marshal.loads(body)  # noqa: S302  # our own file, its owner and checksum were checked
        if of != path or about != _about():
            return None
        if not stale and any(_seen(name, environ.get(name), secret) != was for name, was in variables.items()):
            return None
        if not stale and any(fingerprint_of(file) != was for file, was in files.items()):
            return None
        ledger, database, schema, time_zone = rest
        return CachedProfile(_filled_in(ledger, environ), _filled_in(database, environ), schema, time_zone)
    except (ValueError, TypeError, EOFError, AttributeError):  # written by something that only looks like us
        return None


def remember(profile: Profile, catalogue_files: Mapping[str, str], environ: Mapping[str, str]) -> bool:
    """Keep what a profile led to; return whether it could be kept. No password is written to disk.

    Of an address with a password is kept what stands in the file: `${PASSWORD}`, which is filled in when it is needed. Where the
    password itself stands there, nothing is kept.

    `catalogue_files` is `Catalogue.files`. Nothing is kept where the profile changed while the catalogue was read. A folder that
    cannot be written is no error: the next command is then slower, and that is all. Written to a file beside and renamed, so
    that a reader sees the old one or the new one. Variables are kept as checksums, never as values; of one that is in an
    address with a password, so little that nobody can try passwords on it.
    """
    file = cache_file(profile.path, environ)
    own = profile.fingerprint
    ledger, database = _pieces(profile.ledger, profile.filled), _pieces(profile.database, profile.filled)
    if ledger is None or database is None:
        return False
    if file is None or own == ABSENT or catalogue_files.get(profile.path, own) != own:
        return False
    secret = [name for _, name, _ in (*ledger, *database) if name]
    body = marshal.dumps(
        (
            profile.path,
            _about(),
            {name: _seen(name, value, secret) for name, value in profile.environment_read.items()},
            secret,
            {**catalogue_files, profile.path: own},
            (ledger, database, profile.ledger_schema, profile.time_zone),
        )
    )
    return write_cache(file, _MAGIC + _checksum(body) + body)


_MAGIC = b"systemprompt-cache-3\n"
_LARGEST = 8_388_608


def _about() -> str:
    # Another release, interpreter or module path would find other jobs.
    return "\0".join((__version__, sys.version, sys.prefix, os.environ.get("PYTHONPATH", "")))


def _seen(name: str, value: str | None, secret: Sequence[str]) -> str | None:
    if value is None:
        return None
    checksum = crc32(os.fsencode(f"{name}={value}"))
    return f"{checksum & 255:02x}" if name in secret else f"{checksum:08x}:{len(value)}"


def _pieces(address: Address, filled: Mapping[str, str]) -> list[_Piece] | None:
    """Return an address as it may be written to disk; None where there is a password in what stands in the profile."""
    if not address.has_password:
        return [(address.with_password(), "", "")]
    whole = address.with_password()
    for text, written in filled.items():
        if _normal(text) == whole:
            pieces = _taken_apart(written.strip())
            if pieces is not None:
                return pieces
    return None


def _taken_apart(written: str) -> list[_Piece] | None:
    """Return an address as the profile has it in pieces; None where what is left without its variables has a password."""
    pieces: list[_Piece] = []
    left, rest = "", written
    while rest:
        text, dollar, behind = rest.partition("${")
        inside, brace, rest = behind.partition("}")
        name, _, default = inside.partition(":-")
        if "$" in text or "$" in inside or (dollar and not brace):
            return None  # a dollar sign that is meant, or a default with a variable of its own: rare, and then it is read again
        pieces.append((text, name, default))
        left += text + default
    is_one = len(pieces) == 1 and not left
    begins = left.startswith(("postgresql://", "postgres://"))
    return pieces if is_one or (begins and hide_password(left).replace("***", "") == left) else None


def _filled_in(pieces: Sequence[_Piece], environ: Mapping[str, str]) -> Address:
    """Return the address. An unset variable was unset when this was written, or the caller asked for what is stale."""
    return Address(
        _normal("".join(text + ((environ.get(name) if name else "") or default) for text, name, default in pieces))
    )


def _normal(location: str) -> str:
    location = location.strip()
    return f"postgresql://{location[11:]}" if location.startswith("postgres://") else location


def _checksum(body: bytes) -> bytes:
    return crc32(body).to_bytes(4, "big")


def cache_file(path: str, environ: Mapping[str, str], kind: str = "profile") -> str | None:
    """Return where something about a profile is remembered, in the user's cache folder; None where there is none to use."""
    folder = users_folder(environ, "XDG_CACHE_HOME", ".cache")
    if folder is None:
        return None
    raw = os.fsencode(f"{path}\0{__version__}")
    return os.path.join(folder, f"{kind}-{crc32(raw):08x}{crc32(raw[::-1]):08x}")


def read_cache(file: str) -> bytes | None:
    """Return what a file holds, or None: only one that this user owns and nobody else may write. Never raises."""
    try:
        opened = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (OSError, ValueError):
        return None
    try:
        seen = os.fstat(opened)
        is_file = seen.st_mode & 0o170000 == 0o100000
        if not is_file or seen.st_uid != os.geteuid() or seen.st_mode & 0o022 or seen.st_size > _LARGEST:
            return None
        return os.read(opened, _LARGEST)
    except OSError:
        return None
    finally:
        os.close(opened)


def write_cache(file: str, data: bytes) -> bool:
    """Write a file whole, beside and renamed; return whether it could be written. Never raises."""
    beside = f"{file}.{os.urandom(8).hex()}.new"
    try:
        os.makedirs(os.path.dirname(file), mode=0o700, exist_ok=True)
        opened = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            written = os.write(opened, data) == len(data)
        finally:
            os.close(opened)
        if written:
            os.rename(beside, file)
        else:
            os.unlink(beside)
        return written
    except (OSError, ValueError):
        with suppress(OSError, ValueError):  # it was never made
            os.unlink(beside)
        return False
