"""The `.sql` files of both engines and the code that runs them name the same statements."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import systemprompt.ledger
from systemprompt.ledger.statements import load_statements

LEDGER = Path(systemprompt.ledger.__file__).parent
SHARED = LEDGER / "stored"
ENGINES = [LEDGER / "sqlite", LEDGER / "postgres"]
METHODS = {"run", "run_many", "fetch", "stream"}
OF_SQLITE_ALONE = {
    "checkpoint",  # the server does that itself
    "count_folded",
    "data_version",  # there it is `changes`
    "decided_up_to",  # there the cursors tell
    "delete_folded",  # there folding is one statement
    "extent",
    "fold_log",
    "foreign_key_check",
    "free_bytes",
    "free_pages",
    "give_back_a_page",
    "integrity_check",
    "last_fence_given",
    "last_run_given",
    "names_in_a_copy",
    "quick_check",
    "raise_fence",
    "raise_run_numbers",
    "schema_text",
}


@pytest.fixture(params=ENGINES, ids=lambda folder: folder.name)
def engine(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.param
    return folder


def files(engine: Path) -> list[Path]:
    return [*engine.glob("*.py"), *SHARED.glob("*.py")]


def nodes(*paths: Path) -> list[ast.AST]:
    return [node for path in paths for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]


def texts(found: list[ast.AST]) -> set[str]:
    return {node.value for node in found if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def names_run(*paths: Path) -> set[str]:
    """Return the names that stand in calls such as `store.run("beat", ...)` and `read("sums_between", ...)`."""
    calls = [node for node in nodes(*paths) if isinstance(node, ast.Call) and node.args]
    return texts([one.args[0] for one in calls if _runs_a_statement(one.func)])


def _runs_a_statement(called: ast.expr) -> bool:
    if isinstance(called, ast.Name):
        return called.id == "read"
    return isinstance(called, ast.Attribute) and called.attr in METHODS


def test_every_statement_is_run_by_somebody(engine: Path) -> None:
    assert load_statements(str(engine / "sql")).keys() <= texts(nodes(*files(engine)))


def test_every_name_that_is_run_has_its_statement(engine: Path) -> None:
    assert names_run(*files(engine)) <= load_statements(str(engine / "sql")).keys()


def test_a_reading_command_finds_all_it_runs_in_the_one_file_it_loads(engine: Path) -> None:
    assert (
        names_run(engine / "reader.py", SHARED / "reader.py") <= load_statements(str(engine / "sql/reading.sql")).keys()
    )


def test_what_sqlite_has_postgresql_has_under_the_same_name() -> None:
    sqlite, postgres = (load_statements(str(engine / "sql")).keys() for engine in ENGINES)
    assert sqlite - postgres <= OF_SQLITE_ALONE
