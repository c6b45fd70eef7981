"""What others may use stands in `__all__`, and nobody uses more."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import systemprompt

SOURCE = Path(systemprompt.__file__).parent

# Programs that are run, not imported: nothing in them is for others.
PROGRAMS = {"__main__.py", "runner/child.py", "runner/executors/guard.py"}

FILES = {str(path.relative_to(SOURCE)): path for path in sorted(SOURCE.rglob("*.py"))}


def listed(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(name, ast.Name) and name.id == "__all__" for name in node.targets
        ):
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


def defined(tree: ast.Module) -> set[str]:
    """Return the names of functions and classes at the top of a module."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in tree.body if isinstance(node, kinds)}


def aliases(tree: ast.Module) -> set[str]:
    """Return the type aliases that a module has for the type checker alone: at run time there is nothing to list."""
    unseen = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    lines = [line for node in unseen for line in node.body]
    return {line.target.id for line in lines if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)}


def borrowed(tree: ast.Module) -> set[tuple[str, str]]:
    """Return (module, name) of everything that a module takes from modules of ours."""
    return {
        (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "systemprompt"
        for alias in node.names
    }


def file_of(module: str) -> Path | None:
    path = SOURCE.joinpath(*module.split(".")[1:])
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists()), None)


@pytest.mark.parametrize("name", sorted(FILES.keys() - PROGRAMS))
def test_a_module_lists_what_it_makes_public(name: str) -> None:
    tree = ast.parse(FILES[name].read_text(encoding="utf-8"))
    public = {one for one in defined(tree) if not one.startswith("_")}
    names = listed(tree)
    if names is None:
        assert FILES[name].name == "__init__.py"
        assert public == set()
        return
    assert public <= set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", FILES)
def test_nobody_takes_what_is_not_listed(name: str) -> None:
    for module, taken in borrowed(ast.parse(FILES[name].read_text(encoding="utf-8"))):
        home = file_of(module)
        assert home is not None, f"{module} is no module of ours"
        if file_of(f"{module}.{taken}") is not None:
            continue
        there = ast.parse(home.read_text(encoding="utf-8"))
        assert taken in {*(listed(there) or ()), *aliases(there)}, f"{module} does not list {taken}"
