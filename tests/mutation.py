"""Mistakes planted in a module, one at a time, by changing its syntax tree.

Every operator, comparison, number, sign, index, end of a slice, order of operands, transpose, branch and statement of
the functions asked for is changed in turn, which is enough for mathematics. For code that is safe by what it does and
when, `deeds` adds more: answers and arguments left out, calls in another order, a ``try`` or ``with`` dropped.
"""

import ast
import importlib
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest

import charrnn

MODULE_LEVEL = "<module>"  # the name that stands for what is in no function
_OPERATORS: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.MatMult: ast.Mult,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
# NumPy's functions are operators too.
_FUNCTIONS = {
    "add": "subtract", "subtract": "add", "multiply": "add", "divide": "multiply", "tanh": "arctan", "sqrt": "square",
    "exp": "expm1", "log": "log1p", "maximum": "minimum", "greater_equal": "greater", "ones": "zeros", "zeros": "ones",
    "abs": "negative", "max": "min",
}  # fmt: skip
_ORDERED = {"subtract", "divide", "matmul", "dot", "greater_equal"}  # whose operands may not change places
_UNWRAPPED = {"reversed"}


@dataclass(frozen=True)
class Mutant:
    """One change."""

    path: Path
    function: str
    line: int
    change: str  # such as ``t - start → t + start``
    nth: int  # of the same change in the function, from 1
    number: int  # among all changes of the module
    deeds: bool

    @property
    def tree(self) -> ast.Module:
        """The whole changed module."""
        tree = _parsed(self.path)
        changes = _all_changes(tree, deeds=self.deeds)
        next(islice(changes, self.number, None))  # it stands, since nobody asks for the next
        return ast.fix_missing_locations(tree)

    @property
    def code(self) -> CodeType:
        """The whole changed module, compiled."""
        return compile(self.tree, str(self.path), "exec")

    def __str__(self) -> str:
        return f"{self.function}: {self.change}" + f" ({self.nth})" * (self.nth > 1)


def mutants(path: Path, wanted: Callable[[str], bool] = lambda _: True, *, deeds: bool = False) -> Iterator[Mutant]:
    """Yield every change of the functions whose qualified names, such as ``LSTM.backward``, are wanted."""
    times = Counter[tuple[str, str]]()
    for number, (name, line, change) in enumerate(_all_changes(_parsed(path), deeds=deeds)):
        if wanted(name):
            times[name, change] += 1
            yield Mutant(path, name, line, change, times[name, change], number, deeds)


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _all_changes(tree: ast.Module, *, deeds: bool) -> Iterator[tuple[str, int, str]]:
    """Make each change in place, yield its function, line and text while it stands, and take it back."""
    for name, root in _functions(tree, outside=deeds):
        for line, change in _changes(root, deeds=deeds):
            yield name, line, change


def _functions(tree: ast.Module, *, outside: bool) -> Iterator[tuple[str, ast.AST]]:
    """Yield functions and methods by name, and the statements outside of them where they are asked for."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{part.name}", part) for part in node.body if isinstance(part, ast.FunctionDef))
        elif outside and isinstance(node, ast.Assign | ast.AnnAssign):
            yield MODULE_LEVEL, node


def _changes(root: ast.AST, *, deeds: bool) -> Iterator[tuple[int, str]]:
    for parent, field, place, node in list(_places(root)):
        line = getattr(node, "lineno", getattr(parent, "lineno", 0))
        for other in [*_others(node), *(_other_deeds(node) if deeds else ())]:
            _put(parent, field, place, other)
            yield line, f"{_text(node)} → {_text(other)}"
            _put(parent, field, place, node)
        if deeds and place is not None:
            siblings = getattr(parent, field)
            pair = siblings[place : place + 2]
            if len(pair) == 2 and all(isinstance(one, ast.Expr) and isinstance(one.value, ast.Call) for one in pair):
                siblings[place : place + 2] = reversed(pair)
                yield line, f"{_text(pair[0])} after {_text(pair[1])}"
                siblings[place : place + 2] = pair


def _places(root: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Walk all nodes that are computed with, and say where each hangs."""
    for field, value in ast.iter_fields(root):
        if field in {"annotation", "returns", "decorator_list", "args"} and not isinstance(root, ast.Call):
            continue
        for place, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(node, ast.AST) and not _is_spared(root, node):
                yield root, field, place, node
                yield from _places(node)


def _is_spared(parent: ast.AST, node: ast.AST) -> bool:
    """Whether a change could not matter here.

    In a message, in ``zip(strict=…)``, of the -1 of a `reshape` to -2, or for another operating system.
    """
    match parent, node:
        case _, ast.If(test) | ast.IfExp(test) if "sys.platform" in ast.unparse(test):
            return True
        case _, ast.Raise() | ast.JoinedStr() | ast.keyword("strict"):
            return True
        case ast.Call(ast.Attribute(_, "reshape")), ast.UnaryOp(ast.USub()):
            return True
    return False


def _put(parent: ast.AST, field: str, place: int | None, node: ast.AST) -> None:
    if place is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[place] = node


def _text(node: ast.AST) -> str:
    return ast.unparse(node).split("\n")[0]


def _others(node: ast.AST) -> Iterator[ast.AST]:  # noqa: C901, PLR0912 - a table, one line a kind of node
    """Yield what may stand in a node's place."""
    match node:
        case ast.BinOp(left, operator, right) if type(operator) in _OPERATORS:
            yield ast.BinOp(left, _OPERATORS[type(operator)](), right)
            if isinstance(operator, ast.Sub | ast.Add):
                yield left
            if isinstance(operator, ast.Sub | ast.Div):
                yield ast.BinOp(right, operator, left)
        case ast.AugAssign(target, operator, value):
            if type(operator) in _OPERATORS:
                yield ast.AugAssign(target, _OPERATORS[type(operator)](), value)
            yield ast.Pass()
        case ast.UnaryOp(ast.USub() | ast.Not(), operand):
            yield operand
        case ast.Compare(left, operators, comparators) if len(operators) == 1:
            yield ast.Compare(left, [_OPERATORS[type(operators[0])]()], comparators)
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(_OPERATORS[type(operator)](), values)
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() as value):
            yield ast.Constant(value + 1)
            yield ast.UnaryOp(ast.USub(), ast.Constant(1)) if value == 0 else ast.Constant(value - 1)
        case ast.Constant(float() as value):
            yield ast.Constant(value + 0.25)
        case ast.Slice(lower, upper, step):
            if lower:
                yield ast.Slice(None, upper, step)
                yield ast.Slice(_moved(lower, 1), upper, step)
            if upper:
                yield ast.Slice(lower, None, step)
                yield ast.Slice(lower, _moved(upper, -1), step)
        case ast.Subscript(value, ast.Name() | ast.Call() as index, context):
            yield ast.Subscript(value, _moved(index, -1), context)
        case ast.Call(function, arguments, keywords):
            yield from _other_calls(function, arguments, keywords)
        case ast.Attribute(value, "T"):
            yield value
        case ast.Expr(ast.Call()) | ast.Assign([ast.Subscript()]):
            yield ast.Pass()
        case ast.If(_, body, orelse):
            yield from (ast.If(ast.Constant(value), body, orelse) for value in (False, True))
        case ast.IfExp(_, body, orelse):
            yield from (body, orelse)


def _other_deeds(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what may stand in the place of a deed."""
    match node:
        case ast.Return(value) if value and not isinstance(value, ast.Constant):
            yield ast.Return(ast.Constant(None))
        case ast.Try(body) | ast.With([ast.withitem(_, None)], body):
            yield ast.If(ast.Constant(True), body, [])
        case ast.BinOp(left, ast.BitOr() | ast.BitAnd(), _):
            yield left
        case ast.Compare(left, operators, comparators) if len(operators) > 1:
            for n, operator in enumerate(operators):
                yield ast.Compare(
                    left, [*operators[:n], _OPERATORS[type(operator)](), *operators[n + 1 :]], comparators
                )
        case ast.Call(function, [_, _, *_] as arguments, keywords):
            yield ast.Call(function, arguments[:-1], keywords)


def _other_calls(
    function: ast.expr, arguments: list[ast.expr], keywords: list[ast.keyword]
) -> Iterator[ast.AST]:  # fmt: skip
    name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    if name in _FUNCTIONS and len(arguments) > 0:
        other = ast.Attribute(ast.Name("np", ast.Load()), _FUNCTIONS[name], ast.Load())
        yield ast.Call(other, arguments, keywords)
    if name in _ORDERED and len(arguments) > 1 and ast.dump(arguments[0]) != ast.dump(arguments[1]):
        yield ast.Call(function, [arguments[1], arguments[0], *arguments[2:]], keywords)
    if name in _UNWRAPPED:
        yield arguments[0]
    if name == "copy" and isinstance(function, ast.Attribute):
        yield function.value


def _moved(node: ast.expr, by: int) -> ast.expr:
    return ast.BinOp(node, ast.Add() if by > 0 else ast.Sub(), ast.Constant(abs(by)))


@contextmanager
def module_replaced(name: str, code: CodeType, parts: Collection[str]) -> Iterator[Callable[[str], Any]]:
    """Put a changed module in the place of the real one; yields how to import others anew around it.

    Parameters
    ----------
    name : such as ``charrnn.nn.lstm``
    parts : of the package, such as ``nn``, whose modules may not be the real ones either
    """
    with pytest.MonkeyPatch.context() as patch:
        for part in parts:
            if hasattr(charrnn, part):
                patch.setattr(charrnn, part, getattr(charrnn, part))  # the import below rebinds it
            for loaded in [name for name in sys.modules if f"{name}.".startswith(f"charrnn.{part}.")]:
                patch.delitem(sys.modules, loaded)
        module = ModuleType(name)
        patch.setitem(sys.modules, name, module)
        exec(code, vars(module))  # noqa: S102 - this project's own source
        yield importlib.import_module
