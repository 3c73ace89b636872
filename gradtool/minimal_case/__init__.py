"""The smallest case that shows that a gradient is WRONG, and the pytest function that repeats it."""

from gradtool.minimal_case.case import MinimalCase, NotShownError
from gradtool.minimal_case.shrinking import shrink
from gradtool.minimal_case.writing import reproduce

__all__ = ["MinimalCase", "NotShownError", "reproduce", "shrink"]
