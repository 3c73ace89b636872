"""``FunctionPair``: a forward and a backward that are two functions of a module, bound to values and called."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradtool.target import Calling, Case, Values
from gradtool.targets.arguments import Arguments, is_floating
from gradtool.targets.backward_call import (
    Plan,
    Returned,
    Style,
    call_with,
    gets_output,
    is_unwritten,
    named_input,
    own_parameters,
    plans,
    returned_keys,
    returned_names,
)
from gradtool.targets.contraction import can_contract, contract
from gradtool.targets.found import CannotBindError, Found
from gradtool.targets.module_state import ModuleState
from gradtool.targets.returned_gradients import assign, claimed
from gradtool.targets.scope import MISSING, Function, Parameter, Scope, own_nodes

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class FunctionPair:
    """Two functions, of which the second gives gradients of the first. With ``contracted`` a backward without an upstream
    gives derivatives, also of a number, and forward's numbers in a tuple or list are one array."""

    scope: Scope
    forward: Function
    backward: Function
    contracted: bool = False
    of: str | None = None
    """The only parameter that backward differentiates with respect to, where its name says that."""
    switch: str | None = None
    """The parameter that turns a function into its own derivative, where forward and backward are one function."""

    @property
    def style(self) -> Style:
        """What kind of backward this is."""
        return "derivative" if self.contracted else "backward"

    def backward_of(self, result: Any) -> Callable[..., Any]:  # noqa: ARG002 - what a callback is depends on it
        """The backward that belongs to what one call of forward returned."""
        return self.backward.call

    def found(self, name: str, convention: str, notes: tuple[str, ...] = (), skip: str | None = None) -> Found:
        """As a convention reports it."""
        taken = {p.name for p in self.forward.parameters}
        parameters = (*self.forward.parameters, *(p for p in self._own if p.name not in taken))
        unwritten = next((f for f in (self.forward, self.backward) if is_unwritten(f)), None)
        if unwritten is not None:
            skip = f"{unwritten.name} is not implemented"
        if skip is None and self.forward.node.args.vararg is not None and not self.forward.parameters:
            skip = f"{self.forward.name} takes *{self.forward.node.args.vararg.arg}: how many arrays is open"
        return Found(
            name=name,
            convention=convention,
            forward=self.forward.name,
            backward=self.backward.name,
            line=self.backward.line,
            parameters=parameters,
            docstrings=(self.forward.docstring, self.backward.docstring),
            try_forward=self.try_forward,
            bind=self.bind,
            uses=frozenset({self.forward.name, self.backward.name}),
            scalar=is_scalar(self.scope, self.forward),
            notes=notes,
            skip=skip,
        )

    @cached_property
    def _own(self) -> tuple[Parameter, ...]:
        """What only backward takes and needs a value for."""
        rows = returned_names(self.forward)
        names = max(rows, key=len, default=())
        return own_parameters(self.backward, [p.name for p in self.forward.parameters], names)

    @cached_property
    def _state(self) -> ModuleState:
        return ModuleState(self.scope, self.forward, self.backward)

    @cached_property
    def _names(self) -> tuple[tuple[str | None, ...], ...]:
        return returned_names(self.backward) if self.of is None else ((f"d{self.of}",),)

    def elements(self, result: Any) -> list[tuple[str | None, Any]]:
        """What forward returned, one by one, with the names in its source."""
        if self.contracted and isinstance(result, tuple | list) and is_output(list(result)):
            return [(None, list(result))]
        return elements(result, self.forward)

    def try_forward(self, values: Mapping[str, Any]) -> Any:
        """Runs forward once, on copies."""
        self._state.restore()
        return call_with(self.forward.call, self.forward.parameters, copy.deepcopy(self._given(values)))

    def _given(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """A value for each of forward's parameters; what has a default may be left to it."""
        given = {}
        for parameter in self.forward.parameters:
            if parameter.name in values:
                given[parameter.name] = values[parameter.name]
            elif parameter.default is not MISSING:
                given[parameter.name] = parameter.default
            else:
                raise CannotBindError(f"{self.forward.name} needs a value for {parameter.name}")
        return given

    def bind(self, values: Mapping[str, Any]) -> Case:
        """The case of these values, with every way to call backward that gives gradients."""
        given = self._given(values)
        settings = {p.name for p in self.forward.parameters if p.default is not MISSING}
        arguments = Arguments.of(given, claimed(self._names, list(given), returned_keys(self.backward)), settings)
        if not arguments.floating:
            raise CannotBindError(f"{self.forward.name} has no floating argument")
        own = {p.name: values[p.name] for p in self._own if p.name in values}
        raw = self.elements(self.try_forward(given))
        planned = partial(
            plans,
            self.backward,
            list(given),
            [Returned(name, is_output(value)) for name, value in raw],
            own,
            hyper=arguments.hyper,
            style=self.style,
        )
        ways = planned(output_handed=gets_output(self.scope.tree, self.forward, self.backward))
        if self.switch is not None:  # Its one parameter has one name for the input and for the output.
            ways += tuple(plan for plan in planned(output_handed=True) if plan not in ways)
        working: list[tuple[bool, _Way, tuple[str, ...]]] = []
        raising: list[_Way] = []
        reasons: list[str] = []
        for plan in ways:
            outputs = [as_output(raw[i][1]) for i in plan.outputs]
            kind = "given" if plan.takes_upstream else self._kind(outputs)
            way = _Way(self, arguments, plan, own, kind)
            try:
                run = way.start(copy.deepcopy(arguments.values))
                gradients = run.claims(*_upstream(run.outputs))
            except CannotBindError as error:
                reasons.append(str(error))
            except NotImplementedError as error:
                raise CannotBindError(f"{self.backward.name} is not implemented") from error
            except (Exception, SystemExit) as error:
                # Which of several guesses is meant shows in which one runs; where none does, backward is what fails.
                raising.append(way)
                reasons.append(f"called as {way.description}, it raises {type(error).__name__}: {error}")
            else:
                fits = all(np.shape(g) == np.shape(arguments.values[n]) for n, g in gradients.items() if g is not None)
                working.append((fits, way, tuple(gradients)))
        self._state.restore()
        if not working:
            kept = [way for way in raising if way.plan.certain]
            if not kept:
                raise CannotBindError(reasons[0])
            wrt = self._wanted(arguments)
            chosen = kept
        else:
            working.sort(key=lambda found: not found[0])
            wrt = working[0][2]
            chosen = [way for _, way, names in working if names == wrt]
        return Case(
            values=arguments.values,
            wrt=wrt,
            callings=tuple(Calling(way.bound(wrt), way.description, way.kind, way.plan.certain) for way in chosen),
            function=None if any(isinstance(value, list) for _, value in raw) else chosen[0].function,
            instead=tuple(
                (Calling(way.bound(wrt), way.description, way.kind), self._if_of_output)
                for plan in planned(output_handed=True)
                if plan not in ways
                and self._gives(way := _Way(self, arguments, plan, own, chosen[0].kind), arguments.values, wrt)
            ),
        )

    @property
    def _if_of_output(self) -> str:
        return f"right if it is handed {self.forward.name}'s OUTPUT: name the parameter s or out, or say so in the docstring"

    def _gives(self, way: _Way, values: Values, wrt: tuple[str, ...]) -> bool:
        """Whether a way to call backward gives these gradients."""
        try:
            run = way.start(copy.deepcopy(values))
            return tuple(run.claims(*_upstream(run.outputs))) == wrt
        except (Exception, SystemExit):  # Then it is no way to call it.
            return False
        finally:
            self._state.restore()

    def _kind(self, outputs: Sequence[Array]) -> Any:
        return "contracted" if self.contracted or any(out.ndim for out in outputs) else "one"

    def _wanted(self, arguments: Arguments) -> tuple[str, ...]:
        """The inputs that backward claims gradients for, where it gives none because it raises."""
        named = claimed(self._names, list(arguments.values))
        return tuple(name for name in arguments.floating if name in named) or arguments.floating

    def set_globally(self) -> dict[str, Any]:
        """Gradients that backward left in variables of the module: those it declares ``global``, and dictionaries of the
        module that it stores into."""
        found: dict[str, Any] = {}
        inputs = [p.name for p in self.forward.parameters]
        for node in own_nodes(self.backward.node):
            if isinstance(node, ast.Global):
                found |= {n: getattr(self.scope.module, n, None) for n in node.names if named_input(n, inputs)}
            elif (
                isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name)
            ):
                container = getattr(self.scope.module, node.value.id, None)
                if isinstance(container, dict):
                    found |= {str(key): value for key, value in container.items()}
        return found


@dataclass(frozen=True, eq=False)
class _Way:
    """A pair with its arguments and one plan of how to call backward."""

    pair: FunctionPair
    arguments: Arguments
    plan: Plan
    own: Mapping[str, Any]
    kind: Any

    @property
    def description(self) -> str:
        forward = self.pair.forward
        returned = [Returned(name, True) for name in _widest(forward)]
        inputs = [p.name for p in forward.parameters if p.default is MISSING]
        text = self.plan.describe(self.pair.backward.name, forward.name, inputs, returned)
        return text if self.pair.switch is None else f"{text[:-1]}, {self.pair.switch}=True)"

    def start(self, values: Values, wrt: tuple[str, ...] | None = None) -> _Run:
        """A fresh forward."""
        self.pair._state.restore()
        arguments = self.arguments.filled(values)
        result = call_with(self.pair.forward.call, self.pair.forward.parameters, arguments)
        raw = tuple(value for _, value in self.pair.elements(result))
        return _Run(self, values, arguments, raw, self.pair.backward_of(result), wrt)

    def bound(self, wrt: tuple[str, ...]) -> Any:
        """``Calling.start`` for these gradients."""
        return lambda values: self.start(values, wrt)

    def function(self, *values: Any) -> Any:
        """Forward's outputs, of values in order."""
        arguments = self.arguments.filled(dict(zip(self.arguments.values, values, strict=True)))
        result = call_with(self.pair.forward.call, self.pair.forward.parameters, arguments)
        raw = [value for _, value in self.pair.elements(result)]
        outputs = tuple(raw[i] for i in self.plan.outputs)
        return outputs[0] if len(outputs) == 1 else outputs


@dataclass(frozen=True, eq=False)
class _Run:
    """One forward of a function pair, and its backward."""

    way: _Way
    values: Values
    arguments: Mapping[str, Any]
    raw: tuple[Any, ...]
    call: Callable[..., Any]
    wrt: tuple[str, ...] | None

    @cached_property
    def outputs(self) -> tuple[Array, ...]:
        """Copies of forward's outputs."""
        return tuple(as_output(self.raw[i]) for i in self.way.plan.outputs)

    @property
    def kept(self) -> Any:
        """What forward returned and backward is handed."""
        plan = self.way.plan
        kept = tuple(value for i, value in enumerate(self.raw) if i not in plan.outputs or i in plan.handed_on)
        return kept or None

    def backward(self, *upstream: Array) -> Mapping[str, Any]:
        """The gradients of ``wrt``."""
        gradients = self.claims(*upstream)
        return {name: gradients.get(name) for name in self.wrt or gradients}

    def claims(self, *upstream: Array) -> dict[str, Any]:
        """All gradients that backward gives. Raises ``CannotBindError`` where it gives none."""
        way, pair = self.way, self.way.pair
        handed = [like(g, self.raw[i]) for g, i in zip(upstream, way.plan.outputs, strict=False)]
        result = way.plan.call(self.call, handed, self.arguments, self.raw, way.own)
        if result is None:
            result = pair.set_globally()
        if is_nothing(result):
            raise CannotBindError(f"{pair.backward.name} returns no gradient: it is not implemented")
        shape = self.outputs[0].shape if way.kind == "contracted" else None
        gradients = assign(result, pair._names, way.arguments, shape)
        if way.kind != "contracted":
            return gradients
        if len(self.outputs) != 1:
            raise CannotBindError(f"{pair.backward.name} takes no upstream gradient, and forward has several outputs")
        shapes = {name: np.shape(self.values[name]) for name in gradients}
        for name, gradient in gradients.items():
            if gradient is not None and not can_contract(self.outputs[0].shape, gradient, shapes[name]):
                raise CannotBindError(
                    f"{pair.backward.name} takes no upstream gradient, and forward's output is no number"
                )
        return {name: contract(upstream[0], gradient, shapes[name]) for name, gradient in gradients.items()}


def elements(result: Any, function: Function) -> list[tuple[str | None, Any]]:
    """What a function returned, one by one, with the names in its source."""
    rows = returned_names(function)
    several = isinstance(result, tuple) or (
        isinstance(result, list) and any(len(row) == len(result) > 1 for row in rows)
    )
    values = list(result) if several else [result]
    fitting = [row for row in rows if len(row) == len(values)]
    named = []
    for i, value in enumerate(values):
        names = {row[i] for row in fitting if row[i] is not None}
        named.append((names.pop() if len(names) == 1 else None, value))
    return named


def _widest(function: Function) -> tuple[str | None, ...]:
    return max(returned_names(function), key=len, default=())


def is_output(value: Any) -> bool:
    """Whether a returned value may have an upstream gradient: a floating array or number, also Python's ``max(0, x)``, which
    is an int where x is negative, and a list of numbers."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, int | float) for item in value)
    return is_floating(value) or (isinstance(value, int) and not isinstance(value, bool))


def as_output(value: Any) -> Array:
    """A copy of an output, as an array."""
    array = np.array(value)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def like(upstream: Array, output: Any) -> Any:
    """An upstream of the kind that the output is: an array as it is; a number for a number, which code may then change
    without changing anything of the caller's."""
    if isinstance(output, np.ndarray):
        return upstream
    if isinstance(output, list):
        return upstream.tolist()
    return upstream[()] if isinstance(output, np.generic) else float(upstream)


def is_nothing(result: Any) -> bool:
    """Whether backward gave no gradient at all: None, nothing, or only None."""
    if isinstance(result, Mapping):
        return all(is_nothing(value) for value in result.values())
    if isinstance(result, tuple | list):
        return all(is_nothing(value) for value in result)
    return result is None


def _upstream(outputs: Sequence[Array]) -> list[Array]:
    """Any upstream will do to see what backward returns; no entry is zero."""
    rng = np.random.default_rng(0)
    return [np.asarray(rng.uniform(0.5, 1.5, out.shape), dtype=out.dtype) for out in outputs]


def is_scalar(scope: Scope, *functions: Function) -> bool:
    """Whether functions are written for Python's floats: they call ``math``, themselves or through others of the module."""
    used = [getattr(scope.module, name, None) for name in scope.reached(functions)]
    return any(
        getattr(value, "__name__", None) == "math" or getattr(value, "__module__", None) == "math" for value in used
    )
