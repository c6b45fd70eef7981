"""The blog package, installed as a user would, and every line of its README."""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support import REPOSITORY, environ_of_a_user
from support.installation import SP

BLOG = REPOSITORY / "examples" / "blog"
INSTALL = "pip install ./examples/blog"


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Install the package in a folder of its own, without a network."""
    site = tmp_path_factory.mktemp("installed")
    arguments = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--no-cache-dir", "--target", str(site)]
    subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", *arguments, str(BLOG)],
        check=True,
        timeout=120,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return environ_of_a_user(PYTHONPATH=str(site), HOME=str(site))


def lines() -> list[str]:
    block = re.search(r"```sh\n(.*?)```", (BLOG / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    return block[1].splitlines()


def test_every_line_of_the_readme_works_when_pasted(environ: dict[str, str], tmp_path: Path) -> None:
    assert lines()[0] == INSTALL, "it is what the fixture does"
    script = ["set -e", "shopt -s expand_aliases"]
    for line in lines()[1:]:
        script += [f"echo {shlex.quote('$ ' + line)}", line]

    done = subprocess.run(
        ["bash"], input="\n".join(script), cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 0, done.stdout + done.stderr
    parts = (part.partition("\n") for part in f"\n{done.stdout}".split("\n$ ")[1:])
    said = {line: answer for line, _, answer in parts}
    assert "Ingests blog posts from markdown files" in said["sp infra jobs list --tag blog"]
    assert "Every hour" in said["sp infra jobs show blog_content_ingestion"]
    assert "Ingested 2 posts" in said["sp infra jobs run blog_content_ingestion"]
    history = json.loads(said["sp --json jobs history --job blog_content_ingestion"])["data"]
    assert [entry["status"] for entry in history["entries"]] == ["success", "success"]
    assert said['sp jobs disable blog_content_ingestion --why "the blog is moving"'].startswith("Job 'blog_content")


def test_the_jobs_answer_has_the_shape_that_the_reference_shows(environ: dict[str, str], tmp_path: Path) -> None:
    def sp(*words: str) -> dict[str, Any]:
        done = subprocess.run(
            [*SP, "--json", *words],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        data: dict[str, Any] = json.loads(done.stdout)["data"]
        return data

    sp("init")
    posts = tmp_path / ".systemprompt/profiles/local/posts"
    posts.mkdir()
    (posts / "2026-01-14-first.md").write_text("# First\n\nHello.\n", encoding="utf-8")
    (posts / "untitled.md").write_text("no heading\n", encoding="utf-8")

    (run,) = sp("jobs", "run", "blog_content_ingestion", "-p", "folder=posts")["jobs_run"]

    assert (run["job_name"], run["status"]) == ("blog_content_ingestion", "success")
    said = {"success": True, "message": "Ingested 1 post", "items_processed": 1, "items_failed": 1}
    assert run["result"] == said | {"did_nothing": False, "dry_run": False}
    listed = sp("jobs", "show", "blog_content_ingestion")
    assert (listed["schedule"], listed["schedule_human"]) == ("0 0 * * * *", "Every hour")
    with closing(sqlite3.connect(tmp_path / ".systemprompt/profiles/local/data/app.db")) as connection:
        rows = connection.execute("SELECT slug, title, body FROM blog_posts").fetchall()
    assert rows == [("first", "First", "# First\n\nHello.")]


def test_building_leaves_nothing_in_the_examples_folder(environ: dict[str, str]) -> None:
    assert {path.name for path in BLOG.iterdir()} == {"README.md", "pyproject.toml", "src"}
