"""The examples do what their READMEs say, line by line."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
from pathlib import Path

from support.embedded_node import audit_is_clean
from support.example_copy import PATIENCE, Example


def test_a_profile_of_programs(tmp_path: Path) -> None:
    example = Example("shell_only", tmp_path)
    (lines,) = example.blocks
    said = example.paste(lines)
    assert "6 words" in said
    assert "attempt 1 of count_words@run-4" in said
    assert (example.folder / "notes.tar.gz").exists()
    audit_is_clean(example.folder / "profile.yaml")


def test_a_job_with_progress_and_its_tests(tmp_path: Path) -> None:
    example = Example("progress", tmp_path)
    (lines,) = example.blocks
    said = example.paste(lines)
    assert "39 thumbnails" in said
    assert "10 thumbnails" in said
    assert "cannot read picture-013.jpg" in said
    assert "2 passed" in said
    audit_is_clean(example.folder / "profile.yaml")


def test_progress_is_seen_on_a_terminal(tmp_path: Path) -> None:
    example = Example("progress", tmp_path)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["sp", "--profile", "profile.yaml", "jobs", "run", "make_thumbnails"],
        cwd=example.folder,
        env={**example.environ, "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said = b""
    try:
        while chunk := os.read(ours, 65_536):
            said += chunk
    except OSError:  # Linux: the other end is closed
        assert process.wait(PATIENCE) == 0, said
    finally:
        os.close(ours)
    assert re.search(rb"make_thumbnails: \d+ of 40, picture-\d+.jpg", said), said


def test_a_fastapi_app_runs_jobs_and_tells_of_them(tmp_path: Path) -> None:
    example = Example("fastapi_app", tmp_path)
    serve, ask = example.blocks
    with example.pasted(serve.replace("8000", "0")) as app:
        said = app.line_with("Uvicorn running on")
        address = re.search(r"127\.0\.0\.1:\d+", said)
        assert address, said
        by_hand, with_limit, listed, *history = ask.replace("127.0.0.1:8000", address[0]).splitlines()
        assert json.loads(example.paste(by_hand))["message"] == "sent 0 of at most 100 mails"
        assert json.loads(example.paste(with_limit))["message"] == "sent 0 of at most 5 mails"
        runs = json.loads(example.paste(listed))
        assert {run["origin"] for run in runs} >= {"manual"}
        assert all(run["job_name"] == "send_mail" for run in runs)
        assert "send_mail" in example.paste("\n".join(history))
        refused = example.paste(f"curl -s -X POST http://{address[0]}/jobs/send_male/runs")
        assert json.loads(refused) == {"detail": "no job is named 'send_male'"}
        assert app.process.poll() is None
        app.process.send_signal(signal.SIGTERM)
        app.line_with("Application shutdown complete")
    audit_is_clean(example.folder / "profile.yaml")


def test_a_django_site_runs_jobs_that_use_its_models(tmp_path: Path) -> None:
    example = Example("django_app", tmp_path)
    begin, after = example.blocks
    *prepare, runjobs = begin.splitlines()
    example.paste("\n".join(prepare))
    with example.pasted(runjobs) as site:
        site.line_with("serving: ")
        site.line_with("run_finished: 1 carts expired")
        assert "stopping" in site.stop(signal.SIGTERM)
    said = example.paste(after)
    assert "1 expired" in said
    assert "expire_carts" in said
    audit_is_clean(example.folder / "profile.yaml")
