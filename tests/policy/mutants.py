"""Versions of a module with one rule deleted: what the table has to notice.

A mutant is one function whose code has one condition made constant, one operand of an ``and`` or ``or``
dropped, one case of a ``match`` left out, one truth value it returns made constant, or one bound moved by
the least there is.
"""

from __future__ import annotations

import ast
import copy
import inspect
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

Change = Callable[[ast.AST], None]

_NEIGHBOURS = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}


class Mutant(NamedTuple):
    """One function with one rule deleted; ``name`` says which, by its text."""

    name: str
    function: FunctionType
    code: CodeType


def mutants(module: ModuleType) -> Iterator[Mutant]:
    """Yield every mutant of the functions and methods of a module."""
    source = inspect.getsource(module)
    found: Counter[str] = Counter()
    for path, function in _functions(module):
        for what, tree in _variants(_alone(ast.parse(source), path), path):
            code = _code_at(compile(tree, module.__file__ or "", "exec"), path)
            name = f"{module.__name__.rpartition('.')[2]}.{'.'.join(path)}: {what}"
            found[name] += 1
            yield Mutant(name if found[name] == 1 else f"{name} ({found[name]})", function, code)


@contextmanager
def in_place(mutant: Mutant) -> Iterator[None]:
    """Let the mutant stand for its function."""
    original = mutant.function.__code__
    mutant.function.__code__ = mutant.code
    try:
        yield
    finally:
        mutant.function.__code__ = original


def _functions(module: ModuleType) -> Iterator[tuple[tuple[str, ...], FunctionType]]:
    for name, value in vars(module).items():
        if getattr(value, "__module__", None) != module.__name__:
            continue
        if isinstance(value, FunctionType):
            yield (name,), value
        elif isinstance(value, type):
            for inner, attribute in vars(value).items():
                method = attribute.fget if isinstance(attribute, property) else attribute
                if isinstance(method, FunctionType) and method.__code__.co_filename == module.__file__:
                    yield (name, inner), method


def _alone(tree: ast.Module, path: tuple[str, ...]) -> ast.Module:
    """Take out of a module all but its imports and the function at the path: it is copied for each change."""
    outer = _node_at(tree, path[:1])
    if path[1:]:
        outer.body = [_node_at(outer, path[1:])]
    imports = (node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))
    tree.body = [*imports, outer]
    return tree


def _variants(tree: ast.Module, path: tuple[str, ...]) -> Iterator[tuple[str, ast.Module]]:
    """Yield trees with one change each inside of the function at the path."""
    for position, node in enumerate(ast.walk(_node_at(tree, path))):
        for what, change in _changes(node):
            changed = copy.deepcopy(tree)
            change([*ast.walk(_node_at(changed, path))][position])
            yield what, ast.fix_missing_locations(changed)


def _changes(node: Any) -> Iterator[tuple[str, Change]]:
    if isinstance(node, ast.Compare):
        yield from _moved_bounds(node)
    match node:
        case ast.If(test=test) | ast.IfExp(test=test):
            for value in (True, False):
                yield f"if {ast.unparse(test)} -> {value}", _set("test", ast.Constant(value))
        case ast.BoolOp(op=operator, values=values):
            neutral = ast.Constant(isinstance(operator, ast.And))
            for number, operand in enumerate(values):
                yield f"without {ast.unparse(operand)}", _replace("values", number, neutral)
        case ast.match_case(pattern=pattern):
            yield f"case {ast.unparse(pattern)} -> never", _set("guard", ast.Constant(False))
        case ast.Return(value=ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()) as value):
            for constant in (True, False):
                yield f"return {ast.unparse(value)} -> {constant}", _set("value", ast.Constant(constant))


def _moved_bounds(node: ast.Compare) -> Iterator[tuple[str, Change]]:
    for number, operator in enumerate(node.ops):
        if type(operator) in _NEIGHBOURS:
            other = _NEIGHBOURS[type(operator)]()
            yield f"{ast.unparse(node)} with {type(other).__name__}", _replace("ops", number, other)


def _set(field: str, value: ast.expr) -> Change:
    return lambda node: setattr(node, field, value)


def _replace(field: str, number: int, value: ast.AST) -> Change:
    return lambda node: getattr(node, field).__setitem__(number, value)


def _node_at(tree: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        tree = next(node for node in tree.body if getattr(node, "name", None) == name)
    return tree


def _code_at(code: CodeType, path: tuple[str, ...]) -> CodeType:
    for name in path:
        code = next(c for c in code.co_consts if isinstance(c, CodeType) and c.co_name == name)
    return code
