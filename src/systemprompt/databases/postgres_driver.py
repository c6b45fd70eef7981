"""Whether PostgreSQL can be talked to from here at all: its driver is installed, and the address is one that libpq reads."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from systemprompt.databases.address import Address
from systemprompt.errors import ConfigurationError

__all__ = ["check_driver"]

_EXTRA = "pip install 'systemprompt[postgres]'"


def check_driver(address: Address) -> None:
    """Load the driver and its pool, and let libpq read the address. Called before anything of ours that imports them.

    Raises:
        ConfigurationError: one of them is not installed, or finds no libpq: the hint has the command to run. Or libpq does not
            know an option of the address.
    """
    for module in ("psycopg", "psycopg_pool"):
        try:
            import_module(module)
        except ImportError as error:  # psycopg without a libpq raises it too
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise ConfigurationError(
                f"PostgreSQL needs the extra 'postgres', and {module!r} cannot be loaded: {reason}",
                hint=_EXTRA,
                details={"module": module, "cause": reason},
            ) from error
    driver = import_module("psycopg")
    read: Callable[[str], object] = import_module("psycopg.conninfo").conninfo_to_dict
    try:
        read(address.with_password())
    except driver.ProgrammingError as error:
        # libpq quotes what it cannot read, and that may be half a password.
        reason = "" if address.has_password else f": {str(error).strip()}"
        raise ConfigurationError(
            f"libpq cannot read the address {str(address)!r}{reason}",
            hint="see that each option behind the ? is spelled as in PostgreSQL's manual, 34.1.2, and that % is written %25",
            details={"address": str(address)},
        ) from None
