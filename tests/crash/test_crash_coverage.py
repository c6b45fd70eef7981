"""The crash campaign exercises every transaction that the code has: found in the source, and heard when scenarios are played."""

from __future__ import annotations

import ast
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from crash_scenarios import SCENARIOS, STATEMENTS, play
from recorder import PLUMBING, Event, writes

import systemprompt
from systemprompt.ledger.protocol import Ledger
from systemprompt.ledger.reader import LedgerReader
from systemprompt.ledger.sqlite.ledger import SqliteLedger
from systemprompt.ledger.stored.ledger import StoredLedger

PACKAGE = Path(systemprompt.__file__).parent
DATABASES = ("db_pool", "database")
_OTHER_ENGINE = "systemprompt.ledger.postgres."  # has scenarios of its own: see test_crash_coverage_postgres
_ON_OTHER_ENGINES = {"systemprompt.builtin.upkeep.database_cleanup:_vacuum"}
ON_A_CONNECTION = ("migrate", "locked_transaction")
"""Functions that begin one on a connection that they are handed."""
CHANGING = {"INSERT", "UPDATE", "DELETE", "REPLACE"}


@cache
def heard() -> frozenset[Event]:
    """Play every scenario to its end."""
    events: set[Event] = set()
    for name, scenario in SCENARIOS.items():
        with tempfile.TemporaryDirectory() as folder:
            scenario.prepare(folder)
            events.update(play(name, folder))
    return frozenset(events)


def transactions_in(module: str, tree: ast.Module) -> Iterator[str]:
    """Yield each function that begins a transaction which writes, as `module:Class.method`."""
    todo: list[tuple[ast.AST, str]] = [(tree, "")]
    while todo:
        node, where = todo.pop()
        for child in ast.iter_child_nodes(node):
            inside = where
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                within = ".<locals>." if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else "."
                inside = f"{where}{within}{child.name}" if where else child.name
            if isinstance(child, ast.Call) and begins(child):
                yield f"{module}:{where}"
            todo.append((child, inside))


def begins(call: ast.Call) -> bool:
    """Say whether a call begins a transaction: by name, by what it is handed, or by the SQL that it sends."""
    if any(word.arg == "begin" for word in call.keywords):
        return True
    if isinstance(call.func, ast.Name):
        return call.func.id in ON_A_CONNECTION
    if not isinstance(call.func, ast.Attribute):
        return False
    owner = ast.unparse(call.func.value).rpartition(".")[2].lstrip("_")
    if call.func.attr == "write":
        return owner in ("store", "heart")
    if call.func.attr in ("transaction", "execute_many"):
        return owner in DATABASES
    if call.func.attr not in ("execute", "executemany", "executescript", "fetch"):
        return False
    if owner in DATABASES and call.func.attr == "execute":
        return True
    return owner in ("connection", *DATABASES) and writes(_text_of(call))


def _text_of(call: ast.Call) -> str:
    """Return the SQL that stands in the call, as far as it stands there. Where its verb is a value, a verb that changes counts."""
    sql = call.args[0] if call.args else ast.Constant(None)
    parts = [node.value for node in ast.walk(sql) if isinstance(node, ast.Constant)]
    text = "".join(part for part in parts if isinstance(part, str)) or "SELECT"
    if isinstance(sql, ast.JoinedStr) and not isinstance(sql.values[0], ast.Constant):
        return next(iter(CHANGING & set(text.upper().split())), "SELECT")
    return text


def changes(text: str) -> bool:
    words = "\n".join(line for line in text.splitlines() if not line.startswith("--")).upper().split()
    return words[0] in CHANGING or (words[0] == "WITH" and bool(CHANGING & set(words)))


def found_in(belongs: Callable[[str], bool]) -> set[str]:
    """Return the transactions of the modules that belong to it."""
    found: set[str] = set()
    for file in PACKAGE.rglob("*.py"):
        module = ".".join(("systemprompt", *file.relative_to(PACKAGE).with_suffix("").parts))
        if module not in PLUMBING and belongs(module):
            found.update(transactions_in(module, ast.parse(file.read_text(encoding="utf-8"))))
    return found


def in_the_source() -> set[str]:
    return found_in(lambda module: not module.startswith(_OTHER_ENGINE)) - _ON_OTHER_ENGINES


def test_what_is_left_to_other_engines_is_still_there() -> None:
    for name in _ON_OTHER_ENGINES:
        module, _, function = name.partition(":")
        assert f"def {function}(" in (PACKAGE.parent / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")


def test_every_transaction_in_the_source_is_lived_through() -> None:
    """Add a scenario in tests/crash for a new one: then it is killed at each of its statements."""
    assert in_the_source() - {event.transaction for event in heard()} == set()


def test_every_transaction_that_is_heard_can_be_found_in_the_source() -> None:
    """Or the search above is blind to a way of beginning one."""
    begun = {event.transaction for event in heard() if event.name == "begin"}
    assert {name for name in begun if name.startswith("systemprompt.")} - in_the_source() == set()


def test_every_method_of_the_ledger_that_writes_is_killed() -> None:
    writing = {name for name in vars(Ledger) if not name.startswith("_")} - vars(LedgerReader).keys()
    writing -= {"be_patient", "answered_within", "hear", "held", "epoch"}  # what a node asks, and nothing is written
    # A method may leave its transaction to a part of its own name.
    lived = {event.transaction.partition(":")[2].replace("._", ".") for event in heard() if event.name == "committed"}
    holders = (SqliteLedger.__name__, StoredLedger.__name__)
    assert {name for name in writing if not lived & {f"{holder}.{name}" for holder in holders}} == set()


def test_every_named_statement_that_writes_is_among_the_kill_points() -> None:
    writing = {name for name, text in STATEMENTS.items() if changes(text)}
    assert {"write_closed_runs", "move_cursors", "keep_late_result", "prune_ranges"} <= writing
    assert writing - {event.name for event in heard()} == set()


def test_the_search_sees_each_way_to_begin_a_transaction() -> None:
    source = """
class A:
    def one(self):
        with self._store.write():
            pass
    def two(self):
        migrate(connection, folder, table="t", begin=store.begin)
    def three(self, ctx):
        with ctx.db_pool.transaction():
            pass
    def four(self, ctx):
        ctx.db_pool.execute("DELETE FROM logs")
    def five(self):
        def inner():
            self._store.connection.execute("PRAGMA incremental_vacuum(9)")
    def six(self):
        self._connection.execute(f"{insert} INTO jobs DEFAULT VALUES; DELETE FROM {table}")
    def reads(self, ctx):
        ctx.db_pool.fetch("SELECT 1")
        self._connection.execute(f"{shown} WHERE job_id = 1")
        self._store.connection.execute("PRAGMA page_count")
"""
    found = set(transactions_in("m", ast.parse(source)))
    assert found == {"m:A.one", "m:A.two", "m:A.three", "m:A.four", "m:A.five.<locals>.inner", "m:A.six"}
