"""What a job says is shown on a terminal, never obeyed by it."""

from __future__ import annotations

from support.cli_session import CliSession
from systemprompt.cli.printable import on_its_own_lines, on_one_line, printable

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


FORGED = "1999-11-28T03:00:00Z  ERROR   all your base"
FORGER = f"""
from systemprompt import JobResult, job


@job()
def forger(ctx) -> JobResult:
    ctx.logger.info("calm\\n{FORGED}\\u2028{FORGED}", extra={{"file": "a\\n{FORGED}"}})
    ctx.logger.info("padded" + " " * 200 + "{FORGED}")
    ctx.progress(1, 1, "half\\n{FORGED}")
    raise ValueError("no\\n{FORGED}")
"""


def test_what_a_job_says_is_never_taken_for_a_line_of_ours(live: CliSession) -> None:
    (live.home / "jobs/forger.py").write_text(FORGER, encoding="utf-8")

    ran = live.sp("jobs run forger -v")
    shown = [ran, live.sp("jobs history"), live.sp("jobs logs forger"), live.sp("jobs logs forger --follow")]
    live.width = 80
    shown += [live.sp("jobs history"), live.sp("jobs logs forger"), live.sp("jobs logs forger --follow")]
    shown += [live.sp("jobs show forger"), live.sp("jobs list")]

    assert sum(FORGED[:20] in answer.out for answer in shown) >= 4
    for answer in shown:
        for line in (answer.out + answer.err).split("\n"):
            assert not line.lstrip(" ").startswith("1999-11-28"), line
            assert "\u2028" not in line


def test_characters_that_nobody_sees_are_spelled_out() -> None:
    assert printable("pay\u202egnp.exe") == "pay\\u202egnp.exe"
    assert printable("ad\u200bmin\ufeff \u2066x\u2069 \u2029 \U000e0041") == (
        "ad\\u200bmin\\ufeff \\u2066x\\u2069 \\u2029 \\U000e0041"
    )
    assert printable("Müller 漢字 שלום ❤ é") == "Müller 漢字 שלום ❤ é"


def test_each_further_line_is_marked_also_where_the_terminal_would_begin_it() -> None:
    assert on_its_own_lines("a\nb\r\nc") == "a\n  | b␍\n  | c"
    assert on_its_own_lines("x" * 30 + "\n漢" * 1, 24) == f"{'x' * 20}\n  | {'x' * 10}\n  | 漢"
    assert on_its_own_lines("漢" * 11, 24) == f"{'漢' * 10}\n  | 漢"
    assert on_one_line("a\nb") == "a␊b"
