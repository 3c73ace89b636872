"""Inputs that a forward keeps away from 0 and from 1 before it takes a logarithm or divides: ``np.clip(p, 1e-7, 1 - 1e-7)``.

Such an input is a probability, or at least positive, whatever its name. Outside of that the clipped forward is flat, and the
backward, which is written for what is inside, is another function's: nothing there says anything about it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from gradtool.targets.described import Domain
from gradtool.targets.scope import Function, Scope, own_nodes

TINY = 1e-3
"""A bound that is no larger is a guard; a larger one is what a function is about (``clip(x, 0.1, 0.9)``)."""
_TINY_NAME = re.compile(r"_?(\w*_)?(eps(ilon)?|EPS(ILON)?|tiny|TINY|smooth\w*)(_\w+)?")
_BETWEEN = frozenset({"clip", "clamp", "clip_by_value"})
_ABOVE = frozenset({"maximum", "fmax", "max", "clamp_min"})
_BELOW = frozenset({"minimum", "fmin", "min", "clamp_max"})
_THROUGH = frozenset(
    {"array", "asarray", "copy", "astype", "reshape", "ravel", "flatten", "squeeze", "float", "atleast_2d"}
)
"""Calls that leave the numbers as they are."""

Bounds = tuple[ast.expr | None, ast.expr | None]


def guarded(scope: Scope, forward: str) -> dict[str, Domain]:
    """The domains of the parameters of ``forward`` (``f``, or ``Class.method``) that are guarded: "unit" or "positive"."""
    owner, _, name = forward.rpartition(".")
    methods: Mapping[str, Function] = scope.functions
    if owner:
        methods = scope.classes[owner].methods if owner in scope.classes else {}
    function = methods.get(name)
    return {} if function is None else _Reader(scope.module, function, methods if owner else {}).domains()


class _Reader:
    def __init__(self, module: ModuleType, function: Function, methods: Mapping[str, Function]) -> None:
        self.module, self.function = module, function
        self.names = {p.name for p in function.parameters}
        self.numbers: dict[str, Any] = {n: v for n, v in vars(module).items() if isinstance(v, float | int)}
        self.first: dict[str, int] = {}
        """The line of the first assignment to each name."""
        for source in (methods.get("__init__"), function):
            for p in source.parameters if source is not None else ():
                self.numbers[p.name] = p.default
            for node in own_nodes(source.node) if source is not None else ():
                if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                    for target in node.targets:
                        self.numbers[ast.unparse(target).removeprefix("self.")] = node.value.value
        for node in own_nodes(function.node):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self.first[node.id] = min(node.lineno, self.first.get(node.id, node.lineno))

    def domains(self) -> dict[str, Domain]:
        found: dict[str, Domain] = {}
        for node in own_nodes(self.function.node):
            if not isinstance(node, ast.Call):
                continue
            name, bounds = self.clipped(node)
            # What has been computed anew under a parameter's name is no longer the input.
            if name not in self.names or self.first.get(name, node.lineno) < node.lineno:
                continue
            if any(self.is_tiny(low) for low, _ in bounds):
                is_unit = any(self.is_near_one(high) for _, high in bounds)
                if is_unit or found.get(name) is None:
                    found[name] = "unit" if is_unit else "positive"
        return found

    def clipped(self, node: ast.expr) -> tuple[str, list[Bounds]]:
        """The variable that an expression clips, seen through what leaves its numbers as they are, and all its bounds."""
        bounds: list[Bounds] = []
        while isinstance(node, ast.Call):
            word, arguments = self.arguments(node)
            if not arguments:
                break
            given = {k.arg: k.value for k in node.keywords}
            if word in _BETWEEN:
                rest = [*arguments[1:], None, None]
                low = given.get("a_min", given.get("min", rest[0]))
                bounds.append((low, given.get("a_max", given.get("max", rest[1]))))
            elif word in _ABOVE | _BELOW and len(arguments) == 2:
                bound = next((a for a in arguments if self.is_tiny(a) or self.is_near_one(a)), arguments[1])
                bounds.append((bound, None) if word in _ABOVE else (None, bound))
                arguments = [a for a in arguments if a is not bound]
            elif word not in _THROUGH:
                break
            node = arguments[0]
        return (node.id if isinstance(node, ast.Name) else ""), bounds

    def arguments(self, call: ast.Call) -> tuple[str, list[ast.expr]]:
        """The name of the function and its arguments; of a method the object is the first."""
        match call.func:
            case ast.Name(id=word):
                return word, list(call.args)
            case ast.Attribute(value=ast.Name(id=name), attr=word) if isinstance(
                vars(self.module).get(name), ModuleType
            ):
                return word, list(call.args)
            case ast.Attribute(value=inner, attr=word):
                return word, [inner, *call.args]
        return "", []

    def is_tiny(self, node: ast.expr | None) -> bool:
        match node:
            case ast.Constant(value=float() | int() as number):
                return 0 < number <= TINY
            case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="self"), attr=name):
                known = self.numbers.get(name)
                if isinstance(known, float | int):
                    return 0 < known <= TINY
                return _TINY_NAME.fullmatch(name) is not None
            case ast.Attribute(value=ast.Call(), attr="eps" | "tiny" | "smallest_normal"):
                return True  # np.finfo(float).eps
        return False

    def is_near_one(self, node: ast.expr | None) -> bool:
        match node:
            case ast.Constant(value=float() | int() as number):
                return 1 - TINY <= number <= 1
            case ast.BinOp(left=ast.Constant(value=1 | 1.0), op=ast.Sub(), right=right):
                return self.is_tiny(right)
        return False
