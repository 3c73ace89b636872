"""GC109: a factor of the chain missing.

What it means
    The gradient matches when one local derivative is left out: that of an activation, or the other factor of a product.
    Where forward can be traced, the message names the operation and its line.

Why it matters
    The chain rule multiplies local derivatives; without one of them the gradient has a plausible sign and size near 0 and is
    wrong where the activation saturates.

Example
    a = sigmoid(x @ W + b)
    dz = da                                 # should be da * a * (1 - a)

What to do
    Multiply by the derivative that is named. Where it is that of a rounding or a sign, which is 0, and the gradient is meant to
    go straight through, declare it: ``intentional = "why"`` in the configuration.
"""

from __future__ import annotations

from gradtool.diagnosis.chain import changed_rule
from gradtool.diagnosis.fitting import Evidence
from gradtool.diagnosis.monomials import missing_factor
from gradtool.diagnosis.products import confused_product
from gradtool.results import Cause


def find(evidence: Evidence) -> Cause | None:
    """Fits where leaving out a local derivative of the traced forward, or a factor of the Jacobian, gives the user's gradient."""
    if not evidence.usable or evidence.nearly_right:
        return None
    rule = changed_rule(evidence, "missing")
    if rule is not None:
        return Cause("GC109", rule.message, rule.fix, rule.file, rule.line, residual=rule.residual)
    product = confused_product(evidence)
    if product is not None and product.kind == "missing":
        message = f"lacks a factor: it is {product.yours} where {product.right} is right"
        return Cause("GC109", message, f"d_{evidence.name} = {product.right}", residual=product.residual)
    factor = missing_factor(evidence)
    if factor is not None and factor.is_missing:
        return Cause("GC109", factor.message, factor.fix, residual=factor.residual)
    return None
