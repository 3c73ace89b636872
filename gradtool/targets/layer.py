"""``Layer``: a user's class with the two methods that belong together, built and called."""

from __future__ import annotations

import ast
import inspect
import random
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gradtool.targets.found import CannotBindError
from gradtool.targets.gradient_names import is_target, plain, stems
from gradtool.targets.layer_call import INPUT_WORDS, LEARNING_RATES, OUTPUT_WORDS, output_attribute, surely_upstream
from gradtool.targets.object_state import copied
from gradtool.targets.scope import MISSING, Class, Function, Parameter, Scope, own_nodes

_TRAINING = re.compile(r"(is_?)?train(ing)?(_?(mode|flag|flg))?$", re.IGNORECASE)
"""Flags of forward: what backward belongs to is training, where a forward keeps what backward needs."""
_INITIALISERS = re.compile(r"_?(init|initiali[sz]e|build|setup|set_up|reset)(_\w+)?$")


@contextmanager
def pinned() -> Iterator[None]:
    """The global random generators begin at a fixed state, and have their own back afterwards."""
    states = random.getstate(), np.random.get_state()
    random.seed(0)
    np.random.seed(0)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def made_by_user(scope: Scope, name: str) -> Function | None:
    """The user's own function that makes an object of the class ``name``: ``make_Linear()``, ``make_linear()``."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    for candidate in (f"make_{name}", f"make_{snake}", f"make_{name.lower()}", f"create_{snake}", f"build_{snake}"):
        function = scope.functions.get(candidate)
        if function is not None and all(p.default is not MISSING for p in function.parameters):
            return function
    return None


def own(value: Any) -> Any:
    try:
        return copied(value)
    except TypeError:
        return value


def owned(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: own(value) for name, value in values.items()}


def _is_setting(p: Parameter) -> bool:
    """Whether a constructor's default may be varied: a number, a word, a switch. Outside of training there is no backward."""
    if isinstance(p.default, tuple):
        return all(isinstance(item, int | float) for item in p.default)
    return isinstance(p.default, int | float | str) and not (p.default is True and _TRAINING.match(p.name))


def copy_or(obj: Any, remake: Callable[[], Any]) -> Any:
    """A deep copy, or an object made anew where it holds what cannot be copied (a module, a generator function, a lock)."""
    try:
        return copied(obj)
    except TypeError:
        return remake()


@dataclass(frozen=True, eq=False)
class Layer:
    """A class, its two methods, and how to build an object of it. ``in_one``: forward returns the gradients as well."""

    scope: Scope
    owner: Class
    forward: Function
    backward: Function
    in_one: bool = False

    @cached_property
    def factory(self) -> Function | None:
        return made_by_user(self.scope, self.owner.name)

    @cached_property
    def construction(self) -> tuple[Parameter, ...]:
        """The constructor's parameters."""
        if self.factory is not None:
            return ()
        method = self.owner.methods.get("__init__")
        if method is not None:
            return method.parameters
        try:
            signature = inspect.signature(self.owner.type)
        except (TypeError, ValueError):
            return ()
        return tuple(
            Parameter(p.name, p.annotation if isinstance(p.annotation, str) else getattr(p.annotation, "__name__", None),
                      p.default, p.kind is p.KEYWORD_ONLY)
            for p in signature.parameters.values()
            if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        )  # fmt: skip

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        found = {p.name: self._without_label_default(p) for p in self.forward.parameters}
        for p in self.construction:
            if p.default is MISSING or _is_setting(p):
                found.setdefault(p.name, p)
        for p in self._only_for_backward():
            found.setdefault(p.name, p)
        return tuple(found.values())

    def _without_label_default(self, p: Parameter) -> Parameter:
        """``loss(X, y=None)`` gives scores without y, and has no gradients then: y is needed."""
        no_upstream = self.in_one or not any(surely_upstream(other.name) for other in self.backward.parameters)
        if no_upstream and p.default is None and is_target(p.name):
            return Parameter(p.name, p.annotation, MISSING, p.keyword_only)
        return p

    def _only_for_backward(self) -> list[Parameter]:
        if self.in_one:
            return []
        inputs = {p.name for p in self.forward.parameters}
        has_target = any(is_target(name) for name in inputs)
        stored = {
            n.attr
            for method in self.owner.methods.values()
            for n in own_nodes(method.node)
            if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)
        }
        open_ = [
            p
            for p in self.backward.parameters
            if p.default is MISSING
            and p.name not in inputs
            and p.name not in stored
            and plain(p.name) not in LEARNING_RATES
            and not re.match(r"\w*cache\w*$", p.name)
            and not surely_upstream(p.name)
            and not (is_target(p.name) and has_target)
            and not stems(p.name)
            and plain(p.name) not in INPUT_WORDS | OUTPUT_WORDS
        ]
        if not any(surely_upstream(p.name) and p.name not in inputs for p in self.backward.parameters):
            open_ = open_[1:]  # The first is the upstream.
        return open_

    # Calling the user's code

    def build(self, values: Mapping[str, Any]) -> Any:
        with pinned():
            if self.factory is not None:
                return self.factory.call()
            names = {p.name for p in self.construction}
            given = {name: own(value) for name, value in values.items() if name in names}
            return self.owner.type(**given)

    def call_forward(self, obj: object, values: Mapping[str, Any]) -> Any:
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for p in self.forward.parameters:
            if p.name not in values:
                if p.default is False and _TRAINING.match(p.name):
                    named[p.name] = True
                elif p.default is MISSING:
                    raise CannotBindError(f"{self.forward.name} needs {p.name}")
            elif p.keyword_only or len(positional) < self.forward.parameters.index(p):
                named[p.name] = values[p.name]
            else:
                positional.append(values[p.name])
        return getattr(obj, self.forward.name)(*positional, **named)

    def ready(self, values: Mapping[str, Any]) -> tuple[Any, Any]:
        """An object on which forward runs, and what forward returned on a copy of it.

        Where forward misses an attribute, the object's methods that take nothing and are named ``build`` or
        ``initialize_weights`` are called first.
        """
        obj = self.build(values)
        with pinned():
            try:
                probe = copy_or(obj, lambda: self.build(values))
                return obj, self.call_forward(probe, owned(values))
            except (AttributeError, TypeError, KeyError) as error:
                ran = False
                for method in self.owner.methods.values():
                    if method.name != "__init__" and _INITIALISERS.match(method.name) and not method.parameters:
                        getattr(obj, method.name)()
                        ran = True
                if not ran:
                    raise error
                return obj, self.call_forward(copy_or(obj, lambda: self.build(values)), owned(values))

    def try_forward(self, values: Mapping[str, Any]) -> Any:
        """Builds an object, runs forward once, and gives its output: returned, or left in an attribute."""
        obj, returned = self.ready(values)
        if returned is None:
            probe = copy_or(obj, lambda: self.build(values))
            self.call_forward(probe, owned(values))
            name = output_attribute(self.forward, probe)
            return None if name is None else getattr(probe, name)
        return returned
