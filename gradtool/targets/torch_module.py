"""``torch.nn.Module``: the gradients that PyTorch's autograd gives through hand-written parts of a module.

PyTorch's own derivatives need no check. A module is a target where its class, a base class in the same file, or a function of
the file that they call

- calls ``apply`` of a custom function (``torch.autograd.Function``) that the file defines, or a name that stands for it
  (``linear = LinearFunction.apply``), or
- registers a backward hook, on a module or on a tensor.

A module that has a ``backward(self, grad)`` of its own, which PyTorch never calls, is shown as skipped. The gradients are
those with respect to the inputs and the parameters (``weight``, ``layer.bias``).
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradtool.target import Array, Calling, Case, Values
from gradtool.targets.found import CannotBindError, Found
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
from gradtool.targets.torch_function import custom_functions

CONVENTION = "torch-module"

_HOOKS = frozenset({
    "register_hook", "register_backward_hook", "register_full_backward_hook", "register_full_backward_pre_hook",
    "register_post_accumulate_grad_hook",
})  # fmt: skip


def find(scope: Scope, taken: frozenset[str]) -> Iterator[Found]:
    """The modules of a file whose gradients pass through hand-written code; nothing where PyTorch is not imported."""
    torch = loaded_torch()
    if torch is None:
        return
    handwritten = _Handwritten(scope, frozenset(custom_functions(scope)))
    for name, cls in scope.classes.items():
        if name in taken or not issubclass(cls.type, torch.nn.Module):
            continue
        if "forward" in cls.methods:
            parts = handwritten.parts(cls)
            if parts or _own_backward(cls) is not None:
                yield _found(cls, parts)


def _own_backward(cls: Class) -> Function | None:
    """A method ``backward`` that takes a gradient, and is not what starts ``loss.backward()``."""
    backward = cls.methods.get("backward")
    return backward if backward is not None and backward.parameters else None


class _Handwritten:
    """Which hand-written gradients a class of a file uses, read from the source."""

    def __init__(self, scope: Scope, functions: frozenset[str]) -> None:
        self._scope, self._functions = scope, functions
        self._aliases: dict[str, str] = {}
        for node in scope.tree.body:
            if isinstance(node, ast.Assign) and (custom := self._applied(node.value)) is not None:
                self._aliases |= {place.id: custom for place in node.targets if isinstance(place, ast.Name)}

    def parts(self, cls: Class) -> tuple[str, ...]:
        """The custom functions that a class uses, then the hooks that it registers, in order of their appearance."""
        bases = [base.__name__ for base in cls.type.__mro__ if base.__module__ == self._scope.module.__name__]
        pending: list[ast.AST] = [self._scope.classes[name].node for name in bases if name in self._scope.classes]
        seen: set[str] = set()
        found: list[str] = []
        while pending:
            for node in ast.walk(pending.pop(0)):
                if (custom := self._applied(node)) is not None:
                    found.append(custom)
                elif isinstance(node, ast.Attribute) and node.attr in _HOOKS:
                    found.append(node.attr)
                elif isinstance(node, ast.Name) and node.id in self._aliases:
                    found.append(self._aliases[node.id])
                elif isinstance(node, ast.Name) and node.id in self._scope.functions and node.id not in seen:
                    seen.add(node.id)
                    pending.append(self._scope.functions[node.id].node)
        return tuple(dict.fromkeys(found))

    def _applied(self, node: ast.AST) -> str | None:
        """The custom function ``F`` of ``F.apply``."""
        if isinstance(node, ast.Attribute) and node.attr == "apply" and isinstance(node.value, ast.Name):
            return node.value.id if node.value.id in self._functions else None
        return None


def _found(cls: Class, parts: Sequence[str]) -> Found:
    forward, constructor = cls.methods["forward"], cls.methods.get("__init__")
    module = _Module(cls, forward.parameters, () if constructor is None else constructor.parameters)
    docstrings = (forward.docstring, cls.docstring, "" if constructor is None else constructor.docstring)
    return Found(
        name=cls.name,
        convention=CONVENTION,
        forward=f"{cls.name}.forward",
        backward="autograd through " + ", ".join(parts),
        line=forward.line,
        parameters=module.parameters,
        docstrings=tuple(text for text in docstrings if text),
        try_forward=module.try_forward,
        bind=module.bind,
        uses=frozenset({cls.name}),
        skip=_why_skipped(cls, forward),
    )


def _why_skipped(cls: Class, forward: Function) -> str | None:
    arguments = forward.node.args
    if _own_backward(cls) is not None:
        return f"PyTorch does not call {cls.name}.backward: make it the backward of a torch.autograd.Function to have it checked"
    if not forward.parameters and arguments.vararg is not None:
        return f"{cls.name}.forward takes any number of inputs (*{arguments.vararg.arg})"
    if inspect.isabstract(cls.type):
        return f"{cls.name} is abstract"
    return None


@dataclass(frozen=True, eq=False)
class _Module:
    """A module's class and what it takes: forward's inputs and the constructor's arguments."""

    cls: Class
    inputs: tuple[Parameter, ...]
    sizes: tuple[Parameter, ...]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Forward's parameters, then the constructor's that are not called the same."""
        names = {p.name for p in self.inputs}
        return (*self.inputs, *(p for p in self.sizes if p.name not in names))

    def build(self, values: Mapping[str, Any], dtype: Any) -> Any:
        """A fresh module, its parameters drawn from a generator in a fixed state. Raises what the constructor raises."""
        torch = loaded_torch()
        positional, named = self._arguments(self.sizes, values, "__init__")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return self.cls.type(*positional, **named).to(dtype)

    def plain(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """A value for each input of forward, integers without axes as Python's. Raises ``CannotBindError``."""
        found = {}
        for p in self.inputs:
            value = values.get(p.name, p.default)
            if value is MISSING:
                raise CannotBindError(f"no value for {p.name} of {self.cls.name}.forward")
            refuse_complex(p.name, value)
            if isinstance(value, np.ndarray | np.generic):
                array = np.asarray(value)
                value = array.item() if array.ndim == 0 and array.dtype.kind in "biu" else array
            found[p.name] = value
        return found

    def _arguments(
        self, parameters: Sequence[Parameter], values: Mapping[str, Any], where: str
    ) -> tuple[list[Any], dict[str, Any]]:
        positional, named = [], {}
        for p in parameters:
            value = values.get(p.name, p.default)
            if value is MISSING:
                raise CannotBindError(f"no value for {p.name} of {self.cls.name}.{where}")
            if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
                value = value.item()
            if p.keyword_only:
                named[p.name] = value
            else:
                positional.append(value)
        return positional, named

    def try_forward(self, values: Mapping[str, Any]) -> Any:
        """What forward of a fresh module gives, as arrays. Raises what it raises, or ``CannotBindError`` for a GPU."""
        plain = self.plain(values)
        run = self.run(plain, {}, self.dtype(values, plain), values, ())
        return run.outputs[0] if len(run.outputs) == 1 else run.outputs

    def dtype(self, values: Mapping[str, Any], plain: Mapping[str, Any]) -> Any:
        """float64, or float32 where forward takes only that. Raises what it raises with float64."""
        torch = loaded_torch()
        try:
            self.run(plain, {}, torch.float64, values, ())
        except Exception as error:
            refuse_gpu(f"{self.cls.name}.forward", error)
            if not is_about_precision(error):
                raise
            try:
                self.run(plain, {}, torch.float32, values, ())
            except Exception:
                raise error from None
            return torch.float32
        return torch.float64

    def bind(self, values: Mapping[str, Any]) -> Case:
        """The case of these values, and of the parameters as a fresh module draws them."""
        torch = loaded_torch()
        plain = self.plain(values)
        try:
            dtype = self.dtype(values, plain)
        except CannotBindError:
            raise
        except Exception:
            dtype = torch.float64  # The checker meets the same exception, and reports it with its traceback.
        weights = self._weights(values, dtype, plain)
        varying = {name: np.asarray(v) for name, v in plain.items() if isinstance(v, np.ndarray | np.generic)}
        wrt = (*(name for name, value in varying.items() if value.dtype.kind == "f"), *weights)
        if not wrt:
            raise CannotBindError(f"{self.cls.name} has neither parameters nor an input of floats to differentiate")
        places = {name: place for name, (place, _) in weights.items()}

        def start(at: Values) -> _Run:
            given = {name: at[name] if name in varying else value for name, value in plain.items()}
            return self.run(given, {places[name]: at[name] for name in places}, dtype, values, wrt)

        calling = Calling(start, f"{self.cls.name}(...)({', '.join(plain)}), gradients by torch.autograd")
        return Case(varying | {name: value for name, (_, value) in weights.items()}, wrt, (calling,))

    def _weights(self, values: Mapping[str, Any], dtype: Any, plain: Mapping[str, Any]) -> dict[str, tuple[str, Array]]:
        """The parameters of a fresh module that are differentiated: (name in the module, value) by the name to be shown, which
        has ``self.`` before it where an input is called the same."""
        found = {}
        for name, parameter in self.build(values, dtype).named_parameters():
            if parameter.requires_grad:
                reason = why_unsupported(parameter)
                if reason is not None:
                    raise CannotBindError(f"{name} of {self.cls.name}: {reason}")
                value = array_of(parameter).astype(np.float64)
                found[f"self.{name}" if name in plain else name] = (name, value)
        return found

    def run(
        self,
        given: Mapping[str, Any],
        weights: Mapping[str, Array],
        dtype: Any,
        values: Mapping[str, Any],
        wrt: Sequence[str],
    ) -> _Run:
        """Forward of a fresh module on these arrays. Raises what it raises."""
        torch = loaded_torch()
        module = self.build(values, dtype)
        for name, parameter in module.named_parameters():
            if torch.nn.parameter.is_lazy(parameter):
                raise CannotBindError(
                    f"{name} of {self.cls.name} has no shape before its first use, which is not supported"
                )
            if parameter.numel() == 0:
                raise ValueError(f"{name} of {self.cls.name} has no entries")
        leaves: dict[str, Any] = {}
        for name, parameter in module.named_parameters():
            if name in weights:
                parameter.data = tensor_of(weights[name], dtype)
                leaves[f"self.{name}" if name in given else name] = parameter
        arguments = dict(given)
        for name, value in given.items():
            if isinstance(value, np.ndarray | np.generic) and np.asarray(value).dtype.kind == "f":
                leaves[name] = tensor_of(value, dtype).requires_grad_()
                arguments[name] = leaves[name].clone()  # A leaf could not be changed in place, as modules do.
            elif isinstance(value, np.ndarray | np.generic):
                arguments[name] = tensor_of(value)
        positional, named = self._arguments(self.inputs, arguments, "forward")
        with one_thread(), torch.enable_grad():
            result = module(*positional, **named)
        outputs = [tensor for tensor in _tensors(result) if tensor.requires_grad]
        for tensor in outputs:
            reason = why_unsupported(tensor)
            if reason is not None:
                raise CannotBindError(f"{self.cls.name}.forward gives a tensor that cannot be checked: {reason}")
        if not outputs:
            raise CannotBindError(f"no output of {self.cls.name}.forward carries a gradient")
        return _Run(tuple(outputs), {name: leaves[name] for name in wrt})


class _Run:
    """One forward of a module."""

    def __init__(self, tensors: tuple[Any, ...], leaves: Mapping[str, Any]) -> None:
        self._tensors, self._leaves = tensors, leaves
        self.outputs: tuple[Array, ...] = tuple(array_of(tensor).copy() for tensor in tensors)

    @property
    def kept(self) -> Any:
        return None  # PyTorch's graph, which is not the user's.

    def backward(self, *upstream: Array) -> Mapping[str, Any]:
        torch = loaded_torch()
        handed = [tensor_of(array, tensor.dtype) for array, tensor in zip(upstream, self._tensors, strict=True)]
        before = [array_of(tensor).copy() for tensor in handed]
        for leaf in self._leaves.values():
            leaf.grad = None
        try:
            with one_thread():
                torch.autograd.backward(self._tensors, handed, retain_graph=True)
        finally:
            for tensor, array, old in zip(handed, upstream, before, strict=True):
                give_back(tensor, array, old)
        return {name: None if leaf.grad is None else array_of(leaf.grad) for name, leaf in self._leaves.items()}


def _tensors(result: Any) -> list[Any]:
    """The tensors of what forward gave: one, or those in tuples, lists and dictionaries, in order."""
    if loaded_torch().is_tensor(result):
        return [result]
    parts = result.values() if isinstance(result, dict) else result if isinstance(result, list | tuple) else ()
    return [tensor for part in parts for tensor in _tensors(part)]
