"""The smallest case that shows that a gradient is WRONG, and the pytest function that repeats it."""

from gradtool.minimal_case.case import MinimalCase, NotShownError
from gradtool.minimal_case.shrinking import shrink


__all__ = ["MinimalCase", "NotShownError", "shrink"]
