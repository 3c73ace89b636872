"""gradtool: see every gradient of a computation, and check the ones written by hand.

>>> import gradtool
>>> graph = gradtool.parse("(x+y)*max(y,z)")
>>> gradtool.evaluate(graph, {"x": 1, "y": 2, "z": 0})["y"].gradient
5.0

The names below are loaded when they are first used, so that ``import gradtool`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradtool.asserting import assert_gradients as assert_gradients
    from gradtool.catalogue import find_operations as find_operations
    from gradtool.catalogue import list_operations as list_operations
    from gradtool.charting import gradient_norms as gradient_norms
    from gradtool.charting import step_errors as step_errors
    from gradtool.charting import sweep as sweep
    from gradtool.checking import GradientError as GradientError
    from gradtool.checking import Settings as Settings
    from gradtool.checking import check as check
    from gradtool.checking import check_jacobian as check_jacobian
    from gradtool.checking import check_target as check_target
    from gradtool.checking import check_value_and_grad as check_value_and_grad
    from gradtool.diagnosis import HEALTH_RULES as HEALTH_RULES
    from gradtool.diagnosis.explaining import codes as codes
    from gradtool.diagnosis.explaining import explain as explain
    from gradtool.difference import compare as compare
    from gradtool.drawing import draw as draw
    from gradtool.evaluation import InputError as InputError
    from gradtool.evaluation import evaluate as evaluate
    from gradtool.evaluation import hessian as hessian
    from gradtool.evaluation import hessian_vector_product as hessian_vector_product
    from gradtool.evaluation import jvp as jvp
    from gradtool.evaluation import numeric_gradient as numeric_gradient
    from gradtool.evaluation import value_and_gradient as value_and_gradient
    from gradtool.graph import Graph as Graph
    from gradtool.language import InputFileError as InputFileError
    from gradtool.language import InputValue as InputValue
    from gradtool.language import SourceError as SourceError
    from gradtool.language import parse as parse
    from gradtool.language import parse_value as parse_value
    from gradtool.language import read_inputs as read_inputs
    from gradtool.ops import OperationError as OperationError
    from gradtool.results import CheckReport as CheckReport
    from gradtool.results import EvaluationResult as EvaluationResult
    from gradtool.results import GraphDifference as GraphDifference
    from gradtool.results import GraphResult as GraphResult
    from gradtool.results import Hessian as Hessian
    from gradtool.results import Outcome as Outcome
    from gradtool.results import TargetResult as TargetResult
    from gradtool.results import Verdict as Verdict
    from gradtool.targets.loaded_target import LoadedTarget as LoadedTarget
    from gradtool.targets.loaded_target import load_target as load_target
    from gradtool.traced_function import ArgumentsError as ArgumentsError
    from gradtool.traced_function import trace as trace
    from gradtool.tracing import FunctionRaised as FunctionRaised
    from gradtool.tracing import Untraceable as Untraceable

__version__ = "0.1.0"

_HOMES = {
    "ArgumentsError": "gradtool.traced_function",
    "CheckReport": "gradtool.results",
    "EvaluationResult": "gradtool.results",
    "GradientError": "gradtool.checking",
    "HEALTH_RULES": "gradtool.diagnosis",
    "FunctionRaised": "gradtool.tracing",
    "Graph": "gradtool.graph",
    "GraphDifference": "gradtool.results",
    "GraphResult": "gradtool.results",
    "Hessian": "gradtool.results",
    "InputError": "gradtool.evaluation",
    "InputFileError": "gradtool.language",
    "InputValue": "gradtool.language",
    "LoadedTarget": "gradtool.targets.loaded_target",
    "OperationError": "gradtool.ops",
    "Outcome": "gradtool.results",
    "Settings": "gradtool.checking",
    "SourceError": "gradtool.language",
    "TargetResult": "gradtool.results",
    "Untraceable": "gradtool.tracing",
    "Verdict": "gradtool.results",
    "assert_gradients": "gradtool.asserting",
    "check": "gradtool.checking",
    "check_jacobian": "gradtool.checking",
    "check_target": "gradtool.checking",
    "check_value_and_grad": "gradtool.checking",
    "codes": "gradtool.diagnosis.explaining",
    "compare": "gradtool.difference",
    "draw": "gradtool.drawing",
    "evaluate": "gradtool.evaluation",
    "explain": "gradtool.diagnosis.explaining",
    "hessian": "gradtool.evaluation",
    "hessian_vector_product": "gradtool.evaluation",
    "jvp": "gradtool.evaluation",
    "find_operations": "gradtool.catalogue",
    "gradient_norms": "gradtool.charting",
    "list_operations": "gradtool.catalogue",
    "load_target": "gradtool.targets.loaded_target",
    "numeric_gradient": "gradtool.evaluation",
    "parse": "gradtool.language",
    "parse_value": "gradtool.language",
    "read_inputs": "gradtool.language",
    "step_errors": "gradtool.charting",
    "sweep": "gradtool.charting",
    "trace": "gradtool.traced_function",
    "value_and_gradient": "gradtool.evaluation",
}

__all__ = [
    "HEALTH_RULES",
    "ArgumentsError",
    "CheckReport",
    "EvaluationResult",
    "FunctionRaised",
    "GradientError",
    "Graph",
    "GraphDifference",
    "GraphResult",
    "Hessian",
    "InputError",
    "InputFileError",
    "InputValue",
    "LoadedTarget",
    "OperationError",
    "Outcome",
    "Settings",
    "SourceError",
    "TargetResult",
    "Untraceable",
    "Verdict",
    "__version__",
    "assert_gradients",
    "check",
    "check_jacobian",
    "check_target",
    "check_value_and_grad",
    "codes",
    "compare",
    "draw",
    "evaluate",
    "explain",
    "find_operations",
    "gradient_norms",
    "hessian",
    "hessian_vector_product",
    "jvp",
    "list_operations",
    "load_target",
    "numeric_gradient",
    "parse",
    "parse_value",
    "read_inputs",
    "step_errors",
    "sweep",
    "trace",
    "value_and_gradient",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
