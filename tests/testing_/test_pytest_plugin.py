"""The pytest fixtures, in a pytest of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = """
import pytest

from systemprompt import JobContext, job


@job(schedule="@hourly")
def count(ctx: JobContext) -> str:
    ctx.db_pool.execute("CREATE TABLE IF NOT EXISTS counted (n)")
    ctx.db_pool.execute("INSERT INTO counted VALUES (1)")
    return f"{ctx.db_pool.fetch_one('SELECT count(*) AS n FROM counted')['n']} of {ctx.get_parameter('limit', int, 9)}"


def test_a_node(job_node):
    node, other = job_node(jobs=[count]), job_node(jobs=[count], start="2026-07-01")
    assert [run.message for run in node.advance("2h")] == ["1 of 9", "2 of 9"]
    assert [run.message for run in other.advance("1h")] == ["1 of 9"]


def test_a_context(job_context, tmp_path):
    assert count(job_context(limit=3)) == "1 of 3"
    assert count(job_context(name="count", limit="4")) == "2 of 4"
    assert job_context(enforce=True).enforce
    assert job_context().paths.home == str(tmp_path)


def test_a_ledger_that_lies_is_noticed(job_node):
    node = job_node(jobs=[count])
    node.advance("1h")
    node.audit = lambda: pytest.fail("found it")
"""


def test_the_fixtures_make_nodes_and_contexts_and_audit_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "test_count.py").write_text(TESTS, encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "3 passed, 1 error" in ended.stdout, ended.stdout + ended.stderr
    assert "ERROR at teardown of test_a_ledger_that_lies_is_noticed" in ended.stdout
