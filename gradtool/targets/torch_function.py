"""``torch.autograd.Function``: the ``forward`` and ``backward`` of a subclass, called as PyTorch calls them.

The user's ``backward`` is called directly, with the node of the graph that ``apply`` made: for a custom function that node
*is* its ``ctx``, with its saved tensors and ``needs_input_grad``. PyTorch's own engine would hide what is looked for: it
raises where a gradient has the wrong shape, and sums one that was not summed over a broadcast axis by itself.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gradtool.target import Array, Calling, Case, Values
from gradtool.targets.found import CannotBindError, Found
from gradtool.targets.returned_none import is_data, none_positions
from gradtool.targets.scope import MISSING, Class, Function, Parameter, Scope
from gradtool.targets.torch_arrays import (
    array_of,
    give_back,
    is_about_precision,
    loaded_torch,
    one_thread,
    refuse_complex,
    refuse_gpu,
    tensor_of,
    why_unsupported,
)
from gradtool.targets.torch_settings import number_parameters

CONVENTION = "torch-function"

_LEAF = "leaf Variable"
"""In PyTorch's message where forward changes an input in place and says so (``ctx.mark_dirty``)."""


def find(scope: Scope, taken: frozenset[str]) -> Iterator[Found]:
    """The custom functions of a module that define both directions; nothing where PyTorch is not imported."""
    for name, cls in custom_functions(scope).items():
        if name not in taken:
            yield _found(cls)


def custom_functions(scope: Scope) -> dict[str, Class]:
    """The subclasses of ``torch.autograd.Function`` that a module defines, with ``forward`` and ``backward`` (or ``vjp``,
    its other name)."""
    torch = loaded_torch()
    if torch is None:
        return {}
    base = torch.autograd.Function
    return {
        name: cls
        for name, cls in scope.classes.items()
        if issubclass(cls.type, base) and "forward" in cls.methods and _backward(cls) is not None
    }


def _backward(cls: Class) -> Function | None:
    return cls.methods.get("backward") or cls.methods.get("vjp")


def _found(cls: Class) -> Found:
    backward = _backward(cls)
    assert backward is not None
    forward = cls.methods["forward"]
    custom = _Custom(cls, forward, backward, _parameters(cls, forward))
    return Found(
        name=cls.name,
        convention=CONVENTION,
        forward=f"{cls.name}.forward",
        backward=f"{cls.name}.{backward.name}",
        line=backward.line,
        parameters=custom.parameters,
        docstrings=tuple(text for text in (forward.docstring, cls.docstring, backward.docstring) if text),
        try_forward=custom.try_forward,
        bind=custom.bind,
        uses=frozenset({cls.name}),
        skip=_why_skipped(cls, forward, backward, custom.parameters),
    )


def _parameters(cls: Class, forward: Function) -> tuple[Parameter, ...]:
    """Forward's parameters without ``ctx``, which it has unless there is a ``setup_context``."""
    positional = tuple(p for p in forward.parameters if not p.keyword_only)
    return positional if "setup_context" in cls.methods else positional[1:]


def _why_skipped(cls: Class, forward: Function, backward: Function, parameters: Sequence[Parameter]) -> str | None:
    for method in (forward, backward):
        if not isinstance(inspect.getattr_static(cls.type, method.name), staticmethod | classmethod):
            return f"{cls.name}.{method.name} is not a static method, and PyTorch no longer runs those"
    if not parameters and forward.node.args.vararg is not None:
        return f"{cls.name}.forward takes any number of inputs (*{forward.node.args.vararg.arg})"
    if _is_stub(backward.node):
        return f"{cls.name}.{backward.name} is not implemented"
    return None


def _is_stub(function: ast.FunctionDef) -> bool:
    """Whether the body is nothing but a docstring, ``pass``, ``...``, ``return None`` or a raised NotImplementedError."""
    return all(
        isinstance(node, ast.Pass)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        or (isinstance(node, ast.Return) and (node.value is None or _is_none(node.value)))
        or (isinstance(node, ast.Raise) and node.exc is not None and "NotImplementedError" in ast.unparse(node.exc))
        for node in function.body
    )


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


@dataclass(frozen=True, slots=True)
class _Mode:
    """How values become tensors. ``leaf`` is whether the tensors are leaves on the arrays' own memory: forward cannot change
    such a tensor in place, and is handed a copy of it where it says that it does."""

    dtype: Any
    leaf: bool = True


@dataclass(frozen=True, eq=False)
class _Custom:
    """A custom function, its source, and the parameters that need values."""

    cls: Class
    forward: Function
    backward: Function
    parameters: tuple[Parameter, ...]

    @cached_property
    def settings(self) -> frozenset[str]:
        return number_parameters(self.cls, self.backward, tuple(p.name for p in self.parameters))

    def plain(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """A value for every parameter. What stands for a number becomes one.

        Raises ``CannotBindError`` for a missing value and for complex arrays.
        """
        settings, found = self.settings, {}
        for p in self.parameters:
            value = values.get(p.name, p.default)
            if value is MISSING:
                raise CannotBindError(f"no value for {p.name} of {self.cls.name}.forward")
            refuse_complex(p.name, value)
            if isinstance(value, np.ndarray | np.generic):
                array = np.asarray(value)
                is_number = array.size == 1 if p.name in settings else array.ndim == 0 and array.dtype.kind in "biu"
                value = array.item() if is_number else array
            found[p.name] = value
        return found

    def try_forward(self, values: Mapping[str, Any]) -> Any:
        """What forward gives, as arrays. Raises what it raises, ``CannotBindError`` where it wants a GPU, and ``TypeError``
        for an array where the source wants a number and takes one."""
        plain = self.plain(values)
        outputs, _, _ = self.apply(plain, self.mode(plain))
        for name in self.settings:
            if isinstance(plain[name], np.ndarray) and self._takes(plain | {name: float(np.ravel(plain[name])[0])}):
                raise TypeError(f"{name} should be a number: {self.backward.name} returns None for it")
        arrays = [array_of(o) if loaded_torch().is_tensor(o) and why_unsupported(o) is None else o for o in outputs]
        return arrays[0] if len(arrays) == 1 else tuple(arrays)

    def _takes(self, plain: Mapping[str, Any]) -> bool:
        try:
            self.mode(plain)
        except Exception:
            return False
        return True

    def mode(self, plain: Mapping[str, Any]) -> _Mode:
        """The first way to make tensors that forward and backward both take: float64, or else float32.

        Raises what forward raises with float64.
        """
        torch = loaded_torch()
        double, single = _Mode(torch.float64), _Mode(torch.float32)
        try:
            return self._works(plain, double)
        except Exception as error:
            refuse_gpu(f"{self.cls.name}.forward", error)
            if not is_about_precision(error):
                raise
            try:
                return self._works(plain, single)
            except Exception:
                raise error from None

    def _works(self, plain: Mapping[str, Any], mode: _Mode) -> _Mode:
        try:
            self.apply(plain, mode)
        except RuntimeError as error:
            if _LEAF not in str(error):
                raise
            mode = _Mode(mode.dtype, leaf=False)
            self.apply(plain, mode)
        return mode

    def apply(self, plain: Mapping[str, Any], mode: _Mode) -> tuple[tuple[Any, ...], dict[str, Any], list[Any]]:
        """A fresh forward: its outputs, the tensors that it was given by name, and all its arguments."""
        torch = loaded_torch()
        silent, tensors, arguments = self.silent(plain), {}, []
        for name, value in plain.items():
            argument = value
            if isinstance(value, np.ndarray | np.generic):
                floating = np.asarray(value).dtype.kind == "f"
                argument = tensor_of(value, mode.dtype if floating else None)
                if floating:
                    argument.requires_grad_(name not in silent)
                    argument = argument if mode.leaf else argument.clone()
                tensors[name] = argument
            arguments.append(argument)
        with one_thread(), torch.enable_grad():
            out = self.cls.type.apply(*arguments)  # type: ignore[attr-defined]
        return (out if isinstance(out, tuple) else (out,)), tensors, arguments

    def silent(self, plain: Mapping[str, Any]) -> frozenset[str]:
        """Float inputs whose gradient backward does not claim to give: data for which it has the constant None."""
        names = list(plain)
        silent = none_positions(self.backward.node, len(names))
        return frozenset(names[k] for k in silent if is_data(names[k], names))

    def bind(self, values: Mapping[str, Any]) -> Case:
        """The case of these values; every float array that backward does not leave out is differentiated."""
        plain = self.plain(values)
        varying = {
            name: np.asarray(value) for name, value in plain.items() if isinstance(value, np.ndarray | np.generic)
        }
        silent = self.silent(plain)
        wrt = tuple(name for name, value in varying.items() if value.dtype.kind == "f" and name not in silent)
        if not wrt:
            raise CannotBindError(
                f"{self.cls.name}.forward is given no array of floats, so there is nothing to differentiate"
            )
        mode = self._mode_for_both(plain)
        if mode.dtype == loaded_torch().float64:  # What takes doubles is checked with doubles, whatever it was given.
            varying = {
                name: value.astype(np.float64) if value.dtype.kind == "f" else value for name, value in varying.items()
            }
        upstreams = ", ".join(p.name for p in self.backward.parameters[1:]) or "*grad_outputs"

        def start(at: Values) -> _Run:
            given = {name: at[name] if name in varying else value for name, value in plain.items()}
            return self.start(given, mode, wrt)

        calling = Calling(start, f"{self.cls.name}.{self.backward.name}(ctx, {upstreams})")
        return Case(varying, wrt, (calling,))

    def _mode_for_both(self, plain: Mapping[str, Any]) -> _Mode:
        """The way to make tensors, with a backward tried. Raises ``CannotBindError`` where the result says that this is
        nothing to check."""
        torch = loaded_torch()
        name = f"{self.cls.name}.{self.backward.name}"
        try:
            mode = self.mode(plain)
        except CannotBindError:
            raise
        except Exception:
            return _Mode(torch.float64)  # The checker meets the same exception, and reports it with its traceback.
        try:
            self._try_backward(plain, mode)
        except CannotBindError:
            raise
        except NotImplementedError as error:
            raise CannotBindError(f"{name} is not implemented") from error
        except (Exception, SystemExit) as error:
            refuse_gpu(name, error)
            if is_about_precision(error) and mode.dtype is torch.float64:
                single = _Mode(torch.float32, mode.leaf)
                try:
                    self._try_backward(plain, single)
                except (Exception, SystemExit):
                    return mode
                return single
        return mode

    def _try_backward(self, plain: Mapping[str, Any], mode: _Mode) -> None:
        copies = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in plain.items()}
        run = self.start(copies, mode, ())
        for tensor in run.tensors:
            _refuse(f"{self.cls.name}.forward", tensor)
        gradients = run.raw(tuple(np.ones_like(output) for output in run.outputs))
        for gradient in gradients:
            if gradient is not None:
                _refuse(f"{self.cls.name}.{self.backward.name}", gradient)
        if all(gradient is None for gradient in gradients):
            raise CannotBindError(f"{self.cls.name}.{self.backward.name} returns None for every input")

    def start(self, given: Mapping[str, Any], mode: _Mode, wrt: tuple[str, ...]) -> _Run:
        """A fresh forward on these arrays.

        Raises ``CannotBindError`` where no output carries a gradient.
        """
        outputs, tensors, arguments = self.apply(given, mode)
        is_tensor = loaded_torch().is_tensor
        wanted = tuple(k for k, out in enumerate(outputs) if is_tensor(out) and out.requires_grad)
        if not wanted:
            raise CannotBindError(f"no output of {self.cls.name}.forward carries a gradient")
        node = _node(outputs[wanted[0]].grad_fn, self.cls.type)
        return _Run(self, outputs, wanted, node, given, tensors, arguments, wrt)


class _Run:
    """One forward of a custom function."""

    def __init__(
        self,
        custom: _Custom,
        results: tuple[Any, ...],
        wanted: tuple[int, ...],
        node: Any,
        given: Mapping[str, Any],
        inputs: Mapping[str, Any],
        arguments: Sequence[Any],
        wrt: tuple[str, ...],
    ) -> None:
        self._custom, self._results, self._wanted, self._node = custom, results, wanted, node
        self._arguments, self._wrt = arguments, wrt
        self.tensors = tuple(results[k] for k in wanted)
        self.outputs: tuple[Array, ...] = tuple(
            array_of(tensor).copy() if why_unsupported(tensor) is None else np.zeros(0) for tensor in self.tensors
        )
        self._inputs = [(inputs[name], given[name], array_of(inputs[name]).copy()) for name in inputs]

    @property
    def kept(self) -> Any:
        """The saved tensors, and those that forward set on ``ctx``, as arrays on their memory."""
        is_tensor = loaded_torch().is_tensor
        try:
            saved = self._node.saved_tensors
        except RuntimeError:  # One was changed in place since; backward meets the same and says so.
            saved = ()
        found = {f"saved_tensors[{k}]": tensor for k, tensor in enumerate(saved)} | dict(vars(self._node))
        return {
            name: array_of(tensor)
            for name, tensor in found.items()
            if is_tensor(tensor) and why_unsupported(tensor) is None
        }

    def backward(self, *upstream: Array) -> Mapping[str, Any]:
        names = [p.name for p in self._custom.parameters]
        gradients = dict(zip(names, self.raw(upstream), strict=True))
        return {name: None if gradients[name] is None else array_of(gradients[name]) for name in self._wrt}

    def raw(self, upstream: Sequence[Array]) -> tuple[Any, ...]:
        """What the user's backward returns, one tensor or None an argument.

        Raises what it raises, and what PyTorch raises where it returns something else.
        """
        torch = loaded_torch()
        # Of what is not differentiable PyTorch hands on zeros for a tensor, None for anything else.
        handed = [torch.zeros_like(result) if torch.is_tensor(result) else None for result in self._results]
        made = []
        for k, array in zip(self._wanted, upstream, strict=True):
            handed[k] = tensor_of(array, self._results[k].dtype)
            made.append((handed[k], array, array_of(handed[k]).copy()))
        try:
            with one_thread(), torch.no_grad():
                result = getattr(self._custom.cls.type, self._custom.backward.name)(self._node, *handed)
        finally:
            for tensor, array, before in made:
                give_back(tensor, array, before)
            for tensor, array, before in self._inputs:
                if isinstance(array, np.ndarray) and tensor.is_leaf:
                    give_back(tensor, array, before)
        return self._checked(result)

    def _checked(self, result: Any) -> tuple[Any, ...]:
        """PyTorch's own requirements of what a backward returns, in its words; shapes are left to be judged."""
        is_tensor = loaded_torch().is_tensor
        name, wanted = f"{self._custom.cls.name}Backward", len(self._arguments)
        given = result if isinstance(result, tuple) else (result,)
        given = given[:wanted] if all(extra is None for extra in given[wanted:]) else given
        if len(given) != wanted:
            raise RuntimeError(
                f"function {name} returned an incorrect number of gradients (expected {wanted}, got {len(given)})"
            )
        for k, (gradient, argument) in enumerate(zip(given, self._arguments, strict=True), 1):
            if gradient is not None and not is_tensor(gradient):
                raise RuntimeError(f"expected Variable or None (got {type(gradient).__name__})")
            if gradient is not None and not is_tensor(argument):
                raise RuntimeError(
                    f"function {name} returned a gradient different than None at position {k}, "
                    "but the corresponding forward input was not a Variable"
                )
        return given


def _refuse(name: str, tensor: Any) -> None:
    reason = why_unsupported(tensor)
    if reason is not None:
        raise CannotBindError(f"{name} gives a tensor that cannot be checked: {reason}")


def _node(start: Any, cls: type) -> Any:
    """The node of the graph that belongs to ``cls``: the first, but where PyTorch put one of its own (a view) before it."""
    pending, seen = [start], set()
    while pending:
        node = pending.pop(0)
        if node is None or id(node) in seen:
            continue
        if getattr(node, "_forward_cls", None) is cls:
            return node
        seen.add(id(node))
        pending += [before for before, _ in node.next_functions]
    raise CannotBindError(f"{cls.__name__} left no node in PyTorch's graph")
