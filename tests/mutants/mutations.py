"""Make the mutants of a module: its source with one small change each, by Cosmic Ray's operators and two of our own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any

import cosmic_ray.operators.binary_operator_replacement as binary
import cosmic_ray.operators.boolean_replacer as booleans
import cosmic_ray.operators.break_continue as loops
import cosmic_ray.operators.comparison_operator_replacement as comparisons
import cosmic_ray.operators.unary_operator_replacement as unary
import parso.python.tree as tree
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.exception_replacer import ExceptionReplacer
from cosmic_ray.operators.number_replacer import NumberReplacer
from cosmic_ray.operators.zero_iteration_for_loop import ZeroIterationForLoop


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change: in which function and line, what stood there, what stands there now, and the module's whole text with it."""

    function: str
    line: int
    was: str
    now: str
    code: str


class SwapMinMax:
    """Replace `min` by `max`, and `max` by `min`."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        if isinstance(node, tree.Name) and node.value in ("min", "max"):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        node.value = "max" if node.value == "min" else "min"
        return node


class RemoveStatement:
    """Replace a statement of one line by `pass`. A `return` then gives None."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        if node.type == "simple_stmt" and node.children[0].type in _REMOVABLE:
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        removed = node.children[0].get_first_leaf()
        node.children[0] = tree.Keyword("pass", removed.start_pos, removed.prefix)
        return node


_REMOVABLE = {"expr_stmt", "atom_expr", "return_stmt", "raise_stmt", "yield_expr"}

# Of each kind the nearest neighbour: an edge moved by one, an operator turned round. The other ten replacements of a `+` are
# found by every test that finds the `-`.
_COMPARISONS = ("Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is")
_BINARY = (
    *("Add_Sub", "Sub_Add", "Mul_FloorDiv", "FloorDiv_Mul", "Mod_FloorDiv"),
    *("RShift_LShift", "LShift_RShift", "BitOr_BitAnd", "BitAnd_BitOr"),
)
OPERATORS = (
    *(getattr(comparisons, f"ReplaceComparisonOperator_{pair}") for pair in _COMPARISONS),
    *(getattr(binary, f"ReplaceBinaryOperator_{pair}") for pair in _BINARY),
    unary.ReplaceUnaryOperator_Delete_Not,
    unary.ReplaceUnaryOperator_Delete_USub,
    unary.ReplaceUnaryOperator_Delete_Invert,
    booleans.AddNot,
    booleans.ReplaceAndWithOr,
    booleans.ReplaceOrWithAnd,
    booleans.ReplaceTrueWithFalse,
    booleans.ReplaceFalseWithTrue,
    loops.ReplaceBreakWithContinue,
    loops.ReplaceContinueWithBreak,
    NumberReplacer,
    ExceptionReplacer,
    ZeroIterationForLoop,
    SwapMinMax,
    RemoveStatement,
)


def mutants_of(source: str, lines: range) -> list[Mutant]:
    """Return the mutants of these lines of a text in their order, each once.

    Annotations, decorators and what only a type checker reads are left alone, and of the module's own level all but the values.
    """
    parsed = ast.parse(source)
    unread, functions = _unread(parsed), _functions(parsed)
    unchanged = _meaning(source)
    found: dict[object, Mutant] = {}
    for operator_class in OPERATORS:
        operator = operator_class()
        positions = (at for node in ast_nodes(get_ast(source)) for at in operator.mutation_positions(node))
        for occurrence, (start, end) in enumerate(positions):
            if start[0] not in lines or any(first <= start and end <= last for first, last in unread):
                continue
            function = _innermost(functions, start[0])
            if operator_class is RemoveStatement and not function:
                continue
            code = mutate_code(source, operator, occurrence)
            meaning = None if code is None else _meaning(code)
            if code is not None and meaning not in (None, unchanged) and meaning not in found:
                was, now = _changed(source, code)
                found[meaning] = Mutant(function=function, line=start[0], was=was, now=now, code=code)
    return sorted(found.values(), key=lambda mutant: mutant.line)


def _unread(parsed: ast.Module) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    nodes: list[ast.expr | ast.stmt] = []
    for node in ast.walk(parsed):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            nodes.append(node.annotation)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            nodes += node.decorator_list
            if not isinstance(node, ast.ClassDef) and node.returns is not None:
                nodes.append(node.returns)
        elif isinstance(node, ast.If | ast.Assign) and "TYPE_CHECKING" in ast.unparse(node).partition("\n")[0]:
            nodes.append(node)
    return [((n.lineno, n.col_offset), (n.end_lineno or n.lineno, n.end_col_offset or 0)) for n in nodes]


def _functions(parsed: ast.Module) -> list[tuple[int, int, str]]:
    found: list[tuple[int, int, str]] = []

    def look(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                if not isinstance(node, ast.ClassDef):
                    found.append((node.lineno, node.end_lineno or node.lineno, prefix + node.name))
                look(node.body, f"{prefix}{node.name}.")

    look(parsed.body, "")
    return found


def _innermost(functions: list[tuple[int, int, str]], line: int) -> str:
    around = [name for first, last, name in functions if first <= line <= last]
    return around[-1] if around else ""


class _Plain(ast.NodeTransformer):
    """Turns `not a == b` into `a != b`: two operators make the same change of many a condition."""

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.op, ast.Not) and isinstance(node.operand, ast.Compare) and len(node.operand.ops) == 1:
            turned = _TURNED.get(type(node.operand.ops[0]))
            if turned is not None:
                node.operand.ops = [turned()]
                return node.operand
        return node


_TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}


def _meaning(text: str) -> object:
    """Return what the interpreter makes of a text, or None where that is nothing: the same for texts that do the same."""
    try:
        return _shape(compile(_Plain().visit(ast.parse(text)), "", "exec"))
    except SyntaxError:
        return None


def _shape(code: CodeType) -> tuple[object, ...]:
    constants = tuple(_shape(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts)
    return (
        code.co_name,
        code.co_code,
        code.co_exceptiontable,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        constants,
    )


def _changed(source: str, code: str) -> tuple[str, str]:
    """Return the lines that differ, before and after, each as one line."""
    was, now = source.splitlines(), code.splitlines()
    first = next(number for number, (one, other) in enumerate(zip(was, now, strict=False)) if one != other)
    same = 0
    while same < min(len(was), len(now)) - first and was[-1 - same] == now[-1 - same]:
        same += 1
    return _one_line(was[first : len(was) - same]), _one_line(now[first : len(now) - same])


def _one_line(lines: list[str]) -> str:
    return " ".join(line.strip() for line in lines)
