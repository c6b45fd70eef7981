"""The `.sql` files and the code that runs them name the same statements."""

from __future__ import annotations

import ast
from pathlib import Path

import systemprompt.ledger.sqlite
from systemprompt.ledger.statements import load_statements

CODE = Path(systemprompt.ledger.sqlite.__file__).parent
SHARED = CODE.parent / "stored"
FILES = [*CODE.glob("*.py"), *SHARED.glob("*.py")]
METHODS = {"run", "run_many", "fetch", "stream"}


def nodes(*files: Path) -> list[ast.AST]:
    return [node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]


def texts(found: list[ast.AST]) -> set[str]:
    return {node.value for node in found if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def names_run(*files: Path) -> set[str]:
    """Return the names that stand in calls such as `store.run("beat", ...)` and `read("sums_between", ...)`."""
    calls = [node for node in nodes(*files) if isinstance(node, ast.Call) and node.args]
    return texts([one.args[0] for one in calls if _runs_a_statement(one.func)])


def _runs_a_statement(called: ast.expr) -> bool:
    if isinstance(called, ast.Name):
        return called.id == "read"
    return isinstance(called, ast.Attribute) and called.attr in METHODS


def test_every_statement_is_run_by_somebody() -> None:
    assert load_statements(str(CODE / "sql")).keys() <= texts(nodes(*FILES))


def test_every_name_that_is_run_has_its_statement() -> None:
    assert names_run(*FILES) <= load_statements(str(CODE / "sql")).keys()


def test_a_reading_command_finds_all_it_runs_in_the_one_file_it_loads() -> None:
    assert (
        names_run(CODE / "reader.py", SHARED / "reader.py") <= load_statements(str(CODE / "sql" / "reading.sql")).keys()
    )
