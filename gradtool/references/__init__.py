"""Independent opinions on a gradient: central differences that bound their own error, and SymPy's exact derivative."""

from gradtool.references.directional import Directional, directional, find_entry
from gradtool.references.formulas import Unsupported
from gradtool.references.graph_function import GraphFunction
from gradtool.references.numeric import Evaluable, FunctionEvaluable, Numeric, Samples, numeric_gradient
from gradtool.references.scalars import TooManyOperations
from gradtool.references.second_order import GradientFunction, SecondDerivatives, numeric_hessian, symbolic_hessian
from gradtool.references.symbolic import SymbolicResult, central_difference_exact, exact_run, symbolic_gradient

__all__ = [
    "Directional",
    "Evaluable",
    "FunctionEvaluable",
    "GradientFunction",
    "GraphFunction",
    "Numeric",
    "Samples",
    "SecondDerivatives",
    "SymbolicResult",
    "TooManyOperations",
    "Unsupported",
    "central_difference_exact",
    "directional",
    "exact_run",
    "find_entry",
    "numeric_gradient",
    "numeric_hessian",
    "symbolic_gradient",
    "symbolic_hessian",
]
