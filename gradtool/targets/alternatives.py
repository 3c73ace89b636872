"""The words that code asks a setting for: "max" and "average" where it says ``if mode == "average"``.

What a function does for each of them is another function, with another derivative.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from gradtool.targets.scope import Scope


def alternatives(scope: Scope, forward: str, backward: str, setting: str) -> tuple[str, ...]:
    """The words that both a forward and its backward compare a parameter, an attribute or a key called ``setting`` with, in
    the order of forward's source. A word that backward does not know may be one that no backward is meant for."""
    known = set(_words(_sources(scope, backward), setting))
    return tuple(word for word in dict.fromkeys(_words(_sources(scope, forward), setting)) if word in known)


def _sources(scope: Scope, name: str) -> list[ast.AST]:
    """The source of a function and of the module's functions that it calls; of a method, that of its class."""
    owner, _, _ = name.rpartition(".")
    if owner in scope.classes:
        return [function.node for function in scope.classes[owner].methods.values()]
    found: dict[str, ast.AST] = {}
    pending = [name]
    while pending:
        function = scope.functions.get(pending.pop())
        if function is not None and function.name not in found:
            found[function.name] = function.node
            pending += [
                n.func.id for n in ast.walk(function.node) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
            ]
    return list(found.values())


def _words(sources: Sequence[ast.AST], setting: str) -> Iterator[str]:
    for source in sources:
        for node in ast.walk(source):
            match node:
                case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq()], comparators=[right]):
                    if _is(left, setting):
                        yield from _strings(right)
                    elif _is(right, setting):
                        yield from _strings(left)
                case ast.Compare(
                    left=left, ops=[ast.In() | ast.NotIn()], comparators=[ast.Tuple() | ast.List() | ast.Set() as right]
                ):
                    if _is(left, setting):
                        for item in right.elts:
                            yield from _strings(item)
                case ast.Match(subject=subject, cases=cases) if _is(subject, setting):
                    for case in cases:
                        for part in ast.walk(case.pattern):
                            if isinstance(part, ast.MatchValue):
                                yield from _strings(part.value)


def _is(node: ast.expr, setting: str) -> bool:
    """Whether an expression is the setting: by its name, as an attribute, under its key."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Subscript(slice=ast.Constant(value=str() as name)):
            return name == setting
        case ast.Call(func=ast.Attribute(value=inner, attr="lower")):
            return _is(inner, setting)
    return False


def _strings(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
