"""Whatever is called, and whatever form the answer has, a database's password is not in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.cli_session import PROFILE, CliSession

PASSWORD = "hunter2"
COMMANDS = (
    "profile show",
    "profile check",
    "doctor",
    "db status",
    "db migrate",
    "jobs list",
    "jobs show by_hand",
    "jobs run by_hand",
    "jobs history",
    "jobs logs 1",
    "jobs audit",
    "serve",
)


@pytest.mark.parametrize("form", ["", "--json "])
@pytest.mark.parametrize("key", ["database", "ledger"])
def test_an_engine_that_is_not_served_is_told_by_every_command_without_its_password(
    tmp_path: Path, key: str, form: str
) -> None:
    address = "postgresql://app:${PASSWORD}@db.example/shop"
    text = PROFILE.replace("sqlite:///data/app.db", address) if key == "database" else f"{PROFILE}ledger: {address}\n"
    cli = CliSession(tmp_path, profile=text)
    cli.environ["PASSWORD"] = PASSWORD
    says = (
        f"{key}: 'postgresql://app:***@db.example/shop' is a postgresql database, and this release serves sqlite only"
    )

    for command in COMMANDS:
        answer = cli.sp(form + command)

        assert answer.code != 0, command
        assert says in answer.out + answer.err, command
        assert PASSWORD not in answer.out + answer.err, command
    assert not list(tmp_path.glob("cache/*/*")), "nothing is remembered of it"


def test_the_profile_shows_each_database_by_its_absolute_path(cli: CliSession) -> None:
    shown = cli.sp("--json profile show").data["settings"]

    assert (shown["database"], shown["ledger"]) == (f"{cli.home}/data/app.db", f"{cli.home}/data/app.ledger.db")
