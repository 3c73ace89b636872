"""GC110: a local derivative taken at the wrong value.

What it means
    The gradient matches when one local derivative is taken at another value: at the output in place of the input (or the
    reverse), at another variable; when it has the wrong power; or when it is applied twice. Where forward can be
    traced, the message names the operation and its line.

Why it matters
    ``s * (1 - s)`` is the derivative of sigmoid for its output s. Called with the input it runs as well, and is wrong.

Example
    def sigmoid_backward(dout, x):          # x is the input
        return dout * x * (1 - x)           # should be s * (1 - s) with s = sigmoid(x)

What to do
    Take the derivative at the value that is named. If the formula is for the output, keep the output in forward.
"""

from __future__ import annotations

from gradtool.diagnosis.chain import changed_rule, other_value
from gradtool.diagnosis.fitting import Evidence, Look, Pair, largest
from gradtool.diagnosis.monomials import missing_factor
from gradtool.diagnosis.products import confused_product
from gradtool.results import Cause


def find(evidence: Evidence) -> Cause | None:
    """Fits where a local derivative at another value, or another power of a factor, gives the user's gradient."""
    if not evidence.usable or evidence.nearly_right:
        return None
    rule = changed_rule(evidence, "wrong")
    if rule is not None:
        return Cause("GC110", rule.message, rule.fix, rule.file, rule.line, residual=rule.residual)
    other = other_value(evidence)
    if other is not None:
        return Cause("GC110", other.message, other.fix, other.file, other.line, residual=other.residual)
    product = confused_product(evidence)
    if product is not None:
        return Cause(
            "GC110",
            f"is {product.yours} where {product.right} is right",
            f"d_{evidence.name} = {product.right}",
            residual=product.residual,
        )
    factor = missing_factor(evidence)
    if factor is not None:
        return Cause("GC110", factor.message, factor.fix, residual=factor.residual)
    residual = evidence.fit(lambda look: _squared(evidence, look))
    if residual is not None:
        message = "has the upstream gradient squared: it is multiplied by it twice"
        return Cause("GC110", message, "multiply by the upstream gradient once", residual=residual)
    return None


def _squared(evidence: Evidence, look: Look) -> Pair | None:
    upstream = evidence.upstream(look)
    if not evidence.suspect.passes_upstream or largest(upstream) == 0:
        return None
    return evidence.pulled(look, upstream**2)
