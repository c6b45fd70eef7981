"""Where a database is: read from a profile's text, and shown without its password."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import asdict
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from systemprompt.databases.address import Address, hide_password, read_address
from systemprompt.errors import ConfigurationError
from systemprompt.jobs.context import JobContext
from systemprompt.jobs.settings import JobSettings
from systemprompt.profile.cache import remember
from systemprompt.profile.profile import Profile
from systemprompt.runner.runner import ChildDatabase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter2"
REMOTE = Address(f"postgresql://app:{SECRET}@db.example:5432/shop?sslmode=require")


def read(text: str) -> Address:
    return read_address(text, lambda file: f"/home/{file}")


def profile(folder: Path, database: Address, ledger: Address) -> Profile:
    path = folder / "profile.yaml"
    path.write_text("")
    return Profile(
        path=str(path),
        fingerprint="f",
        name="shop",
        database=database,
        ledger=ledger,
        environment_read={"PASSWORD": SECRET},
    )


@pytest.mark.parametrize(
    ("text", "engine", "shown"),
    [
        ("sqlite:///app.db", "sqlite", "/home/app.db"),
        ("postgresql://h/shop", "postgresql", "postgresql://h/shop"),
        ("postgres://app:hunter2@h/shop", "postgresql", "postgresql://app:***@h/shop"),
        ("postgresql://app:hunter2@a:1,b:2/shop", "postgresql", "postgresql://app:***@a:1,b:2/shop"),
        ("postgresql://app:hunter2@/shop?host=/run/pg", "postgresql", "postgresql://app:***@/shop?host=/run/pg"),
    ],
)
def test_an_address_knows_its_engine_and_shows_no_password(text: str, engine: str, shown: str) -> None:
    address = read(text)

    assert (address.engine, str(address), f"{address}", repr(address)) == (engine, shown, shown, f"Address({shown!r})")
    assert address.has_password == (SECRET in text)
    assert (SECRET in address.with_password()) == address.has_password


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org:8080/feed?page=2", "https://example.org:8080/feed?page=2"),
        ("postgresql://app@h/shop?options=-c%20a:b", "postgresql://app@h/shop?options=-c%20a:b"),
        ("postgresql://[::1]:5432/shop", "postgresql://[::1]:5432/shop"),
        ("postgresql://h:5432/shop?user=a&password=hunter2&x=1", "postgresql://h:5432/shop?user=a&password=***&x=1"),
        ("postgresql://h:5432/shop?password=hunter2@hunter2", "postgresql://h:5432/shop?password=***"),
        ("postgresql://h/shop?PASSWORD=hunter2", "postgresql://h/shop?PASSWORD=***"),
        ("postgresql://h/shop?pass%77ord=hunter2", "postgresql://h/shop?pass%77ord=***"),
        ("postgresql://h/shop?sslpassword=hunter2", "postgresql://h/shop?sslpassword=***"),
        ("postgresql://app:hunter2:hunter2@h/shop", "postgresql://app:***@h/shop"),
        ("postgresql://app:hunter2@hunter2@h/shop", "postgresql://app:***@h/shop"),
        ("postgresql://app:hunter2/hunter2@h/shop", "postgresql://app:***@h/shop"),
        ("postgresql://app:hunter2?hunter2@h/shop", "postgresql://app:***"),
        ("postgresql://app:hunter2@x?hunter2=hunter2@h/shop", "postgresql://app:***"),
        ("postgresql://app:hunter2#hunter2@h/shop", "postgresql://app:***@h/shop"),
        ("postgresql://app:hunter2/shop", "postgresql://app:***"),
    ],
)
def test_a_password_is_hidden_wherever_it_stands_in_a_url(url: str, shown: str) -> None:
    assert hide_password(url) == shown


@given(
    password=st.text(min_size=1, max_size=20), written=st.sampled_from([quote, lambda text: quote(text, safe="/:?")])
)
def test_no_password_is_shown_however_it_is_spelled(password: str, written: object) -> None:
    spelled = "<" + written(password) + ">"  # type: ignore[operator]  # a sampled function
    for url in (f"postgresql://app:{spelled}@h:1,i:2/shop?a=b", f"postgresql://h/shop?a=b&password={quote(spelled)}"):
        assert "<" not in str(Address(url))
        assert "%3C" not in str(Address(url))


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("app.db", "'app.db' is not a database address", "write sqlite:///app.db"),
        ("", "'' is not a database address", "write sqlite:///app.db"),
        ("app:hunter2@h/shop", "'***' is not a database address", "write sqlite:///app.db"),
        ("host=h password=hunter2", "'***' is not a database address", "write sqlite:///app.db"),
        ("app:hunter2://x@h/shop", "'***' is not a database address", "write sqlite:///app.db"),
        ("mysql://app:hunter2@h/shop", "'mysql://app:***@h/shop' is of a kind that is not", "write sqlite:///app.db"),
        ("sqlite://app:hunter2@h/a.db", "'sqlite://app:***@h/a.db' names a host", "sqlite:///app:***@h/a.db"),
        ("sqlite:///a.db?password=hunter2", "'sqlite:///a.db?password=***' has options", "leave them out"),
    ],
)
def test_a_text_that_names_no_database_is_told_without_its_password(text: str, says: str, hint: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        read(text)

    assert error.value.message.startswith(says)
    assert hint in (error.value.hint or "")
    assert SECRET not in f"{error.value} {error.value.hint} {error.value.details}"


@pytest.mark.parametrize(
    "rest",
    [
        "a:5432,b:5433/shop?target_session_attrs=read-write",
        "app@/shop?host=/run/postgresql",
        "%2Frun%2Fpostgresql/shop",
        "app@[::1]:5432/shop",
        "h/shop?sslmode=verify-full&sslrootcert=ca.crt",
        "h/shop?passfile=secrets/pgpass",
        "/?service=shop",
        "?service=shop",
        "app:a%40b%2Fc%25@h/shop",
        "app:a?b@h/shop",
        "h:/shop",
        "",
    ],
)
def test_whatever_address_libpq_takes_is_taken_as_it_stands(rest: str) -> None:
    for scheme in ("postgresql", "postgres"):
        address = read(f"{scheme}://{rest}")

        assert address.with_password() == f"postgresql://{rest}"
        assert conninfo_to_dict(address.with_password()) is not None


@pytest.mark.parametrize(
    "option", ["password", "sslpassword", "oauth_client_secret", "scram_client_key", "SCRAM_server_key"]
)
def test_every_option_of_libpq_that_is_a_secret_is_hidden(option: str) -> None:
    assert str(Address(f"postgresql://h/shop?{option}={SECRET}&x=1")) == f"postgresql://h/shop?{option}=***&x=1"


def test_what_a_driver_says_is_shown_without_the_passwords_of_the_address() -> None:
    address = Address("postgresql://app:a%40b@h/shop?sslpassword=hunter2")

    assert address.without_secrets("a@b and a%40b at h, hunter2 for shop") == "*** and *** at h, *** for shop"
    assert Address("/home/a.db").without_secrets("a.db") == "a.db"


def test_where_a_file_is_needed_a_server_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="is a database on a server, and a file is needed here") as error:
        REMOTE.path  # noqa: B018  # asking for it is the test

    assert error.value.hint == "write sqlite:///app.db"
    assert SECRET not in f"{error.value} {error.value.details}"


def test_addresses_are_equal_by_all_of_them_and_go_whole_through_pickle() -> None:
    other = Address(f"postgresql://app:{SECRET}2@db.example:5432/shop?sslmode=require")

    assert str(other) == str(REMOTE)
    assert other != REMOTE
    assert pickle.loads(pickle.dumps(REMOTE)) == copy.deepcopy(REMOTE) == REMOTE
    assert hash(copy.copy(REMOTE)) == hash(REMOTE)


def test_records_that_hold_an_address_do_not_show_its_password(tmp_path: Path) -> None:
    made = profile(tmp_path, REMOTE, REMOTE)
    context = JobContext(job_name="a", settings=made.job_settings)
    child = ChildDatabase(opener="a:b", location=REMOTE.with_password())

    shown = [made, made.as_dict(), asdict(made.job_settings), context, context.settings, vars(context), child]
    assert SECRET not in "".join(f"{one!r} {one}" for one in shown)
    assert SECRET not in json.dumps([made.as_dict(), asdict(made.job_settings)], default=str)
    assert made.as_dict()["database"] == str(REMOTE)


def test_of_a_profile_that_has_a_password_in_it_nothing_is_remembered_on_the_disk(tmp_path: Path) -> None:
    environ = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    file = Address(tmp_path / "app.db")

    assert not remember(profile(tmp_path, REMOTE, file), {}, environ)
    assert not remember(profile(tmp_path, file, REMOTE), {}, environ)
    assert not (tmp_path / "cache").exists()
    assert remember(profile(tmp_path, file, file), {}, environ)


def test_a_job_in_a_process_of_its_own_is_sent_the_ledgers_address_without_its_password() -> None:
    assert SECRET not in json.dumps(asdict(JobSettings(ledger=REMOTE)), default=str)
