"""JAX's ``custom_vjp`` and ``custom_jvp``: functions with a derivative rule of the user's.

The primal function is what differences are taken of. Of a ``custom_vjp`` the user's ``fwd`` and ``bwd`` are called directly:
JAX would raise where a cotangent has the wrong shape, instead of leaving it to be judged. Of a ``custom_jvp`` JAX makes the
vector-Jacobian product by transposing the rule, as ``jax.grad`` does. All of it runs with 64 bits switched on.

JAX is never imported here; it is there only where the user's module has imported it.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

from gradtool.target import Array, Calling, Case, Values
from gradtool.targets.found import CannotBindError, Found
from gradtool.targets.returned_none import is_data, none_positions
from gradtool.targets.scope import MISSING, Function, Parameter, Scope

CONVENTION = "jax-custom-derivative"

_ROUNDING = 1e-4
"""Two forwards that differ by less than this, relative to the larger, are taken for the same one computed in another way."""


def loaded_jax() -> Any:
    """The module ``jax`` where it has been imported, else None."""
    return sys.modules.get("jax")


def find(scope: Scope, taken: frozenset[str]) -> Iterator[Found]:
    """The functions of a module that carry a rule of their own; nothing where JAX is not imported."""
    if loaded_jax() is None:
        return
    seen: set[int] = set()
    # A decorated function before other names of the same object, such as its jitted self.
    names = dict.fromkeys([*scope.functions, *vars(scope.module)])
    for name in names:
        custom = _unwrapped(vars(scope.module).get(name))
        if custom is None or name in taken or id(custom) in seen or _module_of(custom.fun) != scope.module.__name__:
            continue
        seen.add(id(custom))
        yield _found(scope, name, custom)


def _unwrapped(value: Any) -> Any:
    """The ``custom_vjp`` or ``custom_jvp`` object that a value is or, jitted, has inside; else None."""
    for _ in range(8):
        kind = type(value)
        if kind.__name__ in ("custom_vjp", "custom_jvp") and kind.__module__.partition(".")[0] == "jax":
            return value
        if value is None or inspect.isclass(value) or isinstance(value, ModuleType) or not callable(value):
            return None
        value = getattr(value, "__wrapped__", None)
    return None


def _plain(function: Any) -> Any:
    """The Python function inside partial applications and decorators."""
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.unwrap(function) if callable(function) else function


def _module_of(function: Any) -> str | None:
    return getattr(_plain(function), "__module__", None)


def _found(scope: Scope, name: str, custom: Any) -> Found:
    is_vjp = type(custom).__name__ == "custom_vjp"
    rule = getattr(custom, "bwd" if is_vjp else "jvp", None)
    primal = _function(scope, custom.fun)
    parts = [_function(scope, part) for part in (getattr(custom, "fwd", None), rule)]
    backward = parts[-1]
    owner = _Custom(name, custom, rule, is_vjp, primal, backward, _parameters(custom.fun, primal))
    return Found(
        name=name,
        convention=CONVENTION,
        forward=name,
        backward=owner.rule_name,
        line=backward.line if backward is not None else _line((rule, *_rules(rule), custom.fun), scope),
        parameters=owner.parameters,
        docstrings=tuple(part.docstring for part in (primal, *parts) if part is not None and part.docstring),
        try_forward=owner.try_forward,
        bind=owner.bind,
        uses=frozenset({name, *(part.name for part in (primal, *parts) if part is not None)}),
        skip=owner.why_skipped(),
    )


def _function(scope: Scope, part: Any) -> Function | None:
    """The function of the module that ``part`` is, seen through decorators and partial applications."""
    if part is None:
        return None
    plain = _plain(part)
    for function in scope.functions.values():
        custom = _unwrapped(function.call)
        if _plain(custom.fun if custom is not None else function.call) is plain:
            return function
    return None


def _line(functions: Sequence[Any], scope: Scope) -> int:
    """Where the first of these stands that is written in the module."""
    codes = (getattr(_plain(function), "__code__", None) for function in functions)
    return next((code.co_firstlineno for code in codes if code is not None and code.co_filename == str(scope.path)), 1)


def _rules(rule: Any) -> tuple[Any, ...]:
    """The functions given to ``defjvps``, one an argument, which JAX's own rule has in its closure; none of any other rule."""
    if rule is None or not _is_of_jax(rule):
        return ()
    return tuple(inspect.getclosurevars(rule).nonlocals.get("jvps", ()))


def _is_of_jax(function: Any) -> bool:
    return (_module_of(function) or "").partition(".")[0] == "jax"


def _parameters(primal: Callable[..., Any], function: Function | None) -> tuple[Parameter, ...]:
    if function is not None:
        return function.parameters
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(
        Parameter(p.name, None, p.default) for p in inspect.signature(primal).parameters.values() if p.kind in kinds
    )


@contextmanager
def _double() -> Iterator[None]:
    """64 bits switched on for what runs inside, whatever the JAX version calls it. An exception loses the note that JAX adds on
    tracebacks, and nothing else."""
    jax = loaded_jax()
    switch = jax.enable_x64 if hasattr(jax, "enable_x64") else sys.modules["jax.experimental"].enable_x64
    with switch(True):
        try:
            yield
        except Exception as error:
            notes = getattr(error, "__notes__", [])
            notes[:] = [note for note in notes if "JAX_TRACEBACK_FILTERING" not in note]
            raise


@dataclass(frozen=True, slots=True)
class _Leaf:
    """An array among the arguments: argument and position among the argument's leaves."""

    argument: int
    position: int


@dataclass(frozen=True, eq=False)
class _Custom:
    """A function with a rule, its source, and the parameters that need values."""

    name: str
    custom: Any
    rule: Any
    is_vjp: bool
    primal: Function | None
    backward: Function | None
    parameters: tuple[Parameter, ...]

    @property
    def rule_name(self) -> str:
        name = None if _is_of_jax(self.rule) else getattr(_plain(self.rule), "__name__", None)
        return name if name is not None and name.isidentifier() else f"the rule of {self.name}"

    @cached_property
    def fixed(self) -> frozenset[int]:
        """The positions of the arguments that JAX is told not to differentiate."""
        count = len(self.parameters)
        return frozenset(k % count for k in self.custom.nondiff_argnums) if count else frozenset()

    def why_skipped(self) -> str | None:
        if self.rule is None:
            return f"{self.name} has no rule: {'defvjp' if self.is_vjp else 'defjvp'} is not called"
        if not self.parameters:
            return f"{self.name} takes no named inputs"
        return None

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """One value for each parameter. Raises ``CannotBindError`` where one is missing or complex."""
        found = []
        for p in self.parameters:
            value = values.get(p.name, p.default)
            if value is MISSING:
                raise CannotBindError(f"no value for {p.name} of {self.name}")
            if isinstance(value, np.ndarray | np.generic):
                array = np.asarray(value)
                value = array.item() if array.ndim == 0 and array.dtype.kind in "biu" else array
            if any(np.iscomplexobj(leaf) for leaf in loaded_jax().tree_util.tree_leaves(value) if _is_array(leaf)):
                raise CannotBindError(f"{p.name} is complex, which is not supported")
            found.append(value)
        return found

    def try_forward(self, values: Mapping[str, Any]) -> Any:
        """What the primal function gives, as arrays. Raises what it raises."""
        tree = loaded_jax().tree_util
        with _double():
            out = self.custom.fun(*self.converted(self.arguments(values)))
            return tree.tree_map(np.array, out)

    def converted(self, arguments: Sequence[Any]) -> list[Any]:
        """Arguments with copies of their arrays as JAX's; Python's numbers and all else stay."""
        jax = loaded_jax()
        convert = lambda leaf: jax.numpy.array(leaf, copy=True) if _is_array(leaf) else leaf
        return [jax.tree_util.tree_map(convert, argument) for argument in arguments]

    def leaves(self, arguments: Sequence[Any]) -> dict[str, _Leaf]:
        """The arrays that may change from point to point, by name: ``x``, ``params['w']``. A Python float is one as well,
        but for a parameter with a default for which ``bwd`` has the constant None."""
        tree, found = loaded_jax().tree_util, {}
        for k, (p, argument) in enumerate(zip(self.parameters, arguments, strict=True)):
            if k in self.fixed:
                continue
            for position, (path, leaf) in enumerate(tree.tree_flatten_with_path(argument)[0]):
                is_setting = p.default is not MISSING and k in self.silent
                if _is_array(leaf) or (isinstance(leaf, float) and not is_setting):
                    found[p.name + tree.keystr(path)] = _Leaf(k, position)
        return found

    @cached_property
    def silent(self) -> frozenset[int]:
        """The positions of the arguments for which ``bwd`` has the constant None."""
        if not self.is_vjp or self.backward is None:
            return frozenset()
        differentiated = [k for k in range(len(self.parameters)) if k not in self.fixed]
        positions = none_positions(self.backward.node, len(differentiated))
        return frozenset(differentiated[k] for k in positions)

    def bind(self, values: Mapping[str, Any]) -> Case:
        """The case of these values; every float outside ``nondiff_argnums`` is differentiated, but for data that ``bwd`` leaves
        out."""
        tree = loaded_jax().tree_util
        arguments = self.arguments(values)
        names = [p.name for p in self.parameters]
        leaves = self.leaves(arguments)
        varying = {
            name: np.asarray(tree.tree_leaves(arguments[leaf.argument])[leaf.position]) for name, leaf in leaves.items()
        }
        data = {k for k in self.silent if is_data(names[k], names)}
        wrt = tuple(
            name for name, leaf in leaves.items() if varying[name].dtype.kind == "f" and leaf.argument not in data
        )
        if not wrt:
            raise CannotBindError(f"{self.name} is given no array of floats, so there is nothing to differentiate")

        def start(at: Values) -> _Run:
            return _Run(self, self.filled(arguments, leaves, at), {name: leaves[name] for name in wrt})

        self._refuse(start, varying)
        fixed = [names[k] for k in sorted(self.fixed)]
        called = [*fixed, *(("residuals", "g") if self.is_vjp else ("primals", "tangents"))]
        description = f"{self.rule_name}({', '.join(called)})" if self.rule_name.isidentifier() else self.rule_name
        description += "" if self.is_vjp else ", transposed by JAX"
        return Case(varying, wrt, (Calling(start, description + self._disagreement(start, varying)),))

    def filled(self, arguments: Sequence[Any], leaves: Mapping[str, _Leaf], at: Values) -> list[Any]:
        """The arguments with these values in their places."""
        tree = loaded_jax().tree_util
        taken = [tree.tree_flatten(argument) for argument in arguments]
        for name, leaf in leaves.items():
            taken[leaf.argument][0][leaf.position] = np.asarray(at[name])
        return [
            argument if k in self.fixed else tree.tree_unflatten(structure, flat)
            for k, (argument, (flat, structure)) in enumerate(zip(arguments, taken, strict=True))
        ]

    def _refuse(self, start: Callable[[Values], _Run], values: Values) -> None:
        """Raise ``CannotBindError`` for outputs that cannot be checked. What the user's code raises is left to the checker,
        which meets it again and reports it with its traceback."""
        try:
            run = start(values)
        except Exception:
            return
        for leaf in run.results:
            dtype = getattr(leaf, "dtype", np.dtype(type(leaf)) if isinstance(leaf, int | float | complex) else None)
            if dtype is None or dtype.kind not in "fbiu":
                raise CannotBindError(f"{self.name} gives {dtype or type(leaf).__name__}, which is not supported")
        if not run.outputs:
            raise CannotBindError(f"no output of {self.name} is a float, so there is nothing to differentiate")

    def _disagreement(self, start: Callable[[Values], _Run], values: Values) -> str:
        """What is to be said where the rule computes another value than the function: JAX uses the rule's under ``grad``."""
        try:
            run = start(values)
            theirs = run.value_by_rule()
        except Exception:
            return ""  # Backward meets the same exception.
        if [np.shape(t) for t in theirs] != [o.shape for o in run.outputs]:
            return f", where {self._value_name} gives outputs of another shape than {self.name}"
        for output, other in zip(run.outputs, theirs, strict=True):
            size = np.max(np.abs(output), initial=0.0)
            apart = np.max(np.abs(output - other), initial=0.0)
            if apart > _ROUNDING * size:
                return f", where {self._value_name} gives another value than {self.name} (apart by {apart:.2g})"
        return ""

    @property
    def _value_name(self) -> str:
        return getattr(_plain(self.custom.fwd), "__name__", "fwd") if self.is_vjp else self.rule_name


class _Run:
    """One call of the primal function."""

    def __init__(self, owner: _Custom, arguments: Sequence[Any], wrt: Mapping[str, _Leaf]) -> None:
        self._owner, self._wrt = owner, wrt
        self._fixed = [argument for k, argument in enumerate(arguments) if k in owner.fixed]
        self._moving = [k for k in range(len(arguments)) if k not in owner.fixed]
        with _double():
            self._arguments = owner.converted(arguments)
            self.results, self._structure = loaded_jax().tree_util.tree_flatten(owner.custom.fun(*self._arguments))
        self._float = [k for k, leaf in enumerate(self.results) if np.asarray(leaf).dtype.kind == "f"]
        self.outputs: tuple[Array, ...] = tuple(np.array(self.results[k]) for k in self._float)
        self._residuals: tuple[Any, ...] | None = None

    @property
    def kept(self) -> Any:
        return None  # JAX's arrays cannot be changed in place.

    def backward(self, *upstream: Array) -> Mapping[str, Any]:
        """The cotangents that ``bwd`` gives, or the transposed rule. Raises what the user's code raises, and what JAX raises
        where the result is not one for each argument."""
        with _double():
            cotangents = self._by_bwd(upstream) if self._owner.is_vjp else self._by_jvp(upstream)
            return {
                name: None if found is None else np.array(found)
                for name, found in (
                    (name, cotangents[leaf.argument][leaf.position]) for name, leaf in self._wrt.items()
                )
            }

    def value_by_rule(self) -> list[Array]:
        """The float outputs as the rule itself computes them."""
        tree = loaded_jax().tree_util
        with _double():
            if self._owner.is_vjp:
                value = self._owner.custom.fwd(*self._arguments)[0]
            else:
                differentiated = [self._arguments[k] for k in self._moving]
                zeros = [self._tangent(argument) for argument in differentiated]
                value = self._owner.rule(*self._fixed, tuple(differentiated), tuple(zeros))[0]
            return [found for leaf in tree.tree_leaves(value) if (found := np.array(leaf)).dtype.kind == "f"]

    def _upstream(self, upstream: Sequence[Array]) -> Any:
        """The cotangent of the output: what JAX hands on for integers is an array of the type ``float0``."""
        jax = loaded_jax()
        flat = [np.zeros(np.shape(leaf), jax.dtypes.float0) for leaf in self.results]
        for k, array in zip(self._float, upstream, strict=True):
            flat[k] = jax.numpy.array(array, dtype=np.asarray(self.results[k]).dtype, copy=True)
        return jax.tree_util.tree_unflatten(self._structure, flat)

    def _by_bwd(self, upstream: Sequence[Array]) -> dict[int, list[Any]]:
        custom = self._owner.custom
        if custom.symbolic_zeros:
            return self._by_jax(upstream)
        if self._residuals is None:
            pair = custom.fwd(*self._arguments)
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                return self._by_jax(upstream)
            self._residuals = (pair[1],)
        given = custom.bwd(*self._fixed, *self._residuals, self._upstream(upstream))
        if not isinstance(given, tuple | list) or len(given) != len(self._moving):
            return self._by_jax(upstream)
        tree = loaded_jax().tree_util
        found: dict[int, list[Any]] = {}
        for k, cotangent in zip(self._moving, given, strict=True):
            structure = tree.tree_structure(self._arguments[k])
            try:
                leaves = [None] * structure.num_leaves if cotangent is None else structure.flatten_up_to(cotangent)
            except (ValueError, TypeError):
                return self._by_jax(upstream)
            if any(isinstance(leaf, tuple | list | dict) for leaf in leaves):
                return self._by_jax(upstream)
            found[k] = leaves
        return found

    def _by_jax(self, upstream: Sequence[Array]) -> dict[int, list[Any]]:
        """As ``jax.vjp`` does it: for rules of a form that JAX completes, or refuses in its own words."""
        jax = loaded_jax()
        moving = self._differentiable()
        _, pull = jax.vjp(self._function_of(moving), *(self._arguments[k] for k in moving))
        given = pull(self._upstream(upstream))
        return {k: jax.tree_util.tree_leaves(cotangent) for k, cotangent in zip(moving, given, strict=True)}

    def _by_jvp(self, upstream: Sequence[Array]) -> dict[int, list[Any]]:
        """By transposing the rule; where JAX cannot, but the rule is linear, from its columns."""
        try:
            return self._by_jax(upstream)
        except Exception as error:
            found = self._from_columns(upstream)
            if found is None:
                raise error from None
            return found

    def _from_columns(self, upstream: Sequence[Array]) -> dict[int, list[Any]] | None:
        """``upstream`` times the Jacobian that the rule gives tangent by tangent, or None where the rule is not linear in the
        tangents. Raises what JAX or the rule raises."""
        jax = loaded_jax()
        tree = jax.tree_util
        moving = self._differentiable()
        primals, structure = tree.tree_flatten([self._arguments[k] for k in moving])
        rng = np.random.default_rng(0)
        zeros = [self._tangent(primal) for primal in primals]

        def along(tangents: Sequence[Any]) -> float:
            given = tree.tree_unflatten(structure, tangents)
            out = jax.jvp(self._function_of(moving), tree.tree_unflatten(structure, primals), given)[1]
            flat = tree.tree_leaves(out)
            return float(sum(np.sum(u * np.asarray(flat[k])) for k, u in zip(self._float, upstream, strict=True)))

        columns: list[Any] = []
        probe, expected, size = list(zeros), 0.0, 0.0
        for k, primal in enumerate(primals):
            if np.asarray(primal).dtype.kind != "f":
                columns.append(None)
                continue
            column = np.zeros(np.shape(primal))
            for index in np.ndindex(column.shape):
                one = np.zeros(column.shape)
                one[index] = 1.0
                column[index] = along([*zeros[:k], jax.numpy.asarray(one, np.asarray(primal).dtype), *zeros[k + 1 :]])
            direction = rng.normal(size=column.shape)
            probe[k] = jax.numpy.asarray(direction, np.asarray(primal).dtype)
            expected += float(np.sum(direction * column))
            size += float(np.sum(np.abs(direction * column)))
            columns.append(column)
        if not abs(along(probe) - expected) <= _ROUNDING * size:
            return None
        given = tree.tree_unflatten(structure, columns)
        return {
            k: tree.tree_flatten(part, is_leaf=lambda leaf: leaf is None)[0]
            for k, part in zip(moving, given, strict=True)
        }

    def _differentiable(self) -> list[int]:
        """The positions of the arguments that hold a float."""
        leaves = loaded_jax().tree_util.tree_leaves
        return [
            k for k in self._moving if any(np.asarray(leaf).dtype.kind == "f" for leaf in leaves(self._arguments[k]))
        ]

    def _function_of(self, moving: Sequence[int]) -> Callable[..., Any]:
        """The user's function, rule and all, of the arguments at these positions."""

        def call(*given: Any) -> Any:
            arguments = list(self._arguments)
            for k, argument in zip(moving, given, strict=True):
                arguments[k] = argument
            return self._owner.custom(*arguments)

        return call

    def _tangent(self, argument: Any) -> Any:
        """A zero tangent for an argument: of the type ``float0`` for integers."""
        jax = loaded_jax()

        def zero(leaf: Any) -> Any:
            array = np.asarray(leaf)
            return jax.numpy.zeros_like(leaf) if array.dtype.kind == "f" else np.zeros(array.shape, jax.dtypes.float0)

        return jax.tree_util.tree_map(zero, argument)


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray | np.generic)
