"""`sp profile check`: a valid profile, and what its schedules mean in words."""

from __future__ import annotations

from pathlib import Path

from support.cli_session import PROFILE, CliSession

JOBS = r"""
    fetch: {command: [fetch, --all], schedule: "* */5 * * *"}
    report: {command: [sh, -c, 'report $(date +\%F)'], schedule: "0 9 * * 1,3", time_zone: Asia/Tokyo}
"""

PERCENT = "'\\%' keeps its backslash. A crontab needs it before a percent sign; here % means itself: write % alone"


def test_what_changed_since_the_last_check_is_told_in_words(tmp_path: Path) -> None:
    cli = CliSession(tmp_path, profile=PROFILE.rstrip() + JOBS)

    first = cli.sp("profile check").out.splitlines()
    assert first[1:] == [
        f"remark: scheduler.jobs.report.command: {PERCENT}",
        "",
        "schedules that are new or changed since the last check:",
        "  fetch: Every minute of the hours 0, 5, 10, 15 and 20  * */5 * * *, Europe/Berlin",
        "    next: 2026-01-14 15:00:00 +01:00, 2026-01-14 15:01:00 +01:00, 2026-01-14 15:02:00 +01:00",
        "    note: 60 runs in each of these hours; '0 */5 * * *' is once an hour",
        "  report: Weekly on Monday and Wednesday at 9:00 AM  0 9 * * 1,3, Asia/Tokyo",
        "    next: 2026-01-19 09:00:00 +09:00, 2026-01-21 09:00:00 +09:00, 2026-01-26 09:00:00 +09:00",
    ]
    assert cli.sp("--json profile check").data["changed"] == []

    cli.profile.write_text(cli.profile.read_text("utf-8").replace("* */5", "0 */5"), "utf-8")
    changed = cli.sp("--json profile check").data["changed"]
    assert [(one["job_name"], one["remarks"]) for one in changed] == [("fetch", [])]


def test_where_nothing_can_be_remembered_every_schedule_is_told(tmp_path: Path) -> None:
    cli = CliSession(tmp_path, profile=PROFILE.rstrip() + JOBS)
    cli.environ = {"USER": "ada"}

    for _ in range(2):
        assert len(cli.sp("--json profile check").data["changed"]) == 2


def test_a_file_that_only_looks_like_ours_is_no_memory(tmp_path: Path) -> None:
    cli = CliSession(tmp_path, profile=PROFILE.rstrip() + JOBS)
    cli.sp("profile check")
    (file,) = (tmp_path / "cache/systemprompt").glob("checked-*")
    for said in ("not json", "[1]", '{"fetch": 7}'):
        file.write_text(said)
        assert len(cli.sp("--json profile check").data["changed"]) == 2
