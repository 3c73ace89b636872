"""``Run`` for a layer: a forward on a fresh object, and the gradients that its backward returns or leaves behind."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from gradtool.target import Array
from gradtool.targets.contraction import contract
from gradtool.targets.found import CannotBindError
from gradtool.targets.gradient_names import is_target, looks_like_gradient, path_likeness
from gradtool.targets.layer import Layer, copy_or, own
from gradtool.targets.layer_call import Argument, Arrangement, opened, take
from gradtool.targets.object_state import Memory, Path, display, fetch, fill, is_float, leaves
from gradtool.targets.scope import MISSING

RATE = 1024.0
"""The learning rate that a gradient is read from an update with: a power of 2, so that only the update itself is rounded."""
_ZERO = re.compile(r"(zero|clear|reset|init)_?grad", re.IGNORECASE)
"""Methods that make room for a new gradient."""


@dataclass(frozen=True)
class Claim:
    """Where the gradient of the input ``name`` is found: in what backward returned, in an attribute, or in the change of a
    parameter (``sign`` times what was subtracted)."""

    name: str
    source: Literal["returned", "slot", "update"]
    where: tuple[Any, ...]
    sign: float = 1.0


@dataclass(frozen=True)
class Variable:
    """A parameter of the object: its name as an input, and all the places where it stands."""

    name: str
    paths: tuple[Path, ...]


@dataclass(frozen=True)
class Way:
    """An arrangement of backward's arguments and what the gradients are of: the outputs times an upstream ("given",
    "contracted"), or a scalar ("one"), which may be the mean over samples."""

    arrangement: Arrangement
    upstream: Literal["given", "contracted", "one"]
    mean: bool = False


@dataclass(eq=False)
class Setting:
    """A layer at given values: the object that copies are made of, its parameters, and where forward leaves its outputs.

    ``attribute_name`` is the attribute that holds the output of a forward that returns nothing; ``outputs`` are the positions,
    among what forward gives, of what an upstream is wanted for; ``initial`` has a value for each of ``variables``;
    ``object_has_rate`` says that backward updates with a learning rate of the object's, which then is ``RATE``.
    """

    layer: Layer
    values: dict[str, Any]
    base: Any = None
    variables: list[Variable] = field(default_factory=list)
    initial: dict[str, Any] = field(default_factory=dict)
    attribute_name: str | None = None
    outputs: tuple[int, ...] = (0,)
    object_has_rate: bool = False

    def fresh(self) -> Any:
        """A copy of the object."""
        return copy_or(self.base, lambda: self.layer.build(self.values))

    def output_of(self, obj: object, returned: Any) -> Any:
        """What forward gave: returned, or in an attribute."""
        return returned if self.attribute_name is None else getattr(obj, self.attribute_name)

    @property
    def differentiable(self) -> list[str]:
        """Forward's float inputs, in order."""
        return [p.name for p in self.layer.forward.parameters if is_float(self.values.get(p.name))]

    def inputs(self) -> dict[str, Any]:
        """Forward's inputs that may vary: arrays and the floats of scalar code."""
        found = {}
        for p in self.layer.forward.parameters:
            value = self.values.get(p.name)
            if isinstance(value, np.ndarray) or (is_float(value) and p.default is MISSING):
                found[p.name] = value
        return found

    def first(self) -> str:
        """The input that a loss's gradient is of."""
        candidates = [n for n in self.differentiable if not is_target(n)] or self.differentiable
        if not candidates:
            raise CannotBindError(f"{self.layer.forward.name} has no float input")
        return candidates[0]


class Run:
    """A forward on a fresh object, and its backward. Gradients that accumulate, parameters that are updated and states
    that backward appends to have their content from before backward again when it is called once more."""

    def __init__(
        self,
        setting: Setting,
        way: Way,
        inputs: Mapping[str, Any],
        given: Mapping[Variable, Any],
        claims: Sequence[Claim],
    ) -> None:
        self._setting = setting
        self._way = way
        self._claims = claims
        self.obj = setting.fresh()
        for variable, value in given.items():
            fill(self.obj, variable.paths, value)
        for name in [n for n in dir(type(self.obj)) if _ZERO.match(n)]:
            method = getattr(self.obj, name)
            if callable(method) and not _required(method):
                method()
        self.before = leaves(self.obj)
        self._inputs = {**setting.values, **inputs}
        self.returned = setting.layer.call_forward(self.obj, self._inputs)
        self._every = opened(setting.output_of(self.obj, self.returned))
        out = tuple(self._every[k] for k in setting.outputs)
        if way.mean:
            out = (np.mean(out[0]),)
        self.outputs: tuple[Array, ...] = tuple(np.asarray(o) for o in out)
        self._memory: Memory | None = None

    @property
    def _kept_paths(self) -> frozenset[Path]:
        claimed = {c.where for c in self._claims if c.source == "slot"}
        variables = {p for v in self._setting.variables for p in v.paths}
        found = leaves(self.obj)
        return frozenset(
            path
            for path, value in found.items()
            if self.before.get(path, self) is not value
            and path not in claimed
            and path not in variables
            and not (looks_like_gradient(path) and any(path_likeness(path, other) for other in found if other != path))
        )

    @property
    def kept(self) -> dict[str, Any]:
        """The arrays that forward set on the object, and the cache that it returned."""
        found = {display(path): fetch(self.obj, path) for path in sorted(self._kept_paths, key=display)}
        found = {name: value for name, value in found.items() if isinstance(value, np.ndarray)}
        if self._setting.attribute_name is None and not self._setting.layer.in_one:
            for k, value in enumerate(self._every):
                if k not in self._setting.outputs:
                    found[f"returned[{k}]"] = value
        return found

    def call(self, up: Sequence[Array]) -> Any:
        """What the user's backward returns."""
        setting = self._setting
        if setting.layer.in_one:
            return self.returned[1]
        positional: list[Any] = []
        named: dict[str, Any] = {}
        order = [p.name for p in setting.layer.backward.parameters]
        for a in self._way.arrangement:
            value = self._argument(a, up)
            if a.parameter.keyword_only or len(positional) < order.index(a.parameter.name):
                named[a.parameter.name] = value
            else:
                positional.append(value)
        return getattr(self.obj, setting.layer.backward.name)(*positional, **named)

    def _argument(self, a: Argument, up: Sequence[Array]) -> Any:
        match a.role:
            case "upstream":
                return up[a.which]
            case "input":
                return self._input(a.which)
            case "first":
                return self._inputs[self._setting.first()]
            case "output":
                return self._every[self._setting.outputs[0]]
            case "cache":
                rest = tuple(value for k, value in enumerate(self._every) if k not in self._setting.outputs)
                return rest[0] if len(rest) == 1 else rest
            case "rate":
                return RATE
            case "attribute":
                return getattr(self.obj, a.which)
            case "value":
                if a.which not in self._inputs:
                    raise CannotBindError(f"{self._setting.layer.backward.name} needs {a.which}")
                return self._inputs[a.which]

    def _input(self, name: str) -> Any:
        """What forward was given for a parameter, or its default."""
        if name in self._inputs:
            return self._inputs[name]
        return next(p.default for p in self._setting.layer.forward.parameters if p.name == name)

    def claimed(self, claim: Claim, returned: Any) -> Any:
        """The gradient that a claim is about, as the user's code gave it."""
        if claim.source == "returned":
            whole = returned if claim.where or not isinstance(returned, tuple | list) else None
            return take(whole, claim.where)
        if not has(self.obj, claim.where):
            return None
        value = fetch(self.obj, claim.where)
        if claim.source == "slot" or self._held is None:
            return value
        return (self._held[claim.name] - value) / (RATE * claim.sign)

    _held: dict[str, Any] | None = None

    def backward(self, *upstream: Array) -> dict[str, Any]:
        """The gradients by name."""
        if self._memory is None:
            self._memory = Memory(self.obj, self._kept_paths)
        else:
            self._memory.restore()
        self._held = {c.name: own(fetch(self.obj, c.where)) for c in self._claims if c.source == "update"}
        returned = self.call(upstream)
        found = {}
        for claim in self._claims:
            value = self.claimed(claim, returned)
            if self._way.upstream == "contracted" and value is not None:
                shape = np.shape(
                    self._inputs[claim.name] if claim.name in self._inputs else self._setting.initial[claim.name]
                )
                value = contract(upstream[0], value, shape)
            found[claim.name] = value
        return found


def _required(method: Callable[..., Any]) -> bool:
    try:
        signature = inspect.signature(method)
    except (TypeError, ValueError):
        return True
    return any(
        p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        for p in signature.parameters.values()
    )


def has(root: object, path: Path) -> bool:
    try:
        fetch(root, path)
    except (LookupError, AttributeError, TypeError):
        return False
    return True
