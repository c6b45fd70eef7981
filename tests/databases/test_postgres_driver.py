"""PostgreSQL without its driver, or with an address that libpq cannot read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from systemprompt.databases.address import Address
from systemprompt.databases.postgres_driver import check_driver
from systemprompt.errors import ConfigurationError

HERE = Address("postgresql:///x")


@pytest.mark.parametrize("module", ["psycopg", "psycopg_pool"])
def test_a_driver_that_is_not_installed_is_told_with_the_command_that_installs_it(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # importing it fails

    with pytest.raises(
        ConfigurationError, match=f"needs the extra 'postgres', and '{module}' cannot be loaded"
    ) as error:
        check_driver(HERE)

    assert error.value.hint == "pip install 'systemprompt[postgres]'"


def test_a_driver_that_finds_no_libpq_is_told_in_the_same_way(tmp_path: Path) -> None:
    code = (
        "from systemprompt.databases.postgres_driver import check_driver, Address\n"
        "from systemprompt.errors import ConfigurationError\n"
        "try: check_driver(Address('postgresql:///x'))\n"
        "except ConfigurationError as error: print(error, '|', error.hint)"
    )
    environ = {"PSYCOPG_IMPL": "c"}  # the wheel of the tests has another
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert "'psycopg' cannot be loaded: couldn't import requested psycopg 'c' implementation" in done.stdout
    assert done.stdout.strip().endswith("| pip install 'systemprompt[postgres]'")


@pytest.mark.parametrize(
    "location",
    ["postgresql://h/x?sslmod=require", "postgresql://h/x?a", "postgresql://[::1/x", "postgresql://h/x?a=b=c"],
)
def test_an_address_that_libpq_cannot_read_is_told_with_what_it_says(location: str) -> None:
    with pytest.raises(ConfigurationError, match=r"libpq cannot read the address .*: .") as error:
        check_driver(Address(location))

    assert location in error.value.message


def test_what_libpq_quotes_of_an_address_with_a_password_is_kept_back() -> None:
    with pytest.raises(ConfigurationError) as error:
        check_driver(Address("postgresql://app:hunter2@h/x?hunter2=1"))

    assert error.value.message == "libpq cannot read the address 'postgresql://app:***@h/x?hunter2=1'"
    assert error.value.__cause__ is None


def test_an_address_that_libpq_reads_is_let_through() -> None:
    check_driver(
        Address("postgresql://a:1,b:2/x?target_session_attrs=read-write&sslmode=verify-full&sslrootcert=ca.crt")
    )
