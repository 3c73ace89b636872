"""Forward and backward over a graph: values, gradients, and the two on every edge."""

from gradtool.autodiff.backward import Gradients, backward, edges
from gradtool.autodiff.batch import decided_by_tied_conditions, run_batch
from gradtool.autodiff.forward import forward
from gradtool.autodiff.influence import Changes, Influence
from gradtool.autodiff.micro_batches import accumulate
from gradtool.autodiff.plan import Plan, make_plan
from gradtool.autodiff.rounding import Rounding
from gradtool.autodiff.second_order import SecondOrder

__all__ = [
    "Changes",
    "Gradients",
    "Influence",
    "Plan",
    "Rounding",
    "SecondOrder",
    "accumulate",
    "backward",
    "decided_by_tied_conditions",
    "edges",
    "forward",
    "make_plan",
    "run_batch",
]
