"""Classes with a forward and a backward method: layers, gates, losses, networks.

The object is built once from its constructor and deep-copied for every evaluation. Its float parameters are inputs of their
own. A gradient is what backward returns (for forward's inputs), what it leaves in ``self.dW``, ``self.grads["W"]``,
``W.grad`` and the like (for parameters and inputs, by name), or what it subtracts from a parameter that it updates itself.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator

from gradtool.targets.backward_call import is_public, is_unwritten
from gradtool.targets.found import Found
from gradtool.targets.layer import Layer
from gradtool.targets.layer_binding import case_of
from gradtool.targets.scope import Class, Function, Scope

CONVENTION = "class"

PAIRS = tuple(
    (forward, backward)
    for forwards, backwards in (
        (("forward", "__call__", "call"), ("backward", "backwards", "bwd", "backprop", "backpropagate", "backward_pass")),
        (("forward_pass",), ("backward_pass", "backward")),
        (("fprop", "fwd"), ("bprop", "bwd")),
        (("forward_prop", "forward_propagation", "forward_propagate", "forwardprop", "forwardpropagation", "propagate",
          "feedforward", "feed_forward"),
         ("backward_prop", "backward_propagation", "backward_propagate", "back_propagation", "back_prop", "backprop",
          "backpropagate", "backpropagation", "backwardprop", "back_propagate", "backward")),
        (("compute", "apply", "evaluate", "activate", "activation", "function", "func", "forward", "__call__", "call"),
         ("gradient", "grad", "derivative", "deriv", "derive", "prime", "backward", "d", "diff", "dfunc")),
        (("loss", "cost", "calculate", "compute_loss", "compute_cost"),
         ("gradient", "grad", "gradients", "compute_gradient", "compute_gradients", "backward", "derivative", "loss_grad",
          "loss_gradient", "loss_derivative", "loss_prime", "backward_pass")),
    )
    for forward in forwards
    for backward in backwards
)  # fmt: skip
"""The names of methods that belong together, the surest first."""
BOTH_IN_ONE = ("loss", "loss_and_grad", "loss_and_gradient", "loss_and_gradients", "compute_loss", "cost", "loss_grad")
"""Methods that may return (loss, gradients) at once."""
_CONTEXTS = frozenset({"ctx", "context"})
_FOREIGN = frozenset({"torch", "tensorflow", "keras", "jax", "flax", "unittest"})


def find(scope: Scope, taken: frozenset[str]) -> Iterator[Found]:
    """The classes of a module that have a forward and a backward."""
    for owner in scope.classes.values():
        if owner.name in taken or not is_public(owner.name) or inspect.isabstract(owner.type):
            continue
        if is_foreign(owner):
            continue
        pair = _pair(owner)
        if pair is None:
            continue
        forward, backward = pair
        if is_unwritten(forward):
            continue
        yield found_of(Layer(scope, owner, forward, backward, forward is backward), owner.name, CONVENTION)


def is_foreign(owner: Class) -> bool:
    """Whether a class is of a library that differentiates by itself, such as a ``torch.nn.Module``."""
    return any(base.__module__.partition(".")[0] in _FOREIGN for base in owner.type.__mro__)


def _pair(owner: Class) -> tuple[Function, Function] | None:
    for one, other in PAIRS:
        if one in owner.methods and other in owner.methods:
            forward, backward = owner.methods[one], owner.methods[other]
            if _first_is_context(forward) and _first_is_context(backward):
                return None
            if one == "__call__" and "forward" in owner.methods:
                continue
            return forward, backward
    for name in BOTH_IN_ONE:
        method = owner.methods.get(name)
        if method is not None and _returns_gradients(method):
            return method, method
    return None


def _first_is_context(function: Function) -> bool:
    return bool(function.parameters) and function.parameters[0].name in _CONTEXTS


def _returns_gradients(method: Function) -> bool:
    """Whether it returns a loss and, beside it, what is named as gradients are."""
    return any(
        len(row) == 2 and row[1] is not None and bool(re.match(r"_*d?grad", row[1]) or row[1].startswith("d"))
        for row in method.returned
    )


def found_of(layer: Layer, name: str, convention: str) -> Found:
    """A layer as something to check."""
    owner = layer.owner.name
    skip = None
    if is_unwritten(layer.backward):
        skip = f"{owner}.{layer.backward.name} is not implemented"
    return Found(
        name=name,
        convention=convention,
        forward=f"{owner}.{layer.forward.name}",
        backward=f"{owner}.{layer.backward.name}",
        line=layer.backward.line,
        parameters=layer.parameters,
        docstrings=tuple(
            text
            for text in (
                layer.backward.docstring,
                layer.forward.docstring,
                layer.owner.methods["__init__"].docstring if "__init__" in layer.owner.methods else "",
                layer.owner.docstring,
            )
            if text
        ),
        try_forward=layer.try_forward,
        bind=lambda values: case_of(layer, values),
        uses=frozenset({owner}),
        construction=frozenset(p.name for p in layer.construction) - {p.name for p in layer.forward.parameters},
        scalar=_is_scalar(layer),
        skip=skip,
    )


def _is_scalar(layer: Layer) -> bool:
    """Forward computes with ``math``, or with functions imported from it, and not with NumPy."""
    from_math = {
        alias.asname or alias.name
        for node in ast.walk(layer.scope.tree)
        if isinstance(node, ast.ImportFrom) and node.module == "math"
        for alias in node.names
    }
    names = {n.id for n in ast.walk(layer.forward.node) if isinstance(n, ast.Name)}
    return bool(names & (from_math | {"math"})) and not names & {"np", "numpy"}
