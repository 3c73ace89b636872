"""What a backward says nothing about: inputs for which it returns the constant ``None``.

PyTorch and JAX ask for one gradient an input, so ``None`` stands for an input that is not meant to be differentiated
(labels, a mask, a setting) as well as for a gradient that was forgotten. A constant ``None`` in the source of every
``return`` and a name that labels and masks have together say the first; all else is left to be judged by its reference.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import lru_cache

from gradtool.targets.scope import own_nodes

_DATA = frozenset({
    "target", "targets", "label", "labels", "gt", "ground_truth", "truth", "y_true", "mask", "masks", "index", "indices", "idx",
    "lengths", "noise",
})  # fmt: skip
_ENDINGS = ("_target", "_targets", "_label", "_labels", "_mask", "_masks", "_index", "_indices", "_idx", "_true")
_PREDICTIONS = ("pred", "hat", "logit", "score", "prob", "output")


@lru_cache(maxsize=256)
def none_positions(backward: ast.FunctionDef, count: int) -> frozenset[int]:
    """The positions, of ``count``, at which every ``return`` has the constant ``None``. Remembered, as it is asked for at
    every forward, which it would make slower than what it runs."""
    returns = [node for node in own_nodes(backward) if isinstance(node, ast.Return)]
    found = frozenset(range(count)) if returns else frozenset()
    for node in returns:
        elements = [None] * count if node.value is None else _elements(node.value, count)
        found &= {k for k, element in enumerate(elements[:count]) if element is None or _is_none(element)}
    return found


def is_data(name: str, others: Sequence[str]) -> bool:
    """Whether an input of that name is labels, a mask or the like: ``y`` is where another one is a prediction."""
    low = name.lower()
    if low in ("y", "t"):
        return any(mark in other.lower() for other in others if other != name for mark in _PREDICTIONS)
    return low in _DATA or low.endswith(_ENDINGS)


def _elements(value: ast.expr, count: int) -> list[ast.expr | None]:
    """The elements of ``(a, b) + (None,) * 3`` and ``a, *[None] * 3``; what cannot be read is itself one element."""
    if isinstance(value, ast.Tuple | ast.List):
        return [part for element in value.elts for part in _elements_of(element, count)]
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        return _elements(value.left, count) + _elements(value.right, count)
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult) and isinstance(value.left, ast.Tuple | ast.List):
        times = value.right.value if isinstance(value.right, ast.Constant) else count
        return _elements(value.left, count) * (times if isinstance(times, int) else count)
    if _is_none(value):
        return [None] * count
    return [value]


def _elements_of(element: ast.expr, count: int) -> list[ast.expr | None]:
    return _elements(element.value, count) if isinstance(element, ast.Starred) else [element]


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
