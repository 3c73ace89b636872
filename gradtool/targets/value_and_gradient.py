"""One function that returns a number and its gradient: ``return loss, dx``, ``return J, grad``, ``return loss, grads``.

Only names tell such a function from others: those of what it returns (``loss``, ``J`` beside ``dx``, ``grad``), or its own
(``value_and_gradient``). A gradient belongs to the input it is named after; one that is only called ``grad`` to the input of its
shape, and where two inputs have that shape, nobody guesses.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from gradtool.target import Array, Calling, Case, Values
from gradtool.targets.arguments import Arguments
from gradtool.targets.backward_call import call_with, is_public, named_input, returned_keys, returned_names
from gradtool.targets.found import CannotBindError, Found
from gradtool.targets.function_pair import as_output, is_nothing, is_output, is_scalar
from gradtool.targets.gradient_names import is_target
from gradtool.targets.module_state import ModuleState
from gradtool.targets.returned_gradients import assign, claimed
from gradtool.targets.scope import MISSING, Function, Scope, own_nodes

CONVENTION = "value-and-gradient"

_VALUE = re.compile(
    r"(\w*_)?(loss|cost|objective|obj|value|val|energy|error|nll|nlp|likelihood|loglik|ll)(_\w+)?$|[JLEfF]|f_?x|fval|func?$"
)
_GRADIENT = re.compile(
    r"(\w*_)?(grads?|gradients?|jac|jacobian|deriv|derivative|derivatives)|g|df|dJ|dL|dloss|dcost$"
    r"|(grads?|gradients?)(_(?!(norm|fn|func|function|clip|scale|check|steps?|accum)\w*$)[A-Za-z]\w*|[A-Z]\w*)(?<!Norm)(?<!norm)$"
)
_BOTH = re.compile(r"(\w*_)?(and|with|n)_(the_)?(grads?|gradients?|der|derivative|jac)(_\w+)?$")


def find(scope: Scope, taken: frozenset[str]) -> Iterator[Found]:
    """The functions of a module that return a value and its gradient."""
    for name, function in scope.functions.items():
        if name in taken or not is_public(name):
            continue
        places = _places(function)
        if places is not None:
            yield _Both(scope, function, *places).found()


def _places(function: Function) -> tuple[int, tuple[int, ...], int] | None:
    """Where in what a function returns the value stands, where gradients do, and how many there are; None for other functions."""
    inputs = [p.name for p in function.parameters]
    displays = _dictionaries(function, inputs)
    both = _BOTH.match(function.name) is not None
    for row in sorted(_rows(function), key=len, reverse=True):
        if len(row) < 2:
            continue
        gradients = [
            i
            for i, name in enumerate(row)
            if (
                name is not None and (named_input(name, inputs) is not None or _GRADIENT.fullmatch(name) or _is_d(name))
            )
            or (name is None and (len(row), i) in displays)
        ]
        values = [i for i, name in enumerate(row) if name is not None and i not in gradients and _VALUE.fullmatch(name)]
        if both and len(row) == 2 and not (values and gradients):
            return 0, (1,), 2
        if not values and row[0] is None and _VALUE.fullmatch(function.name) and 0 not in gradients:
            values = [0]  # An expression: that of a function called softmax_loss is the loss.
        if values and gradients:
            return values[0], tuple(gradients), len(row)
    return None


def _rows(function: Function) -> Iterator[tuple[str | None, ...]]:
    """``returned_names``, where ``dx / n``, ``2 * dx`` and ``dw + reg * w`` are called dx and dw as well."""
    inputs = [p.name for p in function.parameters]
    returns = [node for node in own_nodes(function.node) if isinstance(node, ast.Return)]
    for row, node in zip(returned_names(function), returns, strict=True):
        parts = node.value.elts if isinstance(node.value, ast.Tuple | ast.List) else []
        if len(parts) == len(row):
            yield tuple(_scaled(part, inputs) if name is None else name for name, part in zip(row, parts, strict=True))
        else:
            yield row


def _scaled(node: ast.expr, inputs: list[str]) -> str | None:
    """The one variable with a gradient's name that an expression scales, negates, or adds something to. Times an input, or in a
    matrix product, it is the gradient of something else."""
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    gradients = [name for name in names - set(inputs) if _is_d(name) or _GRADIENT.fullmatch(name)]
    if len(gradients) != 1:
        return None

    def mentions(part: ast.AST, wanted: Iterable[str]) -> bool:
        match part:
            case ast.Name(id=name):
                return name in wanted
            case ast.Attribute(attr="shape" | "size") | ast.Call(func=ast.Name(id="len")):
                return False  # A number, whatever it is of.
        return any(mentions(inner, wanted) for inner in ast.iter_child_nodes(part))

    while True:
        match node:
            case ast.Name(id=name):
                return name
            case ast.UnaryOp(operand=inner):
                node = inner
            case ast.BinOp(left=left, op=op, right=right):
                inner, other = (left, right) if mentions(left, gradients) else (right, left)
                scales = isinstance(op, ast.Mult) and not mentions(other, inputs)
                divides = isinstance(op, ast.Div) and inner is left
                if not (scales or divides or isinstance(op, ast.Add | ast.Sub)):
                    return None
                node = inner
            case _:
                return None


def _is_d(name: str) -> bool:
    """A gradient of something under another name than the parameter's: ``dscores``, ``dW1``."""
    return re.fullmatch(r"d[A-Z]\w*|d_\w+|d(x|w|b|scores?|logits?|pred\w*|theta|inputs?|out|z|y)\d*", name) is not None


def _dictionaries(function: Function, inputs: list[str]) -> set[tuple[int, int]]:
    """(length, place) of dictionaries with gradients' names for keys that are written out in a ``return``."""
    found = set()
    for node in own_nodes(function.node):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            for i, part in enumerate(node.value.elts):
                if isinstance(part, ast.Dict):
                    keys = [
                        key.value for key in part.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)
                    ]
                    if keys and all(named_input(key, inputs, itself=True) or _is_d(key) for key in keys):
                        found.add((len(node.value.elts), i))
    return found


@dataclass(frozen=True, eq=False)
class _Both:
    """A function whose result number ``value`` of ``count`` is a number, and whose results ``places`` are its gradients."""

    scope: Scope
    function: Function
    value: int
    places: tuple[int, ...]
    count: int

    def found(self) -> Found:
        return Found(
            name=self.function.name,
            convention=CONVENTION,
            forward=self.function.name,
            backward=self.function.name,
            line=self.function.line,
            parameters=self.function.parameters,
            docstrings=(self.function.docstring,),
            try_forward=self.try_forward,
            bind=self.bind,
            uses=frozenset({self.function.name}),
            scalar=is_scalar(self.scope, self.function),
        )

    @cached_property
    def state(self) -> ModuleState:
        return ModuleState(self.scope, self.function)

    @property
    def names(self) -> tuple[str | None, ...]:
        """What the results are called."""
        return next((row for row in _rows(self.function) if len(row) == self.count), (None,) * self.count)

    def try_forward(self, values: Mapping[str, Any]) -> Any:
        """The value alone. Raises ``CannotBindError`` where these values give something else."""
        self.state.restore()
        return self.split(self.call(copy.deepcopy(self.given(values))))[0]

    def call(self, arguments: Mapping[str, Any]) -> Any:
        """Calls the function."""
        return call_with(self.function.call, self.function.parameters, arguments)

    def given(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """A value for each parameter."""
        given = {}
        for parameter in self.function.parameters:
            if parameter.name in values:
                given[parameter.name] = values[parameter.name]
            elif parameter.default is not MISSING:
                given[parameter.name] = parameter.default
            else:
                raise CannotBindError(f"{self.function.name} needs a value for {parameter.name}")
        return given

    def split(self, result: Any) -> tuple[Any, tuple[Any, ...]]:
        """The value and the gradients."""
        if not isinstance(result, tuple | list) or len(result) != self.count:
            raise CannotBindError(f"{self.function.name} returns no value with its gradient here")
        value = result[self.value]
        if not is_output(value) or np.size(value) != 1:
            raise CannotBindError(
                f"{self.function.name} returns no number beside {self.names[self.places[0]] or 'a gradient'}"
            )
        return value, tuple(result[i] for i in self.places)

    def bind(self, values: Mapping[str, Any]) -> Case:
        """The case of these values."""
        given = self.given(values)
        settings = {p.name for p in self.function.parameters if p.default is not MISSING}
        arguments = Arguments.of(given, claimed([self.names], list(given), returned_keys(self.function)), settings)
        if not arguments.floating:
            raise CannotBindError(f"{self.function.name} has no floating argument")
        run = self.start(arguments, copy.deepcopy(arguments.values))
        gradients = run.backward()
        self.state.restore()
        wrt = tuple(name for name in arguments.values if name in gradients)
        plain = np.ndim(self.try_forward(given)) == 0
        inputs = ", ".join(p.name for p in self.function.parameters if p.default is MISSING)
        return Case(
            values=arguments.values,
            wrt=wrt,
            callings=(Calling(lambda v: self.start(arguments, v), f"{self.function.name}({inputs})", "one"),),
            function=(lambda *v: self.plain(arguments, v)) if plain else None,
        )

    def start(self, arguments: Arguments, values: Values) -> _Run:
        """A fresh call."""
        self.state.restore()
        whole = arguments.filled(values)
        value, gradients = self.split(self.call(whole))
        return _Run(self, arguments, whole, value, [gradients])

    def plain(self, arguments: Arguments, values: tuple[Any, ...]) -> Any:
        """The value alone, of arrays in order."""
        return self.call(arguments.filled(dict(zip(arguments.values, values, strict=True))))[self.value]

    def assigned(self, gradients: tuple[Any, ...], arguments: Arguments) -> dict[str, Any]:
        """Which input each gradient is of."""
        if is_nothing(gradients):
            raise CannotBindError(f"{self.function.name} returns no gradient: it is not implemented")
        targets = tuple(dict.fromkeys((*arguments.given, *arguments.values)))
        found: dict[str, Any] = {}
        unnamed: list[Any] = []
        for place, gradient in zip(self.places, gradients, strict=True):
            name = self.names[place]
            if isinstance(gradient, Mapping) or hasattr(gradient, "_asdict"):
                found.update(assign(gradient, (), arguments))
            elif name is not None and named_input(name, targets) is not None:
                found.update(assign((gradient,), ((name,),), arguments))
            else:
                unnamed.append(gradient)
        for gradient in unnamed:
            found.update(self._by_shape(gradient, found, arguments))
        return found

    def _by_shape(self, gradient: Any, found: Mapping[str, Any], arguments: Arguments) -> dict[str, Any]:
        open_ = [name for name in arguments.floating if name not in found]
        groups = {arguments.places[name][0] for name in open_ if arguments.places[name][1]}
        if len(groups) == 1 and isinstance(gradient, list | tuple):
            return assign((gradient,), (("d" + groups.pop(),),), arguments)
        shape = np.shape(gradient)
        fitting = [name for name in open_ if np.shape(arguments.values[name]) == shape]
        if len(fitting) > 1:
            fitting = [name for name in fitting if not is_target(name)]
        if not fitting and len(open_) == 1:
            fitting = open_
        if len(fitting) != 1:
            raise CannotBindError(
                f"{self.function.name} returns a gradient of shape {shape}, and which of {', '.join(open_)} it is of is open:"
                " name it after the input (dx)"
            )
        return {fitting[0]: gradient}


@dataclass(frozen=True, eq=False)
class _Run:
    """One call. Each backward after the first calls the function once more, with the same arrays."""

    both: _Both
    arguments: Arguments
    whole: Mapping[str, Any]
    value: Any
    ready: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def outputs(self) -> tuple[Array, ...]:
        """The value."""
        return (as_output(self.value).reshape(()),)

    @property
    def kept(self) -> Any:
        """Nothing is kept."""
        return None

    def backward(self, *upstream: Array) -> Mapping[str, Any]:  # noqa: ARG002 - it is 1
        """The gradients that came with the value."""
        gradients = self.ready.pop() if self.ready else self.both.split(self.both.call(self.whole))[1]
        return self.both.assigned(gradients, self.arguments)
