"""`sp cron`: what an expression means, without any installation."""

from __future__ import annotations

from support.cli_session import CliSession

RULE = "a fixed time: one in the hour that spring leaves out is run at its end, one in autumn's double hour fires in the first pass"


def test_people_read_the_sentence_the_fire_times_and_the_nights_of_the_year(cli: CliSession) -> None:
    answer = cli.sp("cron --zone Europe/Berlin -n 2", "30 2 * * *")

    assert answer.out.splitlines() == [
        "Daily at 2:30 AM  30 2 * * *, Europe/Berlin",
        "",
        "next fire times  Europe/Berlin",
        "  2026-01-15 02:30:00 +01:00  in 13 h",
        "  2026-01-16 02:30:00 +01:00  in 37 h",
        "",
        f"when clocks change  {RULE}",
        "  2026-03-29, forward by 60 min, two hours around it: 03:00:00+02:00",
        "  2026-10-25, back by 60 min, two hours around it: 02:30:00+02:00",
    ]


def test_a_schedule_that_nobody_can_mean_gets_a_note(cli: CliSession) -> None:
    out = cli.sp("cron", "* */5 * * *").out
    assert out.splitlines()[:2] == [
        "Every minute of the hours 0, 5, 10, 15 and 20  * */5 * * *, UTC",
        "note: 60 runs in each of these hours; '0 */5 * * *' is once an hour",
    ]
    assert "clocks" not in out, "UTC has no such night"


def test_a_refused_text_comes_with_what_to_write(cli: CliSession) -> None:
    answer = cli.sp("cron", "cron(0 12 * * ? *)")

    assert answer.code == 2
    assert "write '0 12 * * *'" in answer.err
    assert cli.sp("--json cron", "@quarterly").error["hint"] == "write '0 0 1 1,4,7,10 *'"
    assert "Etc/GMT-2" in cli.sp("--json cron --zone GMT+2", "0 3 * * *").error["hint"]


def test_everything_is_in_the_document(cli: CliSession) -> None:
    data = cli.sp("--json cron --zone Europe/Berlin -n 1", "0 */2 * * *").data

    assert (data["sentence"], data["remarks"]) == ("Every 2 hours", [])
    assert data["next_fire_times"] == [{"fire_at": "2026-01-14T13:00:00Z", "local_time": "2026-01-14T14:00:00+01:00"}]
    spring, autumn = data["clock_nights"]
    assert (spring["clocks"], spring["minutes"]) == ("forward", 60)
    # As the clocks show: two o'clock is left out in spring, and comes twice in autumn, an hour apart.
    assert [time["local_time"][11:] for time in spring["fire_times"]] == ["00:00:00+01:00", "04:00:00+02:00"]
    assert [time["local_time"][11:] for time in autumn["fire_times"]] == [
        *("02:00:00+02:00", "02:00:00+01:00", "04:00:00+01:00"),
    ]


def test_it_needs_no_profile(cli: CliSession) -> None:
    cli.profile.unlink()
    assert cli.sp("cron", "@daily").code == 0
