"""The systemd unit and the container recipe: every word in them is known, and what they say agrees with the program."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import REPOSITORY
from systemprompt.cli.exit_codes import exit_code_of
from systemprompt.cli.parse import parse
from systemprompt.errors import DatabaseBusy, ProfileInvalid, UsageError
from systemprompt.jobs.durations import seconds_of
from systemprompt.profile.profile import Limits

UNIT = REPOSITORY / "examples/deploy/systemprompt.service"
CONTAINER = REPOSITORY / "examples/deploy/Containerfile"
OPERATING = (REPOSITORY / "docs/operating.md").read_text(encoding="utf-8")

LAST_COMMITS_S = 30
"""What `Node.drain` may take beyond both graces: ten seconds each for the runs, the runner and the ledger."""

WORD, PATH, SPAN, SWITCH = r"\S+", r"/\S*", r"\d+", r"yes|no"
KNOWN = {
    "Unit": {"Description": r".+", "After": r"(\S+\.target ?)+", "StartLimitIntervalSec": SPAN},
    "Service": {
        "Type": r"exec",
        "User": WORD,
        "Environment": r"[A-Z_]+=/\S+",
        "CacheDirectory": WORD,
        "ExecStart": r"/.+",
        "Restart": r"on-failure",
        "RestartSec": SPAN,
        "RestartPreventExitStatus": r"(\d+ ?)+",
        "KillMode": r"mixed",
        "TimeoutStopSec": SPAN,
        "OOMPolicy": r"continue",
        "NoNewPrivileges": SWITCH,
        "PrivateTmp": SWITCH,
        "ProtectSystem": r"strict",
        "ReadWritePaths": PATH,
    },
    "Install": {"WantedBy": r"multi-user\.target"},
}
"""systemd.unit(5), systemd.service(5), systemd.exec(5), systemd.kill(5): what is used of them, with the values that make sense."""

INSTRUCTIONS = {
    *("FROM", "COPY", "RUN", "WORKDIR", "VOLUME", "USER", "ENV"),
    *("STOPSIGNAL", "ENTRYPOINT", "CMD", "HEALTHCHECK"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    section: str
    key: str
    value: str


def unit() -> list[Setting]:
    section, found = "", []
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith(("#", ";")):
            continue
        heading = re.fullmatch(r"\[(\w+)\]", line)
        if heading:
            section = heading[1]
            continue
        key, equals, value = line.partition("=")
        assert equals, line
        found.append(Setting(section=section, key=key, value=value))
    return found


def of_service(key: str) -> str:
    (value,) = (one.value for one in unit() if (one.section, one.key) == ("Service", key))
    return value


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", CONTAINER.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"[ \t]*\\\n\s*", " ", text).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


def instruction(name: str) -> str:
    (value,) = (rest for word, rest in instructions() if word == name)
    return value


def listed(value: str) -> list[str]:
    """Return the list form of an instruction; the other form would put a shell in between."""
    words = json.loads(value)
    assert isinstance(words, list)
    return [str(word) for word in words]


def called(words: list[str]) -> str:
    """Return the command that our own parser reads out of a call of `sp`."""
    assert Path(words[0]).name == "sp"
    return " ".join(parse(words[1:]).target.path)


@pytest.mark.parametrize("setting", unit(), ids=lambda one: f"{one.section}.{one.key}")
def test_every_setting_of_the_unit_is_known_in_its_section(setting: Setting) -> None:
    assert re.fullmatch(KNOWN[setting.section][setting.key], setting.value)


def test_the_unit_starts_a_node() -> None:
    words = shlex.split(of_service("ExecStart"))

    assert Path(words[0]).is_absolute()
    assert called(words) == "serve"


def test_systemd_waits_longer_than_a_stop_can_take() -> None:
    limits = Limits()

    assert float(of_service("TimeoutStopSec")) >= limits.shutdown_grace + limits.kill_grace + LAST_COMMITS_S


def test_only_what_trying_again_cannot_mend_keeps_the_node_down() -> None:
    prevented = {int(code) for code in of_service("RestartPreventExitStatus").split()}

    assert prevented == {exit_code_of(UsageError("")), exit_code_of(ProfileInvalid("", []))}
    assert exit_code_of(DatabaseBusy("")) not in prevented


def test_the_node_may_write_where_its_profile_is_and_to_its_cache() -> None:
    environment = dict(one.value.split("=", 1) for one in unit() if one.key == "Environment")

    assert environment["SYSTEMPROMPT_PROFILE"].startswith(of_service("ReadWritePaths") + "/")
    assert environment["XDG_CACHE_HOME"] == f"/var/cache/{of_service('CacheDirectory')}"


def test_every_instruction_of_the_recipe_is_known() -> None:
    assert {word for word, _ in instructions()} <= INSTRUCTIONS
    assert instructions()[0][0] == "FROM"


def test_the_container_starts_a_node_under_an_init_and_not_under_a_shell() -> None:
    entry = listed(instruction("ENTRYPOINT"))

    assert entry[:2] == ["tini", "--"], "as process 1 a node would never reap what its jobs leave behind"
    assert called([*entry[2:], *listed(instruction("CMD"))]) == "serve"
    assert instruction("STOPSIGNAL") == "SIGTERM"
    assert "tini" in instruction("RUN")


def test_the_container_is_not_roots_and_owns_its_volume() -> None:
    user = instruction("USER")

    assert user not in ("root", "0")
    assert f"useradd --uid {user} --home-dir {instruction('WORKDIR')} --create-home" in instruction("RUN")
    assert listed(instruction("VOLUME")) == [instruction("WORKDIR")]
    words = [word for word, _ in instructions()]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert words.index("RUN") < words.index("VOLUME"), "what comes after VOLUME is not kept in it"


def test_the_container_is_healthy_where_doctor_finds_no_fault() -> None:
    options, _, command = instruction("HEALTHCHECK").partition(" CMD ")

    assert called(listed(command)) == "doctor"
    for option in options.split():
        name, _, value = option.partition("=")
        assert name in ("--interval", "--timeout", "--start-period")
        assert seconds_of(value)


def test_what_the_recipe_copies_is_there_and_is_enough_to_build(tmp_path: Path) -> None:
    copied = [source for word, rest in instructions() if word == "COPY" for source in rest.split()[:-1]]
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")

    assert [source for source in copied if not (REPOSITORY / source).exists()] == []
    for named in ("README.md", "LICENSE"):
        assert f'"{named}"' in project
        assert named in copied


@pytest.mark.parametrize(("path", "language"), [(UNIT, "ini"), (CONTAINER, "dockerfile")])
def test_the_docs_show_the_very_files(path: Path, language: str) -> None:
    shown = re.findall(rf"```{language}\n(.*?)```", OPERATING, flags=re.DOTALL)

    assert shown == [path.read_text(encoding="utf-8")]


def test_the_docs_stop_a_container_as_patiently_as_systemd_does() -> None:
    patience = {
        int(number)
        for number in re.findall(r"docker stop -t (\d+)|PeriodSeconds: (\d+)", OPERATING)
        for number in number
        if number
    }

    assert patience == {int(of_service("TimeoutStopSec"))}
