"""The house plan: each layer imports only what lies below it, never sideways (DESIGN section 4)."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import systemprompt

SOURCE = Path(systemprompt.__file__).parent

DOORS = ("embedding", "testing", "cli")

# From the ground up. Packages on one line do not know each other.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("wording", "record", "own_log"),
    ("errors", "clock", "version", "ownership"),
    ("node_errors",),
    ("cron",),
    ("databases",),
    ("jobs",),
    ("discovery",),
    ("ledger",),
    ("planning", "runner"),
    ("nodes", "audit", "profile"),
    ("builtin",),
    ("system",),
    ("simulation",),
    ("operations",),
    DOORS,
    ("entry",),
    ("__main__",),
)
HEIGHT = {name: height for height, names in enumerate(LAYERS) for name in names}


def imported_layers(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    split = [name.split(".") for name in names]
    return {parts[1] for parts in split if parts[0] == "systemprompt" and len(parts) > 1}


def imported_modules(path: Path) -> set[str]:
    """Return the modules that a file imports anywhere in it, for types alone too."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def layer_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


FILES = sorted(path for path in SOURCE.rglob("*.py") if path.name != "__init__.py" or path.parent != SOURCE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_layer_imports_only_what_lies_below_it(path: Path) -> None:
    own = layer_of(path)
    for other in imported_layers(path) - {own}:
        if other not in HEIGHT:
            # A public name, such as `from systemprompt import Job`: what a user would write. Only built-in jobs do.
            assert own == "builtin", f"{own} uses the public name {other!r}"
            continue
        assert HEIGHT[other] < HEIGHT[own], f"{own} imports {other}"


def test_no_door_imports_another_and_only_the_entry_starts_one() -> None:
    for path in FILES:
        own = layer_of(path)
        assert own == "entry" or not imported_layers(path) & set(DOORS) - {own}, path


def test_planner_and_runner_never_call_each_other() -> None:
    """They meet in the ledger, so that each can be replaced, tested and killed alone."""
    for one, other in (("planning", "runner"), ("runner", "planning")):
        for path in SOURCE.joinpath(one).rglob("*.py"):
            assert other not in imported_layers(path), path


def module_of(path: Path) -> str:
    return ".".join(("systemprompt", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")


def imported_at_module_level(path: Path) -> set[str]:
    """Return what a file names in its imports outside functions: for types alone too, and names as if they were modules."""
    found: set[str] = set()
    todo: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"), str(path))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            todo += ast.iter_child_nodes(node)
    return found


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Return the modules of one circle in their order, the first of them again at the end; nothing where there is none."""
    try:
        TopologicalSorter({name: found & imports.keys() - {name} for name, found in imports.items()}).prepare()
    except CycleError as error:
        return [str(name) for name in error.args[1]]
    return []


def test_no_module_imports_one_that_imports_it_however_far_round() -> None:
    """Types count: two modules that each need the other's types are one idea in two files. Imports in functions do not."""
    assert circle({module_of(path): imported_at_module_level(path) for path in SOURCE.rglob("*.py")}) == []


def test_the_search_would_notice_a_circle_of_types(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("if TYPE_CHECKING:\n    from a.b import c\nclass A:\n    import d\ndef f() -> None:\n    import e\n")

    assert imported_at_module_level(bad) == {"a.b", "a.b.c", "d"}
    assert set(circle({"a.b.c": {"x"}, "x": {"y"}, "y": {"a.b.c"}, "z": {"x"}})) == {"a.b.c", "x", "y"}


ENGINES = ("sqlite", "postgres")
"""The packages of the ledger that each know one engine."""

DRIVERS = {"sqlite3", "psycopg", "psycopg2", "asyncpg"}


def test_only_databases_and_an_engine_of_the_ledger_import_a_database_driver() -> None:
    knowing = {str(path.relative_to(SOURCE)) for path in FILES if imported_modules(path) & DRIVERS}

    may = ("databases/", *(f"ledger/{engine}/" for engine in ENGINES))
    assert {name for name in knowing if not name.startswith(may)} == set()


def test_an_operation_knows_no_engine() -> None:
    for path in SOURCE.joinpath("operations").glob("*.py"):
        packages = tuple(f"systemprompt.ledger.{engine}" for engine in ENGINES)
        engines = {name for name in imported_modules(path) if name.startswith(packages)}
        words = {word for word in ("sqlite3", "PRAGMA", "-wal", "-shm") if word in path.read_text(encoding="utf-8")}
        assert not engines | words, path


def test_every_package_has_its_place_in_the_plan() -> None:
    assert {layer_of(path) for path in FILES} == set(HEIGHT)


def test_contributors_read_the_plan_that_is_held() -> None:
    plan = "\n".join(", ".join(names) for names in LAYERS if names != ("__main__",))
    assert f"```text\n{plan}\n```" in Path(__file__).parents[1].joinpath("CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_plan_would_notice_an_import_upwards(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("def f() -> None:\n    from systemprompt.runner.runner import Runner\n")

    assert imported_layers(bad) == {"runner"}
    assert HEIGHT["runner"] > HEIGHT["cron"]


def test_public_names_are_the_listed_ones() -> None:
    for name in systemprompt.__all__:
        assert getattr(systemprompt, name) is not None
    assert sorted(systemprompt.__all__) == list(systemprompt.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Jop'"):
        systemprompt.Jop  # noqa: B018  # asking for it is the test


def test_no_file_is_longer_than_four_hundred_lines() -> None:
    """Past that there is a second idea in it."""
    long = {str(path.relative_to(SOURCE)): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}

    assert {name: lines for name, lines in long.items() if lines > 400} == {}
