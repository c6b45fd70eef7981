"""Long answers: what is cut says so in three words, a cursor leads on, and each entry shows what was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from support.cli_session import CliSession
from systemprompt.cli.schema import command_schema
from systemprompt.cli.table import COMMANDS
from systemprompt.operations.answers import entry_type
from systemprompt.operations.catalogue import OPERATIONS
from systemprompt.operations.operation import load

LISTS = {
    "jobs list": "jobs",
    "jobs history --since 30d": "entries",
    "jobs history --status failed,missed,success": "entries",
    "jobs upcoming --hours 3": "entries",
    "jobs logs RUN": "entries",
}


@pytest.fixture
def lived(cli: CliSession) -> CliSession:
    """A cli with runs, ranges, and a run that said twelve things."""
    cli.ran("nightly_report", message="Wrote 3 pages", items_processed=3)
    cli.ran("broken_feed", status="failed", reason="exception", error="no route", took_s=0.2)
    (cli.home / "jobs/talks.py").write_text(
        "from systemprompt import job\n\n@job(name='talks')\ndef talks(ctx):\n"
        "    for number in range(12):\n        ctx.logger.info('line %d', number)\n",
        encoding="utf-8",
    )
    cli.planned(after_s=3 * 3600)
    assert cli.sp("jobs run talks").code == 0
    return cli


def talk(cli: CliSession) -> int:
    """Return the run that said twelve things."""
    (entry,) = cli.sp("--json jobs history --job talks").data["entries"]
    return int(entry["run_id"])


def pages(cli: CliSession, call: str, size: int) -> Iterator[dict[str, Any]]:
    cursor = ""
    while True:
        data = cli.sp(f"--json {call} -n {size}{cursor}").data
        yield data
        if data["next_cursor"] is None:
            return
        cursor = f" --cursor {data['next_cursor']}"


@pytest.mark.parametrize("call", LISTS)
@pytest.mark.parametrize("size", [1, 3])
def test_the_pages_of_an_answer_are_the_whole_of_it(lived: CliSession, call: str, size: int) -> None:
    name, call = LISTS[call], call.replace("RUN", str(talk(lived)))
    whole = lived.sp(f"--json {call} -n 1000").data
    assert whole["shown"] == whole["total"] == len(whole[name]) > 3
    assert whole["next_cursor"] is None

    cut = list(pages(lived, call, size))

    assert all(page["total"] == whole["total"] and page["shown"] == len(page[name]) <= size for page in cut)
    if "logs" in call:  # the last lines come first, and each page in order
        cut.reverse()
    assert [entry for page in cut for entry in page[name]] == whole[name]


def test_jobs_are_listed_whole_unless_a_number_is_given(lived: CliSession) -> None:
    whole = lived.sp("--json jobs list").data
    assert whole["shown"] == whole["total"] == len(whole["jobs"]) > 10
    assert lived.sp("jobs list -n 2").out.startswith(f"Available Jobs  2 of {whole['total']}\n")


def test_fire_times_without_an_end_are_not_counted_but_lead_on(lived: CliSession) -> None:
    first = lived.sp("--json jobs upcoming -n 4").data
    assert (first["total"], first["shown"]) == (None, 4)
    second = lived.sp("--json jobs upcoming -n 4 --cursor", first["next_cursor"]).data
    both = [(one["fire_at"], one["job_name"]) for one in first["entries"] + second["entries"]]
    eight = lived.sp("--json jobs upcoming -n 8").data["entries"]
    assert both == [(one["fire_at"], one["job_name"]) for one in eight]


def test_a_span_that_was_given_as_an_age_stays_where_it_was(lived: CliSession) -> None:
    first = lived.sp("--json jobs history --since 4h -n 1").data
    assert lived.clock is not None
    lived.clock.advance(10 * 3600)
    second = lived.sp("--json jobs history --since 4h -n 1 --cursor", first["next_cursor"]).data
    assert (second["total"], second["shown"]) == (first["total"], 1)


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("jobs history --cursor nonsense", "is no cursor of ours"),
        ("jobs history --cursor W10", "is no cursor of ours"),
        ("jobs history --cursor e30", "is no cursor of ours"),
        ("jobs history --job talks --cursor {}", "belongs to another question"),
        ("jobs upcoming --cursor {}", "belongs to another question"),
    ],
)
def test_a_cursor_is_refused_where_it_does_not_belong(lived: CliSession, call: str, why: str) -> None:
    cursor = lived.sp("--json jobs history -n 1").data["next_cursor"]
    refused = lived.sp(f"--json {call.format(cursor)}")
    assert refused.code == 2
    assert why in refused.error["message"]
    assert "next_cursor" in refused.error["hint"]


READ = [one for one in OPERATIONS if one.artifact_type == "table" and one.does == "reads"]


def test_every_list_takes_fields_and_what_can_be_long_a_cursor() -> None:
    for one in OPERATIONS:
        params, result = load(one.params).__dataclass_fields__, load(one.result).__dataclass_fields__
        assert bool(one.entries) == ("fields" in params) == (one in READ), one.name
        assert ("cursor" in params) == ("next_cursor" in result) == ("limit" in params), one.name
        if "limit" in params:
            assert {"total", "shown", "next_cursor"} <= result.keys(), one.name


@pytest.mark.parametrize("name", [one.name for one in READ])
def test_each_entry_shows_the_fields_that_were_asked_for_in_their_order(lived: CliSession, name: str) -> None:
    (command,) = (one for one in COMMANDS if one.operation.name == name)
    run = f" {talk(lived)}" if name == "run_logs" else ""
    call = " ".join(command.words) + run
    whole = lived.sp(f"--json {call}").data
    listed = command.operation.entries
    known = list(whole[listed][0]) if whole[listed] else list(entry_type(command.operation).__dataclass_fields__)
    few = [known[1], known[0]]

    answer = lived.sp(f"--json {call} --fields {','.join(few)}")

    assert [list(entry) for entry in answer.data[listed]] == [few for _ in whole[listed]]
    assert answer.data.keys() == whole.keys()
    Draft202012Validator(command_schema(command)["output"]).validate(answer.document)
    text = lived.sp(f"{call} --fields {few[0]} --fields {few[1]}").out.splitlines()
    assert text[1].split() == [one.upper() for one in few]
    wrong = lived.sp(f"--json {call} --fields {known[0]}x")
    assert (wrong.code, wrong.error["hint"]) == (2, f"did you mean {known[0]!r}?")
    assert f"--fields '{known[0]}x' is not one of" in wrong.error["message"]


def test_lists_take_many_repeated_or_with_commas(lived: CliSession) -> None:
    def shown(call: str) -> set[tuple[str, str]]:
        entries = lived.sp(f"--json jobs history -n 1000 {call}").data["entries"]
        return {(one["job_name"], one["status"]) for one in entries}

    assert {status for _, status in shown("--status failed --status missed")} == {"failed", "missed"}
    assert shown("--status failed,missed") == shown("--status failed --status missed")
    assert {name for name, _ in shown("--job talks,broken_feed")} == {"talks", "broken_feed"}
    assert shown("--origin manual --origin catch_up") == shown("--origin manual") | shown("--origin catch_up")
    refused = lived.sp("--json jobs history --status failed,mised")
    assert (refused.code, refused.error["hint"]) == (2, "did you mean 'missed'?")
    jobs = lived.sp("--json jobs upcoming -n 40 --job broken_feed --job publish_content").data["entries"]
    assert {one["job_name"] for one in jobs} == {"broken_feed", "publish_content"}
