"""Classes in the manner of ``torch.autograd.Function`` without that library: ``forward(ctx, a, b)`` and ``backward(ctx, d)``.

``ctx`` is an object of the module's own context class, where it has one that can be made without arguments, or else one of
gradtool's. As in the original, backward gives one gradient for each argument of forward, in their order, None where there is
none; where their number is another, names say whose they are.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gradtool.target import Array, Calling, Case, Values
from gradtool.targets.backward_call import is_public, is_unwritten
from gradtool.targets.class_layer import is_foreign
from gradtool.targets.found import CannotBindError, Found
from gradtool.targets.gradient_names import best, is_target
from gradtool.targets.layer_call import is_output, opened, pieces, take
from gradtool.targets.object_state import display, is_float, leaves
from gradtool.targets.returned_none import is_data, none_positions
from gradtool.targets.scope import MISSING, Function, Parameter, Scope

CONVENTION = "context-function"
CONTEXT_NAMES = ("ctx", "context", "fn_ctx", "_ctx")
_CONTEXT_CLASSES = ("Context", "Ctx", "FunctionCtx", "FunctionContext", "BackwardContext")


class Context:
    """What a function may ask of its ``ctx``: any attribute, and the methods of the original."""

    def __init__(self, inputs: int) -> None:
        self.saved_tensors: tuple[Any, ...] = ()
        self.needs_input_grad = (True,) * inputs

    def save_for_backward(self, *values: Any) -> None:
        """Keeps values for backward."""
        self.saved_tensors = values

    @property
    def saved_values(self) -> Any:
        """What was kept; a single value by itself."""
        return self.saved_tensors[0] if len(self.saved_tensors) == 1 else self.saved_tensors

    def get_saved_tensors(self) -> tuple[Any, ...]:
        """What was kept."""
        return self.saved_tensors

    def mark_dirty(self, *values: Any) -> None:
        """Accepted for the original's sake."""

    def mark_non_differentiable(self, *values: Any) -> None:
        """Accepted for the original's sake."""

    def set_materialize_grads(self, value: bool) -> None:
        """Accepted for the original's sake."""


def find(scope: Scope, taken: frozenset[str]) -> Iterator[Found]:
    """The classes whose forward and backward take a context first."""
    for owner in scope.classes.values():
        if owner.name in taken or not is_public(owner.name) or is_foreign(owner):
            continue
        forward, backward = owner.methods.get("forward"), owner.methods.get("backward")
        if forward is None or backward is None or not _takes_context(forward) or not _takes_context(backward):
            continue
        if is_unwritten(forward) or inspect.isabstract(owner.type):
            continue
        function = _ContextFunction(scope, owner.type, owner.name, forward, backward)
        yield Found(
            name=owner.name,
            convention=CONVENTION,
            forward=f"{owner.name}.forward",
            backward=f"{owner.name}.backward",
            line=backward.line,
            parameters=function.parameters,
            docstrings=tuple(text for text in (backward.docstring, forward.docstring, owner.docstring) if text),
            try_forward=function.try_forward,
            bind=function.bind,
            uses=frozenset({owner.name}),
            skip=f"{owner.name}.backward is not implemented" if is_unwritten(backward) else None,
        )


def _takes_context(function: Function) -> bool:
    return bool(function.parameters) and function.parameters[0].name in CONTEXT_NAMES


@dataclass(frozen=True, eq=False)
class _ContextFunction:
    """A class with a forward and a backward that take a context."""

    scope: Scope
    owner: type
    name: str
    forward: Function
    backward: Function

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Forward's parameters without the context."""
        return self.forward.parameters[1:]

    @cached_property
    def own_context(self) -> type | None:
        """The module's own class of contexts."""
        for name in _CONTEXT_CLASSES:
            kind = self.scope.classes.get(name)
            if kind is not None and "save_for_backward" in kind.methods:
                try:
                    kind.type()
                except TypeError:
                    continue
                return kind.type
        return None

    def context(self) -> Any:
        """A fresh context."""
        return Context(len(self.parameters)) if self.own_context is None else self.own_context()

    def method(self, name: str) -> Callable[..., Any]:
        """A method bound as the user's ``apply`` has it: static and class methods by the class, others by an object."""
        found = inspect.getattr_static(self.owner, name)
        if (
            isinstance(found, staticmethod | classmethod)
            or next(iter(inspect.signature(found).parameters)) in CONTEXT_NAMES
        ):
            return getattr(self.owner, name)  # type: ignore[no-any-return]
        return getattr(self.owner(), name)  # type: ignore[no-any-return]

    def call(self, context: Any, values: Mapping[str, Any]) -> Any:
        """Runs forward."""
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for k, p in enumerate(self.parameters):
            if p.name not in values:
                if p.default is MISSING:
                    raise CannotBindError(f"{self.name}.forward needs {p.name}")
            elif p.keyword_only or len(positional) < k:
                named[p.name] = values[p.name]
            else:
                positional.append(values[p.name])
        return self.method("forward")(context, *positional, **named)

    def try_forward(self, values: Mapping[str, Any]) -> Any:
        """Runs forward once on a fresh context."""
        return self.call(self.context(), values)

    def bind(self, values: Mapping[str, Any]) -> Case:
        """One way to call it: an upstream for each output."""
        inputs = {
            p.name: values[p.name]
            for p in self.parameters
            if isinstance(values.get(p.name), np.ndarray) or (is_float(values.get(p.name)) and p.default is MISSING)
        }
        floats = [name for name, value in inputs.items() if is_float(value)]
        outputs = [value for value in opened(self.try_forward(values)) if is_output(value)]
        if not outputs:
            raise CannotBindError(f"{self.name}.forward gives no float array")
        wanted = len(self.backward.parameters) - 1
        if self.backward.node.args.vararg is not None:
            wanted = len(outputs)
        if wanted > len(outputs):
            raise CannotBindError(
                f"{self.name}.backward takes {wanted} upstream gradients, forward gives {len(outputs)} outputs"
            )
        if wanted == 0 and np.size(outputs[0]) != 1:
            raise CannotBindError(f"{self.name}.backward takes no upstream gradient")

        def start(given: Values) -> _Run:
            return _Run(self, {**values, **given}, max(1, wanted), self._places, floats)

        probe = start({name: _copy(value) for name, value in inputs.items()})
        places = self._claimed(probe, floats)

        def function(*arrays: Any) -> Any:
            given = dict(zip(inputs, arrays, strict=True))
            out = opened(self.call(self.context(), {**values, **given}))[: max(1, wanted)]
            return out[0] if len(out) == 1 else out

        taken = [p.name for p in self.backward.parameters[1:]]
        if self.backward.node.args.vararg is not None:
            taken.append(f"*{self.backward.node.args.vararg.arg}")
        return Case(
            values=inputs,
            wrt=tuple(name for name in floats if name in places),
            callings=(
                Calling(
                    start,
                    f"{self.name}.backward({', '.join(('ctx', *taken))})",
                    "one" if wanted == 0 else "given",
                ),
            ),
            function=function,
        )

    def _claimed(self, probe: _Run, floats: list[str]) -> dict[str, tuple[Any, ...]]:
        """The float inputs that backward gives a gradient for. Where it raises these are all of them: that is reported."""
        rng = np.random.default_rng(7)
        up = [np.asarray(rng.normal(size=o.shape), dtype=o.dtype) for o in probe.outputs]
        try:
            returned = probe.call(up)
        except NotImplementedError as error:
            raise CannotBindError(f"{self.name}.backward is not implemented") from error
        except (Exception, SystemExit):
            return dict.fromkeys(floats, ())
        places = self._places(returned, floats)
        if not places or all(take(returned, where) is None for where in places.values()):
            raise CannotBindError(f"{self.name}.backward is not implemented: it returns nothing")
        return places

    def _places(self, returned: Any, floats: list[str]) -> dict[str, tuple[Any, ...]]:
        """Where in what backward returned the gradient of each float input is: by position where there is one for each
        argument, or for each float argument; else by name; a single one is for the first that is no label."""
        every = [p.name for p in self.parameters]
        if isinstance(returned, tuple | list):
            for names in (every, floats):
                if len(returned) == len(names):
                    not_meant = none_positions(self.backward.node, len(names))
                    return {
                        name: (k,)
                        for k, name in enumerate(names)
                        if name in floats and not (k in not_meant and is_data(name, names))
                    }
            found = {}
            for piece in pieces(self.backward, returned):
                name = None if piece.name is None else best(piece.name, floats)
                if name is not None:
                    found[name] = piece.where
            return found or {name: (k,) for k, name in enumerate(floats[: len(returned)])}
        first = [name for name in floats if not is_target(name)] or floats
        return {first[0]: ()} if first else {}


def _copy(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


class _Run:
    """A forward on a fresh context, and its backward."""

    def __init__(
        self,
        function: _ContextFunction,
        values: Mapping[str, Any],
        outputs: int,
        places: Callable[[Any, list[str]], dict[str, tuple[Any, ...]]],
        floats: list[str],
    ) -> None:
        self._function = function
        self._places = places
        self._floats = floats
        self._context = function.context()
        returned = function.call(self._context, values)
        self.outputs: tuple[Array, ...] = tuple(np.asarray(o) for o in opened(returned) if is_output(o))[:outputs]

    @property
    def kept(self) -> dict[str, Any]:
        """The arrays in the context."""
        found = leaves(self._context)
        return {display(path): value for path, value in found.items() if isinstance(value, np.ndarray)}

    def call(self, upstream: Any) -> Any:
        """What the user's backward returns."""
        return self._function.method("backward")(self._context, *upstream)

    def backward(self, *upstream: Array) -> dict[str, Any]:
        """The gradients by name."""
        returned = self.call(upstream)
        return {name: take(returned, where) for name, where in self._places(returned, self._floats).items()}
