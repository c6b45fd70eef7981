"""`sp` on an installation whose profile names PostgreSQL: the same commands, and what goes wrong with a server."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.cli_session import PROFILE, CliSession, sp
from support.installation import Installation, serving
from support.postgres_roles import address_of, role

PASSWORD = "hunter2-of-the-tests"


def session(folder: Path, address: str, profile: str = PROFILE) -> CliSession:
    return CliSession(folder, profile=profile, real_time=True, database=address)


def tables_of(address: str) -> set[tuple[str, str]]:
    with psycopg.connect(address) as connection:
        return set(connection.execute("SELECT schemaname::text, tablename::text FROM pg_tables").fetchall())


def test_the_line_of_the_database_is_all_that_changes_after_init(tmp_path: Path, postgres: str) -> None:
    environ = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "USER": "ada", "HOME": str(tmp_path)}

    def call(line: str, code: int = 0) -> Any:
        answer = sp(["--json", *line.split()], tmp_path, environ)
        assert answer.code == code, answer
        return answer.data

    profile = Path(call("init")["profile"])
    text = profile.read_text(encoding="utf-8")
    assert text.count("\ndatabase: sqlite:///data/app.db\n") == 1
    profile.write_text(text.replace("database: sqlite:///data/app.db", f"database: {postgres}"), encoding="utf-8")

    assert call("jobs list")["total"] > 10
    run = call("jobs run content_ingestion publish_content --sequential")
    assert run["succeeded"] == 2
    history = call("jobs history")
    assert [one["status"] for one in history["entries"]] == ["success", "success"]
    assert call("jobs audit")["clean"]
    assert not list(tmp_path.rglob("*.db")), "no file was made"
    assert {("systemprompt", "jobs"), ("systemprompt_app", "markdown_content")} < tables_of(postgres)


def test_the_ledger_may_have_another_schema_and_another_engine(tmp_path: Path, postgres: str) -> None:
    ours = session(tmp_path, "sqlite:///data/app.db", f"{PROFILE}ledger: {postgres}\nledger_schema: runs\n")

    assert ours.sp("--json jobs run nightly_report").code == 0
    assert ours.sp("--json jobs history").data["entries"][0]["job_name"] == "nightly_report"

    assert {schema for schema, table in tables_of(postgres) if table in ("job_runs", "logs")} == {"runs"}
    assert (ours.home / "data/app.db").exists()
    assert not (ours.home / "data/app.ledger.db").exists()


def test_the_status_and_a_backup_say_which_database_by_its_address(tmp_path: Path, postgres: str) -> None:
    ours = session(tmp_path, postgres)
    states = ours.sp("--json db status").data["databases"]
    assert [(one["path"], one["state"]) for one in states] == [(postgres, "absent"), (postgres, "absent")]
    assert ours.sp("--json db migrate").code == 0
    states = ours.sp("--json db status").data["databases"]
    assert [(one["state"], one["altered"], one["added"]) for one in states] == [("current", [], [])] * 2
    ours.sp("jobs run by_hand")

    assert ours.sp("--json db backup copy.db --audit").data["clean"]
    refused = ours.sp("--json db backup other.db --database app.db")
    assert refused.code == 4
    assert "pg_dump" in refused.error["hint"]
    assert not (tmp_path / "other.db").exists()
    assert ours.sp("--json db restore copy.db --replace").code == 0
    assert ours.sp("--json jobs history").data["entries"][0]["job_name"] == "by_hand"


def test_doctor_says_that_an_installation_on_a_server_is_well(tmp_path: Path, postgres: str) -> None:
    ours = session(tmp_path, postgres)
    ours.sp("jobs list")

    found = ours.sp("--json doctor").data

    checks = {check["name"]: check["status"] for check in found["checks"]}
    assert {"server", "durability", "server clock", "connections", "vacuum", "rights"} < set(checks)
    assert [name for name, status in checks.items() if status == "fail"] == []
    assert "disk space" not in checks, "the server's disks are not this machine's"


def test_the_jobs_that_look_after_the_ledger_reach_it_from_a_process_of_their_own(
    tmp_path: Path, postgres: str
) -> None:
    with role(postgres, password=PASSWORD) as name:
        with psycopg.connect(postgres, autocommit=True) as admin:
            admin.execute(f"GRANT CREATE ON DATABASE {admin.info.dbname} TO {name}".encode())
        ours = session(tmp_path, address_of(postgres, name, "${PASSWORD}"))
        ours.environ["PASSWORD"] = PASSWORD

        answer = ours.sp("--json jobs run ledger_audit prune_history")

        assert [run["status"] for run in answer.data["jobs_run"]] == ["success", "success"], answer
        shown = "".join(
            ours.sp(line).out for line in ("doctor", "db status", "profile show", "jobs history", "jobs logs 1")
        )
        assert PASSWORD not in answer.out + answer.err + shown
        assert not [file for file in tmp_path.glob("cache/*/*") if PASSWORD.encode() in file.read_bytes()]
        assert list(tmp_path.glob("cache/*/*")), "and still it is remembered"


def test_an_empty_database_is_not_touched_by_a_role_that_may_not_and_the_hint_has_the_command(
    tmp_path: Path, postgres: str
) -> None:
    with role(postgres) as name:
        ours = session(tmp_path, address_of(postgres, name))

        answer = ours.sp("--json jobs list")

        assert (answer.code, answer.error["code"]) == (5, "database_unreachable")
        assert f"role '{name}' may not make schema 'systemprompt'" in answer.error["message"]
        assert f'CREATE SCHEMA "systemprompt" AUTHORIZATION "{name}"' in answer.error["hint"]
        failed = {
            check["name"]: check for check in ours.sp("--json doctor").data["checks"] if check["status"] == "fail"
        }
        assert f'CREATE SCHEMA "systemprompt" AUTHORIZATION "{name}"' in failed["rights"]["mend"]
    assert not [table for schema, table in tables_of(postgres) if schema.startswith("systemprompt")]


def test_a_role_that_may_only_read_reads_and_with_what_doctor_says_it_may_do_the_rest(
    tmp_path: Path, postgres: str
) -> None:
    session(tmp_path / "theirs", postgres).sp("jobs run by_hand")
    with role(postgres) as name:
        with psycopg.connect(postgres, autocommit=True) as admin:
            for schema in ("systemprompt", "systemprompt_app"):
                admin.execute(f"GRANT USAGE ON SCHEMA {schema} TO {name}".encode())
                admin.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {name}".encode())
        ours = session(tmp_path / "ours", address_of(postgres, name))

        assert ours.sp("--json jobs history").data["entries"][0]["job_name"] == "by_hand"
        assert ours.sp("--json jobs disable by_hand").code == 5
        (rights,) = [check for check in ours.sp("--json doctor").data["checks"] if check["name"] == "rights"]
        assert rights["status"] == "fail"
        assert "INSERT on " in rights["message"]
        assert 'GRANT INSERT ON TABLE "systemprompt".' in rights["mend"]

        with psycopg.connect(postgres, autocommit=True) as admin:
            admin.execute(rights["mend"].removeprefix("let the owner of the schema run: ").encode())
            admin.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA systemprompt_app TO {name}".encode())
            admin.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA systemprompt_app TO {name}".encode())
        for line in (
            "jobs disable by_hand",
            "jobs enable by_hand",
            "jobs run by_hand",
            "jobs run prune_history ledger_audit",
            "jobs audit",
        ):
            answer = ours.sp(f"--json {line}")
            assert answer.code == 0, answer


@pytest.mark.parametrize("line", ["jobs list", "jobs run by_hand", "db status", "serve"])
def test_a_wrong_password_is_told_with_the_way_out_and_without_the_password(
    tmp_path: Path, postgres: str, line: str
) -> None:
    with role(postgres, password="right") as name:
        ours = session(tmp_path, address_of(postgres, name, PASSWORD))

        answer = ours.sp(f"--json {line}")

        assert (answer.code, answer.error["code"]) == (5, "database_unreachable")
        assert f'password authentication failed for user "{name}"' in answer.error["message"]
        assert "this user may connect" in answer.error["hint"]
        assert PASSWORD not in answer.out + answer.err


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("postgresql://tester@/shop?host=/nowhere", "No such file or directory"),
        ("postgresql://tester@nosuch.invalid/shop?connect_timeout=2", "nosuch.invalid"),
        ("postgresql://127.0.0.1:1/shop", "onnection refused"),
    ],
)
def test_a_server_that_is_not_there_is_told_with_the_way_out(tmp_path: Path, address: str, says: str) -> None:
    answer = session(tmp_path, address).sp("--json jobs list")

    assert (answer.code, answer.error["code"]) == (5, "database_unreachable")
    assert says in answer.error["message"]
    assert address in answer.error["message"]
    assert answer.error["hint"]


def test_a_database_that_the_server_does_not_have_is_told_by_its_name(tmp_path: Path, postgres: str) -> None:
    head, _, options = postgres.partition("?")
    address = f"{head}_no?{options}"

    answer = session(tmp_path, address).sp("--json jobs list")

    assert answer.code == 5
    assert "does not exist" in answer.error["message"]


def test_an_option_that_libpq_does_not_know_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    answer = session(tmp_path, "postgresql://h/shop?sslmod=require").sp("--json jobs list")

    assert answer.code == 4
    assert 'invalid URI query parameter: "sslmod"' in answer.error["message"]


@pytest.mark.parametrize("line", ["jobs list", "jobs run by_hand", "db status", "db migrate", "serve"])
def test_without_the_extra_every_command_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)  # importing it fails

    answer = session(tmp_path, "postgresql://h/shop").sp(f"--json {line}")

    assert answer.code == 4
    assert answer.error["hint"] == "pip install 'systemprompt[postgres]'"


def test_a_node_serves_an_installation_on_a_server_and_ends_when_it_is_told_to(
    tmp_path: Path, one_postgres: str
) -> None:
    installed = Installation(tmp_path, database=json.dumps(one_postgres))
    installed.job_file("tick.py", "@job(name='tick', schedule='* * * * * *')\ndef tick():\n    return 'ticked'\n")

    with serving(installed) as node:
        assert node.end_of("tick")["status"] == "success"
        found = installed.sp("jobs", "list")["data"]
        assert [one["pid"] for one in found["serving"]] == [node.process.pid]
        node.signal(signal.SIGTERM)
        assert node.ended() == 0

    assert installed.sp("jobs", "audit")["data"]["clean"]
