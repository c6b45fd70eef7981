"""Whole answers, as people read them and as programs do."""

from __future__ import annotations

import textwrap

import pytest

from support.cli_session import CliSession
from systemprompt.builtin import BUILTIN_MODULES
from systemprompt.cli.table import COMMANDS, GROUPS, Command, Group

TRACEBACK = "Traceback (most recent call last):\n  ...\nConnectionError: no route to feed.example"


@pytest.fixture
def busy(cli: CliSession) -> CliSession:
    """Two runs by hand, then two hours with no node."""
    cli.ran("nightly_report", message="Wrote 3 pages", items_processed=3)
    cli.ran("broken_feed", status="failed", reason="exception", error=TRACEBACK, took_s=0.2)
    return cli


def block(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def test_list_on_a_pipe_is_as_wide_as_it_needs_and_has_no_escape_sequence(busy: CliSession) -> None:
    assert busy.sp("jobs list --tag reports").out == block("""
        Available Jobs  1
        NAME            SCHEDULE     STATE    LAST RUN         NEXT RUN  DESCRIPTION
        nightly_report  0 0 3 * * *  enabled  success 1 s ago  in 13 h   Writes the nightly report

        no node serves: schedules start nothing; sp serve starts one, sp doctor says more
    """)


def test_list_gives_up_the_description_where_the_terminal_is_narrow(busy: CliSession) -> None:
    busy.width = 80

    answer = busy.sp("jobs list")

    assert "DESCRIPTION" not in answer.out.splitlines()[1]
    assert "for want of width without DESCRIPTION" in answer.out
    assert max(map(len, answer.out.splitlines())) <= 80
    assert "cleanup_inactive_sessions *  0 0 */2 * * *   enabled                   in 59 min" in answer.out


def test_list_gives_up_the_state_before_the_schedule_and_shows_what_is_off_as_having_no_next_run(
    busy: CliSession,
) -> None:
    busy.sp("jobs disable nightly_report")
    busy.width = 74

    lines = busy.sp("jobs list").out.splitlines()

    assert lines[1].split() == ["NAME", "SCHEDULE", "LAST", "RUN", "NEXT", "RUN"]
    assert "for want of width without STATE, DESCRIPTION" in lines
    assert next(line for line in lines if line.startswith("nightly_report")).endswith("disabled")


def test_the_jobs_of_ones_own_come_first_and_the_others_are_marked(busy: CliSession) -> None:
    names = [line.split("  ")[0] for line in busy.sp("jobs list").out.splitlines()[2:]]

    assert names[:4] == ["broken_feed", "by_hand", "nightly_report", "behavioral_analysis *"]
    assert "* comes with systemprompt" in names
    jobs = busy.sp("--json jobs list").data["jobs"]
    assert [job["name"] for job in jobs] == sorted(job["name"] for job in jobs)
    assert sum(job["builtin"] for job in jobs) == len(BUILTIN_MODULES)


def test_history_at_80_columns_has_the_time_of_day_and_cuts_a_long_message(cli: CliSession) -> None:
    cli.ran("broken_feed", status="failed", reason="exception", message="ValueError: " + "no luck " * 99)
    cli.width = 80

    lines = cli.sp("jobs history").out.splitlines()

    assert "13:00:00" in lines[2]
    assert len(lines) < 8
    assert any(line.endswith("…") for line in lines)
    cli.width = None
    assert "no luck " * 98 in cli.sp("jobs history").out


def test_the_next_commands_are_never_broken_over_two_lines(cli: CliSession) -> None:
    cli.width = 40

    assert "  sp jobs run content_ingestion publish_content --sequential\n" in cli.sp("init other").out


def test_doctor_breaks_no_command_over_two_lines_on_a_terminal(cli: CliSession) -> None:
    checks = [check for check in cli.sp("--json doctor").data["checks"] if check["mend"]]
    cli.width = 40
    lines = cli.sp("doctor").out.splitlines()

    assert checks
    assert all(f"  {check['mend']}" in lines for check in checks)


def test_list_has_colours_that_mean_something_on_a_terminal_only(busy: CliSession) -> None:
    busy.width, busy.color = 80, True

    assert "\x1b[32menabled\x1b[0m" in busy.sp("jobs list").out
    assert "\x1b[1;31mfailed\x1b[0m" in busy.sp("jobs list").out
    assert "\x1b" not in busy.sp("jobs list --no-color").out


def test_show(busy: CliSession) -> None:
    assert busy.sp("jobs show nightly_report").out == block(f"""
        Job: nightly_report
        Writes the nightly report

        state            enabled
        schedule         Daily at 3:00 AM  (0 0 3 * * *, Europe/Berlin)
        next run         2026-01-15 03:00:00 CET, in 13 h
        last run         success  2026-01-14 13:00:00 CET, 1 s ago, run 1
        runs             1
        tags             reports
        owner            ops
        source           file:{busy.home}/jobs/shop_jobs.py
        enforce          no
        policies         catch_up latest, dst_fold first, dst_gap run, isolation thread, on_lost fail, overlap skip, no timeout
        version          1 of 1
        accounted up to  2026-01-14 13:00:00 CET, 1 s ago

        next fire times  Europe/Berlin
          2026-01-15 03:00:00  in 13 h
          2026-01-16 03:00:00  in 37 h
          2026-01-17 03:00:00  in 2 d
          2026-01-18 03:00:00  in 3 d
          2026-01-19 03:00:00  in 4 d
    """)


def test_history_mixes_runs_and_ranges_newest_first(busy: CliSession) -> None:
    busy.planned(after_s=3600)

    assert busy.sp("jobs history --job broken_feed").out == block("""
        Job Execution History  3, times in Europe/Berlin
        RUN  JOB          STATUS               WHEN                   TOOK  ORIGIN    WHAT
          3  broken_feed  queued               2026-01-14 14:00:00          schedule
             broken_feed  missed (superseded)  2026-01-14 13:45:00                    3 fire times, from 2026-01-14 13:15:00
          2  broken_feed  failed (exception)   2026-01-14 13:00:01  200 ms  manual    ConnectionError: no route to feed.example
    """)


def test_a_range_is_one_entry_for_programs_with_its_count_and_ends(busy: CliSession) -> None:
    busy.planned(after_s=3600)

    data = busy.sp("--json jobs history --job broken_feed --status missed").data

    assert data == {
        "entries": [
            {
                "job_name": "broken_feed",
                "status": "missed",
                "run_at": "2026-01-14T12:45:00Z",
                "error": None,
                "kind": "range",
                "run_id": None,
                "origin": None,
                "fire_at": None,
                "lateness_ms": None,
                "finished_at": None,
                "reason": "superseded",
                "duration_ms": None,
                "attempt": 0,
                "items_processed": 0,
                "items_failed": 0,
                "did_nothing": False,
                "dry_run": False,
                "lines_dropped": 0,
                "message": None,
                "exit_code": None,
                "actor": None,
                "why": None,
                "blocked_by": None,
                "stop_asked_at": None,
                "stop_by": None,
                "stop_why": None,
                "abandoned": False,
                "count": 3,
                "first_at": "2026-01-14T12:15:00Z",
                "last_at": "2026-01-14T12:45:00Z",
            }
        ],
        "total": 1,
        "shown": 1,
        "next_cursor": None,
    }


@pytest.mark.parametrize(
    ("flags", "runs"),
    [
        ("--since 1h", [2, 1]),
        ("--since 2026-01-14", [2, 1]),
        ("--since 2026-01-15", []),
        ("--until 2026-01-14T12:00:01Z", [1]),
        ("--since 2026-01-14T13:00:01+01:00", [2]),
        ("--origin manual", [2, 1]),
        ("--origin catch_up", []),
    ],
)
def test_history_is_filtered_by_time_and_origin(busy: CliSession, flags: str, runs: list[int]) -> None:
    data = busy.sp(f"--json jobs history {flags}").data

    assert [entry["run_id"] for entry in data["entries"]] == runs
    assert data["total"] == len(runs)


def test_a_history_without_entries_says_that_none_matches_and_not_that_nothing_ran(busy: CliSession) -> None:
    answer = busy.sp("jobs history --status cancelled")

    assert answer.out.splitlines()[1:] == ["No run matches."]


@pytest.mark.parametrize(("command", "start", "end"), [("history", "--since", "--until"), ("audit", "--from", "--to")])
def test_a_span_that_ends_before_it_begins_is_refused(busy: CliSession, command: str, start: str, end: str) -> None:
    answer = busy.sp(f"jobs {command} {start} 1d {end} 2d")

    assert answer.code == 2
    assert answer.err == f"error: {start} '1d' is after {end} '2d'\nhint: {start} takes the earlier of the two\n"


def test_upcoming_merges_all_schedules_and_names_what_is_left_out(busy: CliSession) -> None:
    busy.sp("jobs disable behavioral_analysis")

    assert busy.sp("jobs upcoming -n 5").out == block("""
        Upcoming Runs  the first 5, times in Europe/Berlin
        JOB                     WHEN                            ITS ZONE
        broken_feed             2026-01-14 13:15:00  in 14 min  Europe/Berlin
        file_ingestion          2026-01-14 13:20:00  in 19 min  Europe/Berlin
        malicious_ip_blacklist  2026-01-14 13:20:00  in 19 min  Europe/Berlin
        broken_feed             2026-01-14 13:30:00  in 29 min  Europe/Berlin
        publish_content         2026-01-14 13:30:00  in 29 min  Europe/Berlin

        left out: behavioral_analysis (disabled)

        no node serves: schedules start nothing; sp serve starts one, sp doctor says more
    """)


def test_upcoming_keeps_each_fire_time_on_one_line_where_the_terminal_is_narrow(busy: CliSession) -> None:
    busy.width = 60

    lines = busy.sp("jobs upcoming -n 3 --job cleanup_inactive_sessions").out.splitlines()

    assert lines[1].split() == ["JOB", "WHEN"]
    assert [line.split()[0] for line in lines[2:5]] == ["cleanup_inactive_sessions"] * 3
    assert lines[5] == "for want of width without ITS ZONE"
    assert lines[7].startswith("no node serves: ")


def test_upcoming_within_hours_of_one_job(cli: CliSession) -> None:
    assert cli.sp("--json jobs upcoming --job broken_feed --hours 0.5").data == {
        "entries": [
            {
                "job_name": "broken_feed",
                "fire_at": "2026-01-14T12:15:00Z",
                "local_time": "2026-01-14T13:15:00+01:00",
                "time_zone": "Europe/Berlin",
                "in_seconds": 900,
            },
            {
                "job_name": "broken_feed",
                "fire_at": "2026-01-14T12:30:00Z",
                "local_time": "2026-01-14T13:30:00+01:00",
                "time_zone": "Europe/Berlin",
                "in_seconds": 1800,
            },
        ],
        "total": 2,
        "shown": 2,
        "next_cursor": None,
        "left_out": [],
        "serving": [],
        "silent": [],
        "clock_behind_s": 0,
    }


def test_switching_twice_changes_nothing_and_says_so(cli: CliSession) -> None:
    assert cli.sp("jobs disable broken_feed --dry-run").out == "Job 'broken_feed' would be disabled\n"
    assert cli.sp("jobs disable broken_feed --why", "feed is down").out == "Job 'broken_feed' has been disabled\n"
    assert cli.sp("jobs disable broken_feed").out == "Job 'broken_feed' is disabled already\n"
    assert cli.sp("--json jobs show broken_feed").data["versions"] == 2
    assert cli.sp("jobs enable broken_feed").out == block("""
        Job 'broken_feed' has been enabled
        next run: 2026-01-14 13:15:00 CET, in 15 min
    """)


def test_run_tells_people_what_happens_and_how_it_ended(live: CliSession) -> None:
    answer = live.sp("jobs run broken_feed")

    assert answer.code == 1
    assert answer.err.splitlines()[0] == "broken_feed: started, run 1"
    lines = answer.out.splitlines()
    assert lines[0] == "Job Execution Results"
    assert lines[1].split() == ["JOB", "STATUS", "TOOK", "RUN", "PROCESSED", "FAILED", "MESSAGE"]
    assert lines[2].startswith("broken_feed  failed (exception)")
    assert lines[2].endswith("ConnectionError: no route to feed.example")
    assert lines[-2:] == ["0 succeeded, 1 failed", "what it said: sp jobs logs 1"]
    assert live.sp("jobs run by_hand --quiet").err == ""


def test_a_failed_run_has_its_traceback_in_the_answer_for_programs(live: CliSession) -> None:
    answer = live.sp("--json jobs run broken_feed by_hand")

    assert answer.code == 1
    failed, fine = answer.data["jobs_run"]
    assert failed["reason"] == "exception"
    assert failed["error"].startswith("Traceback")
    assert failed["result"]["message"] is None
    assert failed["result"]["success"] is False
    assert fine["status"] == "success"
    assert answer.err == ""


@pytest.mark.parametrize(
    ("message", "error", "shown"),
    [
        ("ConnectionError: no route to feed.example", TRACEBACK, None),
        ("gave up", "gave up\n", None),
        ("read 3 of 9", TRACEBACK, "read 3 of 9"),
        ("gave up", None, "gave up"),
    ],
)
def test_history_has_no_text_twice(cli: CliSession, message: str, error: str | None, shown: str | None) -> None:
    cli.ran("broken_feed", status="failed", reason="exception", message=message, error=error)

    (entry,) = cli.sp("--json jobs history").data["entries"]

    assert (entry["message"], entry["error"]) == (shown, error)


def test_an_exception_of_several_lines_is_told_by_its_first(cli: CliSession) -> None:
    said = "ValueError: two faults:\n- one\n- two"
    cli.ran(
        "broken_feed", status="failed", reason="exception", message=said, error=f'T:\n  File "a.py"\n    x()\n{said}'
    )

    assert cli.sp("jobs history").out.splitlines()[-1].endswith("ValueError: two faults:")


def test_history_has_the_exit_code_of_a_command(cli: CliSession) -> None:
    cli.ran("by_hand", status="failed", reason="exit_nonzero", exit_code=3)

    assert cli.sp("--json jobs history").data["entries"][0]["exit_code"] == 3


def test_the_last_run_that_show_and_list_tell_is_the_instant_in_history(live: CliSession) -> None:
    live.sp("jobs run by_hand")

    entry = live.sp("--json jobs history").data["entries"][0]

    assert live.sp("--json jobs show by_hand").data["last_run"] == entry["run_at"]
    assert (
        next(job for job in live.sp("--json jobs list").data["jobs"] if job["name"] == "by_hand")["last_run"]
        == entry["run_at"]
    )


def test_run_by_tag_and_without_running(live: CliSession) -> None:
    assert live.sp("jobs run --tag reports --dry-run").out == block("""
        Job Execution Results
        JOB             STATUS     TOOK  RUN  PROCESSED  FAILED  MESSAGE
        nightly_report  would run

        1 would run; nothing was started
    """)
    assert live.sp("--json jobs history").data["total"] == 0


def test_logs_of_a_run_are_what_it_logged_and_printed(live: CliSession) -> None:
    live.sp("jobs run nightly_report")

    data = live.sp("--json jobs logs 1").data
    assert (data["run_id"], data["job_name"], data["status"]) == (1, "nightly_report", "success")
    logged = next(entry for entry in data["entries"] if entry["message"] == "counting")
    assert (logged["level"], logged["source"], logged["fields"]) == ("info", "job", {"pages": 3})
    assert live.sp("--json jobs logs 1 --level error").data["entries"] == []
    assert "counting pages=3" in live.sp("jobs logs 1").out
    assert live.sp("--json jobs logs 1 -n 0").data["entries"] == []


def test_logs_of_a_failed_run_end_with_its_traceback(live: CliSession) -> None:
    (live.home / "jobs/torn.py").write_text(
        "from systemprompt import job\n\n@job()\ndef torn(ctx):\n    ctx.logger.info('so far')\n    raise ValueError('no')\n",
        encoding="utf-8",
    )
    live.sp("jobs run torn")

    lines = live.sp("jobs logs 1").out.splitlines()
    assert lines[1].endswith("so far")
    assert lines[2] == "Traceback (most recent call last):"
    assert lines[-1] == "  | ValueError: no"
    assert live.sp("--json jobs logs 1").data["error"].endswith("ValueError: no\n")


def test_logs_of_a_run_without_lines_say_so(live: CliSession) -> None:
    live.sp("jobs run by_hand")

    assert live.sp("jobs logs 1").out.splitlines()[1:] == ["No lines."]


def test_an_audit_of_a_sound_ledger_is_clean(busy: CliSession) -> None:
    busy.planned(after_s=3600)

    answer = busy.sp("--json jobs audit")

    assert answer.code == 0
    assert answer.data["clean"] is True
    assert answer.data["findings"] == []
    assert answer.data["counts"]["fire_times"] == 13
    assert busy.sp("jobs audit --from 1h").out.startswith("Audit\nclean: ")


def test_an_audit_of_a_ledger_that_somebody_touched_says_what_is_missing(busy: CliSession) -> None:
    import sqlite3

    busy.planned(after_s=3600)
    with sqlite3.connect(busy.home / "data/app.ledger.db") as connection:
        for trigger in [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]:
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute("DELETE FROM job_run_ranges WHERE count = 3")
    connection.close()

    answer = busy.sp("jobs audit")

    assert answer.code == 1
    assert "3 fire times" in answer.out
    assert busy.sp("--json jobs audit").data["clean"] is False


def test_a_job_that_cannot_be_loaded_is_listed_and_shown_with_its_error(cli: CliSession) -> None:
    cli.sp("jobs list")
    with open(cli.home / "jobs/shop_jobs.py", "a", encoding="utf-8") as file:
        file.write("\n@job(name='by_hand')\ndef again():\n    pass\n")
    (cli.home / "jobs/torn.py").write_text("import no_such_module\n", encoding="utf-8")

    listed = cli.sp("--json jobs list").data
    assert [job["name"] for job in listed["jobs"] if job["quarantined"]] == ["by_hand"]
    assert list(listed["broken_sources"]) == [f"file:{cli.home}/jobs/torn.py"]
    assert "no_such_module" in cli.sp("jobs list").out
    assert cli.sp("--json jobs show by_hand").data["quarantine_error"]
    assert "quarantined" in cli.sp("jobs show by_hand").out
    doctor = cli.sp("--json doctor")
    assert doctor.code == 1
    assert {check["name"] for check in doctor.data["checks"] if check["status"] == "fail"} == {
        "job module",
        "job by_hand",
    }


def test_a_schedule_that_cannot_be_read_is_not_shown_as_by_hand(cli: CliSession) -> None:
    (cli.home / "jobs/bad.py").write_text(
        "from systemprompt import job\n\n@job(schedule='0 24 * * *')\ndef late(): pass\n", encoding="utf-8"
    )

    listed = next(line for line in cli.sp("jobs list").out.splitlines() if line.startswith("late "))
    assert listed.split() == ["late", "quarantined"]
    assert "hand" not in cli.sp("jobs show late").out


def test_the_fire_times_of_a_disabled_job_are_shown_as_what_starts_nothing(busy: CliSession) -> None:
    busy.sp("jobs disable nightly_report")

    assert "next fire times  Europe/Berlin, none of them starts it\n" in busy.sp("jobs show nightly_report").out


def test_a_job_that_left_is_listed_only_with_all(cli: CliSession) -> None:
    cli.ran("by_hand")
    text = (cli.home / "jobs/shop_jobs.py").read_text(encoding="utf-8")
    (cli.home / "jobs/shop_jobs.py").write_text(text[: text.index('@job(name="by_hand"')], encoding="utf-8")

    assert "by_hand" not in cli.sp("jobs list").out
    assert "retired" in cli.sp("jobs list --all").out
    assert cli.sp("--json jobs history --job by_hand").data["total"] == 1


def test_yaml_is_the_same_document(busy: CliSession) -> None:
    import yaml

    for line in ("jobs list", "jobs show nope", "jobs history", "--version"):
        assert yaml.safe_load(busy.sp(f"{line} --yaml").out) == busy.sp(f"{line} --json").document


def test_json_is_on_one_line_for_a_pipe_and_indented_for_a_terminal(busy: CliSession) -> None:
    assert busy.sp("--json jobs list").out.count("\n") == 1
    busy.width = 80
    assert busy.sp("--json jobs list").out.startswith('{\n  "data": {\n    "jobs": [\n')


def test_quiet_says_nothing_but_errors(busy: CliSession) -> None:
    assert busy.sp("-q jobs list").out == ""
    assert busy.sp("-q jobs show nope").err.startswith("error: ")
    assert busy.sp("-q --json jobs list").data["total"] == len(BUILTIN_MODULES) + 3


def test_help_at_each_level_has_an_example(cli: CliSession) -> None:
    entries: tuple[Command | Group, ...] = (*GROUPS, *COMMANDS)
    for entry in entries:
        answer = cli.sp(" ".join((*entry.path, "--help")))
        assert answer.code == 0
        assert answer.out.endswith(f"\nexample: {entry.example}\n")
    assert cli.sp("").out == cli.sp("--help").out
    assert cli.sp("jobs").out == cli.sp("infra jobs --help").out
    assert cli.sp("--json jobs --help").data == {"text": cli.sp("jobs --help").out}


@pytest.mark.parametrize("width", [60, 80])
def test_help_wraps_between_words_and_in_its_column(cli: CliSession, width: int) -> None:
    for path in (*(group.path for group in GROUPS), *(command.path for command in COMMANDS)):
        cli.width = None
        whole = cli.sp(" ".join((*path, "--help"))).out
        cli.width = width
        told = cli.sp(" ".join((*path, "--help"))).out

        assert told.split() == whole.split()
        assert whole.splitlines()[-1] == told.splitlines()[-1]
        assert all(
            len(line) <= width or len(line.split()) <= 3 or line.startswith("example") for line in told.splitlines()
        )


def test_help_of_a_command(cli: CliSession) -> None:
    usage = (
        "usage: sp jobs run [NAME...] [--all] [--tag TAG]... [--param KEY=VALUE]... [--sequential] [--detach]"
        " [--why TEXT] [--enforce] [--dry-run]"
    )
    assert cli.sp("jobs run --help").out == block(f"""
        Run jobs now and account for them like any other run.

        {usage}

        arguments:
          NAME  job name(s) to run

        flags:
              --all              run all enabled jobs
              --tag TAG          run the enabled jobs with this tag; may be repeated
          -p, --param KEY=VALUE  a parameter for the jobs; may be repeated
              --sequential       run jobs one at a time (default: parallel)
              --detach           only ask for the runs: a node that serves takes them
              --why TEXT         the reason, kept with the runs
              --enforce          let jobs that act on people do what they otherwise only report
              --dry-run          say what would run, and run nothing

        global flags: --json --yaml --profile --non-interactive --no-color --quiet --verbose --version --help
        `sp infra jobs run` is the same command.

        example: sp jobs run database_cleanup
    """)


def test_a_tag_that_no_job_has_is_not_found(cli: CliSession) -> None:
    answer = cli.sp("jobs run --tag feedz")

    assert answer.code == 3
    assert answer.err == "error: no enabled job has the tag 'feedz'\nhint: did you mean 'feeds'?\n"
    assert cli.sp("--json jobs list --tag feeds --tag reports").data["total"] == 2


def test_what_a_program_may_read_is_never_folded_for_a_terminal(cli: CliSession) -> None:
    import json

    wide = cli.sp("completion bash").out
    cli.width = 40
    assert cli.sp("completion bash").out == wide
    assert json.loads(cli.sp("schema jobs history").out)["commands"].keys() == {"infra jobs history"}
