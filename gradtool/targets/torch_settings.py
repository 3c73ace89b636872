"""Which parameters of a custom PyTorch function are settings: numbers that it keeps, rather than tensors."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from gradtool.targets.returned_none import none_positions
from gradtool.targets.scope import Class, Function, own_nodes


def number_parameters(cls: Class, backward: Function, names: Sequence[str]) -> frozenset[str]:
    """The parameters that the source treats as numbers.

    ``backward`` has the constant None for them; forward keeps them as ``ctx.alpha = alpha`` and not by ``save_for_backward``,
    the way PyTorch wants its tensors kept, and nowhere uses them as only tensors can be used.
    """
    silent = none_positions(backward.node, len(names))
    kept: set[str] = set()
    as_tensors: set[str] = set()
    for method in (cls.methods["forward"], cls.methods.get("setup_context")):
        if method is None:
            continue
        nodes = list(own_nodes(method.node))
        meaning = {name: name for name in names}
        if method.name == "setup_context":
            meaning, attributes = _taken_apart(nodes, method, names)
            kept |= attributes
        for node in nodes:
            if isinstance(node, ast.Assign):
                kept |= {
                    meaning[value.id]
                    for place, value in _assigned(node)
                    if isinstance(place, ast.Attribute) and isinstance(value, ast.Name) and value.id in meaning
                }
            as_tensors |= {
                meaning[part.id] for part in _tensors(node) if isinstance(part, ast.Name) and part.id in meaning
            }
    return frozenset(names[k] for k in silent if names[k] in kept - as_tensors)


def _taken_apart(nodes: Sequence[ast.AST], method: Function, names: Sequence[str]) -> tuple[dict[str, str], set[str]]:
    """What the inputs of ``setup_context(ctx, inputs, output)`` are called there, and which go straight to ``ctx``:
    ``x, ctx.alpha = inputs``."""
    packed = method.parameters[1].name if len(method.parameters) > 1 else ""
    meaning: dict[str, str] = {}
    attributes: set[str] = set()
    for node in nodes:
        for place, value in _assigned(node) if isinstance(node, ast.Assign) else ():
            if isinstance(place, ast.Tuple) and isinstance(value, ast.Name) and value.id == packed:
                for part, name in zip(place.elts, names, strict=False):
                    if isinstance(part, ast.Name):
                        meaning[part.id] = name
                    elif isinstance(part, ast.Attribute):
                        attributes.add(name)
    return meaning, attributes


def _assigned(node: ast.Assign) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Every place that is assigned to, with its value: ``a, b = c, d`` is two."""
    for target in node.targets:
        if (
            isinstance(target, ast.Tuple)
            and isinstance(node.value, ast.Tuple)
            and len(target.elts) == len(node.value.elts)
        ):
            yield from zip(target.elts, node.value.elts, strict=True)
        else:
            yield target, node.value


def _tensors(node: ast.AST) -> Sequence[ast.expr]:
    """What this node uses as a tensor: saves, multiplies as a matrix, or asks for an attribute (``w.t()``)."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "save_for_backward":
        return node.args
    if isinstance(node, ast.Attribute):
        return [node.value]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return [node.left, node.right]
    return ()
