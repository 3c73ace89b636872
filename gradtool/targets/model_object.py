"""Objects with a method for a value and one for its derivative by the same arguments: ``loglike`` and ``score``, ``f`` and
``grad``, ``evaluate`` and ``fit_deriv``.

The object is made by the user's own ``make_<name>()``, by a constructor without arguments, or from values for its arguments.
The derivative takes no upstream gradient most often: then it is a derivative entry by entry, one list entry for each argument,
or a Jacobian, as its shape says.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from gradtool.targets.backward_call import is_public, is_unwritten
from gradtool.targets.class_layer import found_of, is_foreign
from gradtool.targets.found import Found
from gradtool.targets.layer import Layer
from gradtool.targets.scope import Class, Function, Scope

CONVENTION = "object"

PAIRS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("loglike", ("score", "gradient", "grad")),
    ("log_likelihood", ("score", "gradient", "grad")),
    ("loglikelihood", ("score", "gradient", "grad")),
    ("nloglike", ("nscore",)),
    ("logp", ("dlogp", "score", "gradient", "grad")),
    ("logpdf", ("score", "gradient", "grad")),
    ("log_prob", ("score", "grad_log_prob", "gradient", "grad")),
    ("score", ("hessian", "hess", "information")),
    ("evaluate", ("fit_deriv", "gradient", "grad", "derivative", "jacobian")),
    ("f", ("gradient", "grad", "df", "fprime", "f_prime", "jac", "jacobian", "derivative")),
    ("fun", ("jac", "jacobian", "grad", "gradient")),
    ("func", ("jac", "jacobian", "grad", "gradient", "derivative", "fprime")),
    ("function", ("gradient", "jacobian", "derivative")),
    ("objective", ("gradient", "grad", "jac")),
    ("value", ("gradient", "grad", "derivative", "jacobian")),
    ("cost", ("gradient", "grad", "jac")),
    ("loss", ("gradient", "grad")),
    ("energy", ("gradient", "grad")),
    ("potential", ("gradient", "grad")),
    ("predict", ("jacobian", "jac")),
    ("residuals", ("jacobian", "jac")),
    ("residual", ("jacobian", "jac")),
    ("__call__", ("gradient", "grad", "jacobian", "jac", "derivative", "deriv")),
    ("gradient", ("hessian", "hess")),
    ("grad", ("hessian", "hess")),
    ("jac", ("hess", "hessian")),
    ("jacobian", ("hess", "hessian")),
    ("K", ("gradients_X",)),
)
"""Methods and those that may be their derivatives, the likeliest first."""


def find(scope: Scope, taken: frozenset[str]) -> Iterator[Found]:
    """The pairs of methods of classes that no other convention has taken."""
    for owner in scope.classes.values():
        if owner.name in taken or not is_public(owner.name) or inspect.isabstract(owner.type) or is_foreign(owner):
            continue
        used: set[str] = set()
        for forward, backward in _pairs(owner):
            if backward.name in used or is_unwritten(forward):
                continue
            used.add(backward.name)
            yield found_of(Layer(scope, owner, forward, backward), f"{owner.name}.{forward.name}", CONVENTION)


def _pairs(owner: Class) -> Iterator[tuple[Function, Function]]:
    methods = owner.methods
    for name, derivatives in PAIRS:
        for derivative in derivatives:
            if name in methods and derivative in methods and _belong(methods[name], methods[derivative]):
                yield methods[name], methods[derivative]
                break
    for name, method in methods.items():
        if name.startswith("_"):
            continue
        for spelling in (f"{name}_grad", f"{name}_gradient", f"grad_{name}", f"{name}_derivative", f"{name}_deriv",
                         f"{name}_der", f"{name}_prime", f"{name}_jacobian", f"{name}_jac", f"jac_{name}", f"d_{name}",
                         f"d{name}", f"{name}_backward", f"backward_{name}", f"gradient_{name}"):  # fmt: skip
            if spelling in methods and _belong(method, methods[spelling]):
                yield method, methods[spelling]
                break


def _belong(forward: Function, backward: Function) -> bool:
    """Whether the derivative takes forward's arguments, but for an upstream gradient before or after them."""
    names = [p.name for p in forward.parameters]
    if not names:
        return False
    others = [p.name for p in backward.parameters]
    rest = [name for name in others if name not in names]
    shared = len(others) - len(rest)
    upstream = [name for name in rest if re.match(r"(d|grad|g_|up)", name)]
    return shared >= 1 and len(rest) == len(upstream) <= 1
