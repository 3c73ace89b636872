"""Finding hand-written gradients, whatever convention they follow, and making inputs for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module

from gradtool.targets.found import Found
from gradtool.targets.scope import Scope

CONVENTIONS = (
    "torch_function",
    "torch_module",
    "jax_custom",
    "context_function",
    "forward_backward_pair",
    "class_layer",
    "derivative_pair",
    "value_and_gradient",
    "callback",
    "model_object",
)
"""The modules of this package that each find one convention, in order of certainty: what one takes, later ones leave alone."""

_NAMED_FREELY = ("torch-function", "torch-module", "jax-custom-derivative")
"""Conventions that a library's own class or decorator marks: a private name (``_LinearFunction``) is usual there, and says
nothing against it."""

Finder = Callable[[Scope, frozenset[str]], Iterator[Found]]


def find_targets(scope: Scope) -> list[Found]:
    """All hand-written gradients of a module, by the line of their backward. Their names are unique.

    What is called ``test_...`` or ``check_...`` is left out, and what is private unless a library marks it as a gradient.
    """
    found: list[Found] = []
    taken: frozenset[str] = frozenset()
    for name in CONVENTIONS:
        finder: Finder = import_module(f"{__name__}.{name}").find
        for one in finder(scope, taken):
            taken |= one.uses
            parts = (one.name, one.forward, one.backward)
            if not any(_is_left_out(part, private=one.convention not in _NAMED_FREELY) for part in parts):
                found.append(one)
    found.sort(key=lambda one: one.line)
    return _with_unique_names(found)


def _is_left_out(name: str, *, private: bool) -> bool:
    """``private``: whether that alone is a reason."""
    first = name.partition(".")[0]
    return first.startswith(("test_", "check_")) or (private and first.startswith("_"))


def _with_unique_names(found: list[Found]) -> list[Found]:
    """``relu``, ``relu#2``: a function and a class may share a name."""
    counts: dict[str, int] = {}
    unique = []
    for one in found:
        counts[one.name] = counts.get(one.name, 0) + 1
        number = counts[one.name]
        unique.append(one if number == 1 else replace(one, name=f"{one.name}#{number}"))
    return unique
