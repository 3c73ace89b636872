"""GC112: right in one region, wrong in another.

What it means
    The gradient is right wherever a value (the input, the output, the upstream gradient, an inner value of a traced forward)
    lies on one side of a bound, and wrong on the other. The message names the region and what the gradient is there.

Why it matters
    A branch of forward is missing in backward, or a mask is turned round. A test at positive inputs never sees it.

Example
    def leaky_relu_backward(dout, x):
        return dout * (x > 0)               # wrong for x < 0: should be dout * np.where(x > 0, 1, 0.1)

What to do
    Treat the region that is named: every branch, clip and mask of forward needs its own derivative.
"""

from __future__ import annotations

from gradtool.diagnosis.chain import changed_rule
from gradtool.diagnosis.fitting import Evidence
from gradtool.diagnosis.inner_regions import inner_region
from gradtool.diagnosis.regions import wrong_region
from gradtool.results import Cause


def find(evidence: Evidence) -> Cause | None:
    """Fits where a bound on one value parts the wrong entries from the right ones."""
    if not evidence.usable or evidence.nearly_right:
        return None
    region = wrong_region(evidence)
    if region is not None:
        message = f"is wrong where {region.where}, right elsewhere: {region.there}"
        return Cause("GC112", message, f"treat {region.where} on its own in backward")
    rule = changed_rule(evidence, "region")
    if rule is not None:
        return Cause("GC112", rule.message, rule.fix, rule.file, rule.line, residual=rule.residual)
    inner = inner_region(evidence)
    if inner is not None:
        message = f"is wrong where {inner.where}, right elsewhere: {inner.there}"
        return Cause("GC112", message, f"treat {inner.where} in backward as forward does", inner.file, inner.line)
    return None
