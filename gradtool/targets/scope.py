"""What a convention looks at: the functions and classes that a user's module defines, with what their source says.

Names that the module only imports are not its own and are left out; methods stand in their class.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

MISSING: Any = inspect.Parameter.empty
"""The default of a parameter that has none."""


@dataclass(frozen=True, slots=True, eq=False)
class Parameter:
    """A parameter of a function: ``annotation`` is its source text, ``default`` is ``MISSING`` where there is none."""

    name: str
    annotation: str | None = None
    default: Any = MISSING
    keyword_only: bool = False


@dataclass(frozen=True, eq=False)
class Function:
    """A function of the user's. ``node`` is its source; ``line`` the line of its ``def``."""

    name: str
    call: Callable[..., Any]
    node: ast.FunctionDef
    file: str

    @property
    def line(self) -> int:
        return self.node.lineno

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.node) or ""

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its parameters in order, without ``self``, ``cls`` and ``*args``."""
        a = self.node.args
        defaults = {p.name: p.default for p in _signature(self.call)}
        found = []
        for arg in (*a.posonlyargs, *a.args, *a.kwonlyargs):
            if arg.arg in ("self", "cls") and arg is (*a.posonlyargs, *a.args, *a.kwonlyargs)[0]:
                continue
            annotation = None if arg.annotation is None else ast.unparse(arg.annotation)
            found.append(Parameter(arg.arg, annotation, defaults.get(arg.arg, MISSING), arg in a.kwonlyargs))
        return tuple(found)

    @cached_property
    def returned(self) -> tuple[tuple[str | None, ...], ...]:
        """What each ``return`` names: ``return dx, dw`` is ("dx", "dw"), an element that is no plain name (also
        ``self.dx`` counts as ``dx``) is None; ``return`` and no return at all are ()."""
        found: list[tuple[str | None, ...]] = []
        for node in own_nodes(self.node):
            if isinstance(node, ast.Return):
                value = node.value
                if value is None or (isinstance(value, ast.Constant) and value.value is None):
                    found.append(())
                else:
                    parts = value.elts if isinstance(value, ast.Tuple | ast.List) else [value]
                    found.append(tuple(_name(part) for part in parts))
        return tuple(found)


@dataclass(frozen=True, eq=False)
class Class:
    """A class of the user's, with the methods that it or a base class in the same module defines."""

    name: str
    type: type
    node: ast.ClassDef
    methods: Mapping[str, Function]
    file: str

    @property
    def line(self) -> int:
        return self.node.lineno

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.node) or ""


@dataclass(frozen=True, eq=False)
class Scope:
    """A loaded module. ``display`` is its path as it is shown in ids: ``layers.py``."""

    path: Path
    display: str
    module: ModuleType
    tree: ast.Module
    source: str

    @cached_property
    def functions(self) -> dict[str, Function]:
        """The functions at the module's top level, in order of their definition (the last one of a name counts)."""
        found = {}
        for node in _definitions(self.tree):
            value = getattr(self.module, node.name, None)
            if isinstance(node, ast.FunctionDef) and callable(value) and not inspect.isclass(value):
                found[node.name] = Function(node.name, value, node, str(self.path))
        return found

    @cached_property
    def classes(self) -> dict[str, Class]:
        """The classes at the module's top level."""
        nodes = {n.name: n for n in _definitions(self.tree) if isinstance(n, ast.ClassDef)}
        found = {}
        for name, node in nodes.items():
            value = getattr(self.module, name, None)
            if inspect.isclass(value):
                found[name] = Class(name, value, node, self._methods(value, nodes), str(self.path))
        return found

    def _methods(self, owner: type, nodes: Mapping[str, ast.ClassDef]) -> dict[str, Function]:
        methods: dict[str, Function] = {}
        for base in reversed(owner.__mro__):
            node = nodes.get(base.__name__) if base.__module__ == self.module.__name__ else None
            for item in node.body if node is not None else ():
                if isinstance(item, ast.FunctionDef):
                    value = inspect.getattr_static(owner, item.name, None)
                    function = getattr(value, "__func__", value)
                    if callable(function):
                        methods[item.name] = Function(item.name, function, item, str(self.path))
        return methods

    def reached(self, functions: Iterable[Function]) -> frozenset[str]:
        """The names that functions mention, themselves or through others at the module's top level."""
        names: set[str] = set()
        pending, seen = list(functions), set()
        while pending:
            function = pending.pop()
            if function.name not in seen:
                seen.add(function.name)
                mentioned = {node.id for node in ast.walk(function.node) if isinstance(node, ast.Name)}
                names |= mentioned
                pending += [self.functions[name] for name in mentioned if name in self.functions]
        return frozenset(names)


def own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function's body, without those of functions and classes inside it."""
    pending = list(ast.iter_child_nodes(function))
    while pending:
        node = pending.pop(0)
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            pending[:0] = ast.iter_child_nodes(node)


def _definitions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """Definitions at the top level, also those under ``if`` and ``try``."""
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        node = pending.pop(0)
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node
        elif isinstance(node, ast.If | ast.Try | ast.With):
            inner = [*node.body, *getattr(node, "orelse", []), *getattr(node, "finalbody", [])]
            for handler in getattr(node, "handlers", []):
                inner += handler.body
            pending[:0] = inner


def _signature(function: Callable[..., Any]) -> tuple[inspect.Parameter, ...]:
    try:
        return tuple(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return ()


def _name(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else None
