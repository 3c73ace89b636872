"""Tracing: a plain NumPy function, run once, becomes a graph whose nodes know the user's source line."""

from gradtool.tracing import moving, multiplying, reducing, ufuncs
from gradtool.tracing.array import TracedArray
from gradtool.tracing.errors import FunctionRaised, Untraceable
from gradtool.tracing.run import Traced, trace

RULES = (ufuncs, reducing, moving, multiplying)
"""The modules that enter their rules when they are imported."""

__all__ = ["RULES", "FunctionRaised", "Traced", "TracedArray", "Untraceable", "trace"]
