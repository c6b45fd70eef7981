"""The docs say what is so: their commands and code run, their tables are the program's, their links lead somewhere."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from support import REPOSITORY
from support.doc_pages import READ, RUN, Shell, blocks, make_targets, pages
from support.postgres_server import a_database
from systemprompt.cli.table import COMMANDS
from systemprompt.ledger.records import REASONS, STATUSES
from systemprompt.profile.kinds import KINDS
from systemprompt.profile.schema import walk

NAMES = [str(page.relative_to(REPOSITORY)) for page in pages()]


ON_A_SERVER = "docs/many-machines.md"


@pytest.fixture
def shop(newest_postgres: str) -> Iterator[dict[str, str]]:
    """The variables by which libpq finds a server with an empty database `shop`."""
    with a_database(newest_postgres, "shop"), psycopg.connect(newest_postgres) as connection:
        yield {"PGHOST": connection.info.host, "PGUSER": connection.info.user}


@pytest.mark.parametrize("name", [name for name in NAMES if any(b.language in RUN for b in blocks(REPOSITORY / name))])
def test_every_block_that_can_run_runs(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    shell = Shell(tmp_path)
    if name == ON_A_SERVER:
        shell.environ |= request.getfixturevalue("shop")
    try:
        for block in blocks(REPOSITORY / name):
            if block.language in RUN:
                shell.carry_out(block)
    finally:
        shell.close()


@pytest.mark.parametrize("name", NAMES)
def test_every_block_says_its_language(name: str) -> None:
    unknown = [
        (block.line, block.language) for block in blocks(REPOSITORY / name) if block.language not in (*RUN, *READ)
    ]
    assert not unknown


@pytest.mark.parametrize("name", NAMES)
def test_relative_links_lead_to_files(name: str) -> None:
    page = REPOSITORY / name
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    assert [link for link in links if link and "://" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("docs/")])
def test_pages_of_the_docs_have_front_matter(name: str) -> None:
    _, front_matter, _ = (REPOSITORY / name).read_text(encoding="utf-8").split("---\n", 2)
    assert {"title", "description", "tags", "date"} <= set(yaml.safe_load(front_matter))


def test_the_index_of_the_docs_names_every_page() -> None:
    index = (REPOSITORY / "docs" / "index.md").read_text(encoding="utf-8")
    below = [
        str(page.relative_to(REPOSITORY / "docs"))
        for page in (REPOSITORY / "docs").rglob("*.md")
        if page.name != "index.md"
    ]
    assert [page for page in below if f"({page})" not in index] == []


def test_make_lines_name_targets() -> None:
    lines = [
        line
        for name in NAMES
        for block in blocks(REPOSITORY / name)
        if block.language == "sh"
        for line in block.text.splitlines()
    ]
    made = {match[1] for line in lines if (match := re.match(r"make ([a-z]+)", line))}
    assert made <= make_targets()
    assert {"demo", "test"} <= made


def test_reference_tables_are_the_programs() -> None:
    reference = _load(REPOSITORY / "docs" / "make_reference.py")
    for path, heading, made in reference.PARTS:
        text = (REPOSITORY / "docs" / path).read_text(encoding="utf-8")
        stale = f"docs/{path}, {heading!r} is stale: .venv/bin/python docs/make_reference.py"
        assert reference.with_part(text, heading, made()) == text, stale


def test_diagrams_show_what_the_program_does() -> None:
    diagrams = _load(REPOSITORY / "docs" / "make_diagrams.py")
    for name, drawn in diagrams.DIAGRAMS.items():
        stale = f"docs/{name} is stale: .venv/bin/python docs/make_diagrams.py"
        assert (REPOSITORY / "docs" / name).read_text(encoding="utf-8") == drawn(), stale


def test_every_kind_of_value_is_said_in_a_readers_words() -> None:
    assert set(_load(REPOSITORY / "docs" / "make_reference.py").KINDS) >= set(KINDS) | {key.kind for _, key in walk()}


def test_the_readme_names_every_command() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    names = [" ".join(command.path).removeprefix("infra ") for command in COMMANDS]
    assert [name for name in names if f"`{name}" not in readme] == []


def test_statuses_are_those_of_the_ledger() -> None:
    concepts = (REPOSITORY / "docs" / "concepts.md").read_text(encoding="utf-8")
    assert [status for status in STATUSES if f"| `{status}` |" not in concepts] == []
    assert set(REASONS) <= set(STATUSES)


def test_the_demo_ends_by_itself_with_a_clean_audit_and_leaves_nothing(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, str(REPOSITORY / "examples" / "demo" / "demo.py")],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for said in (
        "$ sp jobs list",
        "$ sp jobs history",
        "$ sp jobs audit",
        "failed, node_lost (1 attempt)",
        "success (2 attempts)",
    ):
        assert said in ended.stdout
    assert list(tmp_path.iterdir()) == []


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
