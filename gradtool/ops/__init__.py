"""Every operation, one declaration each, in families: a module a family.

``REGISTRY`` finds an operation by name, ``CALLS`` by what a program writes, ``FAMILIES`` by module.
"""

from importlib import import_module

from gradtool.ops.operation import (
    CALLS,
    REGISTRY,
    Argument,
    Array,
    Case,
    Kink,
    Operation,
    OperationError,
    Parameter,
    Resolved,
    ScalarForm,
    broadcast,
    declare,
    show_shape,
)

FAMILIES: dict[str, list[Operation]] = {}
"""The operations of each family, in the order in which they are declared and shown."""

for _family in (  # A family may build on those before it.
    "arithmetic",
    "elementary",
    "selection",
    "activations",
    "reductions",
    "linear_algebra",
    "contraction",
    "shaping",
    "softmax",
    "attention",
    "losses",
    "normalization",
    "convolution",
):
    _before = set(REGISTRY)
    import_module(f"gradtool.ops.{_family}")
    FAMILIES[_family] = [operation for name, operation in REGISTRY.items() if name not in _before]

__all__ = [
    "CALLS",
    "FAMILIES",
    "REGISTRY",
    "Argument",
    "Array",
    "Case",
    "Kink",
    "Operation",
    "OperationError",
    "Parameter",
    "Resolved",
    "ScalarForm",
    "broadcast",
    "declare",
    "show_shape",
]
