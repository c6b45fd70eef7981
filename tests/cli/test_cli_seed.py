"""The reference: every shell line of `seed/jobs-cli-commands.md` runs, and every JSON shape it shows comes out."""

from __future__ import annotations

import re
from typing import Any

import pytest

from support.cli_session import PROFILE, CliSession

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.fixture
def site(live: CliSession) -> CliSession:
    (live.home / "content").mkdir()
    (live.home / "content/hello.md").write_text("---\ntitle: Hello\n---\nText.\n", encoding="utf-8")
    live.profile.write_text(
        PROFILE + "content:\n  sources: [{name: notes, path: content/}]\n  publish: {path: public/}\n", encoding="utf-8"
    )
    return live


def has_shape(value: Any, shape: Any) -> None:
    """Hold a value against a shape: types at the leaves, more keys than the shape's are fine."""
    if isinstance(shape, dict):
        assert isinstance(value, dict)
        assert set(shape) <= set(value), set(shape) - set(value)
        for key, below in shape.items():
            has_shape(value[key], below)
    elif isinstance(shape, list):
        assert isinstance(value, list)
        for one in value:
            has_shape(one, shape[0])
    elif isinstance(shape, re.Pattern):
        assert shape.fullmatch(value), value
    elif isinstance(shape, tuple):
        assert value is None or shape[0] is INSTANT or isinstance(value, shape)
        if value is not None and shape[0] is INSTANT:
            has_shape(value, INSTANT)
    else:
        assert type(value) is shape


def keys_begin(value: dict[str, Any], *names: str) -> None:
    """The seed's fields come first, in its order."""
    assert tuple(value)[: len(names)] == names


def test_list_lists_every_job_with_its_schedule(cli: CliSession) -> None:
    for line in ("infra jobs list --json", "--json jobs list"):
        document = cli.sp(line).document
        assert list(document) == ["data", "artifact_type", "title"]
        assert (document["artifact_type"], document["title"]) == ("table", "Available Jobs")
        has_shape(
            document["data"],
            {"jobs": [{"name": str, "description": str, "schedule": str, "enabled": bool}], "total": int},
        )
        keys_begin(document["data"]["jobs"][0], "name", "description", "schedule", "enabled")
    by_name = {job["name"]: job for job in document["data"]["jobs"]}
    assert document["data"]["total"] == len(by_name)
    assert by_name["content_ingestion"]["description"] == "Ingests markdown content from configured directories"
    assert by_name["content_ingestion"]["schedule"] == "0 0 * * * *"
    assert by_name["content_ingestion"]["enabled"] is True


def test_show_shows_one_job(cli: CliSession) -> None:
    cli.ran("content_ingestion", message="Ingested 31 files")
    document = cli.sp("--json jobs show content_ingestion").document

    assert (document["artifact_type"], document["title"]) == ("presentation_card", "Job: content_ingestion")
    keys_begin(
        document["data"],
        *("name", "description", "schedule", "schedule_human", "enabled", "last_run", "next_run", "last_status"),
        *("last_error", "run_count"),
    )
    assert {key: document["data"][key] for key in list(document["data"])[:10]} == {
        "name": "content_ingestion",
        "description": "Ingests markdown content from configured directories",
        "schedule": "0 0 * * * *",
        "schedule_human": "Every hour",
        "enabled": True,
        "last_run": "2026-01-14T12:00:00Z",
        "next_run": "2026-01-14T13:00:00Z",
        "last_status": "success",
        "last_error": None,
        "run_count": 1,
    }
    assert cli.sp("infra jobs show database_cleanup").code == 0


def test_run_runs_jobs_and_says_how_each_ended(site: CliSession) -> None:
    answer = site.sp("--json infra jobs run content_ingestion publish_content database_cleanup")

    assert answer.code == 0, answer.out
    document = answer.document
    assert (document["artifact_type"], document["title"]) == ("table", "Job Execution Results")
    result = {"success": bool, "message": str, "items_processed": int, "items_failed": int}
    run = {"job_name": str, "status": str, "duration_ms": int, "result": result}
    has_shape(document["data"], {"jobs_run": [run], "total": int, "succeeded": int, "failed": int})
    keys_begin(document["data"]["jobs_run"][0], "job_name", "status", "duration_ms", "result")
    assert (document["data"]["total"], document["data"]["succeeded"], document["data"]["failed"]) == (3, 3, 0)
    assert [run["job_name"] for run in document["data"]["jobs_run"]] == [
        "content_ingestion",
        "publish_content",
        "database_cleanup",
    ]


def test_run_sequential_runs_one_at_a_time(live: CliSession) -> None:
    data = live.sp("--json jobs run by_hand nightly_report --sequential -p limit=7").data

    assert [run["status"] for run in data["jobs_run"]] == ["success", "success"]
    assert data["jobs_run"][0]["result"]["message"] == "limit 7"
    first, second = live.sp("--json jobs history").data["entries"][::-1]
    assert first["finished_at"] <= second["run_at"]


def test_run_all_runs_every_enabled_job_and_no_other(site: CliSession) -> None:
    site.sp("jobs disable behavioral_analysis")
    would = site.sp("--json jobs run --all --dry-run").data
    answer = site.sp("--json infra jobs run --all")

    assert answer.code == 1, "broken_feed fails"
    ran = {run["job_name"]: run["status"] for run in answer.data["jobs_run"]}
    assert set(ran) == {run["job_name"] for run in would["jobs_run"]}
    assert "behavioral_analysis" not in ran
    assert {name for name, status in ran.items() if status != "success"} == {"broken_feed"}
    assert answer.data["failed"] == 1
    assert site.sp("--json jobs history --status failed").data["total"] == 1


def test_history_shows_what_ran(cli: CliSession) -> None:
    cli.ran("publish_content")
    cli.ran("broken_feed", status="failed", reason="exception", error="boom")
    cli.ran("content_ingestion")

    document = cli.sp("--json jobs history").document
    assert (document["artifact_type"], document["title"]) == ("table", "Job Execution History")
    entry = {"job_name": str, "status": str, "run_at": INSTANT, "error": (str,)}
    has_shape(document["data"], {"entries": [entry], "total": int})
    keys_begin(document["data"]["entries"][0], "job_name", "status", "run_at", "error")
    assert [one["job_name"] for one in document["data"]["entries"]] == [
        "content_ingestion",
        "broken_feed",
        "publish_content",
    ]

    only = cli.sp("--json infra jobs history --job content_ingestion").data
    assert [one["job_name"] for one in only["entries"]] == ["content_ingestion"]
    failed = cli.sp("--json infra jobs history --status failed").data
    assert [(one["job_name"], one["error"]) for one in failed["entries"]] == [("broken_feed", "boom")]
    none = {"entries": [], "total": 0, "shown": 0, "next_cursor": None}
    assert cli.sp("--json infra jobs history --status running").data == none
    few = cli.sp("--json jobs history -n 1").data
    assert (len(few["entries"]), few["total"]) == (1, 3)
    assert cli.sp("infra jobs history -n 50").code == 0


def test_history_shows_twenty_entries_unless_told_otherwise(cli: CliSession) -> None:
    cli.sp("jobs list")
    cli.planned(after_s=3600)
    for _ in range(22):
        cli.ran("by_hand", took_s=1)

    data = cli.sp("--json jobs history").data

    assert len(data["entries"]) == 20
    assert data["total"] > 22


def test_disable_and_enable_switch_a_job(cli: CliSession) -> None:
    disabled = cli.sp("--json infra jobs disable behavioral_analysis").document
    keys_begin(disabled["data"], "job_name", "enabled", "message")
    assert (disabled["artifact_type"], disabled["title"]) == ("text", "Job Disabled")
    assert disabled["data"]["enabled"] is False
    assert disabled["data"]["message"] == "Job 'behavioral_analysis' has been disabled"
    assert cli.sp("--json jobs show behavioral_analysis").data["enabled"] is False

    enabled = cli.sp("--json infra jobs enable behavioral_analysis").document
    assert (enabled["artifact_type"], enabled["title"]) == ("text", "Job Enabled")
    assert enabled["data"]["job_name"] == "behavioral_analysis"
    assert enabled["data"]["enabled"] is True
    assert enabled["data"]["message"] == "Job 'behavioral_analysis' has been enabled"
    assert cli.sp("--json jobs show behavioral_analysis").data["enabled"] is True


def test_cleanup_sessions_deletes_what_its_dry_run_counted(live: CliSession) -> None:
    live.sessions(0.1, 0.5, 1.5, 3, 30)

    would = live.sp("--json infra jobs cleanup-sessions --dry-run").document
    assert would["data"]["sessions_cleaned"] == 3
    assert would["data"]["message"] == "Would clean up 3 inactive session(s)"
    assert live.sp("--json jobs history").data["total"] == 0

    done = live.sp("--json infra jobs cleanup-sessions --hours 2").document
    keys_begin(done["data"], "job_name", "sessions_cleaned", "hours_threshold", "message")
    assert (done["artifact_type"], done["title"]) == ("text", "Session Cleanup")
    assert done["data"]["job_name"] == "session_cleanup"
    assert done["data"]["sessions_cleaned"] == 2
    assert done["data"]["hours_threshold"] == 2
    assert done["data"]["message"] == "Cleaned up 2 inactive session(s)"

    rest = live.sp("--json infra jobs cleanup-sessions").data
    assert (rest["sessions_cleaned"], rest["hours_threshold"]) == (1, 1)
    runs = live.sp("--json jobs history --job session_cleanup").data
    assert [run["run_id"] for run in runs["entries"]] == [rest["run_id"], done["data"]["run_id"]]


def test_log_cleanup_deletes_what_its_dry_run_counted(live: CliSession) -> None:
    live.log_lines(1, 10, 40, 50)

    assert live.sp("--json infra jobs log-cleanup --days 7 --dry-run").data["entries_deleted"] == 3
    done = live.sp("--json infra jobs log-cleanup").document
    keys_begin(done["data"], "job_name", "entries_deleted", "days_threshold", "message")
    assert (done["artifact_type"], done["title"]) == ("text", "Log Cleanup")
    assert done["data"]["job_name"] == "log_cleanup"
    assert done["data"]["entries_deleted"] == 2
    assert done["data"]["days_threshold"] == 30
    assert done["data"]["message"] == "Deleted 2 log entries older than 30 days"
    assert live.sp("--json infra jobs log-cleanup --days 7").data["entries_deleted"] == 1
    assert live.sp("--json jobs history --job log_cleanup").data["total"] == 2


def test_the_workflows_of_the_reference_run_as_they_stand(site: CliSession) -> None:
    site.sp("--json jobs run by_hand")
    for line in (
        "infra jobs list",
        "--json jobs list",
        "infra jobs show content_ingestion",
        "--json jobs show database_cleanup",
        "infra jobs run content_ingestion",
        "infra jobs run cleanup_inactive_sessions cleanup_empty_contexts database_cleanup",
        "infra jobs history --job content_ingestion",
        "--json jobs history --job content_ingestion",
        "--json jobs history -n 10",
        "infra jobs cleanup-sessions --dry-run",
        "infra jobs log-cleanup --days 7 --dry-run",
        "infra jobs disable behavioral_analysis",
        "infra jobs enable behavioral_analysis",
        "infra jobs show behavioral_analysis",
    ):
        answer = site.sp(f"--non-interactive {line}")  # as its alias `sp` has it
        assert answer.code == 0, line + answer.err


def test_what_jobs_print_never_ends_up_in_the_answer(live: CliSession) -> None:
    answer = live.sp("--json jobs run nightly_report")

    assert answer.document["data"]["jobs_run"][0]["status"] == "success"
    assert "must not" not in answer.out
