"""Where a database is. An address may carry a password, and shows none: not in messages, records, caches or JSON."""

from __future__ import annotations

import os

from systemprompt.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

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
            ConfigurationError: the database is on a server.
        """
        if self.engine != "sqlite":
            raise ConfigurationError(
                f"{str(self)!r} is a database on a server, and a file is needed here",
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

    def without_secrets(self, text: str) -> str:
        """Return a text, such as what a driver says of this address, with `***` for every password of the address in it."""
        for secret in _secrets(self._location) if self.engine != "sqlite" else ():
            text = text.replace(secret, _MASK)
        return text

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

    Of a server any URI is taken that libpq reads: several hosts, a socket's folder, TLS, a passfile, a service. Paths in it are
    for libpq to find.

    Raises:
        ConfigurationError: it names none. The message has the text, without its password, and the hint what to write.
    """
    scheme, found, rest = text.partition("://")
    if not found or not scheme.replace("+", "").isalnum():
        has_secret = "password" in text.lower() or ("@" in text and ":" in text)
        raise _wrong(
            _MASK if has_secret else text,
            "is not a database address",
            f"write sqlite:///{'app.db' if has_secret or not text else text}, or {_SERVER}",
        )
    shown = hide_password(text)
    if scheme in ("postgresql", "postgres"):
        _check_server(shown, rest)
        return Address(f"postgresql://{rest}")
    if scheme != "sqlite":
        raise _wrong(shown, f"is of a kind that is not served: {scheme!r}", f"write sqlite:///app.db, or {_SERVER}")
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
    return f"{name}={_MASK}" if equals and _is_secret(name) else option


def _is_secret(option: str) -> bool:
    """Say whether an option's value is a secret, by the names that libpq has and may come to have."""
    name = (_plain(option) if "%" in option else option).lower()
    return any(word in name for word in _SECRETS)


def _plain(text: str) -> str:
    from urllib.parse import unquote

    return unquote(text)


def _secrets(url: str) -> list[str]:
    """Return every password in a URL, as it is written and as it is meant, the longest first."""
    head, _, query = url.partition("://")[2].partition("?")
    account, at, _ = head.rpartition("@")
    found = [account.partition(":")[2]] if at else []
    for option in query.split("&"):
        name, _, value = option.partition("=")
        if _is_secret(name):
            found.append(value)
    return sorted({text for one in found for text in (one, _plain(one)) if text}, key=len, reverse=True)


def _check_server(shown: str, rest: str) -> None:
    """Refuse a URI that libpq would take apart otherwise than it is meant: its errors would then show parts of a password."""
    import re

    if "\0" in rest:
        raise _wrong(shown.replace("\0", "?"), "has a NUL character", "leave it out")
    if re.search("%(?![0-9a-fA-F]{2})|%00", rest):
        raise _wrong(shown, "has a '%' that begins no character", "write %25 for % itself")
    # libpq takes for the account what stands before the first @, if no slash comes before it.
    account, at, behind = rest.partition("@")
    hosts = re.split("[/?]", behind if at and "/" not in account else rest, maxsplit=1)[0]
    if "@" in hosts or not _is_hosts(hosts):
        raise _wrong(
            shown,
            "has a port that is no number, or a user or password with a character that means something in an address",
            "write %40 for @, %2F for /, %3A for : and %25 for % in a user and a password; or leave the password to a passfile",
        )


def _is_hosts(authority: str) -> bool:
    """Say whether what follows each colon is a port. If not, it may be the password of an account whose `@` is missing."""
    for host in authority.split(","):
        _, colon, port = host.rpartition(":")
        if colon and port and not port.isdigit() and not host.endswith("]"):
            return False
    return True


_SECRETS = ("password", "secret", "scram_")
"""What is in the names of password, sslpassword, oauth_client_secret, scram_client_key and scram_server_key."""

_SERVER = "postgresql://USER@HOST/NAME"


def _wrong(shown: str, what: str, hint: str) -> ConfigurationError:
    return ConfigurationError(f"{shown!r} {what}", hint=hint, details={"address": shown})
