"""A forward that returns its backward: ``return Y, backprop``, a function or lambda defined inside forward.

The names of its parameters say what to pass: ``dY`` is the upstream, ``X`` forward's input, ``Y`` its output.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gradtool.targets.backward_call import Style, is_public, own_parameters
from gradtool.targets.found import CannotBindError, Found
from gradtool.targets.function_pair import FunctionPair, elements
from gradtool.targets.scope import Function, Parameter, Scope, own_nodes

CONVENTION = "callback"


def find(scope: Scope, taken: frozenset[str]) -> Iterator[Found]:
    """The functions of a module that return a callback last."""
    for name, forward in scope.functions.items():
        node = None if name in taken or not is_public(name) else _callback(forward)
        if node is not None:
            yield _Callback(scope, forward, Function(node.name, forward.call, node, forward.file)).found(
                name, CONVENTION
            )


@dataclass(frozen=True, eq=False)
class _Callback(FunctionPair):
    """A forward, and the source of the backward that each call of it makes."""

    @property
    def style(self) -> Style:
        return "callback"

    def elements(self, result: Any) -> list[tuple[str | None, Any]]:
        """What forward returned, without the callback."""
        self.backward_of(result)
        return elements(result, self.forward)[:-1]

    def backward_of(self, result: Any) -> Callable[..., Any]:
        """The callback. Raises ``CannotBindError`` where there is none, as for a forward that has one only in training."""
        if not isinstance(result, tuple | list) or len(result) < 2 or not callable(result[-1]):
            raise CannotBindError(f"{self.forward.name} returns no callback here")
        last: Callable[..., Any] = result[-1]
        return last

    @property
    def _own(self) -> tuple[Parameter, ...]:
        return own_parameters(self.backward, [p.name for p in self.forward.parameters], ())


def _callback(forward: Function) -> ast.FunctionDef | None:
    """The function or lambda inside forward that it returns last, in a tuple."""
    inner: dict[str, ast.FunctionDef] = {}
    for node in own_nodes(forward.node):
        if isinstance(node, ast.FunctionDef):
            inner[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    inner[target.id] = _as_function(node.value, target.id)
    for node in own_nodes(forward.node):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple | ast.List) and len(node.value.elts) > 1:
            last = node.value.elts[-1]
            if isinstance(last, ast.Name) and last.id in inner:
                return inner[last.id]
            if isinstance(last, ast.Lambda):
                return _as_function(last, "backprop")
    return None


def _as_function(node: ast.Lambda, name: str) -> ast.FunctionDef:
    """A lambda as the function that it is short for."""
    body = ast.Return(value=node.body)
    function = ast.FunctionDef(
        name=name, args=node.args, body=[body], decorator_list=[], returns=None, type_comment=None
    )
    return ast.fix_missing_locations(ast.copy_location(function, node))
