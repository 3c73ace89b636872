"""What a forward's source says of values that its inputs may have: the words that it asks a setting for ("max" and "average"
where it says ``if mode == "average"``), and whether it writes at indices, where one that comes twice overwrites."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from gradtool.targets.scope import Scope


def alternatives(scope: Scope, forward: str, backward: str, setting: str) -> tuple[str, ...]:
    """The words that both a forward and its backward compare a parameter, an attribute or a key called ``setting`` with, in
    the order of forward's source. A word that backward does not know may be one that no backward is meant for."""
    known = set(_words(_sources(scope, backward), setting))
    return tuple(word for word in dict.fromkeys(_words(_sources(scope, forward), setting)) if word in known)


def is_written_at(scope: Scope, forward: str, indices: str) -> bool:
    """Whether forward stores at places that come from the input ``indices``, directly or through variables: then what is stored
    last at an index that comes twice is all that is left, and it is rather meant to be without repetition."""
    for source in _sources(scope, forward):
        names = {indices}
        while True:
            more = set(_made_of(source, names)) - names
            if not more:
                break
            names |= more
        for node in ast.walk(source):
            if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and _mentions(node.slice, names):
                return True
            match node:
                case ast.Call(func=ast.Attribute(attr="put_along_axis" | "put" | "place" | "scatter" | "scatter_")):
                    if any(_mentions(argument, names) for argument in node.args):
                        return True
    return False


def transposes(scope: Scope, name: str) -> bool:
    """Whether a function transposes anything, by ``.T``."""
    return any(
        isinstance(n, ast.Attribute) and n.attr == "T" for source in _sources(scope, name) for n in ast.walk(source)
    )


def _made_of(source: ast.AST, names: set[str]) -> Iterator[str]:
    """The variables that are assigned, or run through, something that mentions one of ``names``."""
    for node in ast.walk(source):
        match node:
            case ast.Assign(targets=targets, value=value) if _mentions(value, names):
                for target in targets:
                    yield from _bound(target)
            case ast.For(
                target=ast.Tuple(elts=[_, target]), iter=ast.Call(func=ast.Name(id="enumerate"), args=[value, *_])
            ):
                yield from _bound(target) if _mentions(value, names) else ()
            case ast.For(target=target, iter=value) if _mentions(value, names):
                yield from _bound(target)


def _bound(target: ast.expr) -> Iterator[str]:
    for node in ast.walk(target):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr


def _mentions(node: ast.AST, names: set[str]) -> bool:
    """Whether the content of one of ``names`` counts in an expression, and not its size alone."""
    match node:
        case ast.Name(id=name) if name in names:
            return True
        case ast.Attribute(attr="shape" | "size" | "ndim" | "dtype") | ast.Call(func=ast.Name(id="len")):
            return False
        case ast.Attribute(attr=name) if name in names:
            return True
    return any(_mentions(inner, names) for inner in ast.iter_child_nodes(node))


def _sources(scope: Scope, name: str) -> list[ast.AST]:
    """The source of a function and of those of the module that it calls; of a method, with those of its class."""
    owner, _, first = name.rpartition(".")
    functions = {**scope.functions, **(scope.classes[owner].methods if owner in scope.classes else {})}
    found: dict[str, ast.AST] = {}
    pending = [first]
    while pending:
        function = functions.get(pending.pop())
        if function is None or function.name in found:
            continue
        found[function.name] = function.node
        for node in ast.walk(function.node):
            match node:
                case ast.Call(func=ast.Name(id=called) | ast.Attribute(value=ast.Name(id="self"), attr=called)):
                    pending.append(called)
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
