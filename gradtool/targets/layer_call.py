"""How the methods of a layer are called: what forward gives, what backward takes, and what its ``return`` names.

A layer keeps in itself what it needs, so its backward most often takes the upstream gradient alone; but it may take forward's
inputs again, its output, a cache, a learning rate, or what it compares with, in any order.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gradtool.targets.backward_call import is_cache, is_upstream
from gradtool.targets.found import CannotBindError
from gradtool.targets.gradient_names import best, is_target, plain, stems
from gradtool.targets.object_state import is_float
from gradtool.targets.scope import MISSING, Class, Function, Parameter, Scope, own_nodes

LEARNING_RATES = frozenset({"lr", "learningrate", "learnrate", "eta", "stepsize"})
"""Names of learning rates, without capitals and underscores."""
OUTPUTS = (
    "output",
    "outputs",
    "out",
    "y",
    "Y",
    "a",
    "A",
    "z",
    "Z",
    "activation",
    "activations",
    "result",
    "loss",
    "value",
)
"""Attributes in which a forward that returns nothing leaves its output, the likeliest first."""
INPUT_WORDS = frozenset({"x", "input", "inputs", "inp", "data", "z", "u", "aprev"})
OUTPUT_WORDS = frozenset(
    {"output", "outputs", "out", "a", "s", "y", "ypred", "yhat", "activation", "activations", "result"}
)
"""By these names, without capitals and underscores, backward takes forward's only input, or its output."""

Role = Literal["upstream", "input", "output", "cache", "rate", "attribute", "value", "first"]


@dataclass(frozen=True, slots=True)
class Argument:
    """What a parameter of backward is handed: an upstream (``which`` counts them), the input, attribute or value of that
    name, an output, the cache, a learning rate, or forward's first input in place of an upstream ("first")."""

    parameter: Parameter
    role: Role
    which: Any = None


Arrangement = tuple[Argument, ...]


def upstreams(arrangement: Arrangement) -> int:
    """How many upstream gradients an arrangement takes."""
    return sum(argument.role == "upstream" for argument in arrangement)


def _is_rate(p: Parameter) -> bool:
    """Whether a parameter of backward is a learning rate; ``alpha`` is one only where it must be given."""
    short = plain(p.name)
    return short in LEARNING_RATES or (short in ("alpha", "rate") and p.default is MISSING)


def surely_upstream(name: str) -> bool:
    """Whether a parameter of backward of that name can only be the upstream gradient."""
    short = plain(name)
    if short in LEARNING_RATES or is_cache(name):
        return False
    known = is_upstream(name) or short.startswith(("dout", "gradout", "upstream", "nextgrad", "topdiff", "accumgrad"))
    return known or short in (
        "outputerror",
        "nexterror",
        "errors",
        "gradienttop",
        "gradtop",
        "dnext",
        "nextdelta",
        "eout",
    )


def arrangements(backward: Function, forward: Function, obj: object, returned: Sequence[Any]) -> list[Arrangement]:
    """The ways to hand backward what it takes, the likeliest first. ``returned`` is what forward returned, opened.

    Raises ``CannotBindError`` where a parameter is not understood.
    """
    inputs = {p.name for p in forward.parameters}
    target = next((p.name for p in forward.parameters if is_target(p.name)), None)
    open_ = [p for p in backward.parameters if not _settled(p, inputs, target, obj, returned)]
    sure = [p.name for p in open_ if surely_upstream(p.name) and p.name not in inputs]
    outputs = sum(1 for value in returned if is_output(value))
    if outputs > max(1, len(sure)):
        also = [p.name for p in open_ if p.default is MISSING and p.name not in sure and stems(p.name)]
        sure += also[: outputs - len(sure)]
    repeated = [p.name for p in backward.parameters if p.name in inputs and not is_target(p.name)]
    if sure:
        return [_arranged(backward, inputs, target, obj, returned, frozenset(sure))]
    only = backward.parameters[0] if len(backward.parameters) == 1 else None
    if only is not None and not is_target(only.name) and not _is_rate(only) and not is_cache(only.name):
        return _with_one(backward, forward, only, repeated)
    required = [p for p in open_ if p.default is MISSING]
    upstream = frozenset({required[0].name}) if required else frozenset()
    return [_arranged(backward, inputs, target, obj, returned, upstream)]


def _with_one(backward: Function, forward: Function, only: Parameter, repeated: Sequence[str]) -> list[Arrangement]:
    """The ways to call a backward with one parameter that is not named as an upstream gradient is: it is that, or where
    forward keeps nothing or the method is called a derivative it is rather forward's input, or its output."""
    upstream: Arrangement = (Argument(only, "upstream", 0),)
    plain_inputs = repeated or [p.name for p in forward.parameters if not is_target(p.name)]
    keeps = any(isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store) for n in own_nodes(forward.node))
    derivative = any(word in backward.name for word in ("grad", "deriv", "prime", "diff")) or backward.name in (
        "d",
        "df",
    )
    if len(plain_inputs) != 1 or (keeps and not derivative and not repeated):
        return [upstream]
    as_input: Arrangement = (Argument(only, "input", plain_inputs[0]),)
    as_output: Arrangement = (Argument(only, "output", 0),)
    if keeps and not derivative:
        return [upstream, as_input]
    found = [as_output, as_input] if plain(only.name) in OUTPUT_WORDS and not repeated else [as_input, as_output]
    return found if derivative and repeated else [*found, upstream]


def _settled(p: Parameter, inputs: set[str], target: str | None, obj: object, returned: Sequence[Any]) -> bool:
    """Whether the name of a parameter says that it is no upstream gradient."""
    if _is_rate(p) or p.name in inputs:
        return True
    if is_cache(p.name) and (len(returned) > 1 or p.default is not MISSING):
        return True
    if surely_upstream(p.name):
        return False
    if is_target(p.name) and target is not None:
        return True
    return p.default is not MISSING or plain(p.name) in OUTPUT_WORDS or hasattr(obj, p.name)


def _arranged(
    backward: Function, inputs: set[str], target: str | None, obj: object, returned: Sequence[Any], up: frozenset[str]
) -> Arrangement:
    found: list[Argument] = []
    for p in backward.parameters:
        if p.name in up:
            found.append(Argument(p, "upstream", sum(a.role == "upstream" for a in found)))
        elif p.name in inputs:
            found.append(Argument(p, "input", p.name))
        elif _is_rate(p):
            found.append(Argument(p, "rate"))
        elif is_cache(p.name) and len(returned) > 1:
            found.append(Argument(p, "cache"))
        elif p.default is not MISSING:
            continue
        elif is_target(p.name) and target is not None:
            found.append(Argument(p, "input", target))
        elif is_target(p.name) and not up:
            raise CannotBindError(
                f"{backward.name} takes {p.name} in place of an upstream gradient: the loss that it differentiates is not known"
            )
        elif plain(p.name) in OUTPUT_WORDS and not hasattr(obj, p.name):
            found.append(Argument(p, "output", 0))
        elif plain(p.name) in INPUT_WORDS and len(inputs) == 1:
            found.append(Argument(p, "input", next(iter(inputs))))
        elif hasattr(obj, p.name) and not callable(getattr(obj, p.name)):
            found.append(Argument(p, "attribute", p.name))
        else:
            found.append(Argument(p, "value", p.name))
    return tuple(found)


# What forward gives ----------------------------------------------------------------------------------------------------


def opened(returned: object) -> tuple[Any, ...]:
    """What forward returned, one by one."""
    return tuple(returned) if isinstance(returned, tuple | list) else (returned,)


def is_output(value: object) -> bool:
    """Whether an upstream gradient may be wanted for it."""
    return is_float(value) or (hasattr(value, "dtype") and getattr(value.dtype, "kind", "") == "f")


def output_attribute(forward: Function, obj: object) -> str | None:
    """The attribute in which a forward that returns nothing left its output; None where there is none."""
    names = [
        node.attr
        for node in own_nodes(forward.node)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    ]
    having = [name for name in names if is_output(getattr(obj, name, None))]
    for known in OUTPUTS[:3]:
        if known in having:
            return known
    return having[-1] if having else None


def differentiated(forward: Function, floats: Sequence[int], count: int, arrangement: Arrangement) -> tuple[int, ...]:
    """The positions, among the ``count`` values that forward returned, of those that the upstream gradients are of: by name
    (``dA`` of A in ``return Z, A``), or else the first ones of those at ``floats``."""
    names = [argument.parameter.name for argument in arrangement if argument.role == "upstream"]
    rows = [row for row in forward.returned if len(row) == count and all(row[k] is not None for k in floats)]
    if count > 1 and names and rows:
        by_name = [best(name, [str(rows[-1][k]) for k in floats]) for name in names]
        if None not in by_name and len(set(by_name)) == len(names):
            return tuple(list(rows[-1]).index(name) for name in by_name)
    return tuple(floats[: max(1, len(names))])


def mean_in_module(scope: Scope, forward: Function) -> bool:
    """Whether the module takes the mean of a call of a method named as forward is."""
    for node in ast.walk(scope.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("mean", "average"):
            for inner in ast.walk(node):
                if (
                    isinstance(inner, ast.Call)
                    and isinstance(inner.func, ast.Attribute)
                    and inner.func.attr == forward.name
                ):
                    return True
    return False


def mean_over_samples(owner: Class, forward: Function) -> bool:
    """Whether the class itself says that a loss is the mean of what forward gives: another method calls forward and
    ``mean``, as ``calculate`` of a base class does."""
    for method in owner.methods.values():
        if method.name == forward.name:
            continue
        calls = {ast.unparse(n.func) for n in own_nodes(method.node) if isinstance(n, ast.Call)}
        if f"self.{forward.name}" in calls and any(c.rpartition(".")[2] in ("mean", "average") for c in calls):
            return True
    return False


def uses(function: Function, name: str) -> bool:
    """Whether a function reads its parameter ``name``."""
    return any(
        isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load) for n in ast.walk(function.node)
    )


# What backward returns -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Piece:
    """One gradient among what backward returned: where it is, and what names it; ``keyed`` by a key rather than a variable."""

    where: tuple[Any, ...]
    name: str | None
    value: Any
    keyed: bool = False


Tree = str | None | list[Any] | dict[Any, Any]


def pieces(function: Function, returned: object) -> list[Piece]:
    """The gradients in what a backward returned, with the names that its source gives them."""
    trees = [
        _tree(n.value, function) for n in own_nodes(function.node) if isinstance(n, ast.Return) and n.value is not None
    ]
    fitting = [tree for tree in trees if _fits(tree, returned)]
    return list(_walk(returned, fitting[-1] if fitting else None, ()))


def _fits(tree: Tree, value: object) -> bool:
    if isinstance(tree, list):
        return isinstance(value, tuple | list) and len(value) == len(tree)
    return tree is not None


def _walk(value: object, tree: Tree, where: tuple[Any, ...], keyed: bool = False) -> Iterator[Piece]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(key, str):
                yield from _walk(item, key, (*where, key), keyed=True)
    elif isinstance(value, tuple | list):
        parts = tree if isinstance(tree, list) and len(tree) == len(value) else [None] * len(value)
        for i, (item, part) in enumerate(zip(value, parts, strict=True)):
            yield from _walk(item, part, (*where, i))
    elif value is None or is_output(value) or isinstance(value, np.ndarray | int):
        yield Piece(where, tree if isinstance(tree, str) else None, value, keyed)


def _tree(node: ast.expr, function: Function, depth: int = 0) -> Tree:
    if isinstance(node, ast.Tuple | ast.List):
        return [_tree(part, function, depth) for part in node.elts]
    if isinstance(node, ast.Name) and depth < 4:
        assigned = [
            n.value
            for n in own_nodes(function.node)
            if isinstance(n, ast.Assign) and any(isinstance(t, ast.Name) and t.id == node.id for t in n.targets)
        ]
        if len(assigned) == 1 and isinstance(assigned[0], ast.Tuple | ast.List) and assigned[0].elts:
            return _tree(assigned[0], function, depth + 1)
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr if node.attr != "T" else _tree(node.value, function, depth)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        return node.slice.value
    if isinstance(node, ast.UnaryOp):
        return _tree(node.operand, function, depth)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in ("reshape", "astype", "copy", "squeeze", "ravel", "flatten", "transpose"):
            inner = node.func.value
            if isinstance(inner, ast.Name) and inner.id in ("np", "numpy"):
                return _tree(node.args[0], function, depth) if node.args else None
            return _tree(inner, function, depth)
        if node.func.attr in ("array", "asarray") and node.args:
            return _tree(node.args[0], function, depth)
    return None


def take(returned: Any, where: tuple[Any, ...]) -> Any:
    """A piece of what backward returned; None where it is not there this time."""
    for step in where:
        try:
            returned = returned[step]
        except (LookupError, TypeError):
            return None
    return returned


def names_a_gradient(name: str) -> bool:
    """Whether a variable's name may be that of a gradient at all: not ``loss`` or ``self``."""
    return plain(name) not in ("loss", "cost", "self", "error_value", "acc", "accuracy") or bool(stems(name))
