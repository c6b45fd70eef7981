"""Whatever is called, and whatever form the answer has, a database's password is not in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.cli_session import PROFILE, CliSession

PASSWORD = "hunter2"
COMMANDS = {
    "profile show": 0,
    "profile check": 0,
    "doctor": 1,
    "db status": 5,
    "db migrate": 5,
    "jobs list": 5,
    "jobs show by_hand": 5,
    "jobs run by_hand": 5,
    "jobs history": 5,
    "jobs logs 1": 5,
    "jobs audit": 5,
    "serve": 5,
}
"""Each with what it ends with where the server cannot be reached."""


@pytest.mark.parametrize("form", ["", "--json "])
@pytest.mark.parametrize("key", ["database", "ledger"])
def test_a_server_that_is_not_there_is_told_by_every_command_without_its_password(
    tmp_path: Path, key: str, form: str
) -> None:
    address = "postgresql://app:${PASSWORD}@/shop?host=/nowhere"
    text = PROFILE.replace("sqlite:///data/app.db", address) if key == "database" else f"{PROFILE}ledger: {address}\n"
    cli = CliSession(tmp_path, profile=text)
    cli.environ["PASSWORD"] = PASSWORD

    for command, code in COMMANDS.items():
        answer = cli.sp(form + command)

        assert answer.code == code, (command, answer)
        assert PASSWORD not in answer.out + answer.err, command
        if code:
            assert "postgresql://app:***@/shop?host=/nowhere" in answer.out + answer.err, command
    assert not [file for file in tmp_path.glob("cache/*/*") if PASSWORD.encode() in file.read_bytes()]


def test_the_profile_shows_each_database_by_its_absolute_path(cli: CliSession) -> None:
    shown = cli.sp("--json profile show").data["settings"]

    assert (shown["database"], shown["ledger"]) == (f"{cli.home}/data/app.db", f"{cli.home}/data/app.ledger.db")
