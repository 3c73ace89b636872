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
    from gradtool.checking import GradientError as GradientError
    from gradtool.checking import Settings as Settings
    from gradtool.checking import check as check
    from gradtool.checking import check_jacobian as check_jacobian
    from gradtool.checking import check_target as check_target
    from gradtool.checking import check_value_and_grad as check_value_and_grad
    from gradtool.diagnosis import HEALTH_RULES as HEALTH_RULES
    from gradtool.drawing import draw as draw
    from gradtool.diagnosis.explaining import codes as codes
    from gradtool.diagnosis.explaining import explain as explain
    from gradtool.evaluation import InputError as InputError
    from gradtool.evaluation import evaluate as evaluate
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
    from gradtool.results import GraphResult as GraphResult
    from gradtool.results import Outcome as Outcome
    from gradtool.results import TargetResult as TargetResult
    from gradtool.results import Verdict as Verdict
    from gradtool.targets.loaded_target import LoadedTarget as LoadedTarget
    from gradtool.targets.loaded_target import load_target as load_target
    from gradtool.traced_function import trace as trace
    from gradtool.tracing import Untraceable as Untraceable

__version__ = "0.1.0"

_HOMES = {
    "CheckReport": "gradtool.results",
    "EvaluationResult": "gradtool.results",
    "GradientError": "gradtool.checking",
    "HEALTH_RULES": "gradtool.diagnosis",
    "Graph": "gradtool.graph",
    "GraphResult": "gradtool.results",
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
    "draw": "gradtool.drawing",
    "evaluate": "gradtool.evaluation",
    "explain": "gradtool.diagnosis.explaining",
    "load_target": "gradtool.targets.loaded_target",
    "numeric_gradient": "gradtool.evaluation",
    "parse": "gradtool.language",
    "parse_value": "gradtool.language",
    "read_inputs": "gradtool.language",
    "trace": "gradtool.traced_function",
    "value_and_gradient": "gradtool.evaluation",
}

__all__ = [
    "HEALTH_RULES",
    "CheckReport",
    "EvaluationResult",
    "GradientError",
    "Graph",
    "GraphResult",
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
    "draw",
    "evaluate",
    "explain",
    "load_target",
    "numeric_gradient",
    "parse",
    "parse_value",
    "read_inputs",
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
