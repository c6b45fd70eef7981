"""A job that silences `logging` silences neither the node nor the runs of others."""

from __future__ import annotations

import logging

import pytest

from support.runner_stage import RunnerStage
from systemprompt.jobs.context import JobContext
from systemprompt.own_log import own_log


def test_what_the_program_says_is_heard_though_a_job_disabled_logging(caplog: pytest.LogCaptureFixture) -> None:
    def silences() -> None:
        logging.disable(logging.CRITICAL)

    def speaks(ctx: JobContext) -> None:
        ctx.logger.info("still here")

    try:
        with RunnerStage() as stage:
            stage.finished(stage.start(silences))
            run = stage.start(speaks)
            stage.finished(run)
            own_log("systemprompt.node").warning("the ledger cannot be written just now")
            assert stage.lines(run) == [("INFO", "job", "still here")]
        assert "the ledger cannot be written just now" in caplog.text
    finally:
        logging.disable(logging.NOTSET)


def test_levels_are_the_hosts_to_set() -> None:
    log = own_log("systemprompt.test_of_levels")
    log.setLevel(logging.ERROR)
    assert not log.isEnabledFor(logging.WARNING)
    assert log is logging.getLogger("systemprompt.test_of_levels")
    assert logging.getLoggerClass() is logging.Logger
