"""What a job says is shown on a terminal, never obeyed by it."""

from __future__ import annotations

from support.cli_session import CliSession
from systemprompt.cli.printable import printable

JOB = """
from systemprompt import JobResult, job


@job()
def rude(ctx) -> JobResult:
    ctx.logger.info("log \\x1b[2J\\x07 line")
    return JobResult.success().with_message("message \\x1b]0;owned\\x07 \\x1b[31mred\\x9b")
"""


def test_every_control_character_but_line_ends_and_tabs_becomes_a_visible_one() -> None:
    controls = "".join(map(chr, [*range(32), *range(0x7F, 0xA0)]))

    shown = printable(controls)

    assert len(shown) == len(controls)
    assert [c for c in shown if c < " " or "\x7f" <= c < "\xa0"] == ["\t", "\n"]
    assert printable("\x1b[31m") == "␛[31m"


def test_escape_sequences_of_a_job_reach_no_terminal(live: CliSession) -> None:
    (live.home / "jobs/rude.py").write_text(JOB, encoding="utf-8")

    ran = live.sp("jobs run rude")
    shown = [ran.out, ran.err, live.sp("jobs history").out, live.sp("jobs logs 1").out]

    for text in shown:
        assert "\x1b" not in text
        assert "\x07" not in text
        assert "\x9b" not in text
    assert "␛[31mred" in shown[0]
