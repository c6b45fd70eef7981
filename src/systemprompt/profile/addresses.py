"""A database's address in the params of a call, written as in a profile: with `${NAME}` filled in, or a ledger's plain path."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping

import yaml

from systemprompt.databases.address import Address, hide_password, read_address
from systemprompt.errors import UsageError
from systemprompt.profile.document import Fault, Values, double_quoted

__all__ = ["address_as_written", "address_beside", "given_address"]


def given_address(text: str, environ: Mapping[str, str], absolute: Callable[[str], str]) -> Address:
    """Return the database that a text names; `absolute` makes a file's path absolute.

    Raises:
        UsageError: it names a variable that is not set. ConfigurationError: it is no address.
    """
    try:
        filled = Values(environ).scalar(yaml.ScalarNode("tag:yaml.org,2002:str", text, style='"')).text
    except Fault as fault:
        raise UsageError(f"{hide_password(text)!r}: {fault}") from fault
    return read_address(filled if ":" in filled else f"sqlite:///{filled}", absolute)


def address_as_written(text: str, address: Address) -> str:
    """Return how a profile writes this address, which was given as `text`: no password is shown, but `${NAME}` for one is."""
    if address.engine == "sqlite":
        return _as_scalar(f"sqlite:///{address.path.replace('$', '$$')}")
    masked = re.sub(r"\$\{\w+\}", "***", text)
    return _as_scalar(text if hide_password(masked) == masked else hide_password(text))


def _as_scalar(text: str) -> str:
    return text if re.fullmatch(r"[\w.,:;/?&=@%$*~{}+-]+", text) else double_quoted(text)


def address_beside(database: Address) -> Address:
    """Return where the ledger is if the profile does not say: a file beside the database's, or a schema in it."""
    if database.engine != "sqlite":
        return database
    root, ending = os.path.splitext(database.path)
    return Address(f"{root}.ledger{ending}")
