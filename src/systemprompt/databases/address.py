"""Where a database is. An address may carry a password, and shows none: not in messages, records, caches or JSON."""

from __future__ import annotations

import os
from collections.abc import Callable
from urllib.parse import unquote

from systemprompt.errors import ConfigurationError

__all__ = ["Address", "hide_password", "read_address"]

_MASK = "***"


class Address:
    """A SQLite file's absolute path, or a URL such as `postgresql://user:password@host/name`. Never changes.

    `str`, `repr` and format show it with `***` for a password. It is no dataclass, so that `asdict` of a record that holds one
    does not take it apart; JSON takes its `str`. Pickled it is whole.
    """

    __slots__ = ("_location",)

    def __init__(self, location: str | os.PathLike[str]) -> None:
        self._location = os.fspath(location)

    @property
    def engine(self) -> str:
        """`postgresql` or `sqlite`."""
        return "postgresql" if self._location.startswith("postgresql://") else "sqlite"

    @property
    def path(self) -> str:
        """The path of a SQLite file.

        Raises:
            ConfigurationError: the database is of an engine that this release does not serve.
        """
        if self.engine != "sqlite":
            raise ConfigurationError(
                f"{str(self)!r} is a {self.engine} database, and this release serves sqlite only",
                hint="write sqlite:///app.db",
                details={"address": str(self)},
            )
        return self._location

    @property
    def has_password(self) -> bool:
        return str(self) != self._location

    def with_password(self) -> str:
        """Return the whole address, for what connects. It is to be shown to nobody."""
        return self._location

    def __str__(self) -> str:
        return self._location if self.engine == "sqlite" else hide_password(self._location)

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and self._location == other._location

    def __hash__(self) -> int:
        return hash(self._location)


def read_address(text: str, absolute: Callable[[str], str]) -> Address:
    """Return the database that a text names: `sqlite:///FILE` or `postgresql://...`; `absolute` makes a file's path absolute.

    Raises:
        ConfigurationError: it names none. The message has the text, without its password, and the hint what to write.
    """
    scheme, found, rest = text.partition("://")
    if not found or not scheme.replace("+", "").isalnum():
        has_secret = "password" in text.lower() or ("@" in text and ":" in text)
        raise _wrong(
            _MASK if has_secret else text,
            "is not a database address",
            f"write sqlite:///{'app.db' if has_secret or not text else text}",
        )
    shown = hide_password(text)
    if scheme in ("postgresql", "postgres"):
        return Address(f"postgresql://{rest}")
    if scheme != "sqlite":
        raise _wrong(shown, f"is of a kind that is not served: {scheme!r}", "write sqlite:///app.db")
    if not rest.startswith("/"):
        file = shown.partition("://")[2] or "app.db"
        raise _wrong(shown, "names a host", f"a file takes three slashes: sqlite:///{file}")
    path = rest[1:]
    if not path or path.endswith("/"):
        raise _wrong(shown, "names no file", "write sqlite:///app.db")
    if path == ":memory:":
        raise _wrong(shown, "forgets everything when its process ends", "write a file: sqlite:///app.db")
    if "?" in path or "#" in path:
        raise _wrong(shown, "has options after the file, and none are known", "leave them out")
    return Address(absolute(path))


def hide_password(url: str) -> str:
    """Return a URL with `***` for the password of its account and of options such as `?password=`.

    In a URL that is badly written, such as one whose password has a bare `?`, too much is hidden rather than too little.
    """
    scheme, found, rest = url.partition("://")
    if not found:
        return url
    head, mark, query = rest.partition("?")
    options = "&".join(map(_hide_option, query.split("&")))
    account, at, place = head.rpartition("@")
    user, colon, _ = (account or head).partition(":")
    if colon and "@" in options:
        return f"{scheme}://{user}:{_MASK}"
    if colon and at:
        head = f"{user}:{_MASK}@{place}"
    elif not at and not _is_hosts(head.partition("/")[0]):
        head = f"{user}:{_MASK}"
    return f"{scheme}://{head}{mark}{options}"


def _hide_option(option: str) -> str:
    name, equals, _ = option.partition("=")
    plain = name
    if "%" in name:
        plain = unquote(name)
    return f"{name}={_MASK}" if equals and "password" in plain.lower() else option


def _is_hosts(authority: str) -> bool:
    """Say whether what follows each colon is a port. If not, it may be the password of an account whose `@` is missing."""
    for host in authority.split(","):
        _, colon, port = host.rpartition(":")
        if colon and port and not port.isdigit() and not host.endswith("]"):
            return False
    return True


def _wrong(shown: str, what: str, hint: str) -> ConfigurationError:
    return ConfigurationError(f"{shown!r} {what}", hint=hint, details={"address": shown})
