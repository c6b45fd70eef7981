"""What a right profile means."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from systemprompt.builtin.tables.application_file import MIGRATIONS
from systemprompt.databases.address import Address
from systemprompt.discovery.discovery import discover
from systemprompt.discovery.overrides import Extension, JobOverride
from systemprompt.jobs.durations import seconds_of
from systemprompt.jobs.policies import POLICIES
from systemprompt.jobs.settings import ContentSource, FileSource, HostTable, Paths, PublishTarget, Retention
from systemprompt.profile.load import load_profile
from systemprompt.profile.profile import Limits, Profile
from systemprompt.profile.remarks import remarks_on
from systemprompt.profile.schema import HOST_TABLES, PROFILE, find_key, walk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def load(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> Profile:
    path = folder / "profile.yaml"
    path.write_text(text)
    return load_profile(str(path), environ or {})


def test_a_database_alone_is_a_profile(tmp_path: Path) -> None:
    profile = load(tmp_path, "database: sqlite:///app.db\n")
    assert profile == Profile(
        path=str(tmp_path / "profile.yaml"),
        fingerprint=profile.fingerprint,
        name=tmp_path.name,
        database=Address(tmp_path / "app.db"),
        ledger=Address(tmp_path / "app.ledger.db"),
    )


def test_on_postgresql_database_and_ledger_are_one_database_and_the_schema_is_ours(tmp_path: Path) -> None:
    profile = load(tmp_path, "database: postgres://app:${PASSWORD}@h/shop\n", {"PASSWORD": "hunter2"})

    assert profile.database == profile.ledger == Address("postgresql://app:hunter2@h/shop")
    assert (profile.ledger_schema, profile.listen) == ("systemprompt", None)
    assert (profile.job_settings.ledger, profile.job_settings.ledger_schema) == (profile.ledger, "systemprompt")


@pytest.mark.parametrize(
    ("database", "ledger"),
    [("sqlite:////a.db", "postgresql://h/l"), ("postgresql://h/a", "sqlite:////l.db"), ("postgresql://h/a", "l.db")],
)
def test_database_and_ledger_may_be_of_two_engines(tmp_path: Path, database: str, ledger: str) -> None:
    text = f"database: {database}\nledger: {ledger}\nledger_schema: runs\nlisten: postgresql://${{H:-d}}/l\n"
    profile = load(tmp_path, text, {"H": "d"})

    assert {profile.database.engine, profile.ledger.engine} == {"postgresql", "sqlite"}
    assert database.startswith(profile.database.engine)
    assert (profile.ledger_schema, profile.listen) == ("runs", Address("postgresql://d/l"))
    assert profile.as_dict()["listen"] == "postgresql://${H:-d}/l"


def test_every_key_arrives_where_it_belongs(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("")
    profile = load(
        tmp_path,
        """
name: prod
database: sqlite:////srv/data/app.db
ledger: ledger/l.db
time_zone: Europe/Berlin
extensions: [jobs/, jobs/feeds.py, acme.jobs, ../shared/, ./one]
entry_points: false
scheduler:
  jobs:
    content_ingestion:
      enabled: false
      schedule: "0 */5 * * * *"
      time_zone: Asia/Tokyo
      parameters: {days: 7, deep: [1, {a: null}], on: 2026-01-01, text: "7"}
      enforce: true
      owner: ops
      description: Reads
      tags: [nightly, slow]
      timeout: 1h30m
      catch_up: all
      overlap: skip
      on_lost: rerun
      isolation: process
      dst_gap: skip
      dst_fold: both
    disk:
      command: [sh, -c, 5, true]
      environment: {PORT: 8080, LANG: C}
      working_dir: work
    quiet:
      schedule: ""
      timeout: none
    empty:
  bootstrap_jobs: [disk, disk]
content:
  sources:
    - {name: notes, path: content}
    - {name: posts, path: /srv/posts, pattern: "*.markdown"}
  publish: {path: public, title: T, base_url: https://example.org/, description: D, author: A, language: de}
tables:
  user_sessions: {table: app.sessions, columns: {last_activity_at: seen_at}, time_format: iso}
retention:
  {logs_days: 1, runs_days: 2, session_idle_hours: 3, empty_context_hours: 4, content_removed_days: 5, anonymous_user_days: 6}
files:
  sources:
    - {name: scans, path: scans}
    - {name: scans2, path: /srv/scans, pattern: "*.pdf"}
limits:
  max_concurrent_runs: 2
  shutdown_grace: 0
  lease: 1.5
  misfire_grace: 90s
  batch_size: 7
  kill_grace: 1m
  max_output_bytes: 4096
  max_abandoned_threads: 3
""",
    )
    home = str(tmp_path)
    assert profile.name == "prod"
    assert profile.database == Address("/srv/data/app.db")
    assert profile.ledger == Address(f"{home}/ledger/l.db")
    assert profile.time_zone == "Europe/Berlin"
    assert profile.extensions == (
        Extension(kind="folder", name=f"{home}/jobs"),
        Extension(kind="file", name=f"{home}/jobs/feeds.py"),
        Extension(kind="module", name="acme.jobs"),
        Extension(kind="folder", name=f"{tmp_path.parent}/shared"),
        Extension(kind="file", name=f"{home}/one"),
    )
    assert profile.entry_points is False
    assert profile.jobs == {
        "content_ingestion": JobOverride(
            name="content_ingestion",
            enabled=False,
            schedule="0 */5 * * * *",
            time_zone="Asia/Tokyo",
            parameters={"days": 7, "deep": [1, {"a": None}], "on": "2026-01-01", "text": "7"},
            enforce=True,
            owner="ops",
            description="Reads",
            tags=("nightly", "slow"),
            policies={
                "catch_up": "all",
                "overlap": "skip",
                "on_lost": "rerun",
                "isolation": "process",
                "dst_gap": "skip",
                "dst_fold": "both",
                "timeout_s": 5400.0,
            },
        ),
        "disk": JobOverride(
            name="disk",
            command=("sh", "-c", "5", "true"),
            environment={"PORT": "8080", "LANG": "C"},
            working_dir=f"{home}/work",
        ),
        "quiet": JobOverride(name="quiet", schedule="", policies={"timeout_s": None}),
        "empty": JobOverride(name="empty"),
    }
    assert profile.bootstrap_jobs == ("disk",)
    assert profile.limits == Limits(
        max_concurrent_runs=2,
        shutdown_grace=0.0,
        lease=1.5,
        misfire_grace=90.0,
        batch_size=7,
        kill_grace=60.0,
        max_output_bytes=4096,
        max_abandoned_threads=3,
    )
    assert profile.limits.heartbeat == pytest.approx(0.3)
    settings = profile.job_settings
    assert settings.paths == Paths(home=home, profile=f"{home}/profile.yaml")
    assert settings.time_zone == "Europe/Berlin"
    assert settings.content_sources == (
        ContentSource(name="notes", path=f"{home}/content"),
        ContentSource(name="posts", path="/srv/posts", pattern="*.markdown"),
    )
    assert settings.file_sources == (
        FileSource(name="scans", path=f"{home}/scans"),
        FileSource(name="scans2", path="/srv/scans", pattern="*.pdf"),
    )
    assert settings.publish == PublishTarget(
        path=f"{home}/public", title="T", base_url="https://example.org", description="D", author="A", language="de"
    )
    assert settings.tables == {
        "user_sessions": HostTable(table="app.sessions", columns={"last_activity_at": "seen_at"}, time_format="iso")
    }
    assert settings.retention == Retention(
        logs_days=1,
        runs_days=2,
        session_idle_hours=3,
        empty_context_hours=4,
        content_removed_days=5,
        anonymous_user_days=6,
    )
    assert settings.batch_size == 7


def test_what_stands_around_a_crontabs_lines_arrives_where_it_belongs(tmp_path: Path) -> None:
    profile = load(
        tmp_path,
        """
database: sqlite:///a.db
environment: {LANG: C, PORT: 80}
environment_file: all.env
shell: /bin/bash
scheduler:
  jobs:
    noon: &backup
      schedule: "0 12 * * *"
      command: df -h | tail -1
      environment: {PORT: 81}
      environment_file: own.env
      user: backup
      working_dir: ~
      stdin: "yes\\n"
      output: discard
    night:
      <<: *backup
      schedule: "0 0 * * *"
      shell: /bin/dash
      working_dir: ~/work
""",
    )
    night = profile.jobs["night"]
    assert profile.jobs["noon"].command == ("/bin/bash", "-c", "df -h | tail -1")
    assert profile.jobs["noon"].working_dir == "~"
    assert (night.command, night.working_dir) == (("/bin/dash", "-c", "df -h | tail -1"), "~/work")
    assert (night.user, night.stdin, night.output, night.schedule) == ("backup", "yes\n", "discard", "0 0 * * *")

    catalogue = discover(entry_points=False, overrides=profile.jobs, around=profile.around)
    noon = catalogue.jobs["noon"]
    assert noon.environment == {"LANG": "C", "PORT": "81"}
    assert noon.environment_files == (str(tmp_path / "all.env"), str(tmp_path / "own.env"))
    assert (noon.user, noon.stdin, noon.output) == ("backup", "yes\n", "discard")


def test_remarks_say_what_will_probably_fail_here(tmp_path: Path) -> None:
    profile = load(
        tmp_path,
        r"""
database: sqlite:///a.db
environment_file: gone.env
shell: /bin/sh
scheduler:
  jobs:
    a: {command: 'date +\%F', user: nosuchuser}
    b: {command: [date, +%F]}
""".replace("\\%", r"\%"),
    )
    assert remarks_on(profile) == (
        (
            f"environment_file: environment file '{tmp_path}/gone.env': No such file or directory;"
            " create it, or fix `environment_file` in the profile"
        ),
        (
            "scheduler.jobs.a.command: '\\%' keeps its backslash. A crontab needs it before a percent sign; here % means itself: "
            "write % alone"
        ),
        "scheduler.jobs.a.user: this machine has no user 'nosuchuser'; create the user, or fix `user` in the profile",
    )


def test_jobs_may_be_a_list_of_mappings_with_names(tmp_path: Path) -> None:
    profile = load(
        tmp_path,
        "database: sqlite:///a.db\nscheduler:\n  jobs:\n    - name: a\n      enabled: false\n    - {name: b, command: [ls]}\n",
    )
    assert profile.jobs == {
        "a": JobOverride(name="a", enabled=False),
        "b": JobOverride(name="b", command=("ls",)),
    }


def test_variables_are_filled_in_everywhere_and_remembered(tmp_path: Path) -> None:
    profile = load(
        tmp_path,
        """
name: ${APP}
database: sqlite:///${DIR:-data}/${APP}.db
ledger: "~/l.db"
entry_points: ${ENTRY}
limits:
  batch_size: ${SIZE:-5}
  lease: ${LEASE}
scheduler:
  jobs:
    j:
      command: [sh, -c, "echo $HOME $$ $${X} ${EMPTY:-full}"]
      parameters:
        n: "${SIZE:-5}"
        full: "${EMPTY:-full}"
        m: ${N}
""",
        {"APP": "123", "ENTRY": "false", "LEASE": "5", "EMPTY": "", "N": "8", "HOME": "/home/me"},
    )
    assert profile.name == "123"
    assert profile.database.path == str(tmp_path / "data/123.db")
    assert profile.ledger.path == "/home/me/l.db"
    assert profile.entry_points is False
    assert profile.limits.batch_size == 5
    assert profile.limits.lease == 5.0
    # What a shell reads is the shell's: its dollar signs stay.
    assert profile.jobs["j"].command == ("sh", "-c", "echo $HOME $$ $${X} ${EMPTY:-full}")
    assert profile.jobs["j"].parameters == {"n": "5", "full": "full", "m": 8}
    assert profile.environment_read == {
        "APP": "123",
        "DIR": None,
        "ENTRY": "false",
        "SIZE": None,
        "LEASE": "5",
        "EMPTY": "",
        "N": "8",
        "HOME": "/home/me",
    }
    assert profile.as_dict()["environment_read"] == sorted(profile.environment_read)


def test_anchors_and_merges_work_and_what_is_written_wins(tmp_path: Path) -> None:
    profile = load(
        tmp_path,
        """
database: sqlite:///a.db
scheduler:
  jobs:
    a: &base {catch_up: all, owner: ops}
    b: {<<: *base, owner: me}
    c: *base
""",
    )
    assert profile.jobs["b"] == JobOverride(name="b", owner="me", policies={"catch_up": "all"})
    assert profile.jobs["c"] == JobOverride(name="c", owner="ops", policies={"catch_up": "all"})


def test_a_byte_order_mark_and_windows_lines_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    path.write_bytes(b"\xef\xbb\xbfdatabase: sqlite:///a.db\r\nname: x\r\n")
    assert load_profile(str(path), {}).name == "x"


def test_the_table_of_keys_and_the_records_agree_on_defaults() -> None:
    by_record: dict[str, object] = {"limits": Limits(), "retention": Retention(), "content.sources[]": None}
    for place in ("limits", "retention"):
        record = by_record[place]
        keys = {key.name: key for key in find_key(place).keys}
        assert sorted(keys) == sorted(field.name for field in dataclasses.fields(record))  # type: ignore[arg-type]  # a record
        for name, key in keys.items():
            default = seconds_of(key.default) if key.kind == "seconds" else key.default
            assert getattr(record, name) == default
    assert find_key("files.sources[].pattern").default == FileSource(name="", path="").pattern
    assert find_key("content.sources[].pattern").default == ContentSource(name="", path="").pattern
    for key in find_key("content.publish").keys:
        if not key.required:
            assert getattr(PublishTarget(path=""), key.name) == key.default


def test_every_key_has_a_meaning_and_every_policy_a_key() -> None:
    places = dict(walk())
    assert all(key.meaning for key in places.values())
    for policy in POLICIES:
        key = places[f"scheduler.jobs.NAME.{policy.written}"]
        assert (key.choices, key.meaning) == (policy.choices, policy.meaning)
    assert find_key("database") in PROFILE.keys


def test_every_application_table_and_column_may_be_the_hosts_own() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        for name in sorted(os.listdir(MIGRATIONS)):
            with open(os.path.join(MIGRATIONS, name), encoding="utf-8") as file:
                connection.executescript(file.read())
        names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall()
        made = {
            name: tuple(row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (name,)))
            for (name,) in names
        }
    # What these two jobs keep is for others to read: a host's own table of that kind is not theirs to write.
    assert {name: columns for name, columns in made.items() if name not in ("files", "ip_blacklist")} == HOST_TABLES


def test_it_works_without_libyaml_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import yaml

    from systemprompt.errors import ProfileInvalid
    from systemprompt.profile import document
    from systemprompt.profile.starters import template

    environ = {"ON": "false", "N": "007"}
    text = template() + "  batch_size: ${SIZE:-5}\nentry_points: ${ON}\n"
    with_libyaml = load(tmp_path, text, environ)
    monkeypatch.setattr(document, "_Loader", yaml.SafeLoader)
    without = load(tmp_path, text, environ)
    assert {**without.as_dict(), "fingerprint": ""} == {**with_libyaml.as_dict(), "fingerprint": ""}
    assert with_libyaml.entry_points is False
    for wrong in ("a: " + "[" * 50_000, "a: [", "a: *b", "\x01"):
        with pytest.raises(ProfileInvalid):
            load(tmp_path, wrong)


def test_labels_are_a_list_or_a_text_that_a_variable_can_hold(tmp_path: Path) -> None:
    assert load(tmp_path, "database: sqlite:///a.db").labels == ()
    assert load(tmp_path, "database: sqlite:///a.db\nnode: {labels: [gpu, eu, gpu]}").labels == ("eu", "gpu")
    by_variable = "database: sqlite:///a.db\nnode: {labels: '${NODE_LABELS:-}'}"
    assert load(tmp_path, by_variable, {"NODE_LABELS": "gpu, eu"}).labels == ("eu", "gpu")
    assert load(tmp_path, by_variable).labels == ()


def test_a_profile_says_which_nodes_run_a_job(tmp_path: Path) -> None:
    jobs = load(
        tmp_path, "database: sqlite:///a.db\nscheduler: {jobs: {train: {runs_on: [gpu, eu]}, any: {runs_on: []}}}"
    ).jobs
    assert jobs["train"].policies == {"runs_on": ("eu", "gpu")}
    assert jobs["any"].policies == {"runs_on": ()}, "it takes away what the code says"
