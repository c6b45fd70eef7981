"""What is fuzzed, one function a target: only the errors of its own family may come out.

A program: `python fuzz_targets.py NAME EXAMPLES SEED`; seed 0 takes the same examples each time. `test_fuzz.py` runs it under
limits of CPU time and memory.
"""
# ruff: noqa: PT017  # what an error says is looked at where it is caught: any other kind of error has to come through

from __future__ import annotations

import os
import string
import sys
import tempfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from systemprompt.errors import CronError, JobDefinitionError, ProfileInvalid, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TARGETS"]

# --- cron -------------------------------------------------------------------------------------------------------------

_NUMBERS = st.integers(-2, 70).map(str) | st.sampled_from(["007", "1e9", "٣", "9" * 20, "0x1", "1.5", ""])
_NAMES = st.sampled_from(
    ["MON", "sun", "Jan", "dec", "L", "LW", "W", "?", "*", "FRIL", "l-3", "L-3W", "15W", "1W", "C", "H"]
)
_MACROS = st.sampled_from(
    ["@daily", "@every", "@hourly", "@reboot", "@EVERY", "@", "90s", "1h30m", "1d1d", "99999d", "@@yearly", "MON#6"]
)
_ITEM = st.one_of(
    _NUMBERS,
    _NAMES,
    st.tuples(_NUMBERS | _NAMES, st.sampled_from("-/#L,W"), _NUMBERS | _NAMES).map("".join),
    st.tuples(_NUMBERS | _NAMES, st.just("-"), _NUMBERS | _NAMES, st.just("/"), _NUMBERS).map("".join),
)
_FIELD = st.lists(_ITEM, min_size=1, max_size=4).map(",".join)
_CRON = st.one_of(
    st.lists(_FIELD | _MACROS, min_size=0, max_size=8).map(" ".join),
    st.lists(st.sampled_from("*/-,#?LW@ 0123456789MONfriJAN\t\n\0٣é"), max_size=60).map("".join),
    st.text(max_size=80),
    st.tuples(st.lists(_FIELD, min_size=5, max_size=6).map(" ".join), st.integers(0, 30), st.text(max_size=3)).map(
        lambda part: part[0][: part[1]] + part[2] + part[0][part[1] + 1 :]
    ),
    st.tuples(_ITEM, st.integers(1, 30_000)).map(lambda part: " ".join([",".join([part[0]] * part[1]), *"****"])),
)
_ZONES = st.text(max_size=12) | st.sampled_from(
    ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia"]
)
_INSTANTS = st.datetimes(timezones=st.just(UTC)) | st.sampled_from(
    [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]
)


@given(
    _CRON,
    _ZONES,
    _INSTANTS,
    st.sampled_from(["run", "skip", "", "x"]),
    st.sampled_from(["first", "second", "both", "x"]),
)
def cron(text: str, zone: str, at: datetime, gap: str, fold: str) -> None:
    from systemprompt.cron import Schedule

    try:
        schedule = Schedule(text, zone, dst_gap=gap, dst_fold=fold)
        schedule.describe()
        after = schedule.after(at)
        assert after > at
        assert schedule.after(after) > after
        assert schedule.before(after) <= at
        first = round((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000
        assert schedule.count_between(first, first + 86_400_000_000) <= 86_400
    except CronError:
        return


# --- profile ----------------------------------------------------------------------------------------------------------

_YAML_PIECES = st.sampled_from(
    [
        *"&*!|>%@`'\"{}[],:?-#<\n\t \\$~=\0\x85\u2028\ufeff\x1b",
        *("\n  ", "\n    ", "database: sqlite:///x.db\n", "scheduler:\n  jobs:\n    a:\n      ", "1" * 5_000),
        *[
            "<<: *a",
            "&a ",
            "*a",
            "? ",
            "- ",
            "--- ",
            "!!python/object/apply:os.system ['true'] ",
            "!!binary aGk=",
            "!!set {a}",
        ],
        *[
            "!!int ",
            "!!float .nan",
            "0x1F",
            "0o17",
            "1:30:00",
            "${HOME}",
            "${A:-${B}}",
            "${",
            "$$",
            "null",
            "~",
            "yes",
            "2026-02-30",
            "2026-01-14T25:00:00Z",
        ],
        *[
            "schedule: ",
            "command: [echo]",
            "timeout: 1e400",
            "retention: {logs_days: ",
            "limits: {lease: ",
            "extensions: [",
        ],
    ]
)
_PROFILES = st.sampled_from(["full", "short", "bomb", "deep", "loop", "merge", "wide"])


def _profile_text(kind: str) -> str:
    if kind == "full":
        from systemprompt.profile.starters import template

        return template("x")
    if kind == "short":
        return "database: sqlite:///x.db\nscheduler: {jobs: {a: {command: [echo, hi], schedule: '0 0 3 * * *', timeout: 5m}}}\n"
    if kind == "bomb":
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
        return "database: sqlite:///x.db\nscheduler: {jobs: {a: {parameters: {b: &p {" + "}}}}}\n" + "\n".join(lines)
    if kind == "deep":
        return "database: " + "[" * 20_000 + "]" * 20_000
    if kind == "loop":
        return "database: sqlite:///x.db\nscheduler: {jobs: {a: {parameters: &p {again: *p, <<: *p}}}}\n"
    if kind == "merge":
        jobs = "a: &a {command: [x]}\n    b: {<<: [*a, *a], <<: *a}\n    <<: *j\n"
        return f"database: sqlite:///x.db\nscheduler: &s\n  jobs: &j\n    {jobs}"
    return "database: sqlite:///x.db\n" + "".join(f"k{n}: 1\n" for n in range(5_000))


_MUTATIONS = st.lists(
    st.tuples(st.integers(0, 50_000), st.integers(0, 40), _YAML_PIECES | st.text(max_size=8)), max_size=4
)
_PROFILE_BYTES = st.one_of(
    st.binary(max_size=300),
    st.lists(_YAML_PIECES, max_size=30).map(lambda parts: "".join(parts).encode("utf-8", "surrogatepass")),
    st.tuples(_PROFILES, _MUTATIONS).map(lambda drawn: _mutated(_profile_text(drawn[0]), drawn[1])),
)


def _mutated(text: str, mutations: list[tuple[int, int, str]]) -> bytes:
    for drawn, cut, inserted in mutations:
        at = drawn % (len(text) + 1)
        text = text[:at] + inserted + text[at + cut :]
    return text.encode("utf-8", "surrogatepass")


_FOLDER = tempfile.mkdtemp() if __name__ == "__main__" else ""


@given(_PROFILE_BYTES)
def profile(data: bytes) -> None:
    from systemprompt.profile.load import load_profile

    path = os.path.join(_FOLDER, "profile.yaml")
    with open(path, "wb") as file:
        file.write(data)
    try:
        load_profile(path, {"A": "x", "HOME": "/home/me"})
    except ProfileInvalid as error:
        assert error.faults
        assert all(error.faults)
        assert len(error.message) < 200_000


# --- content ----------------------------------------------------------------------------------------------------------

_FRONT_LINES = """\
title: x | title: | title: 2026-01-01 | slug: a/b | slug: ../.. | slug: '//' | description: [a] | updated: 1
date: 2026-02-30 | date: 9999-12-31T23:59:59-14:00 | date: 0001-01-01 | date: [1] | x: 2026-01-01T00:00:00+99:99
tags: [a, 1, ~, {b: c}] | tags: a, b | tags: {a: b} | draft: maybe | draft: true | %YAML 9.9 | ~: 1 | x: 1e999
x: .nan | x: !!binary aGk= | x: !!python/name:os.system | x: &a [*a] | x: *b | x: {? [a] : b} | ? {a: b} | : c
x: !!timestamp no | x: !!int no | x: !!float no | x: !!bool no! | x: !!set {a, b} | x: !!omap [a: 1] | x: !!pairs [a]
<<: {a: 1} | <<: 5 | <<: [1] | =: 5 | x: !!merge y | x: !!value y | !!str x: 1 | !!int a: 1 | x: 1:99:99
x: "\\ud800" | x: "\\0"
"""
_FRONT = st.sampled_from(
    [line.strip() + "\n" for line in _FRONT_LINES.replace("\n", "|").split("|")]
    + [f"x: {value}\n" for value in ("1" + "0" * 5_000, "0x" + "f" * 9_000, "[" * 300)]
)
_MARKS = st.sampled_from(["[", "*", ">", "-", "`", "<", "![", "](", "&", "|", "#", "_", "\\", "1."])
_DOCUMENT = st.one_of(
    st.binary(max_size=300),
    st.tuples(st.lists(_FRONT | st.text(max_size=10), max_size=6), st.text(max_size=100)).map(
        lambda drawn: f"---\n{''.join(drawn[0])}---\n{drawn[1]}".encode("utf-8", "surrogatepass")
    ),
    st.tuples(_MARKS | _MARKS.map("{} ".format), st.integers(1, 20_000)).map(lambda part: (part[0] * part[1]).encode()),
)


@given(_DOCUMENT, st.text(min_size=1, max_size=20), st.sampled_from(["UTC", "Europe/Berlin"]))
def front_matter(data: bytes, path: str, zone: str) -> None:
    from systemprompt.builtin.content.markdown_files import BadDocument, read_document

    try:
        document = read_document(data, path, time_zone=zone)
    except BadDocument as error:
        assert error.line >= 1
        assert error.reason
        return
    document.front_matter.encode()
    assert document.slug
    assert document.title


# --- what stands on a command line ------------------------------------------------------------------------------------

_WHEN = st.one_of(
    st.text(max_size=30),
    st.tuples(
        st.integers(-5, 10**30).map(str) | st.text(string.digits + "٣½ .-+_", max_size=20), st.sampled_from("smhdwyMx")
    ).map("".join),
    st.tuples(st.datetimes().map(str), st.sampled_from(["", "Z", "+14:00", "-14:00", "+99:99", "+00:00:01"])).map(
        "".join
    ),
    st.tuples(st.dates().map(str), st.text("0123456789-:TWZ+ .", max_size=8)).map("".join),
    st.sampled_from(
        ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-W01", "20260114", "2026-03-29T02:30:00"]
    ),
)


@given(_WHEN, _INSTANTS, st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Apia", "America/New_York"]))
def instants(text: str, now: datetime, zone: str) -> None:
    from systemprompt.clock import from_datetime, iso
    from systemprompt.operations.instants import read_instant

    try:
        at = read_instant(text, "since", from_datetime(now), lambda: zone)
    except UsageError as error:
        assert "`since`" in error.message
        return
    assert iso(at)


_WORDS_OF_CALLS = st.one_of(
    st.sampled_from(
        [
            "infra",
            "jobs",
            "list",
            "show",
            "run",
            "history",
            "logs",
            "audit",
            "serve",
            "db",
            "status",
            "profile",
            "check",
            "init",
            "help",
            "-p",
            "--param",
            "-n",
            "-n5",
            "-nx",
            "--json",
            "--yaml",
            "-q",
            "-v",
            "-qv",
            "--profile",
            "--profile=",
            "--",
            "-",
            "--help",
            "-h",
            "--since",
            "--limit=5",
            "--status",
            "failed",
            "--all",
            "--tag",
            "--dry-run",
            "--dry-run=1",
            "a=b",
            "=",
            "a=",
            "k=v=w",
            "--version",
        ]
    ),
    st.text(max_size=10),
    st.text(max_size=5).map(lambda text: f"--{text}"),
    st.text(max_size=5).map(lambda text: f"-p{text}"),
)


@given(st.lists(_WORDS_OF_CALLS, max_size=8))
def argument_lists(argv: list[str]) -> None:
    from systemprompt.cli.parse import parse, wanted_format

    assert wanted_format(argv) in ("json", "yaml", "text")
    try:
        parse(argv)
    except UsageError as error:
        assert error.message


# --- what a job says of itself ----------------------------------------------------------------------------------------

_ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=5),
    st.timedeltas(),
    st.lists(st.integers() | st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3) | st.integers(), st.integers(), max_size=2),
    st.sampled_from(
        ["run", "skip", "latest", "all", "rerun", "process", "both", "5m", "1h30m", "nan", "1e400", ".", "1.2.3s"]
    ),
    st.just("1" * 400 + "d"),
    st.sampled_from([object(), int, len, float("nan"), 10**400, -(10**400)]),
)
_ATTRIBUTES = ("name", "schedule", "description", "enabled", "tags", "time_zone", "parameters", "timeout")
_POLICIES = ("isolation", "catch_up", "overlap", "on_lost", "dst_gap", "dst_fold")


@given(st.dictionaries(st.sampled_from([*_ATTRIBUTES, *_POLICIES]), _ANYTHING | _CRON, max_size=5))
def job_definitions(attributes: dict[str, Any]) -> None:
    from systemprompt import Job
    from systemprompt.discovery.checking import define_job, read_job
    from systemprompt.discovery.definition import JobSource

    kind = type("Made", (Job,), {"name": "made", "execute": lambda self, ctx: None, **attributes})
    try:
        definition = define_job(read_job(kind), JobSource(kind="module", name="x"), None, "UTC")
    except (JobDefinitionError, CronError) as error:
        assert error.message
        return
    assert definition.name
    assert definition.policies.as_dict()


@given(_ANYTHING)
def durations(value: Any) -> None:
    from systemprompt.jobs.durations import seconds_of
    from systemprompt.jobs.policies import Policies

    for use in (lambda: seconds_of(value), lambda: Policies(timeout_s=value)):
        try:
            use()
        except JobDefinitionError as error:
            assert error.message


TARGETS: dict[str, Callable[[], None]] = {
    target.__name__: target
    for target in (cron, profile, front_matter, instants, argument_lists, job_definitions, durations)
}


def main() -> None:
    target = TARGETS[sys.argv[1]]
    examples, number = int(sys.argv[2]), int(sys.argv[3])
    chosen = settings(
        max_examples=examples,
        derandomize=not number,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )(target)
    (seed(number)(chosen) if number else chosen)()


if __name__ == "__main__":
    main()
