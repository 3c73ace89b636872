"""The catalogue: every operation as a reader wants it, made from its declaration."""

from __future__ import annotations

from difflib import get_close_matches

from gradtool.charting import operation_chart
from gradtool.ops import CALLS, FAMILIES, REGISTRY, Operation
from gradtool.results import KinkEntry, OperationEntry

INFIX = {"u-": "-x", "[]": "x[index]"}
"""How operations are written that are neither calls nor stand between two operands."""


def list_operations() -> tuple[OperationEntry, ...]:
    """All operations, by families, without charts."""
    return tuple(_entry(operation, family) for family, operations in FAMILIES.items() for operation in operations)


def find_operations(name: str) -> tuple[OperationEntry, ...]:
    """What ``name`` stands for in a program, with a chart where there is one. ``max`` is two operations: elementwise over two or
    more arguments, and over axes of one. Raises ``KeyError`` with what was probably meant."""
    found = CALLS.get(name, [])
    written = [
        operation
        for operation in REGISTRY.values()
        if name and name in (operation.name, operation.operator) and operation not in found
    ]
    if name == "-":
        written.append(REGISTRY["negative"])
    operations = [*found, *written]
    if not operations:
        near = get_close_matches(name, [*CALLS, *REGISTRY], n=1)
        raise KeyError(
            f"there is no operation {name!r}; "
            + (f"did you mean {near[0]}?" if near else "`gradtool ops` lists them all")
        )
    family_of = {operation.name: family for family, members in FAMILIES.items() for operation in members}
    return tuple(_entry(operation, family_of[operation.name], chart=True) for operation in operations)


def _entry(operation: Operation, family: str, *, chart: bool = False) -> OperationEntry:
    return OperationEntry(
        name=operation.call or operation.name,
        family=family.replace("_", " "),
        signature=_signature(operation),
        formula=operation.formula,
        derivative=operation.derivative,
        elementwise=operation.elementwise,
        rules=() if operation.elementwise else _rules(operation),
        derivative_range=operation.derivative_range,
        kinks=tuple(KinkEntry(kink.where, kink.convention, kink.valid) for kink in operation.kinks),
        aliases=operation.aliases,
        source=operation.source,
        chart=operation_chart(operation.name) if chart else None,
    )


def _signature(operation: Operation) -> str:
    """How a program writes it: ``x @ y``, ``softmax(x, axis=-1)``."""
    names = [argument.name for argument in operation.arguments]
    if operation.operator:
        return INFIX.get(operation.operator) or f"{names[0]} {operation.operator} {names[1]}"
    arguments = [a.name if a.default is None else f"{a.name}={a.default:g}" for a in operation.arguments]
    if operation.variadic:
        arguments.append("...")
    for parameter in operation.parameters:
        shown = str(parameter.default).lower() if isinstance(parameter.default, bool) else str(parameter.default)
        name = f"'{parameter.name}'" if parameter.kind == "text" else parameter.name
        text = name if parameter.default is ... else f"{parameter.name}={shown}"
        arguments.insert(0, text) if parameter.kind == "text" else arguments.append(text)
    return f"{operation.call or operation.name}({', '.join(arguments)})"


def _rules(operation: Operation) -> tuple[tuple[str, str], ...]:
    """The vector-Jacobian products as text, where they do not depend on the arguments' shapes."""
    if callable(operation.rules):
        return ()
    labels = {argument.name: argument.name for argument in operation.arguments} | {"upstream": "upstream", "out": "out"}
    frozen = operation.frozen
    return tuple(
        (operation.arguments[i].name, rule.format_map(labels))
        for i, rule in enumerate(operation.rules)
        if i < len(operation.arguments) and i not in frozen
    )
